"""Metrics with a target: "closer to 50 %" or "closer to no bias" instead of "larger is better".

The distance to a target is not linear in the outcomes, and folding it inflates small differences near the target. But "A is closer" factors into
two statements about plain means, and each of them can be tested by sign flips.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from safetyrepro.stats.signflips import FlipDistribution, flip_distribution, share_at_least
from safetyrepro.stats.units import FloatArray, unit_sums, with_none


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetTest:
    """Which model's mean is closer to a target, per configuration and over all of them."""

    statistic: tuple[float | None, ...]
    """U of each configuration, positive where A is closer; None where it is missing."""
    p: tuple[float | None, ...]
    """Two-sided p-value of each configuration on its own; None where it is missing."""
    p_plus: float | None
    """Against "A is closer nowhere", corrected for the search; None without configurations."""
    p_minus: float | None
    """Against "B is closer nowhere", corrected for the search; None without configurations."""
    p_reversal: float | None
    """The larger of p_plus and p_minus; None without configurations."""
    p_a_everywhere: float | None
    """Against "A fails to be closer somewhere"; None if a configuration is missing."""
    p_b_everywhere: float | None
    """Against "B fails to be closer somewhere"; None if a configuration is missing."""
    target: float
    """The target, on the score's scale."""
    draws: int
    """Number of sign vectors, the data included."""
    exhaustive: bool
    """Whether all sign vectors were listed."""
    n_units: int
    """Number of items or clusters that were flipped."""


def target_test(
    score_a: FloatArray,
    score_b: FloatArray,
    *,
    target: float,
    cluster: NDArray[np.intp] | None = None,
    known: NDArray[np.bool_] | None = None,
    rng: np.random.Generator,
    draws: int = 10_000,
) -> TargetTest:
    """Test whose mean is closer to the target.

    Parameters
    ----------
    score_a, score_b : (n_items, n_configurations) float array
        Outcomes of the two models on the same items.
    target : float
        Value at which a mean is best.
    cluster : (n_items,) int array, optional
        Cluster of each item.
    known : (n_items, n_configurations) truth array, optional
        False where an item is missing for either model: excluded there, for both.
    rng : numpy.random.Generator
        Source of the signs.
    draws : int
        Number of sign vectors, the data included.

    Returns
    -------
    TargetTest

    Notes
    -----
    With distances a = mean_A - t and b = mean_B - t, A is closer iff (b - a)(b + a) > 0. T1 and T2 are the self-normalised sums of y_B - y_A and of
    y_A + y_B - 2t, U = sign(T1 T2) min(|T1|, |T2|). One configuration: p = max of the two two-sided sign-flip p-values (intersection-union). Joint:
    the share of draws in which the largest |T*| of all 2m sums reaches max_c U_c (A closer somewhere) or max_c -U_c (B closer somewhere). Measured
    size .004 to .059 at nominal .05.

    References
    ----------
    Berger 1982, Technometrics 24, 295-300; Westfall and Young 1993, chapter 2.
    """
    if score_a.shape != score_b.shape:
        raise ValueError(
            f"score_a has shape {score_a.shape} and score_b {score_b.shape}, expected the same items and configurations"
        )
    linear = np.stack([score_b - score_a, score_a + score_b - 2 * target], axis=1)
    there = None if known is None else np.hstack([known, known])
    units = unit_sums(linear.reshape(score_a.shape[0], -1), cluster=cluster, known=there)
    flips = flip_distribution(units, groups=1, rng=rng, draws=draws)
    first, second = np.split(flips.statistic[0], 2)
    closeness = np.sign(first * second) * np.minimum(np.abs(first), np.abs(second))
    present = flips.present[0, : closeness.size]
    single = np.maximum(*np.split(_two_sided(flips), 2))
    joint = _joint(flips, closeness, present)
    everywhere = [_everywhere(single, side, present) for side in (closeness > 0, closeness < 0)]
    return TargetTest(
        statistic=with_none(closeness, present),
        p=with_none(single, present),
        p_plus=joint[0],
        p_minus=joint[1],
        p_reversal=None if joint[0] is None or joint[1] is None else max(joint[0], joint[1]),
        p_a_everywhere=everywhere[0],
        p_b_everywhere=everywhere[1],
        target=target,
        draws=flips.draws,
        exhaustive=flips.exhaustive,
        n_units=flips.n_units,
    )


def _two_sided(flips: FlipDistribution) -> FloatArray:
    """Two-sided p-value of each column: twice the smaller share, at most 1; the sign-flip law is symmetric."""
    smaller = np.minimum(flips.at_least[0], flips.at_most[0])
    return np.asarray(np.minimum(1.0, 2 * smaller / flips.draws), dtype=np.float64)


def _joint(flips: FlipDistribution, closeness: FloatArray, present: NDArray[np.bool_]) -> tuple[float | None, float | None]:
    """Shares of draws whose largest absolute sum reaches the best configuration of A, and of B."""
    if not present.any():
        return None, None
    largest = np.maximum(flips.highest[:, 0], -flips.lowest[:, 0])
    best = np.array([closeness[present].max(), (-closeness[present]).max()])
    shares = share_at_least(largest, np.maximum(best, 0.0), slack=float(flips.slack[0]))
    return float(shares[0]), float(shares[1])


def _everywhere(single: FloatArray, closer: NDArray[np.bool_], present: NDArray[np.bool_]) -> float | None:
    """Largest p-value over the configurations, 1 where the other model is closer; None if one is missing."""
    if present.size == 0 or not present.all():
        return None
    return float(np.where(closer, single, 1.0).max())
