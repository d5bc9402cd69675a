"""Resampled sums of whole units, exact: the bootstrap as one matrix product of whole numbers.

What is resampled are items or clusters with all their configurations, never single cells: configurations share the items.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from safetyrepro.stats.units import EXACT_FLOAT64, FloatArray, UnitSums

_BLOCK_ELEMENTS = 2**21


@dataclass(frozen=True, slots=True, kw_only=True)
class ResampledMeans:
    """Mean differences of a block of resamples."""

    means: FloatArray
    """(n_block, n_columns) mean difference over the drawn known items; 0 where none was drawn."""
    known: FloatArray
    """(n_block, n_columns) number of drawn known items."""


def resampled_means(units: UnitSums, *, rng: np.random.Generator, resamples: int) -> Iterator[ResampledMeans]:
    """Blocks of column means of resamples of units, drawn with replacement.

    Parameters
    ----------
    units : UnitSums
        Differences within items or clusters.
    rng : numpy.random.Generator
        Source of the resamples.
    resamples : int
        Number of rows in all blocks together.

    Yields
    ------
    ResampledMeans

    Notes
    -----
    mean*_c = sum_g w_g X_gc / sum_g w_g n_gc, w the numbers of times each unit was drawn. Numerator and denominator are sums of whole numbers below
    2**53, so a mean does not depend on the order of addition.

    References
    ----------
    Efron 1979, Annals of Statistics 7, 1-26; Davison and Hinkley 1997, section 3.8 (clusters).
    """
    n_units, n_columns = units.sums.shape
    if n_units == 0:
        raise ValueError("there is no unit to draw")
    shift = _shift(units)
    sums = np.rint(np.ldexp(units.sums, -shift)) if shift else units.sums
    counts = np.broadcast_to(units.counts, (n_units, units.counts.shape[1]))
    size = max(1, _BLOCK_ELEMENTS // max(n_units, n_columns))
    for start in range(0, resamples, size):
        weights = _weights(rng, min(size, resamples - start), n_units)
        drawn = np.broadcast_to(weights @ counts, (len(weights), n_columns))
        totals = np.ldexp(weights @ sums, shift - units.bits)
        yield ResampledMeans(means=totals / np.maximum(drawn, 1.0), known=drawn)


def _weights(rng: np.random.Generator, rows: int, n_units: int) -> FloatArray:
    """How often each unit is drawn; each row adds up to n_units."""
    drawn = rng.integers(0, n_units, size=(rows, n_units))
    flat = (drawn + n_units * np.arange(rows)[:, None]).ravel()
    return np.bincount(flat, minlength=rows * n_units).reshape(rows, n_units).astype(np.float64)


def _shift(units: UnitSums) -> int:
    """Binary places to give up so that drawing the largest unit every time stays exact."""
    reach = units.sums.shape[0] * float(np.abs(units.sums).max(initial=0.0))
    return max(0, int(np.frexp(reach / EXACT_FLOAT64)[1])) + (1 if reach >= EXACT_FLOAT64 / 2 else 0)
