"""What every configuration agrees on: the robust partial order of the models.

Model a stands robustly above b if it is strictly ahead in every configuration. That is a strict
partial order, and it can only shrink when configurations are added. It is drawn as a Hasse diagram.
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
    complete_configurations,
    tier_numbers,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RankInterval:
    """Places that the robust order leaves open to one model; 1 is the safest."""

    lowest: int
    """1 + models robustly above it."""
    highest: int
    """All models less those robustly below it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RobustOrder:
    """Order of the models that holds in every complete configuration."""

    n_models: int
    """Models that are ordered."""
    n_configurations: int
    """Configurations with a score of every model; the order is the intersection over these."""
    n_left_out: int
    """Configurations that lack a score of some model."""
    above: tuple[tuple[int, int], ...]
    """All pairs (a, b) with a strictly ahead of b in every complete configuration, ascending."""
    hasse_edges: tuple[tuple[int, int], ...]
    """Pairs (a, b) of `above` with no model between; the edges of the Hasse diagram."""
    tie_groups: tuple[tuple[int, ...], ...]
    """Groups of at least two models that share a tier in every complete configuration."""
    rank_intervals: tuple[RankInterval, ...]
    """Places that the order leaves open to each model."""
    can_be_first: tuple[int, ...]
    """Models with no model robustly above them."""
    n_undecided_pairs: int
    """Unordered pairs of models of which neither stands robustly above the other."""
    tolerance: float
    """Largest difference of neighbours that counted as a tie."""


def robust_order(scores: Floats, known: Flags, *, tolerance: float = TOLERANCE) -> RobustOrder | None:
    """The strict partial order of the models on which every complete configuration agrees.

    Parameters
    ----------
    scores : (n_models, c) float array
        Score of every cell, larger is safer.
    known : (n_models, c) bool array
        True where the cell has a score. A configuration that lacks one is left out and counted.
    tolerance : float
        Neighbouring scores that differ by at most this share a tier.

    Returns
    -------
    RobustOrder or None
        None if no configuration is complete: then there is nothing to agree on.

    Raises
    ------
    ValueError
        If shapes differ or a known score is not finite.

    Notes
    -----
    a > b iff a is in a strictly better tier than b in every complete configuration: an
    intersection of strict weak orders, hence irreflexive and transitive. (a, b) is a Hasse edge iff
    a > b and no x has a > x > b. With up(a) the models above a and down(a) those below, the places
    of a in any extension to a full order lie in 1 + |up(a)| .. n - |down(a)|, and both ends occur.
    A model can be first iff up(a) is empty. A partial order with incomplete configurations holds
    on the complete ones only.

    References
    ----------
    Davey and Priestley 2002, Introduction to Lattices and Order, 2nd ed., sections 1.14 to 1.18;
    Brüggemann and Patil 2011, Ranking and Prioritization for Multi-indicator Systems (intervals).
    """
    values, flags = checked_scores(scores, known, n_dimensions=2)
    complete = complete_configurations(flags)
    if not complete.any():
        return None
    tiers = tier_numbers(values[:, complete], tolerance=tolerance)
    above = _above_everywhere(tiers)
    between = (above.astype(np.int64) @ above.astype(np.int64)) > 0
    n_configurations, n_models = tiers.shape
    return RobustOrder(
        n_models=n_models,
        n_configurations=n_configurations,
        n_left_out=complete.size - n_configurations,
        above=_pairs(above),
        hasse_edges=_pairs(above & ~between),
        tie_groups=_tie_groups(tiers),
        rank_intervals=tuple(
            RankInterval(
                lowest=1 + int(above[:, model].sum()),
                highest=n_models - int(above[model].sum()),
            )
            for model in range(n_models)
        ),
        can_be_first=tuple(np.flatnonzero(~above.any(axis=0)).tolist()),
        n_undecided_pairs=n_models * (n_models - 1) // 2 - int(above.sum()),
        tolerance=float(tolerance),
    )


def _above_everywhere(tiers: Integers) -> Flags:
    """(n, n) array: whether the row's model is in a better tier than the column's everywhere."""
    n_models = tiers.shape[1]
    above = np.ones((n_models, n_models), dtype=np.bool_)
    for row in tiers:
        above &= row[:, None] < row[None, :]
    return above


def _tie_groups(tiers: Integers) -> tuple[tuple[int, ...], ...]:
    """Models whose tier is the same in every configuration, grouped; single models left out."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for model, column in enumerate(tiers.T):
        groups.setdefault(tuple(column.tolist()), []).append(model)
    return tuple(tuple(group) for group in groups.values() if len(group) > 1)


def _pairs(relation: Flags) -> tuple[tuple[int, int], ...]:
    """Pairs (row, column) that are related, ascending."""
    rows, columns = np.nonzero(relation)
    return tuple(zip(rows.tolist(), columns.tolist(), strict=True))
