"""What a part of an envelope says about the whole of it.

Some cells may be missing: then the rates of the whole envelope lie in a sharp interval. And whoever
runs only a few of the configurations may miss a reversal that is there: with which probability is
a matter of counting.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import comb

from safetyrepro.stats.base import OrderCounts


@dataclass(frozen=True, slots=True)
class Bounds:
    """A sharp interval: both ends are reached by some completion of the missing cells."""

    low: float
    """Smallest value that the missing verdicts allow."""
    high: float
    """Largest value that the missing verdicts allow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingBounds:
    """Where the rates of the whole envelope lie, whatever the missing verdicts are."""

    n_configurations: int
    """All configurations of the envelope, missing ones included (M)."""
    n_missing: int
    """Configurations whose verdict is free."""
    flip_rate: Bounds
    """Interval of 2 n+ n- / M^2."""
    minority_rate: Bounds
    """Interval of min(n+, n-) / M."""
    flip_rate_distinct: Bounds | None
    """Interval of n+ n- / C(M, 2); None if M < 2."""
    reversal_possible: bool
    """Whether some completion of the missing verdicts shows a reversal."""


@dataclass(frozen=True, slots=True)
class DetectionPoint:
    """Chance that a random part of the envelope shows the reversal."""

    n_configurations: int
    """How many distinct configurations are drawn at random (k)."""
    probability: float
    """Chance that both strict verdicts are among them."""


def missing_bounds(counts: OrderCounts) -> MissingBounds | None:
    """Sharp bounds of the rates of the whole envelope when some verdicts are missing.

    Parameters
    ----------
    counts : OrderCounts
        Orders of a pair, from `count_orders`.

    Returns
    -------
    MissingBounds or None
        None if the envelope is empty.

    Notes
    -----
    With u missing verdicts and M = m + u, every rate rises with n+ and with n-. The low end lets
    all u be ties: 2 n+ n- / M^2. The high end shares them so that the two strict counts are as
    even as they can be. No assumption is made on why they are missing, so the interval holds also
    when they are missing because a run failed.

    References
    ----------
    Manski 2003, Partial Identification of Probability Distributions, chapter 1 (the idea).
    """
    total = counts.n_compared + counts.n_missing
    if total == 0:
        return None
    plus, minus = counts.n_plus, counts.n_minus
    strict = plus + minus + counts.n_missing
    fewer = min(min(plus, minus) + counts.n_missing, strict // 2)
    most = fewer * (strict - fewer)
    pairs = comb(total, 2)
    return MissingBounds(
        n_configurations=total,
        n_missing=counts.n_missing,
        flip_rate=Bounds(2 * plus * minus / total**2, 2 * most / total**2),
        minority_rate=Bounds(min(plus, minus) / total, fewer / total),
        flip_rate_distinct=Bounds(plus * minus / pairs, most / pairs) if pairs else None,
        reversal_possible=fewer >= 1,
    )


def detection_curve(counts: OrderCounts, sizes: Sequence[int]) -> tuple[DetectionPoint, ...]:
    """Chance that k random configurations of the envelope show the reversal, for each k.

    Parameters
    ----------
    counts : OrderCounts
        Orders of a pair, from `count_orders`.
    sizes : sequence of int
        Numbers k of configurations, 1 <= k <= m (compared configurations only).

    Returns
    -------
    tuple of DetectionPoint
        In the order of `sizes`; exact, rounded once.

    Raises
    ------
    ValueError
        If a size is below 1 or above m.

    Notes
    -----
    P(k) = 1 - [C(m - n+, k) + C(m - n-, k) - C(n0, k)] / C(m, k): inclusion and exclusion over
    "no configuration with A ahead" and "none with B ahead", draws without replacement.

    References
    ----------
    Feller 1968, An Introduction to Probability Theory, volume 1, II.6 and IV.1.
    """
    compared = counts.n_compared
    outside = [size for size in sizes if not 1 <= size <= compared]
    if outside:
        raise ValueError(f"sizes must lie in 1..{compared}, got {outside}")
    return tuple(
        DetectionPoint(size, float(1 - Fraction(_subsets_missing_one(counts, size), comb(compared, size)))) for size in sizes
    )


def _subsets_missing_one(counts: OrderCounts, size: int) -> int:
    """Number of subsets of `size` compared configurations that lack a plus or lack a minus."""
    without_plus = comb(counts.n_compared - counts.n_plus, size)
    without_minus = comb(counts.n_compared - counts.n_minus, size)
    return without_plus + without_minus - comb(counts.n_tie, size)
