"""How large a difference the items at hand would have shown: what stands beside every "unresolved"."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import NormalDist
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from safetyrepro.stats.power import minimum_detectable_difference, observed_discordance
from safetyrepro.stats.units import sum_of_squares, unit_sums
from safetyrepro.verdicts import Quantifier

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
POWER = 0.8
"""Probability with which a stated difference would have been found."""
SHARES: Mapping[Quantifier, tuple[float, float]] = MappingProxyType(
    {
        Quantifier.EVERYWHERE: (0, 1),
        Quantifier.CORE: (0, 1),
        Quantifier.SOMEWHERE: (1, 0),
        Quantifier.MAJORITY: (1, 1),
        Quantifier.MEAN: (0, 0),
        Quantifier.WORST_CASE: (0.5, 0.5),
        Quantifier.DOMINANCE: (0, 1),
    }
)
"""Of each quantifier, as powers of the number of columns, which for the last two are pairs of configurations: tests that are searched, and tests that must succeed together."""


def detectable(
    arrays: tuple[Floats, Flags], cluster: NDArray[np.intp] | None, critical: float | None, *, alpha: float, scale: float
) -> float | None:
    """Difference that these items would have shown with power .8, on the scale of the score.

    Parameters
    ----------
    arrays : tuple of (items, configurations) arrays
        Differences, and where they are known.
    cluster : (items,) int array or None
        Cluster of each item.
    critical : float or None
        Critical value of the simultaneous band; None, below 50 units, takes the Bonferroni one.
    alpha : float
        Level of the band.
    scale : float
        Width of the score's range.

    Returns
    -------
    float or None
        None where the two never differ.

    References
    ----------
    Connor 1987, Biometrics 43, p. 207; `stats.power`.
    """
    seen = observed_discordance(arrays[0], cluster=cluster, known=arrays[1], span=scale)
    if seen is None or seen.share <= 0:
        return None
    n_configurations = max(int(arrays[1].any(axis=0).sum()), 1)
    found = minimum_detectable_difference(
        n_items=seen.n_items,
        discordance=min(seen.share, 1.0),
        critical=critical or NormalDist().inv_cdf(1 - alpha / (2 * n_configurations)),
        design_effect=seen.design_effect,
    )
    return None if found is None else found * scale


def provable(
    arrays: tuple[Floats, Flags], cluster: NDArray[np.intp] | None, quantifier: Quantifier, *, alpha: float, scale: float
) -> float | None:
    """Difference that, planted in every column, the test of a claim would prove with power .8, on the scale of the score.

    Parameters
    ----------
    arrays : tuple of (items, columns) arrays
        Differences less the claim's border, and where they are known. A column is what is tested on its own: a configuration; for the worst case
        and dominance a configuration of A with one of B; for the mean, all configurations together.
    cluster : (items,) int array or None
        Cluster of each item.
    quantifier : Quantifier
        What the claim says of the configurations.
    alpha : float
        Level of the test, one-sided.
    scale : float
        Width of the score's range.

    Returns
    -------
    float or None
        None where the two never differ, or so few items prove nothing.

    Notes
    -----
    A search shares its level among the tests that are searched, and what must succeed together shares the chance of failure: both as Bonferroni
    does, so that the power is at least .8 however the columns depend on each other. Columns of which several must succeed are all taken for the one whose
    mean varies most. Half a step of the exact test, one over the effective number of items, is added: without it the exact test of 100 items has
    .73 where .8 is stated.
    """
    difference, known = arrays
    searched, together = (max(int(known.any(axis=0).sum()), 1) ** power for power in SHARES[quantifier])
    if together > 1:
        widest = [_widest(difference, known, cluster)]
        difference, known = difference[:, widest], known[:, widest]
    seen = observed_discordance(difference, cluster=cluster, known=known, span=scale)
    if seen is None or seen.share <= 0:
        return None
    found = minimum_detectable_difference(
        n_items=seen.n_items,
        discordance=min(seen.share, 1.0),
        critical=NormalDist().inv_cdf(1 - alpha / searched),
        power=1 - (1 - POWER) / together,
        design_effect=seen.design_effect,
    )
    return None if found is None else (found + seen.design_effect / seen.n_items) * scale


def _widest(difference: Floats, known: Flags, cluster: NDArray[np.intp] | None) -> int:
    """The column with the largest variance of its mean."""
    units = unit_sums(difference, cluster=cluster, known=known)
    return int(np.argmax(sum_of_squares(units.sums) / np.maximum(units.known_items, 1.0) ** 2))
