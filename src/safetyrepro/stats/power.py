"""How many items, and how small a difference they can detect.

"Unresolved" without this number reads as "no difference". The difference that a study could have detected stands under every unresolved verdict.
"""

from __future__ import annotations

from math import ceil, sqrt

TYPICAL_CRITICAL = {1: 1.96, 4: 2.5, 12: 2.8, 48: 3.2}
"""Typical simultaneous critical value for a number of configurations, as observed with moderate dependence."""


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
