"""Witnesses of a reversal: two configurations, and the items, that anybody can look at.

A reversal is proved by showing one configuration where A is strictly ahead and one where B is. The
widest witness shows the largest margin on each side.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from safetyrepro.stats.base import (
    TOLERANCE,
    Flags,
    Floats,
    Integers,
    checked_levels,
    checked_scores,
    checked_tolerance,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """Two configurations with strictly opposite verdicts."""

    plus: int
    """Index of the configuration in which A is ahead by the largest margin."""
    minus: int
    """Index of the configuration in which B is ahead by the largest margin."""
    margin_plus: float
    """Score of A less score of B at `plus`; positive."""
    margin_minus: float
    """Score of A less score of B at `minus`; negative."""
    factors: tuple[int, ...]
    """Columns of the factors in which the two configurations differ."""
    tolerance: float
    """Largest difference that counted as a tie."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscordantItems:
    """Items of one configuration whose outcomes differ between two models."""

    a_better: tuple[int, ...]
    """Indices of the items on which A did better, ascending."""
    b_better: tuple[int, ...]
    """Indices of the items on which B did better, ascending."""
    n_equal: int
    """Items with the same outcome of both."""
    n_missing: int
    """Items without an outcome of A or of B."""


def widest_witness(difference: Floats, known: Flags, levels: Integers, *, tolerance: float = TOLERANCE) -> Witness | None:
    """Configurations with the largest margin on each side, or None without a reversal.

    Parameters
    ----------
    difference : (c,) float array
        Score of A less score of B in every configuration.
    known : (c,) bool array
        True where both scores exist.
    levels : (c, f) int array
        Level of every factor in every configuration.
    tolerance : float
        A difference of at most this is a tie. Margins that differ by at most this are equal, and
        then the first configuration is taken.

    Returns
    -------
    Witness or None
        None if no configuration has A strictly ahead, or none has B.

    Raises
    ------
    ValueError
        If shapes differ or a known difference is not finite.

    Notes
    -----
    plus = argmax d(c) and minus = argmin d(c) over configurations that are not missing. The two
    form a witness iff min d < 0 < max d, which is the proposition.

    References
    ----------
    The finite-envelope proposition, parts (iii) and (iv); docs/explanation.
    """
    numbers, flags = checked_scores(difference, known, n_dimensions=1)
    table = checked_levels(levels, n_configurations=numbers.size)
    limit = checked_tolerance(tolerance)
    if not flags.any():
        return None
    highest, lowest = float(numbers[flags].max()), float(numbers[flags].min())
    if not lowest < -limit or not highest > limit:
        return None
    plus = int(np.flatnonzero(flags & (numbers >= highest - limit))[0])
    minus = int(np.flatnonzero(flags & (numbers <= lowest + limit))[0])
    differing = np.flatnonzero(table[plus] != table[minus])
    return Witness(
        plus=plus,
        minus=minus,
        margin_plus=float(numbers[plus]),
        margin_minus=float(numbers[minus]),
        factors=tuple(int(factor) for factor in differing),
        tolerance=limit,
    )


def discordant_items(a: Floats, b: Floats, known: Flags, *, tolerance: float = TOLERANCE) -> DiscordantItems:
    """Items on which two models differ in one configuration.

    Parameters
    ----------
    a, b : (n_items,) float array
        Outcome of A and of B on each item, larger is safer.
    known : (n_items,) bool array
        True where both outcomes exist.
    tolerance : float
        Outcomes that differ by at most this are the same.

    Returns
    -------
    DiscordantItems
        Indices of the items, and how many are equal or missing.

    Raises
    ------
    ValueError
        If shapes differ or a known outcome is not finite.

    Notes
    -----
    With x_i = y_iA - y_iB: a_better = {i : x_i > tolerance}, b_better = {i : x_i < -tolerance}.
    For outcomes 0 and 1 these are the two discordant cells of McNemar's table.

    References
    ----------
    McNemar 1947, Psychometrika 12, p. 153.
    """
    first, flags = checked_scores(a, known, n_dimensions=1)
    second, _ = checked_scores(b, known, n_dimensions=1)
    limit = checked_tolerance(tolerance)
    gap = first - second
    a_better = np.flatnonzero(flags & (gap > limit))
    b_better = np.flatnonzero(flags & (gap < -limit))
    n_known = int(flags.sum())
    return DiscordantItems(
        a_better=tuple(a_better.tolist()),
        b_better=tuple(b_better.tolist()),
        n_equal=n_known - a_better.size - b_better.size,
        n_missing=flags.size - n_known,
    )


def items_that_turn(plus: DiscordantItems, minus: DiscordantItems) -> tuple[int, ...]:
    """Items on which A did better in the one witness cell and B did better in the other.

    Parameters
    ----------
    plus, minus : DiscordantItems
        Items of the two configurations of a witness, indexed alike.

    Returns
    -------
    tuple of int
        Indices, ascending. These items show the reversal one by one; a reversal of the scores does
        not need any of them.

    Notes
    -----
    {i : x_i,plus > 0 and x_i,minus < 0}, with x_ic = y_iAc - y_iBc.

    References
    ----------
    The finite-envelope proposition, applied to a single item.
    """
    return tuple(sorted(set(plus.a_better) & set(minus.b_better)))
