"""Every deterministic statistic of a random grid against its slow definition.

The same check runs on a few hundred grids by default and on ten thousand under the mark `long`.
"""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import HealthCheck, given, settings

from oracles import deterministic as slow
from oracles.grids import Grid, grids
from safetyrepro.stats.base import OrderCounts
from safetyrepro.stats.concordance import concordance
from safetyrepro.stats.flips import count_orders, flip_rates, one_factor_flip_rate
from safetyrepro.stats.majority import majority
from safetyrepro.stats.partial import detection_curve, missing_bounds
from safetyrepro.stats.partial_order import robust_order
from safetyrepro.stats.rank import orderings_reached
from safetyrepro.stats.witnesses import widest_witness


def near(expected: float | None) -> object:
    return None if expected is None else pytest.approx(expected, abs=1e-12)


def check_pair(grid: Grid, a: int, b: int) -> None:
    known = grid.known[a] & grid.known[b]
    counts = count_orders(grid.scores[a], grid.scores[b], known)
    expected = slow.signs(grid.cells[a], grid.cells[b])
    assert list(counts.signs) == expected
    assert (counts.n_plus, counts.n_minus) == (expected.count(1), expected.count(-1))
    assert (counts.n_tie, counts.n_missing) == (expected.count(0), expected.count(None))
    check_rates(counts, expected)
    check_parts(counts, expected)
    for factor, found in enumerate(one_factor_flip_rate(counts.signs, grid.levels)):
        assert (found.n_pairs, found.n_opposed) == slow.one_factor(expected, grid.levels.tolist(), factor)
    witness = widest_witness(grid.scores[a] - grid.scores[b], known, grid.levels)
    assert (witness and (witness.plus, witness.minus)) == slow.widest_witness(grid.cells[a], grid.cells[b])


def check_rates(counts: OrderCounts, expected: list[int | None]) -> None:
    rates, verdicts, strict = flip_rates(counts), slow.present(expected), slow.strict(expected)
    assert rates.flip_rate == near(slow.flip_rate(verdicts))
    assert rates.minority_rate == near(slow.minority_rate(verdicts))
    assert rates.flip_rate_distinct == near(slow.flip_rate_distinct(verdicts))
    assert rates.weak_disagreement == near(slow.weak_disagreement(verdicts))
    assert rates.flip_rate_no_ties == near(slow.flip_rate(strict))
    assert rates.minority_rate_no_ties == near(slow.minority_rate(strict))
    assert rates.flip_rate_distinct_no_ties == near(slow.flip_rate_distinct(strict))


def check_parts(counts: OrderCounts, expected: list[int | None]) -> None:
    bounds = missing_bounds(counts)
    limits = slow.bounds(expected, slow.flip_rate)
    if bounds is None:
        assert limits is None
    else:
        assert (bounds.flip_rate.low, bounds.flip_rate.high) == near_pair(limits)
        assert (bounds.minority_rate.low, bounds.minority_rate.high) == near_pair(slow.bounds(expected, slow.minority_rate))
        distinct = bounds.flip_rate_distinct
        found = None if distinct is None else (distinct.low, distinct.high)
        assert found == near_pair(slow.bounds(expected, slow.flip_rate_distinct))
    sizes = range(1, counts.n_compared + 1)
    for point in detection_curve(counts, sizes):
        assert point.probability == near(slow.detection(expected, point.n_configurations))


def near_pair(limits: tuple[float, float] | None) -> object:
    return None if limits is None else pytest.approx(limits, abs=1e-12)


def check_orders(grid: Grid) -> None:
    found = orderings_reached(grid.scores, grid.known)
    expected = slow.orderings(grid.cells)
    assert {entry.tiers: entry.n_configurations for entry in found.counts} == dict(expected)
    strict = {ordering: n for ordering, n in expected.items() if len(ordering) == len(grid.cells)}
    assert (found.distinct_strict, found.distinct_weak) == (len(strict), len(expected))
    assert found.n_with_ties == expected.total() - sum(strict.values())
    assert found.n_configurations + found.n_left_out == grid.n_configurations
    if not expected:
        assert found.ranks is None
        assert found.entropy_bits is None
        return
    assert found.entropy_bits == near(slow.entropy(list(expected.values())))
    assert found.ranks is not None
    assert [(r.best, r.worst) for r in found.ranks] == [slow.places(grid.cells, model) for model in range(len(grid.cells))]
    first = {model for ordering in expected for model in ordering[0]}
    assert found.first_somewhere == tuple(sorted(first))
    assert sum(r.n_first_alone for r in found.ranks) == sum(n for o, n in expected.items() if len(o[0]) == 1)
    shared = sum(n * len(o[0]) for o, n in expected.items() if len(o[0]) > 1)
    assert sum(r.n_first_shared for r in found.ranks) == shared


def check_concordance(grid: Grid) -> None:
    found = concordance(grid.scores, grid.known)
    assert found.kendall_w == near(slow.kendall_w(grid.cells))
    expected = slow.mean_agreement(grid.cells)
    if expected is None:
        assert (found.mean_tau_a, found.mean_tau_b, found.mean_discordance) == (None, None, None)
        return
    tau_a, tau_b, n_undefined, discordance = expected
    assert found.mean_tau_a == near(tau_a)
    assert found.mean_tau_b == near(tau_b)
    assert found.n_undefined_tau_b == n_undefined
    assert found.mean_discordance == near(discordance)


def check_robust_order(grid: Grid) -> None:
    found = robust_order(grid.scores, grid.known)
    if not slow.columns(grid.cells):
        assert found is None
        return
    assert found is not None
    n_models = len(grid.cells)
    above = slow.above_everywhere(grid.cells)
    assert set(found.above) == above
    assert set(found.hasse_edges) == slow.hasse(n_models, above)
    extensions = slow.linear_extensions(n_models, above)
    for model, interval in enumerate(found.rank_intervals):
        taken = [order.index(model) + 1 for order in extensions]
        assert (interval.lowest, interval.highest) == (min(taken), max(taken))
    assert set(found.can_be_first) == {order[0] for order in extensions}
    tied = {pair for group in found.tie_groups for pair in combinations(group, 2)}
    assert tied == {
        pair
        for pair in combinations(range(n_models), 2)
        if all(any(set(pair) <= set(tier) for tier in slow.tiers(column)) for column in slow.columns(grid.cells))
    }


def check_majority(grid: Grid) -> None:
    found = majority(grid.scores, grid.known)
    n_models, ahead = len(grid.cells), slow.wins(grid.cells)
    assert all(found.n_ahead[a][b] == n for (a, b), n in ahead.items())
    beats = {(a, b) for a, b in ahead if ahead[a, b] > ahead[b, a]}
    assert set(found.beats) == beats
    winners = [a for a in range(n_models) if all((a, b) in beats for b in range(n_models) if b != a)]
    assert found.condorcet_winner == (winners[0] if winners else None)
    assert found.smith_set == slow.smith_set(n_models, beats)
    together = {(a, b) for group in found.cyclic_groups for a in group for b in group if a != b}
    assert together == slow.on_a_cycle_together(n_models, beats)
    for group, cycle in zip(found.cyclic_groups, found.cycles, strict=True):
        assert set(cycle) <= set(group)
        assert slow.is_cycle(cycle, beats)
        assert len(cycle) == slow.shortest_cycle_length(group, beats)
    cost, order, n_optimal = slow.kemeny(grid.cells)
    assert (found.kemeny.cost, found.kemeny.order, found.kemeny.n_optimal) == (cost, order, n_optimal)
    floor = sum(min(ahead[a, b], ahead[b, a]) for a, b in combinations(range(n_models), 2))
    assert (found.kemeny.floor, found.kemeny.excess) == (floor, cost - floor)


def check_everything(grid: Grid) -> None:
    for a, b in combinations(range(len(grid.cells)), 2):
        check_pair(grid, a, b)
    check_orders(grid)
    check_concordance(grid)
    check_robust_order(grid)
    check_majority(grid)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(grids())
def test_every_deterministic_statistic_equals_its_slow_definition(grid: Grid) -> None:
    check_everything(grid)


@pytest.mark.long
@settings(max_examples=10_000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(grids())
def test_every_deterministic_statistic_equals_its_slow_definition_on_ten_thousand_grids(grid: Grid) -> None:
    check_everything(grid)
