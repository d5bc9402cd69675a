"""A second look at attribution: boosted trees with their own SHAP values, refused where they do not predict.

On a complete grid the exact Shapley effects exist and this is only a check. On a grid of 48 to 144 rows the defaults of the tree library cannot
express the grid at all, so the settings are fixed here; and attributions of a model that does not predict explain nothing, so they are withheld unless
the cross-validated share of explained variance reaches one half.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from safetyrepro.errors import MissingDependency
from safetyrepro.stats.terms import Levels
from safetyrepro.stats.units import FloatArray

MINIMUM_R2 = 0.5
"""Below this cross-validated R squared no attribution is given."""

_FOLDS = 10
_ROUNDS = 200
_SETTINGS: dict[str, str | int | float | bool] = {
    "objective": "regression",
    "learning_rate": 0.1,
    "num_leaves": 31,
    "min_data_in_leaf": 2,
    "min_data_per_group": 1,
    "min_data_in_bin": 1,
    "cat_smooth": 0.0,
    "cat_l2": 0.0,
    "max_cat_to_onehot": 256,
    "feature_pre_filter": False,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbosity": -1,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BoostedAttribution:
    """Mean absolute SHAP value of each factor, or the reason why none is given."""

    size: tuple[float, ...] | None
    """Mean absolute contribution of each factor, in units of the response; None if withheld."""
    share: tuple[float, ...] | None
    """The same over their sum; None if withheld."""
    cross_validated_r2: float | None
    """1 - squared error over squared deviation from the mean, out of fold; None if it is undefined."""
    folds: int
    """Number of folds."""
    reason: str | None
    """Why the attribution is withheld; None if it is given."""


def boosted_attribution(response: FloatArray, levels: Levels, *, rng: np.random.Generator) -> BoostedAttribution:
    """Attribution of a response to factors by boosted trees.

    Parameters
    ----------
    response : (m,) float array
        Difference, verdict or score of each configuration.
    levels : (m, n_factors) int array
        Level of every factor in every configuration, 0 or above.
    rng : numpy.random.Generator
        Source of the folds and of the library's seed.

    Returns
    -------
    BoostedAttribution

    Raises
    ------
    MissingDependency
        If LightGBM is not installed.

    Notes
    -----
    Ten folds at random (fewer configurations: leave one out); R**2 = 1 - sum (y - y^_out)**2 / sum (y - mean y)**2. Size of factor j: mean over configurations of |phi_j|,
    phi the library's exact tree SHAP values. One thread, fixed seeds.

    References
    ----------
    Ke et al. 2017, LightGBM, NeurIPS; Lundberg et al. 2020, Nature Machine Intelligence 2, 56-67.
    """
    if response.shape != levels.shape[:1] or not np.isfinite(response).all():
        raise ValueError(
            f"response has shape {response.shape} for {len(levels)} configurations; expected one finite number each"
        )
    folds = min(_FOLDS, response.size)
    if folds < 2 or np.ptp(response) == 0.0:
        return _withheld(None, folds, "the response does not vary over the configurations")
    seed = int(rng.integers(0, 2**31))
    fold = rng.permutation(response.size) % folds
    predicted = np.zeros(response.size)
    for held_out in range(folds):
        out = fold == held_out
        predicted[out] = _contributions(response[~out], levels[~out], levels[out], seed).sum(axis=1)
    error = float(np.sum((response - predicted) ** 2))
    r2 = 1.0 - error / float(np.sum((response - response.mean()) ** 2))
    if r2 < MINIMUM_R2:
        return _withheld(r2, folds, f"cross-validated R squared is {r2:.2f}, below {MINIMUM_R2}")
    sizes = np.abs(_contributions(response, levels, levels, seed)[:, :-1]).mean(axis=0)
    return BoostedAttribution(
        size=tuple(sizes.tolist()),
        share=tuple((sizes / sizes.sum()).tolist()),
        cross_validated_r2=r2,
        folds=folds,
        reason=None,
    )


def _withheld(r2: float | None, folds: int, reason: str) -> BoostedAttribution:
    """A result without an attribution."""
    return BoostedAttribution(size=None, share=None, cross_validated_r2=r2, folds=folds, reason=reason)


def _contributions(response: FloatArray, levels: Levels, at: Levels, seed: int) -> NDArray[np.float64]:
    """(n_at, n_factors + 1) SHAP values and the constant, of trees grown on the response."""
    try:
        import lightgbm
    except ImportError as error:
        raise MissingDependency("lightgbm", purpose="boosted attribution", extra="attribution") from error
    n_factors = levels.shape[1]
    names = [f"factor_{factor}" for factor in range(n_factors)]
    data = lightgbm.Dataset(
        levels.astype(np.float64), label=response, feature_name=names, categorical_feature=names, params=dict(_SETTINGS)
    )
    trees = lightgbm.train({**_SETTINGS, "seed": seed}, data, num_boost_round=_ROUNDS)
    return np.asarray(trees.predict(at.astype(np.float64), pred_contrib=True), dtype=np.float64)
