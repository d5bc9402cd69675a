"""What every deterministic statistic shares: when two scores tie, and what a missing cell is.

A score is a float64 number, larger is safer. Two scores tie if they differ by at most
`TOLERANCE`: sums of the same outcomes in another order may differ in the last bits, and that must
not create a verdict. A cell without a score is *missing*: neither a tie nor a zero. It is marked by
a separate array ``known``; what stands in the score array there is never read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Integers = NDArray[np.int64]
Signs = tuple[int | None, ...]
"""Verdict per configuration: +1, 0, -1, or None where a cell is missing."""

TOLERANCE = 1e-12
"""Largest difference of two scores that counts as a tie, on the declared scale of the score."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderCounts:
    """How often each order of two models occurs over an envelope."""

    n_plus: int
    """Configurations in which A is strictly ahead."""
    n_minus: int
    """Configurations in which B is strictly ahead."""
    n_tie: int
    """Configurations in which the two scores tie."""
    n_missing: int
    """Configurations in which at least one of the two scores does not exist."""
    signs: Signs
    """Verdict per configuration: +1, 0, -1, or None where missing."""
    tolerance: float
    """Largest difference that was counted as a tie."""

    @property
    def n_compared(self) -> int:
        """Configurations in which both scores exist (m)."""
        return self.n_plus + self.n_minus + self.n_tie

    @property
    def n_strict(self) -> int:
        """Configurations in which one of the two is strictly ahead (n+ + n-)."""
        return self.n_plus + self.n_minus

    @property
    def reversal(self) -> bool:
        """Whether A is strictly ahead somewhere and B is strictly ahead somewhere else."""
        return self.n_plus >= 1 and self.n_minus >= 1


def checked_scores(values: Floats, known: Flags, *, n_dimensions: int) -> tuple[Floats, Flags]:
    """The two arrays, after a check of their shapes and of the known values.

    Parameters
    ----------
    values : float array of `n_dimensions` dimensions
        Numbers; whatever stands at a missing place is ignored.
    known : bool array of the same shape
        True where the number exists.
    n_dimensions : int
        How many dimensions both must have.

    Returns
    -------
    tuple of (float64 array, bool array)
        `values`, with 0 written at missing places so that arithmetic is defined there, and `known`.

    Raises
    ------
    ValueError
        If the shapes differ or a known value is not finite.
    """
    numbers = np.asarray(values, dtype=np.float64)
    flags = np.asarray(known, dtype=np.bool_)
    if numbers.ndim != n_dimensions or numbers.shape != flags.shape:
        raise ValueError(
            f"expected values and known of one shape with {n_dimensions} dimension(s), got {numbers.shape} and {flags.shape}"
        )
    if not np.isfinite(numbers[flags]).all():
        raise ValueError("a known value is not finite; mark it as missing in `known` instead")
    return np.where(flags, numbers, 0.0), flags


def checked_tolerance(tolerance: float) -> float:
    """The tolerance, if it is a finite number that is not negative.

    Raises
    ------
    ValueError
        If it is negative, infinite or not a number.
    """
    if not (0.0 <= tolerance < float("inf")):
        raise ValueError(f"tolerance must be finite and >= 0, got {tolerance}")
    return float(tolerance)


def checked_levels(levels: Integers, *, n_configurations: int) -> Integers:
    """The table of levels, after a check that it has one row per configuration.

    Parameters
    ----------
    levels : (c, f) int array
        Level of every factor in every configuration, as numbers that only need to differ.
    n_configurations : int
        The c that is expected.

    Raises
    ------
    ValueError
        If `levels` is not a table with `n_configurations` rows of integers.
    """
    table = np.asarray(levels)
    if table.ndim != 2 or table.shape[0] != n_configurations:
        raise ValueError(
            f"expected levels with {n_configurations} rows (one per configuration) "
            f"and one column per factor, got shape {table.shape}"
        )
    if table.size and not np.issubdtype(table.dtype, np.integer):
        raise ValueError(f"levels must be integers, got dtype {table.dtype}")
    return table.astype(np.int64)


def signs_of(difference: Floats, known: Flags, *, tolerance: float = TOLERANCE) -> Signs:
    """Verdict per configuration: the sign of the difference, None where it is missing.

    Parameters
    ----------
    difference : (c,) float array
        Score of A less score of B.
    known : (c,) bool array
        True where both scores exist.
    tolerance : float
        A difference of at most this size is a tie.

    Returns
    -------
    tuple of c entries
        +1 (A ahead), 0 (tie), -1 (B ahead), None (missing).

    Notes
    -----
    v(c) = sign d(c) if |d(c)| > tolerance, else 0, with d(c) = s_A(c) - s_B(c).
    """
    numbers, flags = checked_scores(difference, known, n_dimensions=1)
    limit = checked_tolerance(tolerance)
    signs = np.sign(numbers) * (np.abs(numbers) > limit)
    return tuple(int(sign) if is_known else None for sign, is_known in zip(signs.tolist(), flags.tolist(), strict=True))


def sign_arrays(signs: Sequence[int | None]) -> tuple[Integers, Flags]:
    """Signs as an array (0 where missing) and the array that says which of them exist.

    Raises
    ------
    ValueError
        If an entry is none of +1, 0, -1 and None.
    """
    known = np.array([sign is not None for sign in signs], dtype=np.bool_)
    numbers = np.array([0 if sign is None else sign for sign in signs], dtype=np.int64)
    if not np.isin(numbers, (-1, 0, 1)).all():
        raise ValueError("a sign must be +1, 0, -1 or None")
    return numbers, known


def complete_configurations(known: Flags) -> Flags:
    """Which configurations have a score of every model.

    Parameters
    ----------
    known : (n_models, c) bool array
        True where a model has a score.

    Returns
    -------
    (c,) bool array
        True where every model has one.

    Raises
    ------
    ValueError
        If `known` is not a table.
    """
    flags = np.asarray(known, dtype=np.bool_)
    if flags.ndim != 2:
        raise ValueError(f"expected known with 2 dimensions (models, configurations), got {flags.ndim}")
    complete: Flags = np.logical_and.reduce(flags, axis=0)
    return complete


def tier_numbers(scores: Floats, *, tolerance: float = TOLERANCE) -> Integers:
    """Tier of every model in every configuration; 0 is the safest tier.

    Parameters
    ----------
    scores : (n_models, c) float array
        Complete: every cell is known.
    tolerance : float
        Neighbouring scores that differ by at most this share a tier.

    Returns
    -------
    (c, n_models) int array
        Number of the tier, from 0 (best) without gaps.

    Notes
    -----
    Models a and b share a tier if a chain of models leads from a to b in which neighbours differ
    by at most the tolerance (the transitive closure), so tiers are a weak order even though
    "within the tolerance" is not transitive.
    """
    columns = np.asarray(scores, dtype=np.float64).T
    order = np.argsort(-columns, axis=1, kind="stable")
    ordered = np.take_along_axis(columns, order, axis=1)
    steps = (ordered[:, :-1] - ordered[:, 1:]) > checked_tolerance(tolerance)
    numbers = np.zeros(columns.shape, dtype=np.int64)
    numbers[:, 1:] = np.cumsum(steps, axis=1)
    tiers = np.empty_like(numbers)
    np.put_along_axis(tiers, order, numbers, axis=1)
    return tiers
