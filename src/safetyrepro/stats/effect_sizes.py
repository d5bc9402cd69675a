"""How large an effect is, in points, with an interval that item noise cannot narrow.

Shares of variance are descriptions: with few items they are biased, and bootstrap intervals for them cover as rarely as one time in four. The root mean
square of an effect over the grid is in the units of the score, has an unbiased noise correction, and an interval that follows from the triangle
inequality.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, sqrt

import numpy as np
from numpy.typing import NDArray

from safetyrepro.stats.resampling import resampled_means
from safetyrepro.stats.terms import NO_NESTING, CompleteGrid, Levels, Term, all_terms, complete_grid, component
from safetyrepro.stats.units import Differences, FloatArray, UnitSums, unit_sums


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectSize:
    """Root mean square of one effect over the grid."""

    factors: Term
    """Indices of the factors of the term; with a nested factor also those it is nested in."""
    size: float
    """r, the root mean square of the observed effect, in units of the difference; biased upwards by noise."""
    low: float
    """Lower end, never below 0."""
    high: float
    """Upper end."""
    corrected_variance: float
    """Mean square of the effect less its expectation from item noise; unbiased, may be negative."""

    @property
    def corrected_size(self) -> float:
        """Root of the corrected mean square, 0 where it is negative: for display."""
        return sqrt(max(0.0, self.corrected_variance))


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectSizes:
    """Sizes of all effects of a complete grid."""

    effects: tuple[EffectSize, ...]
    """All terms, main effects first."""
    level: float
    """Confidence level of each interval."""
    resamples: int
    """Number of bootstrap resamples of rows."""
    n_units: int
    """Number of items or clusters."""


def effect_sizes(
    difference: Differences,
    levels: Levels,
    *,
    nested: Mapping[int, int] = NO_NESTING,
    cluster: NDArray[np.intp] | None = None,
    known: NDArray[np.bool_] | None = None,
    rng: np.random.Generator,
    resamples: int = 2_000,
    level: float = 0.95,
) -> EffectSizes | None:
    """Root-mean-square sizes of the effects of a complete grid, in points, with conservative intervals.

    Parameters
    ----------
    difference : (n_items, m) array
        Outcome of A less outcome of B (or the outcome of one model), same item, same configuration.
    levels : (m, n_factors) int array
        Level of every factor in every configuration.
    nested : mapping of int to int
        Outer factor of each nested factor.
    cluster : (n_items,) int array, optional
        Cluster of each item.
    known : (n_items, m) truth array, optional
        False where an item is missing: excluded there.
    rng : numpy.random.Generator
        Source of the resamples of rows.
    resamples : int
        Number of resamples.
    level : float
        Confidence level of each interval, in (0, 1).

    Returns
    -------
    EffectSizes or None
        None if the grid is not complete, a configuration has no known item, or there are fewer than two units.

    Notes
    -----
    r = ||P theta^|| / sqrt(K), theta^ the observed means, P the projection on the effect, K = m. Interval [max(0, r - q), r + q], q the `level` quantile of
    ||P (theta* - theta^)|| / sqrt(K) over resamples of rows. Corrected mean square (SS - tr(P V)) / K with SS = ||P theta^||**2 and V the estimated
    covariance of theta^: tr(P V) = G/(G - 1) sum_g ||P u_g||**2, u_gc = (X_gc - theta^_c n_gc)/N_c. Measured coverage .905 to 1.

    References
    ----------
    Triangle inequality: |r - rho| <= ||P (theta^ - theta)|| / sqrt(K). Efron 1979, Annals of Statistics 7, 1-26.
    """
    if not 0.0 < level < 1.0:
        raise ValueError(f"level is {level}, expected a number between 0 and 1")
    if difference.shape[1:] != levels.shape[:1]:
        raise ValueError(f"difference has shape {difference.shape}, expected {len(levels)} configurations as in levels")
    grid = complete_grid(levels, nested=nested)
    units = unit_sums(difference, cluster=cluster, known=known)
    if grid is None or units.sums.shape[0] < 2 or (units.known_items == 0).any():
        return None
    terms = all_terms(levels.shape[1], nested)
    observed = (np.ldexp(units.sums.sum(axis=0), -units.bits) / units.known_items)[None, :]
    noise = _centred(units, observed)
    reaches = _deviations(units, observed, grid=grid, terms=terms, rng=rng, resamples=resamples)
    effects = [
        _effect(term, grid=grid, observed=observed, noise=noise, reach=_quantile(reach, level))
        for term, reach in zip(terms, reaches, strict=True)
    ]
    return EffectSizes(effects=tuple(effects), level=level, resamples=resamples, n_units=units.sums.shape[0])


def _effect(term: Term, *, grid: CompleteGrid, observed: FloatArray, noise: FloatArray, reach: float) -> EffectSize:
    """Size, interval and noise-corrected mean square of one term."""
    size = float(_sizes(observed, grid, term)[0])
    n_units = len(noise)
    expected = n_units / (n_units - 1) * float(np.sum(_sizes(noise, grid, term) ** 2))
    return EffectSize(
        factors=term,
        size=size,
        low=max(0.0, size - reach),
        high=size + reach,
        corrected_variance=size**2 - expected,
    )


def _sizes(rows: FloatArray, grid: CompleteGrid, term: Term) -> FloatArray:
    """Root mean square of a term in each row."""
    return np.asarray(np.sqrt(np.mean(component(rows, grid, term) ** 2, axis=1)), dtype=np.float64)


def _centred(units: UnitSums, observed: FloatArray) -> FloatArray:
    """(n_units, m) contribution of each unit to the error of the means."""
    sums = np.ldexp(units.sums, -units.bits)
    return np.asarray((sums - observed * units.counts) / units.known_items, dtype=np.float64)


def _deviations(
    units: UnitSums,
    observed: FloatArray,
    *,
    grid: CompleteGrid,
    terms: Sequence[Term],
    rng: np.random.Generator,
    resamples: int,
) -> list[FloatArray]:
    """For each term the size of the deviation of every resample from the observed means."""
    blocks = [
        [_sizes(block.means - observed, grid, term) for term in terms]
        for block in resampled_means(units, rng=rng, resamples=resamples)
    ]
    return [np.concatenate(parts) for parts in zip(*blocks, strict=True)]


def _quantile(values: FloatArray, level: float) -> float:
    """The ceil(level n)-th smallest value."""
    return float(np.sort(values)[max(ceil(level * values.size) - 1, 0)])
