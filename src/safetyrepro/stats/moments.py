"""Smoothed mean difference and standard error of each configuration, with clusters as units.

With few discordant items the usual standard error collapses: no discordant item of twenty gives an interval of width zero. Adding half an
item at the best and half an item at the worst possible difference repairs this at no cost elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from safetyrepro.stats.units import FloatArray, UnitSums, column_sums, sum_of_squares


@dataclass(frozen=True, slots=True, kw_only=True)
class SmoothedMeans:
    """Centres and standard errors of all configurations."""

    estimate: FloatArray
    """(n_configurations,) mean difference over the known items; 0 where none is known (see `n_units`)."""
    centre: FloatArray
    """(n_configurations,) smoothed mean difference."""
    standard_error: FloatArray
    """(n_configurations,) standard error of the smoothed mean."""
    n_units: NDArray[np.int64]
    """(n_configurations,) number of items or clusters with a known item."""
    span: float
    """Largest possible difference, the width of the score's range."""


def smoothed_means(units: UnitSums, *, span: float = 1.0) -> SmoothedMeans:
    """Smoothed means and their standard errors.

    Parameters
    ----------
    units : UnitSums
        Differences within items or clusters.
    span : float
        Width of the score's range, so that differences lie in [-span, span]; positive.

    Returns
    -------
    SmoothedMeans

    Raises
    ------
    ValueError
        If span is not positive, or a unit's mean difference lies outside [-span, span].

    Notes
    -----
    Half an item with difference +span and half an item with -span are added, each as a unit of its own: N' = N + 1, G' = G + 1,
    centre = sum x / N', SS = sum_g (X_g - centre n_g)**2 + span**2 + centre**2, SE**2 = G'/(G' - 1) SS / N'**2. X_g and n_g are sum and number of known
    items of unit g. For binary scores this adds 1/2 to both discordant counts, as Agresti and Min do.

    References
    ----------
    Agresti and Min 2005, Statistics in Medicine 24, 729-740; Cochran 1977, Sampling Techniques, section 9A.1 (clusters).
    """
    _require_within(units, span)
    n_items = units.known_items
    total = np.ldexp(units.sums.sum(axis=0), -units.bits)
    centre = total / (n_items + 1)
    squares = np.ldexp(sum_of_squares(units.sums), -2 * units.bits)
    cross = np.ldexp(column_sums(units.sums * units.counts), -units.bits)
    sizes = np.broadcast_to(sum_of_squares(units.counts), total.shape)
    spread = np.maximum(squares - 2 * centre * cross + centre**2 * sizes, 0.0) + span**2 + centre**2
    n_units = np.broadcast_to(np.count_nonzero(units.counts, axis=0), total.shape).astype(np.int64)
    variance = (n_units + 1) / np.maximum(n_units, 1) * spread / (n_items + 1) ** 2
    return SmoothedMeans(
        estimate=total / np.maximum(n_items, 1),
        centre=centre,
        standard_error=np.asarray(np.sqrt(variance), dtype=np.float64),
        n_units=n_units,
        span=span,
    )


def _require_within(units: UnitSums, span: float) -> None:
    """Refuse a span that some unit contradicts; the comparison is on the grid."""
    if not span > 0:
        raise ValueError(f"span is {span}, expected the positive width of the score's range")
    limit = (np.ldexp(span, units.bits) + 0.5) * units.counts
    excess = np.abs(units.sums) - limit
    if excess.size and excess.max() > 0.0:
        raise ValueError(f"a difference exceeds the span {span}; give the width of the score's range as span")
