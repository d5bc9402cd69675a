"""Worst and best case of a difference when some answers could not be read.

An answer that failed or could not be parsed may hide any score. Without an assumption about why it is missing, all that is known about the difference is an
interval; if zero lies in it, the verdict depends on the failure policy and on nothing that was observed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from safetyrepro.stats.units import FloatArray, signs_of_sums, unit_sums


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureBounds:
    """Sharp bounds of the mean difference in every configuration."""

    low: tuple[float | None, ...]
    """Smallest mean difference that some completion of the missing answers gives; None without items."""
    high: tuple[float | None, ...]
    """Largest mean difference that some completion gives; None without items."""
    n_items: int
    """Number of items, the denominator."""
    missing_a: tuple[int, ...]
    """Items without a score of A in each configuration."""
    missing_b: tuple[int, ...]
    """Items without a score of B in each configuration."""
    sign: tuple[int | None, ...]
    """1 or -1 if every completion gives this sign, 0 if every one gives a tie; None if the sign depends on the missing answers."""


def failure_bounds(
    score_a: FloatArray,
    score_b: FloatArray,
    *,
    known_a: NDArray[np.bool_],
    known_b: NDArray[np.bool_],
    low: float = 0.0,
    high: float = 1.0,
) -> FailureBounds:
    """Range of the mean difference over all scores that the missing answers could have had.

    Parameters
    ----------
    score_a, score_b : (n_items, n_configurations) float array
        Outcomes of the two models, larger is safer; what stands at a missing place is not read.
    known_a, known_b : (n_items, n_configurations) truth array
        Where an outcome exists.
    low, high : float
        Ends of the score's range.

    Returns
    -------
    FailureBounds

    Raises
    ------
    ValueError
        If shapes differ, or a known score lies outside the range.

    Notes
    -----
    low = (sum known A + low u_A - sum known B - high u_B)/n with u_A, u_B missing answers, high with the ends exchanged. Sharp: both ends are reached by scoring
    every missing answer of one model at one end and of the other at the other. No assumption about why answers are missing. The sign compares whole
    numbers on a grid, so a tie is a tie.

    References
    ----------
    Manski 1989, Journal of Human Resources 24, 343-360; Horowitz and Manski 2000, JASA 95, 77-84.
    """
    if not low < high:
        raise ValueError(f"the range is [{low}, {high}], expected two different ends in ascending order")
    worst = _filled(score_a, known_a, low, (low, high)) - _filled(score_b, known_b, high, (low, high))
    best = _filled(score_a, known_a, high, (low, high)) - _filled(score_b, known_b, low, (low, high))
    n_items = len(worst)
    units = unit_sums(np.hstack([worst, best]))
    ends = np.split(units.sums.sum(axis=0), 2)
    means = [np.ldexp(end, -units.bits) / max(n_items, 1) for end in ends]
    signs = [signs_of_sums(end, units.rounding).tolist() for end in ends]
    return FailureBounds(
        low=tuple(means[0].tolist()) if n_items else (None,) * means[0].size,
        high=tuple(means[1].tolist()) if n_items else (None,) * means[1].size,
        n_items=n_items,
        missing_a=tuple(np.count_nonzero(~known_a, axis=0).tolist()),
        missing_b=tuple(np.count_nonzero(~known_b, axis=0).tolist()),
        sign=tuple(least if n_items and least == most else None for least, most in zip(*signs, strict=True)),
    )


def _filled(score: FloatArray, known: NDArray[np.bool_], value: float, ends: tuple[float, float]) -> FloatArray:
    """The scores with one value at every missing place, after a check of shape and range."""
    if score.ndim != 2 or known.shape != score.shape:
        raise ValueError(f"scores have shape {score.shape} and known {known.shape}, expected items by configurations in both")
    filled = np.where(known, score, value)
    if not ((filled >= ends[0]) & (filled <= ends[1])).all():
        raise ValueError(f"a known score lies outside the range {ends}; give the ends of the score as low and high")
    return np.asarray(filled, dtype=np.float64)
