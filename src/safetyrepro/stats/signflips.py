"""Joint sign flips of whole items, exact whatever the order of addition.

Every test of this package that asks "is this more than item noise?" compares the data with what they would look like if, item by
item, the names of the two models had been exchanged at random. All configurations of an item are exchanged together, because the
configurations share the item. The comparison contains the words "at least as extreme", so the sums must not depend on the order
in which a processor adds. Here all sums are sums of whole numbers small enough to be exact in the floating-point type that carries
them; one matrix product then does all draws, with any number of threads and any linear-algebra library, to the same last bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from safetyrepro.stats.units import EXACT_FLOAT64, FloatArray, UnitSums, root_sum_of_squares

Whole = NDArray[np.float64] | NDArray[np.float32]

EXHAUSTIVE_UNITS = 16
"""Up to this many units all 2**n sign vectors are listed instead of drawn."""

_EXACT_FLOAT32 = 2.0**24
_SLACK = 2.0**-40
_BLOCK_ELEMENTS = 2**22


@dataclass(frozen=True, slots=True, kw_only=True)
class FlipDistribution:
    """What joint sign flips do to the self-normalised sums of several groups of columns."""

    statistic: FloatArray
    """(n_groups, n_columns) float array, the observed T; 0 where all differences of a column are 0 or unknown."""
    present: NDArray[np.bool_]
    """(n_groups, n_columns) truth array, whether the column has a known item; absent columns take part in nothing."""
    highest: FloatArray
    """(draws, n_groups) largest T of each draw over the present columns; the first draw is the data."""
    lowest: FloatArray
    """(draws, n_groups) smallest T of each draw over the present columns."""
    ahead: NDArray[np.int64]
    """(draws, n_groups) number of columns with a positive sum."""
    behind: NDArray[np.int64]
    """(draws, n_groups) number of columns with a negative sum."""
    at_least: NDArray[np.int64]
    """(n_groups, n_columns) number of draws whose sum in this column is at least the observed one."""
    at_most: NDArray[np.int64]
    """(n_groups, n_columns) number of draws whose sum in this column is at most the observed one."""
    slack: FloatArray
    """(n_groups,) distance within which two values of T count as equal: the rounding of the grid over the smallest scale."""
    n_units: int
    """Number of units that were flipped."""
    exhaustive: bool
    """Whether all 2**n_units sign vectors were listed."""

    @property
    def draws(self) -> int:
        """Number of sign vectors, the unchanged data included."""
        return int(self.highest.shape[0])


def flip_distribution(units: UnitSums, *, groups: int = 1, rng: np.random.Generator, draws: int = 10_000) -> FlipDistribution:
    """Extremes and signs of the self-normalised sums under joint sign flips.

    Parameters
    ----------
    units : UnitSums
        Sums to flip; the columns of one group (one pair of models) are adjacent and all groups have equally many.
    groups : int
        Number of groups; all are flipped by the same signs, and their extremes are kept apart.
    rng : numpy.random.Generator
        Source of the signs; not used when all sign vectors are listed.
    draws : int
        Number of sign vectors, at least 1. The first is the data themselves.

    Returns
    -------
    FlipDistribution

    Notes
    -----
    T_c = sum_g X_gc / sqrt(sum_g X_gc**2), X_gc the sum of unit g in configuration c; T_c = 0 if all X_gc are 0 (within the rounding of the grid). A draw
    replaces X_gc by e_g X_gc with one sign e_g for each unit; the denominator does not change. Sums within the rounding of the grid of each other count
    as equal, so that real-valued scores tie where they tie as decimals. With at most 16 units all
    2**n_units sign vectors are listed.

    References
    ----------
    Westfall and Young 1993, Resampling-Based Multiple Testing, chapter 2 (single-step max-T).
    Hemerik and Goeman 2018, Exact testing with random permutations, TEST 27, 811-825 (the data are one of the draws).
    """
    if draws < 1:
        raise ValueError(f"draws is {draws}, expected at least 1: the data are the first draw")
    n_units, n_columns = units.sums.shape
    if groups < 1 or n_columns % groups:
        raise ValueError(f"{n_columns} columns cannot be cut into {groups} groups of equal size")
    scale = np.where(np.abs(units.sums).sum(axis=0) > units.rounding, root_sum_of_squares(units.sums), np.inf)
    present = np.broadcast_to(units.counts.any(axis=0), (n_columns,)).reshape(groups, -1)
    observed = units.sums.sum(axis=0)
    tally = _Tally(
        scale=scale.reshape(groups, -1),
        observed=np.where(np.abs(observed) > units.rounding, observed, 0.0).reshape(groups, -1),
        absent=np.where(present, 0.0, np.inf),
        rounding=units.rounding,
    )
    blocks = [tally.of(flipped) for flipped in flipped_sums(units.sums, rng=rng, draws=draws)]
    return FlipDistribution(
        statistic=tally.observed / tally.scale,
        present=present,
        highest=np.concatenate([block.highest for block in blocks]),
        lowest=np.concatenate([block.lowest for block in blocks]),
        ahead=np.concatenate([block.ahead for block in blocks]),
        behind=np.concatenate([block.behind for block in blocks]),
        at_least=np.sum([block.at_least for block in blocks], axis=0),
        at_most=np.sum([block.at_most for block in blocks], axis=0),
        slack=units.rounding / tally.scale.min(axis=1, initial=np.inf),
        n_units=n_units,
        exhaustive=n_units <= EXHAUSTIVE_UNITS,
    )


def flipped_sums(sums: FloatArray, *, rng: np.random.Generator, draws: int) -> Iterator[Whole]:
    """Blocks of sums over units after joint sign flips, exact; the first row of the first block is unflipped.

    Parameters
    ----------
    sums : (n_units, n_columns) float array of whole numbers
        The sum of absolute values of each column must stay below 2**53.
    rng : numpy.random.Generator
        Source of the signs.
    draws : int
        Number of rows in all blocks together, unless all sign vectors are listed.

    Yields
    ------
    (n_block, n_columns) array
        In single precision where that is exact, else in double.
    """
    reach = float(np.abs(sums).sum(axis=0).max(initial=0.0))
    if reach >= EXACT_FLOAT64:
        raise ValueError(f"column sums reach {reach:.3g}, beyond 2**53: the grid is too fine to be exact")
    single = sums.astype(np.float32) if reach < _EXACT_FLOAT32 else None
    for signs in sign_blocks(sums.shape[0], rng=rng, draws=draws, width=sums.shape[1]):
        yield (signs.astype(np.float64) @ sums if single is None else signs.astype(np.float32) @ single)


def sign_blocks(n_units: int, *, rng: np.random.Generator, draws: int, width: int = 1) -> Iterator[NDArray[np.int8]]:
    """Blocks of sign vectors, (n_block, n_units) of -1 and 1; the first vector is all 1.

    Parameters
    ----------
    n_units : int
        Length of a vector. Up to 16, all 2**n_units vectors are listed and `draws` and `rng` are not used.
    rng : numpy.random.Generator
        Source of the signs; the vectors do not depend on how they are cut into blocks.
    draws : int
        Number of vectors, the first included.
    width : int
        Number of columns the caller will multiply with; only the size of a block depends on it.

    Yields
    ------
    (n_block, n_units) int8 array
    """
    size = max(1, _BLOCK_ELEMENTS // max(1, n_units, width))
    listed = n_units <= EXHAUSTIVE_UNITS
    total = 2**n_units if listed else draws
    for start in range(0, total, size):
        rows = min(size, total - start)
        bits = _listed_bits(start, rows, n_units) if listed else _drawn_bits(rng, rows, n_units)
        if start == 0:
            bits[0] = 0
        yield 1 - 2 * bits.view(np.int8)


def share_at_least(values: FloatArray, threshold: FloatArray, *, slack: float = 0.0) -> FloatArray:
    """Share of the values that reach each threshold, equal ones included.

    Parameters
    ----------
    values : (draws,) float array
        Statistic of every draw.
    threshold : float array of any shape
        Observed statistics.
    slack : float
        Distance within which two values count as equal, `FlipDistribution.slack`.

    Returns
    -------
    float array of the shape of threshold, in [0, 1]

    Notes
    -----
    A value counts as reaching t from t - 2**-40 |t| - slack on: two statistics that are equal as fractions may differ in the last bit after
    a division, and an equal value is "at least as extreme".
    """
    ordered = np.sort(values)
    below = np.searchsorted(ordered, threshold - _SLACK * np.abs(threshold) - slack, side="left")
    return np.asarray((ordered.size - below) / ordered.size, dtype=np.float64)


def flip_rate_mean(flips: FlipDistribution, group: int) -> float | None:
    """Mean flip rate 2 n+ n- / m**2 over the draws of one group; None without configurations.

    Parameters
    ----------
    flips : FlipDistribution
        Counts of positive and negative sums of each draw.
    group : int
        Which pair.
    """
    m = int(np.count_nonzero(flips.present[group]))
    if m == 0:
        return None
    pairs = int(np.sum(flips.ahead[:, group] * flips.behind[:, group]))
    return 2 * pairs / (m * m * flips.draws)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tally:
    """Turns blocks of flipped sums into extremes and counts, group by group."""

    scale: FloatArray
    observed: FloatArray
    absent: FloatArray
    rounding: float

    def of(self, flipped: Whole) -> _TallyBlock:
        """Extremes and counts of one block."""
        sums = flipped.reshape(len(flipped), *self.scale.shape)
        scaled = sums / self.scale
        hidden = self.absent.any()
        upper = scaled - self.absent if hidden else scaled
        lower = scaled + self.absent if hidden else scaled
        return _TallyBlock(
            highest=upper.max(axis=2, initial=-np.inf),
            lowest=lower.min(axis=2, initial=np.inf),
            ahead=np.count_nonzero(sums > self.rounding, axis=2),
            behind=np.count_nonzero(sums < -self.rounding, axis=2),
            at_least=np.count_nonzero(sums >= self.observed - self.rounding, axis=0),
            at_most=np.count_nonzero(sums <= self.observed + self.rounding, axis=0),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _TallyBlock:
    """The same fields as in FlipDistribution, for one block of draws."""

    highest: FloatArray
    lowest: FloatArray
    ahead: NDArray[np.int64]
    behind: NDArray[np.int64]
    at_least: NDArray[np.int64]
    at_most: NDArray[np.int64]


def _listed_bits(start: int, rows: int, n_units: int) -> NDArray[np.uint8]:
    """Binary digits of the numbers start .. start + rows - 1."""
    numbers = np.arange(start, start + rows)[:, None]
    return ((numbers >> np.arange(n_units)) & 1).astype(np.uint8)


def _drawn_bits(rng: np.random.Generator, rows: int, n_units: int) -> NDArray[np.uint8]:
    """Independent fair bits; a row uses whole 32-bit words, so that rows do not depend on the size of a block."""
    row_bytes = 4 * -(-n_units // 32)
    raw = np.frombuffer(rng.bytes(rows * row_bytes), dtype=np.uint8).reshape(rows, row_bytes)
    return np.unpackbits(raw, axis=1, count=n_units)
