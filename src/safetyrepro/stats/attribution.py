"""Which choices make the response vary: exact functional ANOVA and Shapley effects on a complete grid.

The response is the difference of two models (only an interaction of model and configuration can reverse an order), its sign, or one model's
score. On a complete grid the decomposition is exact: there is no residual, nothing is estimated, and no p-value belongs here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from safetyrepro.stats.terms import (
    NO_NESTING,
    Levels,
    Term,
    all_terms,
    complete_grid,
    component,
    degrees_of_freedom,
    own_factors,
)
from safetyrepro.stats.units import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What one term contributes to the variance over the grid."""

    factors: Term
    """Indices of the factors of the term; with a nested factor also those it is nested in."""
    variance: float
    """Part of the population variance of the response over the grid."""
    share: float | None
    """variance over the total variance; None if the response is constant."""
    size: float
    """Root mean square of the effect over the grid, in units of the response."""
    df: int
    """Dimension of the effect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionalAnova:
    """Exact decomposition of the variance of a response over a complete grid."""

    effects: tuple[Effect, ...]
    """All terms, main effects first; their variances add up to the total."""
    shapley: tuple[float, ...]
    """Shapley effect of each factor, in units of variance; they add up to the total."""
    shapley_share: tuple[float, ...] | None
    """Shapley effects over the total variance; None if the response is constant."""
    total_variance: float
    """Population variance of the response over the grid."""
    n_configurations: int
    """Number of configurations of the grid."""


def functional_anova(response: FloatArray, levels: Levels, *, nested: Mapping[int, int] = NO_NESTING) -> FunctionalAnova | None:
    """Variance of a response over a complete grid, by terms and by factors.

    Parameters
    ----------
    response : (m,) float array
        Difference, verdict (1, 0, -1) or score of each configuration.
    levels : (m, n_factors) int array
        Level of every factor in every configuration.
    nested : mapping of int to int
        Outer factor of each nested factor.

    Returns
    -------
    FunctionalAnova or None
        None if the grid is not complete: use `type_two_anova`.

    Raises
    ------
    ValueError
        If the response is not finite or its length does not fit.

    Notes
    -----
    f = sum_T f_T with orthogonal f_T = P_T f; variance of T = mean f_T**2; the Shapley effect of factor j is the sum over the terms that hold j of
    variance(T) / |own factors of T|. The variance of "scoring within presentation" belongs to scoring alone: presentation is there the place,
    not a partner. For a verdict without ties the total is twice the flip rate.

    References
    ----------
    Hoeffding 1948, Annals of Mathematical Statistics 19, 293-325; Owen 2014, SIAM/ASA Journal on Uncertainty Quantification 2, 245-251.
    """
    if response.shape != levels.shape[:1] or not np.isfinite(response).all():
        raise ValueError(
            f"response has shape {response.shape} for {len(levels)} configurations; expected one finite number each"
        )
    grid = complete_grid(levels, nested=nested)
    if grid is None:
        return None
    terms = all_terms(levels.shape[1], nested)
    row = response.astype(np.float64)[None, :]
    variances = [float(np.mean(component(row, grid, term) ** 2)) for term in terms]
    total = float(np.mean((response - response.mean()) ** 2))
    constant = bool(np.ptp(response) == 0.0)
    shapley = _shapley(terms, variances, levels.shape[1], nested)
    return FunctionalAnova(
        effects=tuple(
            Effect(
                factors=term,
                variance=variance,
                share=None if constant else variance / total,
                size=variance**0.5,
                df=degrees_of_freedom(grid, term),
            )
            for term, variance in zip(terms, variances, strict=True)
        ),
        shapley=shapley,
        shapley_share=None if constant else tuple(value / total for value in shapley),
        total_variance=total,
        n_configurations=grid.n_configurations,
    )


def _shapley(terms: Sequence[Term], variances: Sequence[float], n_factors: int, nested: Mapping[int, int]) -> tuple[float, ...]:
    """Each term's variance in equal parts to its own factors."""
    shared = [0.0] * n_factors
    for term, variance in zip(terms, variances, strict=True):
        owners = own_factors(term, nested)
        for factor in owners:
            shared[factor] += variance / len(owners)
    return tuple(shared)
