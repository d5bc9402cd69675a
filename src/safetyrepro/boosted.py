"""ScoreTable -> what boosted trees say moves a difference: a second opinion, given only where the trees can predict it.

On a complete grid the exact shares exist and this adds nothing to them. Where cells are missing and choices act together, it may; so it
is asked for, never shown unasked, and withheld where the trees do not predict configurations that they have not seen.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from safetyrepro.inference import InferenceOptions, generator
from safetyrepro.nesting import Design
from safetyrepro.pairs import pair_scores
from safetyrepro.scores import ScoreTable
from safetyrepro.stats.nonlinear import boosted_attribution

MOST_PAIRS = 20
"""Pairs of models up to which trees are grown; each grows eleven forests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BoostedShare:
    """What the trees attribute to one factor."""

    factor: str
    """Name of the factor."""
    size: float
    """Mean absolute SHAP value, in units of the difference."""
    share: float
    """The same over the sum of all factors'."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairBoosted:
    """What boosted trees say moves the difference of two models."""

    a: str
    """First model."""
    b: str
    """Second model."""
    shares: tuple[BoostedShare, ...]
    """In the order of the factors; empty where withheld."""
    cross_validated_r2: float | None
    """How well the trees predict configurations they were not shown; None where it is undefined."""
    folds: int
    """Folds of that check."""
    n_configurations: int
    """Configurations with a difference."""
    reason: str
    """Why no share is given; empty where one is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkBoosted:
    """The second opinion on one benchmark."""

    pairs: tuple[PairBoosted, ...]
    """Every pair of models, in the order of the analysis."""
    skipped: str
    """Why there is none; empty where there is one."""


def boost(table: ScoreTable, design: Design, *, seed: int, name: str) -> BenchmarkBoosted:
    """What boosted trees say moves each difference.

    Parameters
    ----------
    table : ScoreTable
        Scores.
    design : Design
        Which factors vary.
    seed : int
        Seed of the folds.
    name : str
        Name by which the analysis calls the benchmark; spreads the seed.

    Returns
    -------
    BenchmarkBoosted

    Raises
    ------
    MissingDependency
        If LightGBM is not installed.
    """
    pairs = list(itertools.combinations(range(len(table.models)), 2))
    reason = ""
    if not design.factors:
        reason = "no factor has two levels"
    elif len(pairs) > MOST_PAIRS:
        reason = f"{len(pairs)} pairs of models; trees are grown for at most {MOST_PAIRS}: name the models"
    found = () if reason else tuple(_pair(table, pair, design, seed=seed, name=name) for pair in pairs)
    return BenchmarkBoosted(pairs=found, skipped=reason)


def _pair(table: ScoreTable, pair: tuple[int, int], design: Design, *, seed: int, name: str) -> PairBoosted:
    a, b = (table.models[model] for model in pair)
    scores, known = pair_scores(table, *pair)
    rng = generator(InferenceOptions(seed=seed), name, a, b, "boosted")
    found = boosted_attribution((scores[0] - scores[1])[known], design.levels[known], rng=rng)
    shares = zip(design.factors, found.size or (), found.share or (), strict=False)
    return PairBoosted(
        a=a,
        b=b,
        shares=tuple(BoostedShare(factor=factor, size=size, share=share) for factor, size, share in shares),
        cross_validated_r2=found.cross_validated_r2,
        folds=found.folds,
        n_configurations=int(known.sum()),
        reason=found.reason or "",
    )
