"""What flip rate two indistinguishable models would show on the same items.

A flip rate of .35 alarms until one knows that exchanging the two models at random, item by item, gives .35 as well. The reference
stands next to the rate; an observed rate below it does not mean that there is no reversal.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import asin, pi

import numpy as np
from numpy.typing import NDArray

from safetyrepro.stats.signflips import flip_distribution, flip_rate_mean
from safetyrepro.stats.units import Differences, unit_sums


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseReference:
    """Distribution of the flip rate over joint sign flips."""

    mean: float | None
    """Mean flip rate over the draws (`noise_flip_rate`); None without configurations."""
    low: float | None
    """5 % quantile of the flip rate over the draws; None without configurations."""
    high: float | None
    """95 % quantile of the flip rate over the draws; None without configurations."""
    n_configurations: int
    """Number of configurations with a known item: m, the root of the denominator."""
    draws: int
    """Number of sign vectors, the data included."""
    exhaustive: bool
    """Whether all sign vectors were listed."""


def noise_reference(
    difference: Differences,
    *,
    cluster: NDArray[np.intp] | None = None,
    known: NDArray[np.bool_] | None = None,
    rng: np.random.Generator,
    draws: int = 10_000,
) -> NoiseReference:
    """Flip rate of two models that differ on the same items by nothing but chance.

    Parameters
    ----------
    difference : (n_items, n_configurations) array
        Outcome of A less outcome of B, same item, same configuration.
    cluster : (n_items,) int array, optional
        Cluster of each item.
    known : (n_items, n_configurations) truth array, optional
        False where an item is missing for either model: excluded there.
    rng : numpy.random.Generator
        Source of the signs.
    draws : int
        Number of sign vectors, the data included.

    Returns
    -------
    NoiseReference

    Notes
    -----
    rho* = 2 n+* n-* / m**2, n+* and n-* the numbers of configurations whose sum is above and below 0 after one sign per unit was drawn
    for all configurations together.

    References
    ----------
    Hemerik and Goeman 2018, Exact testing with random permutations, TEST 27, 811-825.
    """
    units = unit_sums(difference, cluster=cluster, known=known)
    flips = flip_distribution(units, rng=rng, draws=draws)
    m = int(np.count_nonzero(flips.present[0]))
    products = np.sort(flips.ahead[:, 0] * flips.behind[:, 0])
    low, high = (2 * int(products[int(share * (flips.draws - 1))]) for share in (0.05, 0.95))
    return NoiseReference(
        mean=flip_rate_mean(flips, 0),
        low=low / m**2 if m else None,
        high=high / m**2 if m else None,
        n_configurations=m,
        draws=flips.draws,
        exhaustive=flips.exhaustive,
    )


def equicorrelated_flip_rate(correlation: float) -> float:
    """Expected share of opposed pairs of distinct configurations under normal noise with equal correlation.

    Parameters
    ----------
    correlation : float
        Correlation of the difference between two configurations, in [-1, 1].

    Returns
    -------
    float
        In [0, 1]: .47 at .1, .39 at .33, .27 at .66.

    Notes
    -----
    P(sign Z1 != sign Z2) = 1/2 - arcsin(r)/pi for a bivariate normal with correlation r.

    References
    ----------
    Sheppard 1899, Philosophical Transactions A 192, 101-167.
    """
    if not -1.0 <= correlation <= 1.0:
        raise ValueError(f"correlation is {correlation}, expected a number in [-1, 1]")
    return 0.5 - asin(correlation) / pi
