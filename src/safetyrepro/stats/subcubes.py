"""The largest parts of an envelope, written as conditions on factors, in which every configuration is good.

A claim that fails somewhere may still hold wherever a few conditions are met. The conditions are found exactly, not searched for
greedily, so that "there is no larger one" is a fact. They are found after looking; what may be concluded from them is not said here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import product
from math import prod
from operator import or_

import numpy as np

from safetyrepro.stats.base import Flags, Integers, checked_levels

MOST_BOXES = 20_000
"""Boxes kept at one time; beyond it the search is given up."""
Box = tuple[int, ...]
"""For each factor the admitted levels, as bits of a number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subcube:
    """One largest part of an envelope without a bad configuration."""

    levels: tuple[tuple[int, ...] | None, ...]
    """For each factor the admitted levels, ascending; None where every level is admitted."""
    members: tuple[int, ...]
    """Its configurations, ascending."""

    @property
    def n_conditions(self) -> int:
        """Factors that it restricts."""
        return sum(levels is not None for levels in self.levels)

    @property
    def n_levels(self) -> int:
        """Levels that its conditions name."""
        return sum(len(levels) for levels in self.levels if levels is not None)


def maximal_subcubes(good: Flags, levels: Integers, *, limit: int = MOST_BOXES) -> tuple[Subcube, ...] | None:
    """All largest sets of configurations that conditions on factors cut out and in which every one is good.

    Parameters
    ----------
    good : (c,) bool array
        Whether each configuration is good; one without a verdict is not.
    levels : (c, f) int array
        Level of every factor in every configuration.
    limit : int
        Most boxes to keep at one time.

    Returns
    -------
    tuple of Subcube or None
        Shortest description first, then the largest. None if the limit is passed. Empty if nothing is good.

    Raises
    ------
    ValueError
        If `levels` has not one row per configuration.

    Notes
    -----
    A box is a product L_1 x ... x L_F of sets of levels, and cuts out the configurations c with level_f(c) in L_f for every f. The
    maximal boxes without the bad configurations b_1 .. b_k: from the full box, each box that holds b_j is replaced by the F boxes
    that leave out level_f(b_j), and boxes inside others are dropped. Of boxes that cut out the same configurations the one with the
    fewest conditions, then levels, is kept; a level without a configuration inside is not named. A set is listed iff it lies in no
    other such set: every good set that conditions can cut out is part of a listed one.

    References
    ----------
    Edmonds, Gryz, Liang and Miller 2003, Theoretical Computer Science 296, p. 435 (maximal empty hyper-rectangles); Quine 1955,
    American Mathematical Monthly 62, p. 627 (prime implicants).
    """
    table = checked_levels(levels, n_configurations=len(good))
    points = [tuple(1 << number for number in row) for row in _numbered(table).tolist()]
    full = tuple(reduce(or_, column) for column in zip(*points, strict=True))
    boxes = _without_bad(full, sorted({point for point, is_good in zip(points, good, strict=True) if not is_good}), limit)
    if boxes is None:
        return None
    chosen = _by_members(boxes, points, full)
    found = [_named(chosen[members], members, full, table) for members in _largest(list(chosen))]
    return tuple(sorted(found, key=lambda one: (one.n_conditions, one.n_levels, -len(one.members), one.members)))


def all_subcubes(levels: Integers, *, limit: int = MOST_BOXES) -> tuple[Subcube, ...] | None:
    """All sets of configurations that conditions on factors cut out, each with its shortest description.

    Parameters
    ----------
    levels : (c, f) int array
        Level of every factor in every configuration.
    limit : int
        Most boxes to try.

    Returns
    -------
    tuple of Subcube or None
        The largest first, then the shortest description. None if there are more boxes than the limit.

    Raises
    ------
    ValueError
        If `levels` is not a table.

    Notes
    -----
    Boxes L_1 x ... x L_F of non-empty sets of levels: prod_f (2^n_f - 1), n_f the number of levels of factor f.

    References
    ----------
    Enumeration; boxes as in `maximal_subcubes`.
    """
    table = checked_levels(levels, n_configurations=len(levels))
    points = [tuple(1 << number for number in row) for row in _numbered(table).tolist()]
    full = tuple(reduce(or_, column) for column in zip(*points, strict=True))
    if prod(full) > limit:
        return None
    chosen = _by_members(product(*(range(1, mask + 1) for mask in full)), points, full) if points else {}
    found = [_named(box, members, full, table) for members, box in chosen.items()]
    return tuple(sorted(found, key=lambda one: (-len(one.members), one.n_conditions, one.n_levels, one.members)))


def _by_members(boxes: Iterable[Box], points: Sequence[Box], full: Box) -> dict[tuple[int, ...], Box]:
    """For each non-empty set that some box cuts out, the box with the shortest description."""
    chosen: dict[tuple[int, ...], Box] = {}
    for box in boxes:
        members = tuple(c for c, point in enumerate(points) if _holds(box, point))
        trimmed = _trimmed(box, full, [points[c] for c in members])
        if members and (members not in chosen or _cost(trimmed, full) < _cost(chosen[members], full)):
            chosen[members] = trimmed
    return chosen


def _numbered(levels: Integers) -> Integers:
    """Levels of each factor as numbers from 0."""
    columns = [np.unique(column, return_inverse=True)[1].ravel() for column in levels.T]
    return np.column_stack(columns).astype(np.int64) if columns else levels


def _without_bad(full: Box, bad: list[Box], limit: int) -> list[Box] | None:
    """The maximal boxes that hold none of the bad points; None if there are too many on the way."""
    boxes = [full]
    for point in bad:
        kept = [box for box in boxes if not _holds(box, point)]
        cut = {
            (*box[:f], box[f] & ~point[f], *box[f + 1 :])
            for box in boxes
            if _holds(box, point)
            for f in range(len(point))
            if box[f] & ~point[f]
        }
        if len(kept) + len(cut) > limit:
            return None
        # A box that was kept lies in no new one: it would have been inside the old box that the new one was cut from.
        new = [box for box in cut if not any(_inside(box, other) for other in kept)]
        boxes = kept + [box for box in new if not any(box != other and _inside(box, other) for other in new)]
    return boxes


def _holds(box: Box, point: Box) -> bool:
    """Whether a point lies in a box."""
    return all(admitted & level for admitted, level in zip(box, point, strict=True))


def _inside(box: Box, other: Box) -> bool:
    """Whether a box lies in another."""
    return all(mine & ~theirs == 0 for mine, theirs in zip(box, other, strict=True))


def _trimmed(box: Box, full: Box, inside: list[Box]) -> Box:
    """Conditions without levels that no configuration inside has; a factor that is not restricted stays so."""
    seen = [0] * len(box)
    for point in inside:
        seen = [mask | level for mask, level in zip(seen, point, strict=True)]
    return tuple(mask if mask == whole else mask & here for mask, whole, here in zip(box, full, seen, strict=True))


def _cost(box: Box, full: Box) -> tuple[int, int, Box]:
    """Conditions, then levels named, then the box itself so that the choice does not depend on the order."""
    named = [mask.bit_count() for mask, whole in zip(box, full, strict=True) if mask != whole]
    return len(named), sum(named), box


def _largest(sets: list[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """The sets that lie in no other one."""
    masks = {members: sum(1 << c for c in members) for members in sets}
    kept: list[tuple[int, ...]] = []
    for members in sorted(sets, key=len, reverse=True):
        if not any(masks[members] & ~masks[other] == 0 for other in kept):
            kept.append(members)
    return kept


def _named(box: Box, members: tuple[int, ...], full: Box, levels: Integers) -> Subcube:
    """A box with the levels as they stand in the table."""
    admitted = []
    for factor, (mask, whole) in enumerate(zip(box, full, strict=True)):
        names = np.unique(levels[:, factor]).tolist()
        admitted.append(None if mask == whole else tuple(name for bit, name in enumerate(names) if mask >> bit & 1))
    return Subcube(levels=tuple(admitted), members=members)
