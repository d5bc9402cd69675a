"""How many items, and how small a difference they can detect.

"Unresolved" without this number reads as "no difference". The difference that a study could have detected stands under every unresolved verdict.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, sqrt

import numpy as np
from numpy.typing import NDArray

from safetyrepro.stats.units import Differences, sum_of_squares, unit_sums

TYPICAL_CRITICAL = {1: 1.96, 4: 2.5, 12: 2.8, 48: 3.2}
"""Typical simultaneous critical value for a number of configurations, as observed with moderate dependence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Discordance:
    """How much two models differ on the items, the variance behind every detectable difference."""

    share: float
    """psi, the mean squared difference in units of the span squared: for right-or-wrong scores the share of items on which they differ."""
    design_effect: float
    """Squares of cluster sums over squares of items: 1 without clusters, above 1 where items of a cluster agree; 1 if nothing differs."""
    n_items: int
    """Known items of a configuration, the mean over the configurations with any, rounded down."""


def observed_discordance(
    difference: Differences,
    *,
    cluster: NDArray[np.intp] | None = None,
    known: NDArray[np.bool_] | None = None,
    span: float = 1.0,
) -> Discordance | None:
    """Discordance, design effect and number of items, over all configurations together.

    Parameters
    ----------
    difference : (n_items, n_configurations) array
        Outcome of A less outcome of B, same item, same configuration.
    cluster : (n_items,) int array, optional
        Cluster of each item.
    known : (n_items, n_configurations) truth array, optional
        False where an item is missing for either model: excluded there.
    span : float
        Width of the score's range; a detectable difference is then in units of the span.

    Returns
    -------
    Discordance or None
        None if nothing is known.

    Notes
    -----
    psi = sum x_ic**2 / (N span**2), N known cells; design effect = sum_gc X_gc**2 / sum x_ic**2, X_gc the sum of cluster g. The variance of a mean over n
    items is then about span**2 psi design_effect / n, for right-or-wrong and for real-valued scores.

    References
    ----------
    Connor 1987, Biometrics 43, 207-211; Kish 1965, Survey Sampling, section 5.4 (design effect).
    """
    if not span > 0:
        raise ValueError(f"span is {span}, expected the positive width of the score's range")
    items, clusters = unit_sums(difference, known=known), unit_sums(difference, cluster=cluster, known=known)
    cells = items.known_items
    if not cells.any():
        return None
    squares = float(sum_of_squares(items.sums).sum())
    between = float(sum_of_squares(clusters.sums).sum())
    return Discordance(
        share=float(np.ldexp(squares, -2 * items.bits)) / (float(cells.sum()) * span**2),
        design_effect=between / squares if squares > 0 else 1.0,
        n_items=int(cells.sum()) // int(np.count_nonzero(cells)),
    )


def minimum_detectable_difference(
    *, n_items: int, discordance: float, critical: float = 1.96, power: float = 0.8, design_effect: float = 1.0
) -> float | None:
    """Smallest true difference that is found with the given probability.

    Parameters
    ----------
    n_items : int
        Number of items, at least 1.
    discordance : float
        psi, the share of items on which the two models differ, in (0, 1].
    critical : float
        q: 1.96 for one configuration, the band's `critical` for all at once.
    power : float
        Wanted probability, in [0.5, 1).
    design_effect : float
        Variance with clusters over variance without; the number of items is divided by it.

    Returns
    -------
    float or None
        Difference on the score's scale, in (0, sqrt(psi)]; None if so few items cannot reach the power at any difference.

    Notes
    -----
    The positive root theta of n theta**2 = (q sqrt(psi) + z sqrt(psi - theta**2))**2, z the normal quantile of the power:
    theta = sqrt(psi) (q sqrt(n) + z sqrt(n + z**2 - q**2)) / (n + z**2), for n >= q**2.

    References
    ----------
    Connor 1987, Biometrics 43, 207-211.
    """
    z = _power_quantile(discordance, power)
    if n_items < 1 or design_effect <= 0:
        raise ValueError(f"n_items is {n_items} and design_effect {design_effect}, expected at least 1 and above 0")
    n = n_items / design_effect
    if n < critical**2:
        return None
    return sqrt(discordance) * (critical * sqrt(n) + z * sqrt(n + z**2 - critical**2)) / (n + z**2)


def required_items(
    *, difference: float, discordance: float, critical: float = 1.96, power: float = 0.8, design_effect: float = 1.0
) -> int:
    """Number of items at which a true difference is found with the given probability.

    Parameters
    ----------
    difference : float
        theta, the true difference on the score's scale; 0 < |theta| <= psi for right-or-wrong scores.
    discordance : float
        psi, the share of items on which the two models differ, in (0, 1].
    critical : float
        q: 1.96 for one configuration, the band's `critical` for all at once.
    power : float
        Wanted probability, in [0.5, 1).
    design_effect : float
        Variance with clusters over variance without.

    Returns
    -------
    int

    Notes
    -----
    n = ceil(design_effect (q sqrt(psi) + z sqrt(psi - theta**2))**2 / theta**2).

    References
    ----------
    Connor 1987, Biometrics 43, 207-211.
    """
    z = _power_quantile(discordance, power)
    if not 0.0 < difference**2 <= discordance:
        raise ValueError(f"difference is {difference}, expected a number other than 0 with square at most {discordance}")
    root = critical * sqrt(discordance) + z * sqrt(discordance - difference**2)
    return ceil(design_effect * root**2 / difference**2)


def _power_quantile(discordance: float, power: float) -> float:
    """The normal quantile of the power, after a check of both numbers."""
    if not 0.0 < discordance <= 1.0:
        raise ValueError(f"discordance is {discordance}, expected a share in (0, 1]")
    if not 0.5 <= power < 1.0:
        raise ValueError(f"power is {power}, expected a number in [0.5, 1)")
    from scipy.special import ndtri

    return float(ndtri(power))
