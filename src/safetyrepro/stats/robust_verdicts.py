"""Six ways in which "A is safer than B" can hold over an envelope; they can all differ.

All configurations, most of them, the mean, the worst case of each model, and full dominance are
different claims. Each is answered true, false, or None where missing cells leave it open.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import fsum, inf

import numpy as np

from safetyrepro.stats.base import (
    TOLERANCE,
    Flags,
    Floats,
    Signs,
    checked_scores,
    checked_tolerance,
    signs_of,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RobustVerdicts:
    """Whether A stands above B over an envelope, in six senses; None is "not known"."""

    n_configurations: int
    """All configurations of the envelope, missing ones included."""
    n_missing: int
    """Configurations in which at least one of the two scores does not exist."""
    all_strict: bool | None
    """A is strictly ahead in every configuration."""
    all_weak: bool | None
    """A is ahead or ties in every configuration."""
    majority: bool | None
    """A is strictly ahead more often than B."""
    mean: bool | None
    """The mean score of A is strictly higher."""
    worst_case: bool | None
    """The lowest score of A is strictly higher than the lowest score of B."""
    dominance: bool | None
    """The lowest score of A is strictly higher than the highest score of B."""
    tolerance: float
    """Largest difference that counts as a tie."""


@dataclass(frozen=True, slots=True)
class _Between:
    """Ends of an interval in which a number lies."""

    low: float
    """Lower end."""
    high: float
    """Upper end."""

    def exceeds(self, other: _Between, tolerance: float) -> bool | None:
        """Whether this number is strictly larger than the other, if the intervals decide it."""
        if self.low - other.high > tolerance:
            return True
        if self.high - other.low <= tolerance:
            return False
        return None


def robust_verdicts(
    a: Floats, b: Floats, known: Flags, *, scale: tuple[float, float] | None = None, tolerance: float = TOLERANCE
) -> RobustVerdicts:
    """Whether A stands above B over an envelope, in six senses that can all differ.

    Parameters
    ----------
    a, b : (c,) float array
        Scores of A and of B, larger is safer.
    known : (2, c) bool array
        True where the score of A (first row) and of B (second row) exists.
    scale : (float, float), optional
        Ends of the scale. With them, missing cells may still leave the mean, the worst case or
        dominance decided; without them a missing score may be any number.
    tolerance : float
        Differences of at most this are ties.

    Returns
    -------
    RobustVerdicts
        Exchange A and B for the opposite claims. All None if the envelope is empty.

    Raises
    ------
    ValueError
        If shapes differ, a known score is not finite, or a score leaves the scale.

    Notes
    -----
    all_strict: d(c) > 0 for every c; all_weak: d(c) >= 0; majority: n+ > n-; mean: mean d > 0;
    worst_case: min s_A > min s_B; dominance: min s_A > max s_B, which holds whatever
    configuration each model is given. Dominance implies all_strict, and all_strict implies mean,
    majority and worst case (the minima are attained: min s_A = s_A(c) > s_B(c) >= min s_B for some
    c); those three imply nothing about each other. With missing cells "all"
    is unknown unless a known cell refutes it, and the others are decided by what the missing
    cells could be at most and at least.

    References
    ----------
    Wald 1950, Statistical Decision Functions (worst case); Arrow 1951, Social Choice and Individual
    Values (unanimity and majority).
    """
    flags = np.asarray(known, dtype=np.bool_)
    if flags.ndim != 2 or flags.shape[0] != 2:
        raise ValueError(f"expected known with shape (2, c), got {flags.shape}")
    first, known_a = checked_scores(a, flags[0], n_dimensions=1)
    second, known_b = checked_scores(b, flags[1], n_dimensions=1)
    limit = checked_tolerance(tolerance)
    low, high = _checked_scale(scale, first[known_a], second[known_b])
    both = known_a & known_b
    signs = signs_of(first - second, both, tolerance=limit)
    empty = both.size == 0
    lows_a, highs_a = np.where(known_a, first, low), np.where(known_a, first, high)
    lows_b, highs_b = np.where(known_b, second, low), np.where(known_b, second, high)
    nought = _Between(0.0, 0.0)
    least_a = _Between(_smallest(lows_a), _smallest(highs_a))
    return RobustVerdicts(
        n_configurations=both.size,
        n_missing=int((~both).sum()),
        all_strict=None if empty else _all(signs, allowed=(1,)),
        all_weak=None if empty else _all(signs, allowed=(1, 0)),
        majority=None if empty else _majority(signs),
        mean=None if empty else _Between(_mean(lows_a, -highs_b), _mean(highs_a, -lows_b)).exceeds(nought, limit),
        worst_case=None if empty else least_a.exceeds(_Between(_smallest(lows_b), _smallest(highs_b)), limit),
        dominance=None if empty else least_a.exceeds(_Between(-_smallest(-lows_b), -_smallest(-highs_b)), limit),
        tolerance=limit,
    )


def _checked_scale(scale: tuple[float, float] | None, *scores: Floats) -> tuple[float, float]:
    """Ends of the scale, infinite if none is declared."""
    if scale is None:
        return -inf, inf
    low, high = scale
    if not low < high:
        raise ValueError(f"expected low < high, got low={low}, high={high}")
    if any(values.size and (values.min() < low or values.max() > high) for values in scores):
        raise ValueError(f"a score leaves the scale {low}..{high}")
    return low, high


def _all(signs: Signs, *, allowed: tuple[int, ...]) -> bool | None:
    """Whether every verdict is allowed; a single known one that is not refutes it."""
    if any(sign is not None and sign not in allowed for sign in signs):
        return False
    return None if None in signs else True


def _majority(signs: Signs) -> bool | None:
    """Whether plus outnumbers minus however the missing verdicts fall."""
    lead, n_missing = signs.count(1) - signs.count(-1), signs.count(None)
    return _Between(lead - n_missing, lead + n_missing).exceeds(_Between(0, 0), 0)


def _smallest(values: Floats) -> float:
    """Smallest value, infinite if there is none."""
    return float(np.min(values, initial=inf))


def _mean(first: Floats, second: Floats) -> float:
    """Mean of a sum of two arrays, infinite if a term is."""
    total = first + second
    if np.isinf(total).any():
        return float(total[np.isinf(total)][0])
    return fsum(total) / total.size
