"""Whether two methods say the same about the same items: Cohen's kappa and phi.

Two packages, or two scorers, that judge the same answers agree beyond chance or do not. This is a
description of the judged items. Whether one method says yes more often than item noise explains is
asked of the two discordant counts by McNemar's test, in ``paired``.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np

from safetyrepro.stats.base import Flags


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Agreement of two yes-or-no ratings of the same items."""

    n_both: int
    """Items to which both say yes."""
    n_first_only: int
    """Items to which only the first says yes; the b of McNemar's test."""
    n_second_only: int
    """Items to which only the second says yes; the c of McNemar's test."""
    n_neither: int
    """Items to which both say no."""
    n_missing: int
    """Items that at least one of the two did not rate."""
    share_equal: float | None
    """Share of the rated items with equal ratings; None without a rated item."""
    kappa: float | None
    """Cohen's kappa, in [-1, 1]; None if both give one and the same rating throughout."""
    phi: float | None
    """Correlation of the two ratings, in [-1, 1]; None if one of them is constant."""


def item_agreement(first: Flags, second: Flags, known: Flags) -> Agreement:
    """Agreement of two yes-or-no ratings of the same items.

    Parameters
    ----------
    first, second : (n_items,) bool array
        Ratings by the two methods.
    known : (n_items,) bool array
        True where both rated the item.

    Returns
    -------
    Agreement
        Counts of the table, and what follows from them.

    Raises
    ------
    ValueError
        If the three arrays are not of one length.

    Notes
    -----
    With table counts a (both), b, c, d (neither), n their sum: p_o = (a + d) / n,
    p_e = ((a + b)(a + c) + (c + d)(b + d)) / n^2, kappa = (p_o - p_e) / (1 - p_e), and
    phi = (ad - bc) / sqrt((a + b)(c + d)(a + c)(b + d)). Kappa depends on how often each says yes:
    with rare events high agreement can go with low kappa.

    References
    ----------
    Cohen 1960, Educational and Psychological Measurement 20, p. 37; Yule 1912, Journal of the
    Royal Statistical Society 75, p. 579 (phi).
    """
    one, other, rated = (np.asarray(array, dtype=np.bool_) for array in (first, second, known))
    if one.ndim != 1 or one.shape != other.shape or one.shape != rated.shape:
        raise ValueError(f"expected three arrays of one length, got {one.shape}, {other.shape}, {rated.shape}")
    both, neither = int((one & other & rated).sum()), int((~one & ~other & rated).sum())
    first_only, second_only = int((one & ~other & rated).sum()), int((~one & other & rated).sum())
    n_rated = both + neither + first_only + second_only
    yes_first, yes_second = both + first_only, both + second_only
    by_chance = yes_first * yes_second + (n_rated - yes_first) * (n_rated - yes_second)
    margins = yes_first * (n_rated - yes_first) * yes_second * (n_rated - yes_second)
    return Agreement(
        n_both=both,
        n_first_only=first_only,
        n_second_only=second_only,
        n_neither=neither,
        n_missing=rated.size - n_rated,
        share_equal=(both + neither) / n_rated if n_rated else None,
        kappa=((both + neither) * n_rated - by_chance) / (n_rated**2 - by_chance) if by_chance < n_rated**2 else None,
        phi=(both * neither - first_only * second_only) / sqrt(margins) if margins else None,
    )
