"""Orders of two models over an envelope, and the rates at which the verdict flips.

The proposition: the verdict of a pair flips somewhere in a finite envelope exactly when A is
strictly ahead in at least one configuration and B in at least one other, and then two evaluators
who choose their configuration independently and uniformly disagree strictly with probability
2 n+ n- / m^2. It is a statement about 2m realised numbers: no distribution enters. Whether the
items can bear it is another question, answered in ``support``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb, fsum

import numpy as np

from safetyrepro.stats.base import (
    TOLERANCE,
    Flags,
    Floats,
    Integers,
    OrderCounts,
    checked_levels,
    checked_scores,
    sign_arrays,
    signs_of,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FlipRates:
    """Rates at which the verdict of a pair flips; None where the rate is not defined."""

    n_compared: int
    """Denominator m of the plain rates: configurations in which both scores exist."""
    n_strict: int
    """Denominator of the rates without ties: n+ + n-."""
    flip_rate: float | None
    """2 n+ n- / m^2, in [0, 1/2]; None if m = 0."""
    minority_rate: float | None
    """min(n+, n-) / m, in [0, 1/2]; None if m = 0."""
    flip_rate_distinct: float | None
    """n+ n- / (m (m - 1) / 2), in [0, 1]; None if m < 2."""
    flip_rate_no_ties: float | None
    """`flip_rate` with m replaced by n+ + n-; None if every verdict is a tie."""
    minority_rate_no_ties: float | None
    """`minority_rate` with m replaced by n+ + n-; None if every verdict is a tie."""
    flip_rate_distinct_no_ties: float | None
    """`flip_rate_distinct` with m replaced by n+ + n-; None if fewer than two strict verdicts."""
    weak_disagreement: float | None
    """1 - (n+^2 + n-^2 + n0^2) / m^2: the verdicts differ, a tie and a strict one included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightedFlipRates:
    """Flip rates when configurations carry weights; None where a rate is not defined."""

    weight_plus: float
    """Share of the weight on configurations in which A is strictly ahead."""
    weight_minus: float
    """Share of the weight on configurations in which B is strictly ahead."""
    weight_tie: float
    """Share of the weight on ties."""
    flip_rate: float
    """2 W+ W-, in [0, 1/2]."""
    minority_rate: float
    """min(W+, W-), in [0, 1/2]."""
    flip_rate_distinct: float | None
    """2 W+ W- / (1 - sum w^2); None if one configuration carries all the weight."""
    effective_size: float
    """1 / sum w^2: how many equally weighted configurations the weights amount to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorFlips:
    """What changing one factor alone does to the verdict."""

    factor: int
    """Column of the factor in the table of levels."""
    n_pairs: int
    """Unordered pairs of compared configurations that differ in this factor only."""
    n_opposed: int
    """Pairs among them with strictly opposite verdicts."""
    rate: float | None
    """n_opposed / n_pairs; None if no two compared configurations differ in this factor only."""


def count_orders(a: Floats, b: Floats, known: Flags, *, tolerance: float = TOLERANCE) -> OrderCounts:
    """Counts of the orders of two models over an envelope.

    Parameters
    ----------
    a, b : (c,) float array
        Score of A and of B in every configuration, larger is safer.
    known : (c,) bool array
        True where both scores exist.
    tolerance : float
        Scores that differ by at most this are a tie.

    Returns
    -------
    OrderCounts
        n+, n-, ties, missing, and the verdict of every configuration.

    Raises
    ------
    ValueError
        If the shapes differ, or a known score is not finite.

    Notes
    -----
    v(c) = sign(s_A(c) - s_B(c)) over configurations c; n+ = #{v = +1}, n- = #{v = -1},
    n0 = #{v = 0}, m = n+ + n- + n0. A configuration with a missing cell is in none of them.
    A reversal exists iff n+ >= 1 and n- >= 1, iff min d < 0 < max d.

    References
    ----------
    The finite-envelope proposition: a product of two signs is -1 exactly when one is +1 and the
    other -1. Documented in docs/explanation.
    """
    first, flags = checked_scores(a, known, n_dimensions=1)
    second, _ = checked_scores(b, known, n_dimensions=1)
    signs = signs_of(first - second, flags, tolerance=tolerance)
    return OrderCounts(
        n_plus=signs.count(1),
        n_minus=signs.count(-1),
        n_tie=signs.count(0),
        n_missing=signs.count(None),
        signs=signs,
        tolerance=float(tolerance),
    )


def flip_rates(counts: OrderCounts) -> FlipRates:
    """Rates at which the verdict flips, each with its denominator.

    Parameters
    ----------
    counts : OrderCounts
        Orders of a pair, from `count_orders`.

    Returns
    -------
    FlipRates
        None for each rate that has no denominator.

    Notes
    -----
    With m compared configurations, n+ and n- strict verdicts each way and n0 ties:

    - flip_rate = 2 n+ n- / m^2, the chance that two evaluators who choose independently and
      uniformly publish opposite verdicts; at most 1/2, and unchanged when every configuration
      is repeated.
    - minority_rate = min(n+, n-) / m.
    - flip_rate_distinct = n+ n- / C(m, 2), the same chance for two different configurations.
    - weak_disagreement = 1 - (n+^2 + n-^2 + n0^2) / m^2 counts a tie against a strict verdict.

    flip_rate_distinct = flip_rate m / (m - 1); flip_rate <= 2 minority_rate, and without ties
    flip_rate = 2 minority_rate (1 - minority_rate); Var(v) = 2 flip_rate + p0 (1 - p0), p0 = n0/m.

    References
    ----------
    Elementary counting; without ties flip_rate is half the variance of the verdict.
    """
    plus, minus, tie = counts.n_plus, counts.n_minus, counts.n_tie
    compared, strict = counts.n_compared, counts.n_strict
    agreement = plus * plus + minus * minus + tie * tie
    return FlipRates(
        n_compared=compared,
        n_strict=strict,
        flip_rate=_ratio(2 * plus * minus, compared**2),
        minority_rate=_ratio(min(plus, minus), compared),
        flip_rate_distinct=_ratio(plus * minus, comb(compared, 2)),
        flip_rate_no_ties=_ratio(2 * plus * minus, strict**2),
        minority_rate_no_ties=_ratio(min(plus, minus), strict),
        flip_rate_distinct_no_ties=_ratio(plus * minus, comb(strict, 2)),
        weak_disagreement=_ratio(compared**2 - agreement, compared**2),
    )


def weighted_flip_rates(signs: Sequence[int | None], weights: Floats) -> WeightedFlipRates | None:
    """Flip rates under declared weights of the configurations.

    Parameters
    ----------
    signs : sequence of c entries
        Verdict per configuration: +1, 0, -1, None where missing.
    weights : (c,) float array
        Weight of each configuration, not negative; scaled to sum 1 over those not missing.

    Returns
    -------
    WeightedFlipRates or None
        None if no compared configuration has a positive weight.

    Raises
    ------
    ValueError
        If a weight is negative or not finite, or the lengths differ.

    Notes
    -----
    W+ and W- are the sums of the scaled weights w over v = +1 and v = -1. flip_rate = 2 W+ W-,
    minority_rate = min(W+, W-), flip_rate_distinct = 2 W+ W- / (1 - sum w^2), effective size
    1 / sum w^2. Whether there is a reversal depends only on which weights are positive; the rate
    can be moved anywhere in (0, 1/2] by the weights, so it belongs to the weighting.

    References
    ----------
    Kish 1965, Survey Sampling (effective size).
    """
    verdicts, known = sign_arrays(signs)
    raw = np.asarray(weights, dtype=np.float64)
    if raw.shape != verdicts.shape or not np.isfinite(raw).all() or (raw < 0).any():
        raise ValueError(f"expected {verdicts.size} finite weights >= 0, got shape {raw.shape} with values {raw.tolist()[:5]}")
    total = fsum(raw[known])
    if total <= 0:
        return None
    shares = np.where(known, raw / total, 0.0)
    plus, minus, tie = (fsum(shares[known & (verdicts == sign)]) for sign in (1, -1, 0))
    squares = fsum(shares**2)
    several = int((shares > 0).sum()) > 1
    return WeightedFlipRates(
        weight_plus=plus,
        weight_minus=minus,
        weight_tie=tie,
        flip_rate=2 * plus * minus,
        minority_rate=min(plus, minus),
        flip_rate_distinct=2 * plus * minus / (1 - squares) if several and squares < 1 else None,
        effective_size=1 / squares,
    )


def one_factor_flip_rate(signs: Sequence[int | None], levels: Integers) -> tuple[FactorFlips, ...]:
    """For each factor, how often changing it alone turns the verdict around.

    Parameters
    ----------
    signs : sequence of c entries
        Verdict per configuration: +1, 0, -1, None where missing.
    levels : (c, f) int array
        Level of every factor in every configuration.

    Returns
    -------
    tuple of FactorFlips
        One for each column of `levels`, in order.

    Raises
    ------
    ValueError
        If `levels` has not one row per configuration.

    Notes
    -----
    For factor j: over unordered pairs {c, c'} of compared configurations that differ in j and
    agree in every other factor, rate = #{v(c) v(c') = -1} / #pairs. Pairs with a tie are in the
    denominator. On an incomplete or nested grid only the pairs that exist count.

    References
    ----------
    One-at-a-time sensitivity over the whole grid; Saltelli et al. 2008, Global Sensitivity
    Analysis, chapter 3 (elementary effects).
    """
    verdicts, known = sign_arrays(signs)
    table = checked_levels(levels, n_configurations=verdicts.size)[known]
    return tuple(_factor_flips(verdicts[known], table, factor=factor) for factor in range(table.shape[1]))


def _factor_flips(verdicts: Integers, levels: Integers, *, factor: int) -> FactorFlips:
    """Pairs that agree in all other factors, less those that agree in this one too."""
    others = np.delete(levels, factor, axis=1)
    n_pairs, n_opposed = _pairs_within(verdicts, others)
    same_pairs, same_opposed = _pairs_within(verdicts, levels)
    n_pairs, n_opposed = n_pairs - same_pairs, n_opposed - same_opposed
    return FactorFlips(factor=factor, n_pairs=n_pairs, n_opposed=n_opposed, rate=_ratio(n_opposed, n_pairs))


def _pairs_within(verdicts: Integers, keys: Integers) -> tuple[int, int]:
    """Number of unordered pairs of rows with equal keys, and of those with opposite verdicts."""
    if keys.shape[1] == 0:
        group = np.zeros(verdicts.size, dtype=np.int64)
    else:
        group = np.unique(keys, axis=0, return_inverse=True)[1].reshape(-1)
    n_groups = int(group.max()) + 1 if group.size else 0
    sizes = np.bincount(group, minlength=n_groups)
    plus = np.bincount(group[verdicts == 1], minlength=n_groups)
    minus = np.bincount(group[verdicts == -1], minlength=n_groups)
    return int((sizes * (sizes - 1) // 2).sum()), int((plus * minus).sum())


def _ratio(numerator: int, denominator: int) -> float | None:
    """The quotient of two counts, None if nothing was counted."""
    return numerator / denominator if denominator else None
