"""The planner against sets of prefixes."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracles.tries import fewest_tokens, prefix_of_node
from safetyrepro.backends.prefix import (
    RowCost,
    Scorable,
    as_key,
    count_tokens,
    cut_chains,
    cut_rows,
    joined_rows,
    plan_prefixes,
    sees,
)

FREE = RowCost(fixed=1e9, pair=1.0, longest=10_000, heads=10_000)


@st.composite
def scorables(draw, largest=3):
    ids = draw(st.lists(st.integers(0, largest), min_size=2, max_size=9))
    return Scorable(tuple(ids), draw(st.integers(1, len(ids) - 1)))


many = st.lists(scorables(), max_size=14)
costs = st.builds(
    RowCost,
    fixed=st.floats(0.1, 500),
    pair=st.just(1.0),
    longest=st.integers(1, 12),
    heads=st.integers(1, 12),
)


@given(many)
def test_the_number_of_tokens_is_the_number_of_distinct_prefixes(sequences):
    plan = plan_prefixes(sequences)
    inputs = [sequence.ids[:-1] for sequence in sequences]
    assert len(plan.tokens) == plan.counts.limit == fewest_tokens(inputs)
    assert plan.counts.naive == sum(map(len, inputs))
    assert plan.counts.unique == sum(map(len, set(inputs)))
    assert count_tokens(sequences) == plan.counts


@given(many)
def test_each_token_stands_for_one_prefix_at_its_depth(sequences):
    plan = plan_prefixes(sequences)
    prefixes = [prefix_of_node(plan.tokens, plan.depth, index) for index in range(len(plan.tokens))]
    inputs = [sequence.ids[:-1] for sequence in sequences]
    assert set(prefixes) == {ids[:length] for ids in inputs for length in range(1, len(ids) + 1)}
    assert [len(prefix) - 1 for prefix in prefixes] == plan.depth.tolist()


@given(many)
def test_a_token_sees_exactly_the_prefixes_of_its_own(sequences):
    plan = plan_prefixes(sequences)
    prefixes = [prefix_of_node(plan.tokens, plan.depth, index) for index in range(len(plan.tokens))]
    seen = sees(plan, np.zeros(0, dtype=np.int64), 0, len(prefixes))
    expected = [[own[: len(other)] == other for other in prefixes] for own in prefixes]
    assert seen.tolist() == expected


@given(many)
def test_each_scored_token_is_read_behind_the_prefix_before_it(sequences):
    plan = plan_prefixes(sequences)
    for index, sequence in enumerate(sequences):
        reads = range(plan.offsets[index], plan.offsets[index + 1])
        assert len(reads) == sequence.n_scored
        for place, read in zip(range(len(sequence.ids) - sequence.n_scored, len(sequence.ids)), reads, strict=True):
            assert prefix_of_node(plan.tokens, plan.depth, plan.read_at[read]) == sequence.ids[:place]
            assert plan.targets[read] == sequence.ids[place]
        assert plan.last[index] == max(plan.read_at[read] for read in reads)


@given(many, costs)
def test_rows_hold_every_token_once_and_keep_their_limits(sequences, cost):
    plan = plan_prefixes(sequences)
    read = set(plan.read_at.tolist())
    for cuts in (cut_rows(plan, cost).tolist(), cut_chains(plan, cost).tolist()):
        assert cuts[0] == 0
        assert cuts[-1] == len(plan.tokens)
        assert cuts == sorted(set(cuts))
        for start, stop in pairwise(cuts):
            assert stop - start <= cost.longest
            assert len(read & set(range(start, stop))) <= cost.heads


@given(many, costs)
def test_a_chain_is_a_stretch_of_one_sequence(sequences, cost):
    plan = plan_prefixes(sequences)
    cuts = cut_chains(plan, cost).tolist()
    for start, stop in pairwise(cuts):
        assert plan.depth[start:stop].tolist() == list(range(plan.depth[start], plan.depth[start] + stop - start))


@given(many, costs)
def test_what_a_row_needs_of_the_past_is_as_long_as_its_first_token_is_deep(sequences, cost):
    plan = plan_prefixes(sequences)
    past = np.zeros(0, dtype=np.int64)
    cuts = cut_rows(plan, cost).tolist()
    for start, stop in pairwise(cuts):
        assert len(past) == plan.depth[start]
        seen = sees(plan, past, start, stop)
        assert seen.sum(axis=1).tolist() == (plan.depth[start:stop] + 1).tolist(), "its ancestors and itself, no more, no less"
        known = np.concatenate([past, np.arange(start, stop)])
        past = known[plan.end[known] > stop]
    assert len(past) == 0


@given(many, costs, costs)
def test_joined_rows_are_the_longest_within_their_limits(sequences, inner, cost):
    plan = plan_prefixes(sequences)
    read = set(plan.read_at.tolist())
    cuts = cut_rows(plan, inner).tolist()
    joined = joined_rows(plan, np.array(cuts), cost).tolist()
    assert set(joined) <= set(cuts)
    assert joined[0] == 0
    assert joined[-1] == len(plan.tokens)

    def allowed(start, stop):
        return stop - start <= cost.longest and len(read & set(range(start, stop))) <= cost.heads

    for start, stop in pairwise(joined):
        following = next((cut for cut in cuts if cut > stop), None)
        assert allowed(start, stop) or cuts.index(stop) == cuts.index(start) + 1
        assert following is None or not allowed(start, following)


def total_cost(plan, cost, cuts):
    pairs = list(pairwise(cuts))
    return sum(cost.fixed + cost.pair * (b - a) * (plan.depth[a] + b - a) for a, b in pairs)


@settings(max_examples=60)
@given(st.lists(scorables(), max_size=6), st.floats(9, 50))
def test_rows_are_cut_where_they_cost_least(sequences, fixed):
    plan = plan_prefixes(sequences)
    cost = RowCost(fixed=fixed, pair=1.0, longest=10**6, heads=10**6)
    places = sorted({0, *plan.starts.tolist(), len(plan.tokens)})
    options = [[0, *inner, places[-1]] for size in range(len(places) - 1) for inner in combinations(places[1:-1], size)]
    admitted = [cuts for cuts in options if max(np.diff(cuts)) <= 4 * cost.best]
    cheapest = min((total_cost(plan, cost, cuts) for cuts in admitted), default=0.0)
    assert total_cost(plan, cost, cut_rows(plan, cost).tolist()) == pytest.approx(cheapest)


@given(many)
def test_the_order_of_keys_is_the_order_of_sequences(sequences):
    ids = [sequence.ids for sequence in sequences]
    assert sorted(ids) == sorted(ids, key=as_key)


def test_the_order_of_keys_holds_for_large_ids():
    ids = [(255,), (256,), (65_536, 1), (1, 65_536), (1,)]
    assert sorted(ids) == sorted(ids, key=as_key)


def test_nothing_costs_nothing():
    plan = plan_prefixes([])
    assert plan.counts == count_tokens([])
    assert plan.counts.limit == 0
    assert cut_rows(plan, FREE).tolist() == [0]
    assert cut_chains(plan, FREE).tolist() == [0]


def test_options_of_an_item_whose_stem_is_longer_than_a_row_are_not_computed_once_each():
    stem = tuple(range(100))
    sequences = [Scorable((*stem, option, 0), 2) for option in (1, 2, 3, 4)]
    plan = plan_prefixes(sequences)
    cuts = cut_rows(plan, RowCost(fixed=1.0, pair=1.0, longest=16, heads=16))
    assert plan.counts.limit == 104
    assert np.diff(cuts).sum() == 104
    assert np.diff(cuts).max() <= 16


def test_equal_inputs_with_different_answers_are_one_sequence():
    plan = plan_prefixes([Scorable((1, 2, 3, letter), 1) for letter in (7, 8, 9)])
    assert plan.counts.limit == 3
    assert plan.read_at.tolist() == [2, 2, 2]
    assert plan.targets.tolist() == [7, 8, 9]


def test_rows_grow_with_what_a_pass_costs():
    sequences = [Scorable((first, second, third, 0), 1) for first in range(9) for second in range(9) for third in range(9)]
    plan = plan_prefixes(sequences)
    rows = [len(cut_rows(plan, RowCost(fixed=fixed, pair=1.0, longest=10**6, heads=10**6))) for fixed in (10, 1000, 1e9)]
    assert rows[0] > rows[1] > rows[2] == 2


@pytest.mark.parametrize("sequence", [Scorable((1, 2), 0), Scorable((1, 2), 2), Scorable((1,), 1)])
def test_a_sequence_without_context_or_scored_token_is_a_misuse(sequence):
    with pytest.raises(ValueError, match="at least one token"):
        plan_prefixes([sequence])
