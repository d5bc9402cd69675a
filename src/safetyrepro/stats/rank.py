"""Orderings of the models that an envelope reaches, and the places each model takes.

Only configurations with a score of every model have an ordering. Ties are tiers: models that a
chain of scores within the tolerance connects.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from math import fsum, log2

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

Ordering = tuple[tuple[int, ...], ...]
"""Tiers of model indices, the safest first; a tier lists its models ascending."""


@dataclass(frozen=True, slots=True)
class OrderingCount:
    """One ordering and how often it occurs."""

    tiers: Ordering
    """Tiers of model indices, the safest first."""
    n_configurations: int
    """Configurations that order the models so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RankRange:
    """Places that one model takes over the complete configurations; 1 is the safest."""

    best: int
    """Smallest place: 1 + models strictly ahead, where fewest are."""
    worst: int
    """Largest place: models not strictly behind, itself included, where most are."""
    n_first_alone: int
    """Configurations in which the model is strictly ahead of all others."""
    n_first_shared: int
    """Configurations in which the model is in the first tier with others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Orderings:
    """Orderings of the models that occur in an envelope."""

    n_models: int
    """Models that are ordered."""
    n_configurations: int
    """Configurations with a score of every model."""
    n_left_out: int
    """Configurations that lack a score of some model."""
    n_with_ties: int
    """Complete configurations in which at least two models share a tier."""
    distinct_strict: int
    """Number of different orderings without ties."""
    distinct_weak: int
    """Number of different orderings, those with ties included."""
    counts: tuple[OrderingCount, ...]
    """Every ordering with its frequency; most frequent first, then in order of occurrence."""
    entropy_bits: float | None
    """Shannon entropy of the frequencies in bits; None without a complete configuration."""
    ranks: tuple[RankRange, ...] | None
    """Places of each model; None without a complete configuration."""
    first_somewhere: tuple[int, ...]
    """Models in the first tier of at least one configuration."""
    tolerance: float
    """Largest difference of neighbours that counted as a tie."""


def orderings_reached(scores: Floats, known: Flags, *, tolerance: float = TOLERANCE) -> Orderings:
    """Orderings of the models over an envelope, with counts, and each model's places.

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
    Orderings
        Counts of weak and strict orderings, entropy, places, and who comes first somewhere.

    Raises
    ------
    ValueError
        If shapes differ or a known score is not finite.

    Notes
    -----
    M models have M! strict and a Fubini number (1, 3, 13, 75, ...) of weak orderings. Entropy
    H = -sum_o (f_o / k) log2(f_o / k), f_o the frequency of ordering o among k configurations.
    A tie leaves both places open: in a tier that follows b models and holds t, each model's
    places run from b + 1 to b + t. All pairs may reverse with only two orderings (abc and cba).

    References
    ----------
    OEIS A000670 (Fubini numbers); Shannon 1948, Bell System Technical Journal 27, p. 379.
    """
    values, flags = checked_scores(scores, known, n_dimensions=2)
    complete = complete_configurations(flags)
    tiers = tier_numbers(values[:, complete], tolerance=tolerance)
    counts = Counter(_ordering(row) for row in tiers)
    strict = [ordering for ordering in counts if all(len(tier) == 1 for tier in ordering)]
    first = np.flatnonzero((tiers == 0).any(axis=0))
    n_configurations, n_models = tiers.shape
    return Orderings(
        n_models=n_models,
        n_configurations=n_configurations,
        n_left_out=complete.size - n_configurations,
        n_with_ties=n_configurations - sum(counts[ordering] for ordering in strict),
        distinct_strict=len(strict),
        distinct_weak=len(counts),
        counts=tuple(OrderingCount(*entry) for entry in counts.most_common()),
        entropy_bits=_entropy_bits(list(counts.values())) if counts else None,
        ranks=_rank_ranges(tiers) if counts else None,
        first_somewhere=tuple(first.tolist()),
        tolerance=float(tolerance),
    )


def _ordering(tiers: Integers) -> Ordering:
    """Tiers of model indices from the tier number of every model."""
    n_tiers = int(tiers.max()) + 1 if tiers.size else 0
    return tuple(tuple(np.flatnonzero(tiers == tier).tolist()) for tier in range(n_tiers))


def _entropy_bits(frequencies: list[int]) -> float:
    """Shannon entropy of positive frequencies, in bits."""
    total = sum(frequencies)
    return abs(fsum(count / total * log2(total / count) for count in frequencies))


def _rank_ranges(tiers: Integers) -> tuple[RankRange, ...]:
    """Best and worst place of each model, and how often it is first."""
    better, not_worse = np.empty_like(tiers), np.empty_like(tiers)
    for row, numbers in enumerate(tiers):
        through = np.cumsum(np.bincount(numbers))
        not_worse[row] = through[numbers]
        better[row] = (through - np.bincount(numbers))[numbers]
    in_first = tiers == 0
    alone = in_first & (not_worse == 1)
    return tuple(
        RankRange(
            best=1 + int(better[:, model].min()),
            worst=int(not_worse[:, model].max()),
            n_first_alone=int(alone[:, model].sum()),
            n_first_shared=int((in_first & ~alone)[:, model].sum()),
        )
        for model in range(tiers.shape[1])
    )
