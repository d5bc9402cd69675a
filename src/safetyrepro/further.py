"""ScoreTable -> the further deterministic half: how far each pair's order reaches, and how the models stand together.

Counts, rates and witnesses are in the analysis; this is what a reader asks next. Nothing here is inferred from items.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from safetyrepro.ranking import Ranking, rank_models
from safetyrepro.robustness import Layout, PairRobustness, pair_robustness
from safetyrepro.scores import ScoreTable

MOST_COMPARISONS = 50_000_000
"""Comparisons of two configurations, over all pairs of models, up to which every radius is listed: a few seconds."""
MOST_ORDERS = 500_000
"""Orders (pairs of models times configurations) up to which each pair is looked at further: half a minute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkFurther:
    """What follows from the realized scores of one benchmark beyond counts and witnesses."""

    ranking: Ranking | None
    """How the models stand together; None without a model."""
    pairs: tuple[PairRobustness, ...]
    """How far each pair's order reaches, in the order of the analysis; empty where there are too many pairs."""
    skipped: tuple[str, ...]
    """What was left out for its cost, one sentence each."""


def look_further(table: ScoreTable, layout: Layout) -> BenchmarkFurther:
    """The further deterministic half of one benchmark.

    Parameters
    ----------
    table : ScoreTable
        Scores.
    layout : Layout
        Where its configurations lie in their grid.

    Returns
    -------
    BenchmarkFurther
        What costs too much on a huge envelope is left out and named in `skipped`.
    """
    pairs = list(itertools.combinations(range(len(table.models)), 2))
    n_comparisons = len(pairs) * len(table.configurations) ** 2
    skipped = []
    if len(pairs) * len(table.configurations) > MOST_ORDERS:
        skipped.append(
            f"how far each order reaches: {len(pairs)} pairs of models x {len(table.configurations)} configurations (the limit is "
            f"{MOST_ORDERS} orders)"
        )
        pairs = []
    elif n_comparisons > MOST_COMPARISONS:
        skipped.append(
            f"the radius of every configuration: {n_comparisons} comparisons of two configurations (the limit is "
            f"{MOST_COMPARISONS}); that of the reference is given"
        )
    list_radii = n_comparisons <= MOST_COMPARISONS
    return BenchmarkFurther(
        ranking=rank_models(table),
        pairs=tuple(pair_robustness(table, a, b, layout=layout, list_radii=list_radii) for a, b in pairs),
        skipped=tuple(skipped),
    )
