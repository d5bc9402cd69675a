"""The majority of configurations: who beats whom, cycles, the Smith set and Kemeny orders.

The majority relation can be cyclic (abc, bca, cab), so it need not be an order. A Kemeny order is
an order that overrules as few (configuration, pair) verdicts as possible; its cost has a floor, and
what exceeds the floor is forced by cycles.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from safetyrepro.stats.base import (
    TOLERANCE,
    Flags,
    Floats,
    Integers,
    checked_scores,
    checked_tolerance,
)

LARGEST_EXACT_GROUP = 12
"""Most models of one tangled group for which Kemeny orders are found; work grows as 2^n n."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kemeny:
    """An order with the fewest overruled verdicts."""

    order: tuple[int, ...] | None
    """Models, the safest first; the first in index order among equals. None if not computed."""
    cost: int | None
    """Verdicts (configuration and pair) that the order overrules. None if not computed."""
    floor: int
    """Sum over pairs of min(n+, n-): no order can overrule fewer."""
    excess: int | None
    """cost - floor: what cycles force. None if not computed."""
    n_optimal: int | None
    """Number of orders with the same cost. None if not computed."""
    reason: str | None
    """Why the order was not computed; None if it was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Majority:
    """Majority relation of the models over an envelope."""

    n_ahead: tuple[tuple[int, ...], ...]
    """Entry [a][b]: configurations in which a is strictly ahead of b."""
    beats: tuple[tuple[int, int], ...]
    """Pairs (a, b) with a ahead of b more often than b ahead of a, ascending."""
    condorcet_winner: int | None
    """The model that beats every other one; None if there is none."""
    cyclic_groups: tuple[tuple[int, ...], ...]
    """Largest groups in which every model beats every other one through some chain; size >= 3."""
    cycles: tuple[tuple[int, ...], ...]
    """For each cyclic group a shortest cycle: each model beats the next, the last the first."""
    smith_set: tuple[int, ...]
    """Smallest non-empty set of models each of which beats every model outside it."""
    kemeny: Kemeny
    """An order that overrules the fewest verdicts."""
    tolerance: float
    """Largest difference that counted as a tie."""


def majority(scores: Floats, known: Flags, *, tolerance: float = TOLERANCE) -> Majority:
    """Majority relation over configurations, with its cycles, Smith set and a Kemeny order.

    Parameters
    ----------
    scores : (n_models, c) float array
        Score of every cell, larger is safer.
    known : (n_models, c) bool array
        True where the cell has a score. A pair is compared where both have one.
    tolerance : float
        Scores that differ by at most this tie; a tie is a verdict for neither.

    Returns
    -------
    Majority
        Every configuration has one vote on every pair.

    Raises
    ------
    ValueError
        If there is no model, shapes differ, or a known score is not finite.

    Notes
    -----
    With N[a, b] the number of configurations in which a is strictly ahead of b: a beats b iff
    N[a, b] > N[b, a]. The Smith set is the smallest non-empty set S such that every a in S beats
    every b outside. The cost of an order is the sum of N[b, a] over pairs with a placed before b;
    Kemeny orders minimise it. Exact: models are first split along the chain of groups in which
    "is not beaten by" is strongly connected (a group that beats another comes first in every
    Kemeny order), and each group is solved by dynamic programming over subsets.

    References
    ----------
    Condorcet 1785; Smith 1973, Econometrica 41, p. 1027; Kemeny 1959, Daedalus 88, p. 577;
    Truchon 1998, Figure skating and the theory of social choice (the split).
    """
    values, flags = checked_scores(scores, known, n_dimensions=2)
    if values.shape[0] == 0:
        raise ValueError("expected at least one model, got none")
    ahead = _counts_ahead(values, flags, checked_tolerance(tolerance))
    beats = ahead > ahead.T
    others = ~np.eye(ahead.shape[0], dtype=np.bool_)
    winners = np.flatnonzero((beats | ~others).all(axis=1))
    groups = [group for group in _connected_groups(beats) if len(group) > 1]
    chain = _chain_of_groups(~beats.T)
    rows, columns = np.nonzero(beats)
    return Majority(
        n_ahead=tuple(tuple(row) for row in ahead.tolist()),
        beats=tuple(zip(rows.tolist(), columns.tolist(), strict=True)),
        condorcet_winner=int(winners[0]) if winners.size else None,
        cyclic_groups=tuple(groups),
        cycles=tuple(_shortest_cycle(beats, group) for group in groups),
        smith_set=chain[0],
        kemeny=_kemeny(ahead, chain),
        tolerance=float(tolerance),
    )


def _counts_ahead(scores: Floats, known: Flags, tolerance: float) -> Integers:
    """(n, n) array of the number of configurations in which row is strictly ahead of column."""
    n_models = scores.shape[0]
    ahead = np.zeros((n_models, n_models), dtype=np.int64)
    for model in range(n_models):
        wins = (scores[model] - scores) > tolerance
        ahead[model] = (wins & known[model] & known).sum(axis=1)
    return ahead


def _reachable(relation: Flags) -> Flags:
    """(n, n) array: whether a chain of related models leads from row to column; rows reach self."""
    reach: Flags = relation | np.eye(relation.shape[0], dtype=np.bool_)
    for middle in range(relation.shape[0]):
        reach = reach | (reach[:, [middle]] & reach[[middle], :])
    return reach


def _connected_groups(relation: Flags) -> list[tuple[int, ...]]:
    """Largest groups whose members all reach each other, in order of their first member."""
    reach = _reachable(relation)
    mutual = reach & reach.T
    groups = {tuple(np.flatnonzero(row).tolist()): None for row in mutual}
    return list(groups)


def _chain_of_groups(not_beaten_by: Flags) -> list[tuple[int, ...]]:
    """Connected groups of a relation that holds at least one way in every pair, the top first."""
    reach = _reachable(not_beaten_by)
    n_reached = reach.sum(axis=1)
    return sorted(_connected_groups(not_beaten_by), key=lambda group: -int(n_reached[group[0]]))


def _shortest_cycle(beats: Flags, group: tuple[int, ...]) -> tuple[int, ...]:
    """A shortest cycle inside a group, by breadth-first search from each member in turn."""
    shortest: tuple[int, ...] = ()
    for start in group:
        cycle = _cycle_through(beats, start)
        if not shortest or len(cycle) < len(shortest):
            shortest = cycle
    return shortest


def _cycle_through(beats: Flags, start: int) -> tuple[int, ...]:
    """A shortest cycle through one model that lies on some cycle."""
    paths: list[tuple[int, ...]] = [(start,)]
    seen = {start}
    for path in paths:
        if len(path) > 1 and beats[path[-1], start]:
            return path
        for follower in np.flatnonzero(beats[path[-1]]).tolist():
            if follower not in seen:
                seen.add(follower)
                paths.append((*path, follower))
    raise ValueError(f"model {start} lies on no cycle")


def _kemeny(ahead: Integers, chain: list[tuple[int, ...]]) -> Kemeny:
    """Kemeny order of all models from those of the groups, or the reason why there is none."""
    floor = int(np.minimum(ahead, ahead.T).sum()) // 2
    largest = max(len(group) for group in chain)
    if largest > LARGEST_EXACT_GROUP:
        return Kemeny(
            order=None,
            cost=None,
            floor=floor,
            excess=None,
            n_optimal=None,
            reason=f"a cyclic group holds {largest} models; exact search ends at {LARGEST_EXACT_GROUP}",
        )
    order: tuple[int, ...] = ()
    n_optimal = 1
    for group in chain:
        places, n_ways = _best_order(ahead[np.ix_(group, group)])
        order += tuple(group[place] for place in places)
        n_optimal *= n_ways
    arranged = ahead[np.ix_(order, order)]
    cost = int(np.tril(arranged, k=-1).sum())
    return Kemeny(
        order=order,
        cost=cost,
        floor=floor,
        excess=cost - floor,
        n_optimal=n_optimal,
        reason=None,
    )


def _best_order(ahead: Integers) -> tuple[list[int], int]:
    """Order of one group with the fewest overruled verdicts, and how many orders reach it.

    ``cost[rest]`` is the least cost of ordering the models of the bit set ``rest`` at the bottom.
    Placing a model at the head of ``rest`` overrules every verdict of the others in it against it.
    """
    n_models = ahead.shape[0]
    full = (1 << n_models) - 1
    cost, n_ways, head = [0] * (full + 1), [1] + [0] * full, [0] * (full + 1)
    against = _verdicts_against(ahead)
    for rest in range(1, full + 1):
        members = [model for model in range(n_models) if rest >> model & 1]
        totals = [cost[rest ^ (1 << model)] + against[rest][model] for model in members]
        cost[rest] = min(totals)
        best = [m for m, total in zip(members, totals, strict=True) if total == cost[rest]]
        head[rest] = best[0]
        n_ways[rest] = sum(n_ways[rest ^ (1 << model)] for model in best)
    order, rest = [], full
    while rest:
        order.append(head[rest])
        rest ^= 1 << head[rest]
    return order, n_ways[full]


def _verdicts_against(ahead: Integers) -> list[list[int]]:
    """For every bit set of models and every model, verdicts of the set's members against it."""
    n_models = ahead.shape[0]
    against = [[0] * n_models]
    rows = ahead.tolist()
    for rest in range(1, 1 << n_models):
        top = rest.bit_length() - 1
        below = against[rest ^ (1 << top)]
        against.append([total + extra for total, extra in zip(below, rows[top], strict=True)])
    return against
