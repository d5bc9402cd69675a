"""How far a comparison of models depends on which items and configurations were drawn: variance components in closed form.

Models, items and configurations are crossed. The components say where the error of a difference comes from, and with it whether more items or more
configurations would help. Coefficients compare the error with the spread of the models, and with a handful of models that spread is not estimable: then only
the standard deviation of a difference is given.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, sqrt

import numpy as np

from safetyrepro.stats.units import FloatArray

MINIMUM_MODELS = 10
"""With fewer models no coefficient is given: with three, the estimate of a true .76 ranges from 0 to .93."""

GAP_IN_SD = 1.64
"""A gap of so many standard deviations has the right sign with probability .95."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VarianceComponents:
    """Raw components of the crossed design; an estimate may be negative and is kept so."""

    model: float
    """sigma**2_p: between models."""
    item: float
    """sigma**2_i: between items."""
    configuration: float
    """sigma**2_c: between configurations."""
    model_item: float
    """sigma**2_pi: models differ more on some items."""
    model_configuration: float
    """sigma**2_pc: models differ more under some configurations; what makes reversals."""
    item_configuration: float
    """sigma**2_ic: items react differently to configurations, for all models alike."""
    residual: float
    """sigma**2_pic: the rest."""
    n_models: int
    """Number of models."""
    n_items: int
    """Number of items."""
    n_configurations: int
    """Number of configurations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependability:
    """Error of a comparison with given numbers of items and configurations."""

    relative_error: float
    """Error variance of a model's mean relative to the other models."""
    absolute_error: float
    """Error variance of a model's mean itself."""
    sd_of_difference: float
    """Standard deviation of the error of a difference of two models."""
    generalizability: float | None
    """G, share of relative variance that is due to the models; None with fewer than ten models, or no variance."""
    phi: float | None
    """Phi, share of absolute variance that is due to the models; None with fewer than ten models, or no variance."""
    reason: str | None
    """Why the coefficients are withheld; None if they are given."""
    n_items: int
    """Number of items n_i for which this holds."""
    n_configurations: int
    """Number of configurations n_c for which this holds."""
    configurations_fixed: bool
    """Whether the configurations are the whole universe, so that their effect is no error."""


def variance_components(scores: FloatArray) -> VarianceComponents | None:
    """Variance components of models x items x configurations.

    Parameters
    ----------
    scores : (n_models, n_items, n_configurations) float array
        Outcomes, complete: leave out items that are missing anywhere, and count them.

    Returns
    -------
    VarianceComponents or None
        None with fewer than two models, items or configurations.

    Raises
    ------
    ValueError
        If there are not three dimensions or an outcome is not finite.

    Notes
    -----
    With mean squares MS of the three-way analysis of variance: sigma**2_pic = MS_pic, sigma**2_pi = (MS_pi - MS_pic)/n_c (others alike),
    sigma**2_p = (MS_p - MS_pi - MS_pc + MS_pic)/(n_i n_c) (others alike). Unbiased if all three are random samples.

    References
    ----------
    Brennan 2001, Generalizability Theory, chapter 3; Cornfield and Tukey 1956, Annals of Mathematical Statistics 27, 907-949.
    """
    if scores.ndim != 3 or not np.isfinite(scores).all():
        raise ValueError(f"scores has {scores.ndim} dimensions, expected 3 (models, items, configurations) and finite numbers")
    if min(scores.shape) < 2:
        return None
    p, i, c = scores.shape
    squares = {axes: _mean_square(scores, axes) for axes in ((0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2))}
    rest = squares[0, 1, 2]
    pi, pc, ic = squares[0, 1], squares[0, 2], squares[1, 2]
    return VarianceComponents(
        model=(squares[0,] - pi - pc + rest) / (i * c),
        item=(squares[1,] - pi - ic + rest) / (p * c),
        configuration=(squares[2,] - pc - ic + rest) / (p * i),
        model_item=(pi - rest) / c,
        model_configuration=(pc - rest) / i,
        item_configuration=(ic - rest) / p,
        residual=rest,
        n_models=p,
        n_items=i,
        n_configurations=c,
    )


def dependability(
    components: VarianceComponents, *, n_items: int, n_configurations: int, configurations_fixed: bool = False
) -> Dependability:
    """Error of a comparison with given numbers of items and configurations.

    Parameters
    ----------
    components : VarianceComponents
    n_items, n_configurations : int
        Numbers that a study would use, at least 1.
    configurations_fixed : bool
        True if the configurations are all that is spoken of: sigma**2_pc/n_c then belongs to the models, not to the error, and
        sigma**2_c/n_c is a constant.

    Returns
    -------
    Dependability

    Notes
    -----
    relative = sigma**2_pi/n_i + sigma**2_pc/n_c + sigma**2_pic/(n_i n_c); absolute adds sigma**2_i/n_i + sigma**2_c/n_c + sigma**2_ic/(n_i n_c); negative components count as
    0. SD of a difference = sqrt(2 relative). G = tau/(tau + relative), Phi = tau/(tau + absolute), tau = sigma**2_p, with sigma**2_pc/n_c added if configurations are fixed.

    References
    ----------
    Brennan 2001, Generalizability Theory, chapter 4 (error variances, fixed facets).
    """
    if min(n_items, n_configurations) < 1:
        raise ValueError(f"n_items is {n_items} and n_configurations {n_configurations}, expected at least 1 of each")
    both = n_items * n_configurations
    shared = max(0.0, components.model_configuration) / n_configurations
    relative = max(0.0, components.model_item) / n_items + max(0.0, components.residual) / both
    absolute = relative + max(0.0, components.item) / n_items + max(0.0, components.item_configuration) / both
    if not configurations_fixed:
        relative += shared
        absolute += shared + max(0.0, components.configuration) / n_configurations
    between = max(0.0, components.model) + (shared if configurations_fixed else 0.0)
    enough = components.n_models >= MINIMUM_MODELS
    return Dependability(
        relative_error=relative,
        absolute_error=absolute,
        sd_of_difference=sqrt(2 * relative),
        generalizability=_coefficient(between, relative) if enough else None,
        phi=_coefficient(between, absolute) if enough else None,
        reason=None
        if enough
        else f"{components.n_models} models; the spread of fewer than {MINIMUM_MODELS} cannot be estimated",
        n_items=n_items,
        n_configurations=n_configurations,
        configurations_fixed=configurations_fixed,
    )


def items_for_gap(
    components: VarianceComponents, *, gap: float, n_configurations: int, configurations_fixed: bool = False
) -> int | None:
    """Number of items from which on a gap is at least 1.64 standard deviations of its error.

    Parameters
    ----------
    components : VarianceComponents
    gap : float
        True difference of two models, other than 0, in units of the score.
    n_configurations : int
        Number of configurations of the study, at least 1.
    configurations_fixed : bool
        As in `dependability`.

    Returns
    -------
    int or None
        None if no number of items suffices, because the configurations alone leave too much error.

    Notes
    -----
    The least n_i with gap**2 >= 1.64**2 x 2 (sigma**2_pi/n_i + sigma**2_pc/n_c + sigma**2_pic/(n_i n_c)).

    References
    ----------
    Brennan 2001, Generalizability Theory, chapter 4 (D studies).
    """
    if gap == 0 or n_configurations < 1:
        raise ValueError(f"gap is {gap} and n_configurations {n_configurations}, expected a gap and at least 1 configuration")
    allowed = gap**2 / (2 * GAP_IN_SD**2)
    if not configurations_fixed:
        allowed -= max(0.0, components.model_configuration) / n_configurations
    if allowed <= 0:
        return None
    per_item = max(0.0, components.model_item) + max(0.0, components.residual) / n_configurations
    return max(1, ceil(per_item / allowed))


def _coefficient(between: float, error: float) -> float | None:
    """Share of `between` in the sum of both, None where both are 0."""
    return between / (between + error) if between + error > 0 else None


def _mean_square(scores: FloatArray, axes: tuple[int, ...]) -> float:
    """Mean square of the effect of some axes: its sum of squares over its degrees of freedom."""
    effect = scores
    for axis in range(3):
        mean = effect.mean(axis=axis, keepdims=True)
        effect = effect - mean if axis in axes else mean
    repeated = np.prod([scores.shape[axis] for axis in range(3) if axis not in axes])
    df = np.prod([scores.shape[axis] - 1 for axis in axes])
    return float(repeated * np.sum(effect**2) / df)
