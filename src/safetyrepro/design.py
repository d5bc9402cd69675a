"""ScoreTable -> how many templates and items a study of this kind needs: the step that speaks to whoever plans a benchmark.

Two answers, kept apart. Resampling the grid says how often a smaller study would have given the sign of this one. Variance
components say how large the error of a difference is when items and configurations are both samples.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from safetyrepro.estimands import Direction
from safetyrepro.inference import InferenceOptions, generator, item_terms
from safetyrepro.scores import ScoreTable
from safetyrepro.stats.dependability import (
    Dependability,
    VarianceComponents,
    dependability,
    items_for_gap,
    variance_components,
)
from safetyrepro.stats.design_study import DesignPoint, DesignStudy, cheapest_design, design_sentence, design_study

ITEM_LADDER = (10, 25, 50, 100, 200, 300, 400, 600, 800, 1_000, 1_500, 2_000, 3_000, 5_000, 10_000)
"""Numbers of items to try, as far as there are so many."""
GROUP_LADDER = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128)
"""Numbers of templates, or of configurations, to try."""
GAPS = (0.01, 0.02, 0.05, 0.10)
"""Differences, as shares of the score's range, for which the number of items is worked out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DesignOptions:
    """What a design is asked for."""

    group: str | None = None
    """Factor whose levels are drawn whole; None takes ``template`` where it varies, or the only factor that does, and otherwise
    each configuration alone."""
    target: float = 0.95
    """Wanted share of draws that agree with the full grid."""
    draws: int = 1_000
    """Random orders of groups and items."""
    seed: int = 0
    """Seed of the draws."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GapItems:
    """From how many items on a gap stands out of its error."""

    gap: float
    """True difference of two models, in units of the score."""
    n_items: int | None
    """Items, with the configurations that there are, from which on it is 1.64 standard deviations; None where no number suffices."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkDesign:
    """What one benchmark's results teach about the size of the next study."""

    name: str
    """Name by which the analysis calls the benchmark."""
    models: tuple[str, ...]
    """Models that were compared."""
    group: str
    """What is drawn whole: a factor, or ``configuration``."""
    n_groups: int
    """How many of it there are."""
    n_configurations: int
    """Configurations in which every model has a score."""
    n_configurations_left_out: int
    """The others."""
    n_items: int
    """Items that every model has in each of those configurations."""
    n_items_left_out: int
    """The others."""
    sentence: str
    """The answer in one sentence."""
    cheapest: DesignPoint | None
    """Smallest design that was tried and agrees often enough; None where none does."""
    study: DesignStudy | None
    """Agreement at every size that was tried."""
    components: VarianceComponents | None
    """Where the variance is; None with fewer than two items or configurations."""
    sampled: Dependability | None
    """Error of a difference with the items and configurations that there are, both taken as samples."""
    fixed: Dependability | None
    """The same if these configurations are all that is spoken of."""
    gaps: tuple[GapItems, ...]
    """Items that a gap needs, configurations taken as samples."""
    skipped: str
    """Why there is no answer; empty where there is one."""


def plan_sizes(table: ScoreTable, options: DesignOptions, *, name: str) -> BenchmarkDesign:
    """How many templates and items a study like this one needs.

    Parameters
    ----------
    table : ScoreTable
        Scores with items.
    options : DesignOptions
        Group, target, draws, seed.
    name : str
        Name by which the analysis calls the benchmark.

    Returns
    -------
    BenchmarkDesign
        Of the items that every model has in every complete configuration; how many were left out is said.
    """
    complete = np.asarray(table.scored.all(axis=0), dtype=np.bool_)
    items = np.asarray(table.known[:, complete].all(axis=(0, 1)), dtype=np.bool_)
    reason = _reason(table, n_items=int(items.sum()), n_configurations=int(complete.sum()))
    group = _group(table, options)
    labels = _labels(table, group)[complete]
    design = BenchmarkDesign(
        name=name,
        models=table.models,
        group=group or "configuration",
        n_groups=len(set(labels.tolist())),
        n_configurations=int(complete.sum()),
        n_configurations_left_out=int((~complete).sum()),
        n_items=int(items.sum()),
        n_items_left_out=int((~items).sum()),
        sentence="",
        cheapest=None,
        study=None,
        components=None,
        sampled=None,
        fixed=None,
        gaps=(),
        skipped=reason,
    )
    return design if reason else _filled(design, _terms(table, items, complete), labels, options, table)


def _reason(table: ScoreTable, *, n_items: int, n_configurations: int) -> str:
    checks = (
        (len(table.models) < 2, "there is one model and nothing to compare"),
        (not table.items, "the results hold aggregates and no items"),
        (table.estimand.orientation.direction is Direction.TARGET, "the distance to a target is not a mean over items"),
        (n_configurations == 0, "no configuration has a score of every model"),
        (n_items == 0, "no item has a value of every model in every complete configuration"),
    )
    return next((reason for holds, reason in checks if holds), "")


def _group(table: ScoreTable, options: DesignOptions) -> str | None:
    """The factor that is drawn whole: the named one, or else ``template``, or else the only one that varies."""
    names = [name for name, _ in table.configurations[0].settings] if table.configurations else []
    varied = [name for name in names if len({configuration[name] for configuration in table.configurations}) > 1]
    if options.group is not None:
        return options.group if options.group in varied else None
    if "template" in varied:
        return "template"
    return varied[0] if len(varied) == 1 else None


def _labels(table: ScoreTable, group: str | None) -> NDArray[np.intp]:
    """(configurations,) number of the group of each configuration."""
    names = [configuration.get(group) if group else configuration.digest for configuration in table.configurations]
    seen: dict[str, int] = {}
    return np.array([seen.setdefault(name, len(seen)) for name in names], dtype=np.intp)


def _terms(table: ScoreTable, items: NDArray[np.bool_], complete: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(models, items, configurations) oriented outcome, complete."""
    sign = table.estimand.orientation.oriented(1.0)
    terms = [item_terms(table, model)[complete][:, items].T for model in range(len(table.models))]
    return sign * np.stack(terms)


def _filled(
    design: BenchmarkDesign,
    terms: NDArray[np.float64],
    labels: NDArray[np.intp],
    options: DesignOptions,
    table: ScoreTable,
) -> BenchmarkDesign:
    pairs = list(itertools.combinations(range(len(design.models)), 2))
    sizes = _sizes(design.n_groups, design.n_items)
    study = design_study(
        np.stack([terms[a] - terms[b] for a, b in pairs], axis=1),
        sizes=sizes,
        group=labels,
        rng=generator(InferenceOptions(seed=options.seed), design.name, "design"),
        draws=options.draws,
    )
    cheapest = cheapest_design(study, target=options.target)
    made = replace(design, study=study, cheapest=cheapest, sentence=_sentence(design, study, cheapest, options))
    components = variance_components(terms)
    if components is None:
        return made
    n_items, n_configurations = design.n_items, design.n_configurations
    sizes_of_gaps = [gap * (table.estimand.high - table.estimand.low) for gap in GAPS]
    return replace(
        made,
        components=components,
        sampled=dependability(components, n_items=n_items, n_configurations=n_configurations),
        fixed=dependability(components, n_items=n_items, n_configurations=n_configurations, configurations_fixed=True),
        gaps=tuple(
            GapItems(gap=gap, n_items=items_for_gap(components, gap=gap, n_configurations=n_configurations))
            for gap in sizes_of_gaps
        ),
    )


def _sizes(n_groups: int, n_items: int) -> list[tuple[int, int]]:
    groups = [size for size in GROUP_LADDER if size < n_groups] + [n_groups]
    items = [size for size in ITEM_LADDER if size < n_items] + [n_items]
    return list(itertools.product(groups, items))


def _sentence(design: BenchmarkDesign, study: DesignStudy, cheapest: DesignPoint | None, options: DesignOptions) -> str:
    plural = f"{design.group}s"
    if cheapest is None:
        return "no pair of models has a sign on the full grid"
    if (cheapest.n_groups, cheapest.n_items) == (design.n_groups, design.n_items):
        best = _best_smaller(study.points[:-1])
        nearest = f"; the best smaller one: {design_sentence(best, groups=plural)}" if best else ""
        return f"no smaller design that was tried agrees with the full grid in {options.target:.0%} of draws{nearest}"
    return design_sentence(cheapest, groups=plural)


def _best_smaller(points: Sequence[DesignPoint]) -> DesignPoint | None:
    return max(points, key=lambda point: (point.agreement or 0.0, -point.n_groups * point.n_items), default=None)
