"""ScoreTable -> how large each choice's effect on a difference is among items like these, in points, with an interval.

The inferred half of the attribution: shares of variance are descriptions of one grid, these sizes are about the population of items.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from safetyrepro.estimands import Direction
from safetyrepro.inference import InferenceOptions, cluster_units, generator, item_terms, pair_arrays
from safetyrepro.nesting import Design
from safetyrepro.scores import ScoreTable
from safetyrepro.stats.effect_sizes import EffectSizes, effect_sizes

MOST_DRAWS = 20_000_000
"""Pairs times items times resamples up to which intervals are found: a few seconds."""
MOST_FACTORS = 6
"""Varied factors up to which intervals are found: 63 terms."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedEffect:
    """Root-mean-square size of one effect on a difference over the configurations."""

    factors: tuple[str, ...]
    """The factors of the effect; with a nested factor also those it is nested in."""
    size: float
    """Observed size, in units of the difference; biased upwards by item noise."""
    low: float
    """Lower end of the conservative interval."""
    high: float
    """Upper end."""
    corrected_size: float
    """Root of the mean square less its expectation from item noise; 0 where that is negative."""
    corrected_variance: float
    """The mean square less that expectation; unbiased, may be negative."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairEffects:
    """Sizes of every effect on the difference of two models."""

    a: str
    """First model."""
    b: str
    """Second model."""
    effects: tuple[NamedEffect, ...]
    """All terms, main effects first; empty where the pair's grid is not complete."""
    n_units: int
    """Items or clusters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkEffects:
    """Sizes of effects on one benchmark, inferred."""

    pairs: tuple[PairEffects, ...]
    """Every pair of models, in the order of the analysis."""
    level: float
    """Confidence level of each single interval."""
    resamples: int
    """Bootstrap resamples of items or clusters."""
    skipped: str
    """Why there is none; empty where there is."""


def size_effects(table: ScoreTable, design: Design, options: InferenceOptions, *, name: str) -> BenchmarkEffects:
    """How large the effect of each choice on each difference is, among items like these.

    Parameters
    ----------
    table : ScoreTable
        Scores with items.
    design : Design
        Which factors vary, and which are nested.
    options : InferenceOptions
        Level, resamples, seed.
    name : str
        Name by which the analysis calls the benchmark; spreads the seed.

    Returns
    -------
    BenchmarkEffects
    """
    pairs = list(itertools.combinations(range(len(table.models)), 2))
    reason = _reason(table, design, options, len(pairs))
    found = () if reason else tuple(_pair(table, pair, design, options, name) for pair in pairs)
    return BenchmarkEffects(pairs=found, level=1 - options.alpha, resamples=options.resamples, skipped=reason)


def _reason(table: ScoreTable, design: Design, options: InferenceOptions, n_pairs: int) -> str:
    n_draws = n_pairs * len(table.items) * options.resamples
    checks = (
        (not n_pairs, "there is no pair of models"),
        (not table.items, "the results hold aggregates and no items"),
        (options.resamples < 1, "no resample was asked for"),
        (table.estimand.orientation.direction is Direction.TARGET, "the distance to a target is not a mean over items"),
        (not design.factors, "no factor has two levels"),
        (not design.complete, "the grid is not complete"),
        (len(design.factors) > MOST_FACTORS, f"{len(design.factors)} factors vary; intervals end at {MOST_FACTORS}"),
        (
            n_draws > MOST_DRAWS,
            f"{n_pairs} pairs x {len(table.items)} items x {options.resamples} resamples; choose fewer models",
        ),
    )
    return next((reason for holds, reason in checks if holds), "")


def _pair(table: ScoreTable, pair: tuple[int, int], design: Design, options: InferenceOptions, name: str) -> PairEffects:
    a, b = (table.models[model] for model in pair)
    terms = {model: item_terms(table, model) for model in pair}
    difference, known = pair_arrays(table, pair, [terms.get(model, table.values[model]) for model in range(len(table.models))])
    found = effect_sizes(
        difference,
        design.levels,
        nested=design.nested,
        cluster=cluster_units(table.cluster_index),
        known=known,
        rng=generator(options, name, a, b, "effects"),
        resamples=options.resamples,
        level=1 - options.alpha,
    )
    return PairEffects(a=a, b=b, effects=_named(found, design) if found else (), n_units=found.n_units if found else 0)


def _named(found: EffectSizes, design: Design) -> tuple[NamedEffect, ...]:
    return tuple(
        NamedEffect(
            factors=tuple(design.factors[factor] for factor in effect.factors),
            size=effect.size,
            low=effect.low,
            high=effect.high,
            corrected_size=effect.corrected_size,
            corrected_variance=effect.corrected_variance,
        )
        for effect in found.effects
    )
