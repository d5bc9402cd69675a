"""The data model of the simulations: right-or-wrong answers of two models over an envelope, with items in common.

A latent value is the sum of an item's difficulty, what this model finds hard in it, what this configuration makes of it, and a rest; the answer is right where
the value lies below a threshold that gives each model its rate in each configuration. The part that belongs to item and model makes the differences of two
configurations correlated: .09 (weak), .33 (moderate) or .66 (strong). On published tables these correlations lie between .01 and .78.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

ITEM, ITEM_BY_CONFIGURATION = 0.30, 0.10
ITEM_BY_MODEL = {"weak": 0.10, "moderate": 0.34, "strong": 0.58}
"""Share of the latent variance; the measured correlations of the difference are .09, .33 and .66."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """True rates of two models in every configuration, and how strongly configurations depend on each other."""

    rate_a: NDArray[np.float64]
    """(m,) rate of A in each configuration."""
    rate_b: NDArray[np.float64]
    """(m,) rate of B in each configuration."""
    dependence: str
    """weak, moderate or strong."""

    @property
    def difference(self) -> NDArray[np.float64]:
        """(m,) true mean difference."""
        return self.rate_a - self.rate_b


def truth(difference: NDArray[np.float64], *, base: float = 0.6, dependence: str = "moderate") -> Truth:
    """Rates around a base rate whose difference is given."""
    return Truth(rate_a=base + difference / 2, rate_b=base - difference / 2, dependence=dependence)


def answers(state: Truth, n_items: int, rng: np.random.Generator, *, per_cluster: int = 1) -> NDArray[np.int8]:
    """(2, n_items, m) answers of A and B; items of one cluster share difficulty and what a model finds hard in it."""
    m = state.rate_a.size
    by_model = ITEM_BY_MODEL[state.dependence]
    n_clusters = -(-n_items // per_cluster)
    which = np.arange(n_items) // per_cluster
    item = np.sqrt(ITEM) * rng.standard_normal((1, n_clusters, 1))
    model = np.sqrt(by_model) * rng.standard_normal((2, n_clusters, 1))
    configuration = np.sqrt(ITEM_BY_CONFIGURATION) * rng.standard_normal((1, n_items, m))
    rest = np.sqrt(1 - ITEM - ITEM_BY_CONFIGURATION - by_model) * rng.standard_normal((2, n_items, m))
    threshold = ndtri(np.stack([state.rate_a, state.rate_b]))[:, None, :]
    return ((item + model)[:, which] + configuration + rest < threshold).astype(np.int8)


def differences(state: Truth, n_items: int, rng: np.random.Generator, *, per_cluster: int = 1) -> NDArray[np.int8]:
    """(n_items, m) outcome of A less outcome of B."""
    both = answers(state, n_items, rng, per_cluster=per_cluster)
    return both[0] - both[1]
