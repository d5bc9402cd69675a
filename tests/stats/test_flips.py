"""Orders of a pair and flip rates: the proposition, its algebra, and the numbers of the text."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracles import deterministic as slow
from oracles.grids import Grid, grids, signs
from safetyrepro.stats.base import OrderCounts
from safetyrepro.stats.flips import count_orders, flip_rates, one_factor_flip_rate, weighted_flip_rates


def counts_of(verdicts: list[int | None]) -> OrderCounts:
    difference = np.array([0 if verdict is None else verdict for verdict in verdicts], dtype=float)
    known = np.array([verdict is not None for verdict in verdicts], dtype=bool)
    return count_orders(difference, np.zeros(len(verdicts)), known)


def split(plus: int, minus: int, tie: int = 0) -> OrderCounts:
    return counts_of([1] * plus + [-1] * minus + [0] * tie)


@given(grids(min_models=2, max_models=2))
def test_a_reversal_exists_exactly_when_some_pair_is_opposed(grid: Grid) -> None:
    counts = count_orders(grid.scores[0], grid.scores[1], grid.known.all(axis=0))
    verdicts = slow.present(slow.signs(*grid.cells))
    assert counts.reversal == any(x * y == -1 for x, y in product(verdicts, verdicts))
    assert counts.reversal == bool(flip_rates(counts).flip_rate)


@given(grids(min_models=2, max_models=2))
def test_swapping_the_models_swaps_the_counts_and_keeps_the_rates(grid: Grid) -> None:
    known = grid.known.all(axis=0)
    one = count_orders(grid.scores[0], grid.scores[1], known)
    other = count_orders(grid.scores[1], grid.scores[0], known)
    assert (one.n_plus, one.n_minus) == (other.n_minus, other.n_plus)
    assert flip_rates(one) == flip_rates(other)


def test_no_configuration_has_no_rate() -> None:
    rates = flip_rates(counts_of([]))
    assert rates.n_compared == 0
    assert rates.flip_rate is None
    assert rates.minority_rate is None
    assert rates.weak_disagreement is None


def test_missing_cells_alone_have_no_rate() -> None:
    counts = counts_of([None, None])
    assert counts.n_missing == 2
    assert flip_rates(counts).flip_rate is None


def test_one_configuration_cannot_flip_and_has_no_distinct_pair() -> None:
    rates = flip_rates(counts_of([1]))
    assert rates.flip_rate == 0
    assert rates.flip_rate_distinct is None
    assert rates.flip_rate_distinct_no_ties is None


def test_all_ties_have_rates_but_none_without_ties() -> None:
    rates = flip_rates(split(0, 0, 3))
    assert (rates.flip_rate, rates.minority_rate, rates.weak_disagreement) == (0, 0, 0)
    assert (rates.flip_rate_no_ties, rates.minority_rate_no_ties) == (None, None)


def test_a_tie_against_a_win_disagrees_only_weakly() -> None:
    counts = split(1, 0, 1)
    assert not counts.reversal
    assert flip_rates(counts).weak_disagreement == 0.5


@pytest.mark.parametrize(
    ("plus", "minus", "tie", "flip_rate", "minority_rate", "distinct"),
    [(4, 0, 0, 0, 0, 0), (3, 1, 0, 0.375, 0.25, 0.5), (2, 2, 0, 0.5, 0.5, 2 / 3), (2, 1, 1, 0.25, 0.25, 1 / 3)],
)
def test_four_configurations_give_the_rates_printed_in_the_text(
    plus: int, minus: int, tie: int, flip_rate: float, minority_rate: float, distinct: float
) -> None:
    rates = flip_rates(split(plus, minus, tie))
    assert (rates.flip_rate, rates.minority_rate) == (flip_rate, minority_rate)
    assert rates.flip_rate_distinct == pytest.approx(distinct, abs=1e-15)


@pytest.mark.parametrize(("m", "largest"), [(2, 1), (3, 2 / 3), (4, 2 / 3), (5, 3 / 5), (6, 3 / 5)])
def test_the_largest_rates_are_those_of_the_most_even_split(m: int, largest: float) -> None:
    every = [flip_rates(split(plus, minus, m - plus - minus)) for plus in range(m + 1) for minus in range(m + 1 - plus)]
    assert max(r.flip_rate_distinct or 0 for r in every) == pytest.approx(largest)
    even = (1 if m % 2 == 0 else 1 - 1 / m**2) / 2
    assert max(r.flip_rate or 0 for r in every) == pytest.approx(even)
    assert max(r.minority_rate or 0 for r in every) == pytest.approx(m // 2 / m)


@given(st.integers(0, 20), st.integers(0, 20), st.integers(0, 20))
def test_the_algebra_of_the_rates_holds(plus: int, minus: int, tie: int) -> None:
    m = plus + minus + tie
    rates = flip_rates(split(plus, minus, tie))
    if rates.flip_rate is None or rates.minority_rate is None or rates.weak_disagreement is None:
        assert m == 0
        return
    tie_share = tie / m
    variance = np.var([1] * plus + [-1] * minus + [0] * tie)
    assert variance == pytest.approx(2 * rates.flip_rate + tie_share * (1 - tie_share), abs=1e-12)
    assert rates.weak_disagreement == pytest.approx(rates.flip_rate + 2 * tie * (plus + minus) / m**2, abs=1e-12)
    assert rates.flip_rate <= 2 * rates.minority_rate + 1e-15
    if rates.flip_rate_distinct is not None:
        assert rates.flip_rate_distinct == pytest.approx(rates.flip_rate * m / (m - 1), abs=1e-12)
    if tie == 0:
        mu = rates.minority_rate
        assert rates.flip_rate == pytest.approx(2 * mu * (1 - mu), abs=1e-12)
        assert mu == pytest.approx((1 - np.sqrt(max(0.0, 1 - 2 * rates.flip_rate))) / 2, abs=1e-7)
        assert mu <= rates.flip_rate + 1e-15


@given(signs(), st.integers(2, 4))
def test_repeating_every_configuration_leaves_the_headline_rate(verdicts: list[int | None], times: int) -> None:
    once, often = flip_rates(counts_of(verdicts)), flip_rates(counts_of(verdicts * times))
    assert once.flip_rate == often.flip_rate
    assert once.minority_rate == often.minority_rate


def test_repetition_dilutes_the_rate_of_distinct_pairs() -> None:
    assert [flip_rates(split(k, k)).flip_rate_distinct for k in (1, 2, 3)] == pytest.approx([1, 2 / 3, 3 / 5])


@given(signs(), signs())
def test_a_reversal_never_disappears_when_the_envelope_grows(part: list[int | None], added: list[int | None]) -> None:
    small, large = counts_of(part), counts_of(part + added)
    assert large.reversal or not small.reversal
    before, after = flip_rates(small), flip_rates(large)
    shrink = small.n_compared / large.n_compared if large.n_compared else 0
    assert (after.flip_rate or 0) >= shrink**2 * (before.flip_rate or 0) - 1e-12
    assert (after.minority_rate or 0) >= shrink * (before.minority_rate or 0) - 1e-12


@given(signs())
def test_equal_weights_give_the_plain_rates(verdicts: list[int | None]) -> None:
    rates, found = flip_rates(counts_of(verdicts)), weighted_flip_rates(verdicts, np.ones(len(verdicts)))
    if found is None:
        assert rates.n_compared == 0
        return
    assert found.flip_rate == pytest.approx(rates.flip_rate, abs=1e-12)
    assert found.minority_rate == pytest.approx(rates.minority_rate, abs=1e-12)
    assert found.effective_size == pytest.approx(rates.n_compared)
    assert found.flip_rate_distinct == pytest.approx(rates.flip_rate_distinct, abs=1e-12)
    assert found.weight_plus + found.weight_minus + found.weight_tie == pytest.approx(1)


@given(st.lists(st.tuples(st.sampled_from([1, 0, -1, None]), st.integers(0, 5)), max_size=7))
def test_weighted_rates_equal_the_chance_of_two_weighted_draws(pairs: list[tuple[int | None, int]]) -> None:
    verdicts, weights = [v for v, _ in pairs], [float(w) for _, w in pairs]
    found, expected = weighted_flip_rates(verdicts, np.array(weights)), slow.weighted(verdicts, weights)
    if expected is None:
        assert found is None
        return
    assert found is not None
    assert found.flip_rate == pytest.approx(expected[0], abs=1e-12)
    assert found.flip_rate_distinct == pytest.approx(expected[1], abs=1e-12)


def test_one_configuration_with_all_the_weight_has_no_distinct_pair() -> None:
    found = weighted_flip_rates([1, -1], np.array([3.0, 0.0]))
    assert found is not None
    assert (found.flip_rate, found.flip_rate_distinct, found.effective_size) == (0, None, 1)


@pytest.mark.parametrize("weights", [[-1.0, 2.0], [np.nan, 1.0], [1.0]])
def test_weights_that_are_no_weights_are_refused(weights: list[float]) -> None:
    with pytest.raises(ValueError, match="weights"):
        weighted_flip_rates([1, -1], np.array(weights))


def test_an_inert_factor_never_flips_and_the_lethal_one_always_does() -> None:
    levels = np.array(list(product(range(2), range(3))))
    verdicts = [1 if lethal == 0 else -1 for lethal, _ in levels.tolist()]
    lethal, inert = one_factor_flip_rate(verdicts, levels)
    assert (lethal.n_pairs, lethal.n_opposed, lethal.rate) == (3, 3, 1.0)
    assert (inert.n_pairs, inert.n_opposed, inert.rate) == (6, 0, 0.0)


def test_a_factor_that_never_changes_alone_has_no_rate() -> None:
    first, second = one_factor_flip_rate([1, -1], np.array([[0, 0], [1, 1]]))
    assert (first.n_pairs, first.rate) == (0, None)
    assert second.rate is None


def test_repeated_configurations_are_no_pairs_of_one_factor() -> None:
    (only,) = one_factor_flip_rate([1, -1, -1], np.array([[0], [0], [1]]))
    assert (only.n_pairs, only.n_opposed) == (2, 1)
