"""What may not change a statistic: the order of configurations, the names of models, inert factors, repetition."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracles.grids import Grid, grids
from safetyrepro.stats.base import OrderCounts
from safetyrepro.stats.bradley_terry import bradley_terry
from safetyrepro.stats.concordance import concordance
from safetyrepro.stats.dispersion import margin_index, score_dispersion
from safetyrepro.stats.extrapolation import grid_limit, leave_one_level_out, new_level_limit
from safetyrepro.stats.flips import count_orders, flip_rates, one_factor_flip_rate, weighted_flip_rates
from safetyrepro.stats.majority import majority
from safetyrepro.stats.minimal_flips import minimal_flips, robustness_radii
from safetyrepro.stats.partial import detection_curve, missing_bounds
from safetyrepro.stats.partial_order import robust_order
from safetyrepro.stats.rank import Ordering, orderings_reached
from safetyrepro.stats.robust_verdicts import robust_verdicts
from safetyrepro.stats.several_benchmarks import several_benchmarks
from safetyrepro.stats.witnesses import discordant_items, widest_witness


@st.composite
def shuffled_grids(draw: st.DrawFn, *, min_models: int = 1) -> tuple[Grid, list[int], list[int]]:
    """A grid, an order of its models and an order of its configurations."""
    grid = draw(grids(min_models=min_models))
    models = draw(st.permutations(range(len(grid.cells))))
    configurations = draw(st.permutations(range(grid.n_configurations)))
    return grid, list(models), list(configurations)


def pair(grid: Grid, a: int, b: int) -> OrderCounts:
    return count_orders(grid.scores[a], grid.scores[b], grid.known[a] & grid.known[b])


def renamed(ordering: Ordering, new_name: dict[int, int]) -> Ordering:
    return tuple(tuple(sorted(new_name[model] for model in tier)) for tier in ordering)


@given(shuffled_grids(min_models=2))
def test_the_order_of_configurations_changes_no_rate_of_a_pair(case: tuple[Grid, list[int], list[int]]) -> None:
    grid, _, order = case
    before = pair(grid, 0, 1)
    known = grid.known[0] & grid.known[1]
    after = count_orders(grid.scores[0][order], grid.scores[1][order], known[order])
    assert after.signs == tuple(before.signs[c] for c in order)
    assert flip_rates(after) == flip_rates(before)
    assert missing_bounds(after) == missing_bounds(before)
    sizes = range(1, before.n_compared + 1)
    assert detection_curve(after, sizes) == detection_curve(before, sizes)
    levels = grid.levels[order]
    assert one_factor_flip_rate(after.signs, levels) == one_factor_flip_rate(before.signs, grid.levels)
    assert leave_one_level_out(after.signs, levels) == leave_one_level_out(before.signs, grid.levels)
    weights = np.arange(grid.n_configurations, dtype=float)
    assert weighted_flip_rates(after.signs, weights[order]) == weighted_flip_rates(before.signs, weights)


@given(shuffled_grids(min_models=2))
def test_the_order_of_configurations_moves_radii_and_witnesses_with_them(case: tuple[Grid, list[int], list[int]]) -> None:
    grid, _, order = case
    signs, levels = pair(grid, 0, 1).signs, grid.levels
    before = robustness_radii(signs, levels)
    after = robustness_radii([signs[c] for c in order], levels[order])
    assert after.radii == tuple(before.radii[c] for c in order)
    assert after.histogram == before.histogram
    gap, known = grid.scores[0] - grid.scores[1], grid.known[0] & grid.known[1]
    one, other = widest_witness(gap, known, levels), widest_witness(gap[order], known[order], levels[order])
    assert (one is None) == (other is None)
    if one is not None and other is not None:
        assert other.margin_plus == pytest.approx(one.margin_plus, abs=2e-12)
        assert other.margin_minus == pytest.approx(one.margin_minus, abs=2e-12)


@given(shuffled_grids())
def test_the_order_of_configurations_changes_no_statistic_of_all_models(case: tuple[Grid, list[int], list[int]]) -> None:
    grid, _, order = case
    scores, known = grid.scores, grid.known
    moved, moved_known = scores[:, order], known[:, order]
    one, other = orderings_reached(scores, known), orderings_reached(moved, moved_known)
    assert set(one.counts) == set(other.counts)
    assert one.ranks == other.ranks
    assert one.entropy_bits == other.entropy_bits
    assert robust_order(scores, known) == robust_order(moved, moved_known)
    assert majority(scores, known) == majority(moved, moved_known)
    assert bradley_terry(scores, known) == bradley_terry(moved, moved_known)
    first, second = concordance(scores, known), concordance(moved, moved_known)
    assert first == second
    for row, flags in zip(scores, known, strict=True):
        assert score_dispersion(row, flags, low=-1.0) == score_dispersion(row[order], flags[order], low=-1.0)


@given(shuffled_grids())
def test_the_names_of_models_only_rename_the_results(case: tuple[Grid, list[int], list[int]]) -> None:
    grid, names, _ = case
    new_name = {old: new for new, old in enumerate(names)}
    scores, known = grid.scores[names], grid.known[names]
    before, after = orderings_reached(grid.scores, grid.known), orderings_reached(scores, known)
    expected = {(renamed(entry.tiers, new_name), entry.n_configurations) for entry in before.counts}
    assert {(entry.tiers, entry.n_configurations) for entry in after.counts} == expected
    one, other = robust_order(grid.scores, grid.known), robust_order(scores, known)
    if one is not None and other is not None:
        assert {(new_name[a], new_name[b]) for a, b in one.above} == set(other.above)
        assert {(new_name[a], new_name[b]) for a, b in one.hasse_edges} == set(other.hasse_edges)
    votes, moved = majority(grid.scores, grid.known), majority(scores, known)
    assert {new_name[model] for model in votes.smith_set} == set(moved.smith_set)
    assert (votes.kemeny.cost, votes.kemeny.n_optimal) == (moved.kemeny.cost, moved.kemeny.n_optimal)
    assert concordance(grid.scores, grid.known).kendall_w == concordance(scores, known).kendall_w
    strengths, new = bradley_terry(grid.scores, grid.known), bradley_terry(scores, known)
    assert (strengths.log_strengths is None) == (new.log_strengths is None)
    if strengths.log_strengths is not None and new.log_strengths is not None:
        assert new.log_strengths == pytest.approx([strengths.log_strengths[old] for old in names], abs=1e-9)


@given(grids(min_models=2))
def test_turning_the_scale_around_turns_every_order_around(grid: Grid) -> None:
    before, after = orderings_reached(grid.scores, grid.known), orderings_reached(-grid.scores, grid.known)
    assert {entry.tiers[::-1] for entry in before.counts} == {entry.tiers for entry in after.counts}
    one, other = robust_order(grid.scores, grid.known), robust_order(-grid.scores, grid.known)
    if one is not None and other is not None:
        assert {(b, a) for a, b in one.above} == set(other.above)
        assert one.tie_groups == other.tie_groups
    assert {(b, a) for a, b in majority(grid.scores, grid.known).beats} == set(majority(-grid.scores, grid.known).beats)
    assert concordance(grid.scores, grid.known).mean_tau_a == concordance(-grid.scores, grid.known).mean_tau_a


@given(grids(min_models=2), st.sampled_from([2, 3]))
def test_a_factor_that_changes_nothing_changes_no_headline(grid: Grid, n_levels: int) -> None:
    signs = pair(grid, 0, 1).signs
    wider = np.vstack([np.column_stack([grid.levels, np.full(grid.n_configurations, level)]) for level in range(n_levels)])
    repeated = list(signs) * n_levels
    before, after = one_factor_flip_rate(signs, grid.levels), one_factor_flip_rate(repeated, wider)
    assert [factor.rate for factor in after[:-1]] == [factor.rate for factor in before]
    assert after[-1].n_opposed == 0
    for reference, sign in enumerate(signs):
        one = minimal_flips(signs, grid.levels, reference=reference)
        other = minimal_flips(repeated, wider, reference=reference)
        if not sign:
            assert other is None
            continue
        assert one is not None
        assert other is not None
        assert (one.radius, one.minimal_sets) == (other.radius, other.minimal_sets)


@given(grids(min_models=2, max_models=2, missing=False))
def test_one_benchmark_repeated_is_its_own_average(grid: Grid) -> None:
    difference = np.tile(grid.scores[0] - grid.scores[1], (3, 1))
    found = several_benchmarks(difference, np.ones(difference.shape, dtype=bool))
    rate = flip_rates(pair(grid, 0, 1)).flip_rate
    assert found.some_flip_rate == found.all_flip_rate == found.average_flip_rate == rate


@given(grids(min_models=3, missing=False))
def test_the_pairs_and_the_orders_of_all_models_tell_the_same_story(grid: Grid) -> None:
    found, votes = robust_order(grid.scores, grid.known), majority(grid.scores, grid.known)
    for a, b in combinations(range(len(grid.cells)), 2):
        counts = pair(grid, a, b)
        assert (votes.n_ahead[a][b], votes.n_ahead[b][a]) == (counts.n_plus, counts.n_minus)
        claim = robust_verdicts(grid.scores[a], grid.scores[b], grid.known[[a, b]])
        assert bool(claim.majority) == ((a, b) in votes.beats)
        if found is not None:
            assert bool(claim.all_strict) == ((a, b) in found.above)


def example() -> list[object]:
    """One result of every public function."""
    scores = np.array([[0.3, 0.2, 0.1], [0.1, 0.2, 0.3], [0.2, 0.3, 0.2]])
    known, levels, gap = np.ones((3, 3), dtype=bool), np.array([[0, 0], [0, 1], [1, 1]]), scores[0] - scores[1]
    counts = count_orders(scores[0], scores[1], known[0])
    return [
        counts,
        flip_rates(counts),
        weighted_flip_rates(counts.signs, np.ones(3)),
        missing_bounds(counts),
        *detection_curve(counts, [2]),
        *one_factor_flip_rate(counts.signs, levels),
        widest_witness(gap, known[0], levels),
        discordant_items(scores[0], scores[1], known[0]),
        concordance(scores, known),
        score_dispersion(scores[0], known[0]),
        margin_index(gap, known[0]),
        orderings_reached(scores, known),
        robust_order(scores, known),
        majority(scores, known),
        bradley_terry(scores, known),
        minimal_flips(counts.signs, levels, reference=0),
        robustness_radii(counts.signs, levels),
        *leave_one_level_out(counts.signs, levels),
        grid_limit(n_reversing=0, n_evaluated=3, n_cells=4),
        new_level_limit(n_counted=0, n_levels=2),
        robust_verdicts(scores[0], scores[1], known[:2]),
        several_benchmarks(scores, known),
    ]


def plain(value: object) -> bool:
    """Whether a value holds only Python's own numbers, texts, None and tuples, which print and compare alike everywhere."""
    if isinstance(value, tuple):
        return all(plain(part) for part in value)
    if is_dataclass(value):
        return all(plain(getattr(value, field.name)) for field in fields(value))
    return value is None or type(value) in {bool, int, float, str}


def test_the_same_input_gives_equal_results_that_hold_no_array_and_can_be_hashed() -> None:
    first, second = example(), example()
    assert first == second
    assert all(result is not None for result in first)
    assert all(plain(result) for result in first)
    assert len({hash(result) for result in first}) > 1


def test_no_function_writes_into_its_arrays() -> None:
    scores, known = np.array([[0.3, np.nan], [0.1, 0.2]]), np.array([[True, False], [True, True]])
    scores.flags.writeable = known.flags.writeable = False
    for statistic in (concordance, orderings_reached, robust_order, majority, bradley_terry):
        statistic(scores, known)
    count_orders(scores[0], scores[1], known[0])
    robust_verdicts(scores[0], scores[1], known)
