"""ScoreTable -> how far one pair's realized order reaches: radius, flip sets, six senses of "ahead", levels left out.

Everything here is enumerated over the configurations that exist. It is exact for them and says nothing beyond them, save two limits
that name their assumption.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from safetyrepro.envelope import Configuration
from safetyrepro.estimands import Direction, Estimand
from safetyrepro.pairs import ORDERS, pair_scores
from safetyrepro.scores import FailurePolicy, ScoreTable
from safetyrepro.stats.base import Flags, Floats, Integers, OrderCounts
from safetyrepro.stats.extrapolation import (
    FactorLeftOut,
    GridLimit,
    NewLevelLimit,
    grid_limit,
    leave_one_level_out,
    new_level_limit,
)
from safetyrepro.stats.flips import count_orders
from safetyrepro.stats.minimal_flips import RadiusCount, RobustnessRadii, minimal_flips, robustness_radii
from safetyrepro.stats.robust_verdicts import RobustVerdicts, robust_verdicts
from safetyrepro.verdicts import Order, Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How the configurations of a table lie in their grid."""

    levels: Integers
    """(configurations, factors) number of each level."""
    factors: tuple[str, ...]
    """Names of the columns of `levels`."""
    core: tuple[bool, ...]
    """Whether each configuration is in the core tier."""
    n_not_run: int = 0
    """Combinations of the product that occur for no model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceRobustness:
    """What turns the order of one configuration round."""

    settings: Settings
    """The reference: the first core configuration with a strict order, or else the first with one."""
    digest: str
    """Its digest."""
    order: Order
    """Who is ahead there."""
    radius: int | None
    """Fewest factors to change for the opposite order; None where no configuration has it."""
    radius_lower: int | None
    """The same with every configuration without a score counted as opposite."""
    nearest: Settings | None
    """First configuration at that distance with the opposite order."""
    nearest_difference: float | None
    """Score of A less score of B there."""
    losing_radius: int | None
    """Fewest factors to change for a tie or the opposite order."""
    losing_radius_lower: int | None
    """The same with every configuration without a score counted as lost."""
    minimal_sets: tuple[tuple[str, ...], ...]
    """Smallest sets of factors some re-setting of which reverses the order; none holds another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOutLevel:
    """One level of a factor against all other levels."""

    level: str
    """Name of the level."""
    n_plus: int
    """Configurations with it in which A is ahead."""
    n_minus: int
    """Configurations with it in which B is ahead."""
    n_tie: int
    """Configurations with it that tie."""
    opposes: bool
    """Whether most strict orders under it are opposite to most of the rest."""
    surprises: bool
    """Whether the rest shows one strict order only and this level the other one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOutFactor:
    """The levels of one factor, each left out in turn."""

    factor: str
    """Name of the factor."""
    levels: tuple[LeftOutLevel, ...]
    """Its levels with at least one order."""
    n_opposing: int
    """Levels that oppose the rest."""
    n_surprising: int
    """Levels that show a strict order which the rest does not."""
    new_level: NewLevelLimit
    """Largest chance, not refuted, that a new level opposes or surprises the rest; supposes levels drawn at random, which levels
    picked by hand are not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairRobustness:
    """How far the realized order of two models reaches inside an envelope."""

    a: str
    """First model."""
    b: str
    """Second model."""
    reference: ReferenceRobustness | None
    """What turns the reference configuration; None where no configuration has a strict order."""
    radii: tuple[RadiusCount, ...] | None
    """How many configurations have each radius; None where the envelope is too large to list (see `skipped`)."""
    n_references: int
    """Configurations with a strict order: the denominator of `radii`."""
    n_never: int
    """Those whose order no evaluated configuration opposes."""
    a_ahead: RobustVerdicts
    """Whether A stands above B, in six senses."""
    b_ahead: RobustVerdicts
    """Whether B stands above A, in six senses."""
    left_out: tuple[LeftOutFactor, ...]
    """Every factor with at least two levels, each level left out in turn."""
    grid_limit: GridLimit | None
    """Limit for the minority's order among the unevaluated cells of the grid, had the evaluated ones been drawn at random; None
    where every cell was evaluated, or none."""


def pair_robustness(table: ScoreTable, a: int, b: int, *, layout: Layout, list_radii: bool = True) -> PairRobustness:
    """How far the realized order of two models reaches.

    Parameters
    ----------
    table : ScoreTable
        Scores.
    a, b : int
        Indices of the models.
    layout : Layout
        Where the configurations lie in the grid.
    list_radii : bool
        Whether the radius of every configuration is found; its cost grows with the square of their number.

    Returns
    -------
    PairRobustness
    """
    scores, known = pair_scores(table, a, b)
    counts = count_orders(scores[0], scores[1], known)
    radii = robustness_radii(counts.signs, layout.levels) if list_radii else None
    each = np.stack([known, known]) if table.policy is FailurePolicy.PAIRWISE else table.scored[[a, b]]
    scale = _oriented_scale(table.estimand, scores, each)
    return PairRobustness(
        a=table.models[a],
        b=table.models[b],
        reference=_reference(table.configurations, scores, counts, layout),
        radii=radii.histogram if radii else None,
        n_references=counts.n_strict,
        n_never=_never(counts, radii),
        a_ahead=robust_verdicts(scores[0], scores[1], each, scale=scale),
        b_ahead=robust_verdicts(scores[1], scores[0], each[::-1], scale=scale),
        left_out=_left_out(table.configurations, counts, layout),
        grid_limit=_limit(counts, layout),
    )


def _never(counts: OrderCounts, radii: RobustnessRadii | None) -> int:
    """Without a reversal no order is opposed, with one every order is."""
    if radii is not None:
        return radii.n_never
    return 0 if counts.reversal else counts.n_strict


def _oriented_scale(estimand: Estimand, scores: Floats, known: Flags) -> tuple[float, float] | None:
    """Ends of the oriented score; None where a score leaves them, as a weighted one may."""
    low, high = estimand.low, estimand.high
    if estimand.orientation.direction is Direction.LOWER:
        low, high = -high, -low
    elif estimand.orientation.target is not None:
        target = estimand.orientation.target
        low, high = -max(abs(low - target), abs(high - target)), 0.0
    inside = (scores[known] >= low) & (scores[known] <= high)
    return (low, high) if bool(inside.all()) and low < high else None


def _reference(
    configurations: Sequence[Configuration], scores: Floats, counts: OrderCounts, layout: Layout
) -> ReferenceRobustness | None:
    strict = [c for c, sign in enumerate(counts.signs) if sign]
    if not strict:
        return None
    chosen = next((c for c in strict if layout.core[c]), strict[0])
    found = minimal_flips(counts.signs, layout.levels, reference=chosen)
    assert found is not None
    nearest = found.nearest
    return ReferenceRobustness(
        settings=configurations[chosen].as_dict(),
        digest=configurations[chosen].digest,
        order=ORDERS[found.verdict],
        radius=found.radius,
        radius_lower=found.radius_lower,
        nearest=None if nearest is None else configurations[nearest].as_dict(),
        nearest_difference=None if nearest is None else float(scores[0, nearest] - scores[1, nearest]),
        losing_radius=found.losing_radius,
        losing_radius_lower=found.losing_radius_lower,
        minimal_sets=tuple(tuple(layout.factors[column] for column in columns) for columns in found.minimal_sets),
    )


def _left_out(configurations: Sequence[Configuration], counts: OrderCounts, layout: Layout) -> tuple[LeftOutFactor, ...]:
    return tuple(
        _left_out_factor(entry, configurations, layout)
        for entry in leave_one_level_out(counts.signs, layout.levels)
        if entry.n_levels > 1
    )


def _left_out_factor(entry: FactorLeftOut, configurations: Sequence[Configuration], layout: Layout) -> LeftOutFactor:
    column = layout.levels[:, entry.factor].tolist()
    names = {number: configurations[row].settings[entry.factor][1] for row, number in enumerate(column)}
    levels = tuple(
        LeftOutLevel(
            level=names[level.level],
            n_plus=level.n_plus,
            n_minus=level.n_minus,
            n_tie=level.n_tie,
            opposes=level.opposes,
            surprises=level.surprises,
        )
        for level in entry.levels
    )
    counted = sum(level.opposes or level.surprises for level in levels)
    return LeftOutFactor(
        factor=layout.factors[entry.factor],
        levels=levels,
        n_opposing=entry.n_opposing,
        n_surprising=entry.n_surprising,
        new_level=new_level_limit(n_counted=counted, n_levels=entry.n_levels),
    )


def _limit(counts: OrderCounts, layout: Layout) -> GridLimit | None:
    n_cells = len(counts.signs) + layout.n_not_run
    if counts.n_compared in (0, n_cells):
        return None
    return grid_limit(n_reversing=min(counts.n_plus, counts.n_minus), n_evaluated=counts.n_compared, n_cells=n_cells)
