"""How large a difference the items at hand would have shown: what stands beside every "unresolved"."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from safetyrepro.stats.power import minimum_detectable_difference, observed_discordance

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


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
