"""ScoreTable -> which choices move a difference: exact where the grid is complete, Type II where it is not.

Only what moves the difference of two models can reverse their order: a choice that moves both scores alike is harmless however
large. So attribution is of the difference first, of its sign beside it, and of single scores only under their own name. Nothing is
estimated here; the sizes with intervals are in `effects`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np

from safetyrepro.nesting import Design
from safetyrepro.pairs import pair_scores
from safetyrepro.scores import ScoreTable
from safetyrepro.stats.attribution import FunctionalAnova, functional_anova
from safetyrepro.stats.base import TOLERANCE, Flags, Floats, sign_arrays, signs_of
from safetyrepro.stats.terms import Term, complete_grid
from safetyrepro.stats.type_two import TypeTwoAnova, type_two_anova

MOST_FACTORS = 8
"""Varied factors up to which every term is listed: 255 terms."""
MOST_WORK = 20_000_000
"""Responses times configurations times terms up to which a benchmark is attributed: a few seconds."""


class Method(Enum):
    """How a response was divided."""

    EXACT = "exact"
    """Functional ANOVA of a complete grid: orthogonal terms that add up to the total, nothing estimated."""
    TYPE_II = "type II"
    """Main effects and pairs of factors by projection, on an incomplete grid: the lines need not add up."""
    NONE = "none"
    """Not divided; the reason is given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TermShare:
    """What one term takes of the variance of a response over the configurations."""

    factors: tuple[str, ...]
    """The factors of the term; with a nested factor also those it is nested in."""
    size: float
    """Root mean square of the term over the configurations, in units of the response."""
    share: float | None
    """Exact: its part of the variance. Type II: its sum of squares over the corrected total. None for a constant response."""
    omega_squared: float | None
    """Type II: the share corrected for its expectation without an effect; may be negative. None if exact or saturated."""
    partial_omega_squared: float | None
    """Type II: share of the variance that is not due to other terms, corrected. None if exact or saturated."""
    df: int
    """Dimensions of the term."""
    nominal_df: int
    """Dimensions it would have if no combination were absent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorShare:
    """One number for one factor."""

    factor: str
    """Name of the factor."""
    shapley: float | None
    """Shapley effect over the total variance: each term's share in equal parts to its factors; None for a constant response."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributed:
    """How the variance of one response divides."""

    method: Method
    """How it was divided."""
    reason: str
    """Why it was not divided exactly; empty where it was."""
    n_configurations: int
    """Configurations with a value of the response."""
    total_size: float
    """Root of the variance of the response over them, in units of the response."""
    terms: tuple[TermShare, ...]
    """The terms, main effects first."""
    factors: tuple[FactorShare, ...]
    """Shapley shares, in the order of the factors; empty unless exact."""
    residual_df: int | None
    """Type II: configurations less the dimensions of the model; 0 is saturated. None if exact."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairAttribution:
    """Which choices move the difference of two models."""

    a: str
    """First model."""
    b: str
    """Second model."""
    difference: Attributed
    """Of score A less score B: the part that can reverse."""
    verdict: Attributed
    """Of its sign (+1, 0, -1): without ties its variance is twice the flip rate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreAttribution:
    """Which choices move one model's own score; most of this is common to all models and reverses nothing."""

    model: str
    """Name of the model."""
    score: Attributed
    """Of its oriented score."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkAttribution:
    """Which choices move what on one benchmark."""

    factors: tuple[str, ...]
    """Factors with at least two levels."""
    nesting: tuple[tuple[str, str], ...]
    """Pairs (inner factor, outer factor): the inner one's levels mean something only within a level of the outer."""
    pairs: tuple[PairAttribution, ...]
    """Every pair of models, in the order of the analysis."""
    scores: tuple[ScoreAttribution, ...]
    """Every model; a different question than the pairs'."""
    skipped: str
    """Why nothing is attributed; empty where something is."""


def attribute(table: ScoreTable, design: Design) -> BenchmarkAttribution:
    """Divide the variance of differences, of their signs and of scores among the factors.

    Parameters
    ----------
    table : ScoreTable
        Scores.
    design : Design
        Which factors vary, and which are nested.

    Returns
    -------
    BenchmarkAttribution
    """
    pairs = list(itertools.combinations(range(len(table.models)), 2))
    reason = _too_much(design, len(pairs) * 2 + len(table.models), len(table.configurations))
    if reason:
        return BenchmarkAttribution(factors=design.factors, nesting=design.nesting, pairs=(), scores=(), skipped=reason)
    return BenchmarkAttribution(
        factors=design.factors,
        nesting=design.nesting,
        pairs=tuple(_pair(table, a, b, design) for a, b in pairs),
        scores=tuple(
            ScoreAttribution(model=name, score=divide(table.scores[model], table.scored[model], design))
            for model, name in enumerate(table.models)
        ),
        skipped="",
    )


def _too_much(design: Design, n_responses: int, n_configurations: int) -> str:
    if not design.factors:
        return "no factor has two levels"
    if len(design.factors) > MOST_FACTORS:
        return f"{len(design.factors)} factors vary; every term is listed for at most {MOST_FACTORS}"
    work = n_responses * n_configurations * 2 ** len(design.factors)
    if work > MOST_WORK:
        return f"{n_responses} responses over {n_configurations} configurations and {len(design.factors)} factors cost too much"
    return ""


def _pair(table: ScoreTable, a: int, b: int, design: Design) -> PairAttribution:
    scores, known = pair_scores(table, a, b)
    difference = scores[0] - scores[1]
    signs, _ = sign_arrays(signs_of(difference, known))
    return PairAttribution(
        a=table.models[a],
        b=table.models[b],
        difference=divide(difference, known, design),
        verdict=divide(signs.astype(np.float64), known, design),
    )


def divide(response: Floats, known: Flags, design: Design) -> Attributed:
    """Divide the variance of one response: exactly where every configuration of a complete grid has a value, else by Type II.

    Parameters
    ----------
    response : (configurations,) float array
        A value per configuration.
    known : (configurations,) bool array
        Where it exists.
    design : Design
        Which factors vary, and which are nested.

    Returns
    -------
    Attributed
    """
    values, levels = _constant_where_equal(response[known]), design.levels[known]
    if values.size < 2:
        return _undivided(values, "fewer than two configurations have a value")
    grid = complete_grid(levels, nested=design.nested)
    exact = functional_anova(values, levels, nested=design.nested) if grid is not None else None
    if exact is not None:
        return _exact(exact, design)
    n_absent = int((~known).sum())
    reason = f"{n_absent} configurations lack a value" if n_absent else "some combinations of levels do not occur"
    return _type_two(type_two_anova(values, levels, nested=design.nested), design, reason)


def _constant_where_equal(values: Floats) -> Floats:
    """Values that differ by rounding only are one value: their shares would be shares of rounding errors."""
    return np.full_like(values, values[0]) if values.size and np.ptp(values) <= TOLERANCE else values


def _undivided(values: Floats, reason: str) -> Attributed:
    return Attributed(
        method=Method.NONE,
        reason=reason,
        n_configurations=int(values.size),
        total_size=0.0,
        terms=(),
        factors=(),
        residual_df=None,
    )


def _named(design: Design) -> Callable[[Term], tuple[str, ...]]:
    return lambda term: tuple(design.factors[factor] for factor in term)


def _exact(found: FunctionalAnova, design: Design) -> Attributed:
    named = _named(design)
    shapley: Sequence[float | None] = found.shapley_share or (None,) * len(design.factors)
    return Attributed(
        method=Method.EXACT,
        reason="",
        n_configurations=found.n_configurations,
        total_size=found.total_variance**0.5,
        terms=tuple(
            TermShare(
                factors=named(effect.factors),
                size=effect.size,
                share=effect.share,
                omega_squared=None,
                partial_omega_squared=None,
                df=effect.df,
                nominal_df=effect.df,
            )
            for effect in found.effects
        ),
        factors=tuple(FactorShare(factor=factor, shapley=share) for factor, share in zip(design.factors, shapley, strict=True)),
        residual_df=None,
    )


def _type_two(found: TypeTwoAnova, design: Design, reason: str) -> Attributed:
    named, total, n = _named(design), found.total_sum_of_squares, found.n_configurations
    return Attributed(
        method=Method.TYPE_II,
        reason=reason,
        n_configurations=n,
        total_size=(total / n) ** 0.5,
        terms=tuple(
            TermShare(
                factors=named(effect.factors),
                size=(effect.sum_of_squares / n) ** 0.5,
                share=effect.sum_of_squares / total if total > 0 else None,
                omega_squared=effect.omega_squared,
                partial_omega_squared=effect.partial_omega_squared,
                df=effect.df,
                nominal_df=effect.nominal_df,
            )
            for effect in found.effects
        ),
        factors=(),
        residual_df=found.residual_df,
    )
