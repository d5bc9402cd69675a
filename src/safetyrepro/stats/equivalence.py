"""Ties as a verdict: equivalence and non-inferiority within a declared margin.

Not finding a difference is not finding a tie. Two models are called equivalent only if the items exclude a difference as large as a
margin that was declared before looking; without a margin the word is "undecided".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from safetyrepro.stats.moments import SmoothedMeans, smoothed_means
from safetyrepro.stats.units import Differences, FloatArray, unit_sums, with_none


@dataclass(frozen=True, slots=True, kw_only=True)
class EquivalenceTest:
    """Two one-sided tests against a declared margin, in every configuration."""

    p_everywhere: float | None
    """Largest p-value: against "the difference reaches the margin somewhere"; None if a configuration is missing or has fewer than two units."""
    p: tuple[float | None, ...]
    """p-value of each configuration; None where it is missing or has fewer than two units."""
    margin: float
    """Declared margin, in units of the score."""
    span: float
    """Width of the score's range."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoninferiorityTest:
    """One-sided tests of "A is not worse than B by the margin", in every configuration."""

    p_everywhere: float | None
    """Largest p-value: against "A is worse by the margin somewhere"; None if a configuration is missing or has fewer than two units."""
    p: tuple[float | None, ...]
    """p-value of each configuration; None where it is missing or has fewer than two units."""
    margin: float
    """Declared margin, in units of the score."""
    span: float
    """Width of the score's range."""


def equivalence_test(
    difference: Differences,
    *,
    margin: float,
    cluster: NDArray[np.intp] | None = None,
    known: NDArray[np.bool_] | None = None,
    span: float = 1.0,
) -> EquivalenceTest:
    """Test whether the mean differences lie strictly within the margin.

    Parameters
    ----------
    difference : (n_items, n_configurations) array
        Outcome of A less outcome of B, same item, same configuration.
    margin : float
        Largest difference that does not matter, declared in advance; positive.
    cluster : (n_items,) int array, optional
        Cluster of each item.
    known : (n_items, n_configurations) truth array, optional
        False where an item is missing for either model: excluded there.
    span : float
        Width of the score's range.

    Returns
    -------
    EquivalenceTest

    Notes
    -----
    p_c = max(P(t >= (margin + centre)/SE), P(t >= (margin - centre)/SE)) with G - 1 degrees of freedom, centre and SE of `moments.smoothed_means`. Equal to: the
    interval of level 1 - 2 alpha lies within (-margin, margin). "Equivalent everywhere" takes the largest p_c without correction. Measured size at
    the boundary up to .055; margin .05 needs about 1,000 items for power .7.

    References
    ----------
    Schuirmann 1987, Journal of Pharmacokinetics and Biopharmaceutics 15, 657-680.
    """
    means = smoothed_means(unit_sums(difference, cluster=cluster, known=known), span=span)
    lower = _tail(means, means.centre, _checked_margin(margin))
    upper = _tail(means, -means.centre, margin)
    p, everywhere = _collected(np.maximum(lower, upper), means)
    return EquivalenceTest(p_everywhere=everywhere, p=p, margin=margin, span=span)


def noninferiority_test(
    difference: Differences,
    *,
    margin: float,
    cluster: NDArray[np.intp] | None = None,
    known: NDArray[np.bool_] | None = None,
    span: float = 1.0,
) -> NoninferiorityTest:
    """Test whether A is nowhere worse than B by the margin.

    Parameters
    ----------
    difference, cluster, known, span
        As in `equivalence_test`.
    margin : float
        Largest deficit of A that is accepted, declared in advance; positive.

    Returns
    -------
    NoninferiorityTest

    Notes
    -----
    p_c = P(t >= (margin + centre)/SE) with G - 1 degrees of freedom; everywhere: the largest, without correction.

    References
    ----------
    Blackwelder 1982, Controlled Clinical Trials 3, 345-353; Berger 1982, Technometrics 24, 295-300.
    """
    means = smoothed_means(unit_sums(difference, cluster=cluster, known=known), span=span)
    p, everywhere = _collected(_tail(means, means.centre, _checked_margin(margin)), means)
    return NoninferiorityTest(p_everywhere=everywhere, p=p, margin=margin, span=span)


def _checked_margin(margin: float) -> float:
    """The margin, if it is a positive number."""
    if not 0.0 < margin < float("inf"):
        raise ValueError(f"margin is {margin}, expected a positive number declared before looking")
    return margin


def _tail(means: SmoothedMeans, centre: FloatArray, margin: float) -> FloatArray:
    """P(t >= (margin + centre)/SE) for each configuration."""
    from scipy.special import stdtr

    statistic = (margin + centre) / means.standard_error
    return np.asarray(stdtr(np.maximum(means.n_units - 1.0, 1.0), -statistic), dtype=np.float64)


def _collected(p: FloatArray, means: SmoothedMeans) -> tuple[tuple[float | None, ...], float | None]:
    """p-values with None where undefined, and the largest one if all are defined."""
    defined = means.n_units >= 2
    return with_none(p, defined), float(p.max()) if defined.size and defined.all() else None
