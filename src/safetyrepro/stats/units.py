"""Differences of two models added up within independent units, as whole numbers on a stated grid.

The unit is what was drawn independently: an item, or a cluster of items written from one template. Sums of floats depend on the
order of addition in their last bits, and with it on the number of threads; sums of whole numbers below 2**53 do not. So the
differences are counted in steps of a grid before anything is added.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import fsum

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Differences = NDArray[np.float64] | NDArray[np.int8]

EXACT_FLOAT64 = 2.0**53
"""Below this, whole numbers and their sums are exact in double precision."""

_DYADIC_BITS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitSums:
    """Differences added up within units (items, or clusters of items), counted in steps of a fixed-point grid."""

    sums: FloatArray
    """(n_units, n_columns) float array of whole numbers; a difference of one is 2**bits steps."""
    counts: FloatArray
    """(n_units, n_columns) number of known items behind each sum; (n_units, 1) where it is the same in all columns."""
    bits: int
    """One step of the grid is 2**-bits."""
    n_items: int
    """Number of items that were given."""
    rounding: float
    """Sums that were equal before rounding differ by at most so many steps; 0 where nothing was rounded."""

    @property
    def known_items(self) -> FloatArray:
        """(n_columns,) number of known items of each column."""
        return np.broadcast_to(self.counts.sum(axis=0), (self.sums.shape[1],))


def unit_sums(
    difference: Differences,
    *,
    cluster: NDArray[np.intp] | None = None,
    known: NDArray[np.bool_] | None = None,
) -> UnitSums:
    """Sums of the differences within items or clusters, as whole numbers on a grid.

    Parameters
    ----------
    difference : (n_items, n_columns) array
        Score of A less score of B for the same item; each column is a configuration.
    cluster : (n_items,) int array, optional
        Cluster of each item; by default every item is a unit of its own.
    known : (n_items, n_columns) truth array, optional
        False where the item is missing for either model: it then adds nothing to the sums and counts of that column, in other
        words it is excluded there, for both models, and stays in the other columns.

    Returns
    -------
    UnitSums

    Raises
    ------
    ValueError
        If the shapes do not fit or a known difference is not finite.

    Notes
    -----
    Whole numbers, and multiples of 2**-10 down to it, are kept as they are (binary scores: bits = 0). Other values are rounded to
    the nearest multiple of 2**-bits with bits = 52 - e, where n_items * max|x| < 2**e, so that every partial sum stays below 2**53 and
    is exact in double precision. With 1,000 items and scores in [0, 1] a step is 2**-42. Then sums such as 0.3 - 0.1 - 0.1 - 0.1, equal to 0 as decimals, may
    differ from it by half a step for each item; `rounding` = n_items steps is the distance within which two sums count as equal.
    """
    values, counts = _checked(difference, known)
    n_items = values.shape[0]
    bits = _exact_bits(values)
    rounding = 0.0
    if bits is None:
        bits, rounding = _fine_bits(values), float(n_items)
    whole = values if bits == 0 else np.rint(np.ldexp(values, bits))
    if cluster is None:
        return UnitSums(sums=whole, counts=counts, bits=bits, n_items=n_items, rounding=rounding)
    if cluster.shape != (n_items,):
        raise ValueError(f"cluster has shape {cluster.shape}, expected ({n_items},): one cluster for each item")
    return UnitSums(
        sums=_within(whole, cluster), counts=_within(counts, cluster), bits=bits, n_items=n_items, rounding=rounding
    )


def root_sum_of_squares(sums: FloatArray) -> FloatArray:
    """Square root of the sum of squares of each column, 1 where all entries are 0; independent of the order of addition.

    Parameters
    ----------
    sums : (n_units, n_columns) float array of whole numbers

    Returns
    -------
    (n_columns,) float array
    """
    squares = sum_of_squares(sums)
    return np.sqrt(np.where(squares > 0, squares, 1.0))


def sum_of_squares(sums: FloatArray) -> FloatArray:
    """Sum of squares of each column, (n_columns,), independent of the order of addition."""
    return column_sums(sums * sums)


def column_sums(values: FloatArray) -> FloatArray:
    """Sum of each column, (n_columns,), rounded once: whole numbers directly, others by exact accumulation.

    Notes
    -----
    Whole numbers with a sum below 2**53 add without rounding in any order. Otherwise `math.fsum` gives the float nearest to the true sum.
    """
    total = np.abs(values).sum(axis=0)
    if (total < EXACT_FLOAT64 / 2).all() and (values == np.rint(values)).all():
        return np.asarray(values.sum(axis=0), dtype=np.float64)
    return np.array([fsum(column) for column in values.T.tolist()], dtype=np.float64)


def fair_tail(count: NDArray[np.int64], total: NDArray[np.int64]) -> FloatArray:
    """P(X >= count) for X ~ Bin(total, 1/2), elementwise.

    Parameters
    ----------
    count, total : integer arrays of one shape
        count may lie outside 0 .. total.

    Returns
    -------
    float array of that shape, in [0, 1]

    Notes
    -----
    P(X >= k) = I_{1/2}(k, n - k + 1), the regularised incomplete beta function, for 1 <= k <= n; 1 for k <= 0; 0 for k > n.

    References
    ----------
    Abramowitz and Stegun 1964, 26.5.24.
    """
    from scipy.special import betainc

    inside = (count >= 1) & (count <= total)
    successes = np.where(inside, count, 1)
    failures = np.where(inside, total - count, 0)
    tail = betainc(successes.astype(np.float64), failures + 1.0, 0.5)
    return np.asarray(np.where(inside, tail, (count <= 0).astype(np.float64)), dtype=np.float64)


def discordant_counts(units: UnitSums) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
    """Items that only A, and that only B, has right in each column; None unless the differences are -1, 0 or 1 item by item.

    Parameters
    ----------
    units : UnitSums
        Differences without clusters.

    Returns
    -------
    two (n_columns,) int arrays, or None
        None also where items were added up in clusters: the counts are then not binomial.
    """
    single = units.sums.shape[0] == units.n_items
    if not single or units.bits != 0 or np.abs(units.sums).max(initial=0.0) > 1:
        return None
    return (
        np.count_nonzero(units.sums > 0, axis=0).astype(np.int64),
        np.count_nonzero(units.sums < 0, axis=0).astype(np.int64),
    )


def signs_of_sums(sums: FloatArray, rounding: float) -> NDArray[np.int64]:
    """1, 0 or -1 for each sum of whole numbers; 0 within the rounding of the grid.

    Parameters
    ----------
    sums : float array
        Sums in steps of the grid.
    rounding : float
        `UnitSums.rounding`.
    """
    return np.asarray((sums > rounding).astype(np.int64) - (sums < -rounding), dtype=np.int64)


def with_none(values: FloatArray, present: NDArray[np.bool_]) -> tuple[float | None, ...]:
    """The values as a tuple, None where absent."""
    return tuple(value if there else None for value, there in zip(values.tolist(), present.tolist(), strict=True))


def _checked(difference: Differences, known: NDArray[np.bool_] | None) -> tuple[FloatArray, FloatArray]:
    """The differences with 0 where unknown, and the counts of known items, 1 or 0."""
    if difference.ndim != 2:
        raise ValueError(f"difference has {difference.ndim} dimensions, expected 2: items by configurations")
    values = difference.astype(np.float64)
    if known is None:
        counts = np.ones((values.shape[0], 1))
    elif known.shape == values.shape:
        values = np.where(known, values, 0.0)
        counts = known.astype(np.float64)
    else:
        raise ValueError(f"known has shape {known.shape}, expected {values.shape}, the shape of difference")
    if not np.isfinite(values).all():
        raise ValueError("a known difference is not finite; mark it as unknown instead")
    return values, counts


def _exact_bits(values: FloatArray) -> int | None:
    """Binary places of the coarsest grid that holds the values as they are, None if no grid down to 2**-10 does."""
    reach = values.shape[0] * float(np.abs(values).max(initial=0.0))
    if reach == 0.0 or (reach < EXACT_FLOAT64 and _on_grid(values, 0)):
        return 0
    if reach * 2.0**_DYADIC_BITS < EXACT_FLOAT64 and _on_grid(values, _DYADIC_BITS):
        return next(bits for bits in range(1, _DYADIC_BITS + 1) if _on_grid(values, bits))
    return None


def _fine_bits(values: FloatArray) -> int:
    """Binary places of the finest grid on which all partial sums stay below 2**53."""
    return 52 - int(np.frexp(values.shape[0] * float(np.abs(values).max()))[1])


def _on_grid(values: FloatArray, bits: int) -> bool:
    """Whether all values are multiples of 2**-bits."""
    scaled = values * 2.0**bits
    return bool((scaled == np.rint(scaled)).all())


def _within(values: FloatArray, cluster: NDArray[np.intp]) -> FloatArray:
    """Sums of rows within clusters, in the order of the cluster labels."""
    if values.shape[0] == 0:
        return values
    order = np.argsort(cluster, kind="stable")
    ordered = cluster[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    return np.asarray(np.add.reduceat(values[order], starts, axis=0), dtype=np.float64)
