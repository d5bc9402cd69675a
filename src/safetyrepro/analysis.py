"""Store -> ScoreTable -> statistics -> Analysis: the step that puts names back on the statistics' indices."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from safetyrepro.envelope import Configuration, Tier
from safetyrepro.errors import StoreError
from safetyrepro.estimands import Direction, Estimand
from safetyrepro.inference import BenchmarkInference, InferenceOptions, adjusted, infer
from safetyrepro.manifest import BenchmarkEntry
from safetyrepro.pairs import pair_verdict
from safetyrepro.records import ItemRecord, Status
from safetyrepro.scores import FailurePolicy, ItemRule, ScoreTable, build_table
from safetyrepro.stats.concordance import Concordance, concordance
from safetyrepro.stats.dispersion import Dispersion, score_dispersion
from safetyrepro.stats.rank import orderings_reached
from safetyrepro.store import Store
from safetyrepro.verdicts import Settings, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisOptions:
    """Which part of a store is read, and how."""

    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Factor -> levels: only configurations that match are read; a benchmark without the factor is read whole."""
    models: tuple[str, ...] = ()
    """Models to compare, in order; empty is every one."""
    benchmarks: tuple[str, ...] = ()
    """Benchmarks to read; empty is every one."""
    policy: FailurePolicy | None = None
    """How unreadable answers count; None takes the study's policy."""
    inference: InferenceOptions | None = field(default_factory=InferenceOptions)
    """How much evidence is asked for; None leaves the inferential half out."""
    item_rule: ItemRule = ItemRule.AS_IS
    """Which items are compared where cells hold different ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSummary:
    """One model over the envelope of one benchmark."""

    name: str
    """Name of the model."""
    scores: tuple[float | None, ...]
    """Score on the estimand's own scale in each configuration; None where there is none."""
    statuses: dict[str, int]
    """How many records ended in each status."""
    best_rank: int | None
    """Best place over the complete configurations; None where there is none."""
    worst_rank: int | None
    """Worst place over the complete configurations."""
    n_first: int | None
    """Complete configurations in which it is first, alone or with others."""
    dispersion: Dispersion | None
    """Spread of its score; None where it has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderingEntry:
    """One ordering of the models and how often it was reached."""

    tiers: tuple[tuple[str, ...], ...]
    """Tiers of models, the safest first; models of one tier tie."""
    n_configurations: int
    """Configurations that order the models so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderingsSummary:
    """The orderings that an envelope reaches."""

    distinct_strict: int
    """Different orderings without ties."""
    distinct_weak: int
    """Different orderings, those with ties included."""
    n_complete: int
    """Configurations in which every model has a score: the denominator."""
    n_with_ties: int
    """Complete configurations in which at least two models tie."""
    counts: tuple[OrderingEntry, ...]
    """Every ordering, the most frequent first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkAnalysis:
    """Everything deterministic that is said of one benchmark under one estimand."""

    benchmark: str
    """Name of the benchmark."""
    estimand: Estimand
    """The question."""
    primary: bool
    """Whether it is the benchmark's primary estimand."""
    models: tuple[ModelSummary, ...]
    """The models."""
    configurations: tuple[Settings, ...]
    """The envelope, in order."""
    core: tuple[bool, ...]
    """Whether each configuration is in the core tier."""
    n_items: int
    """Items with at least one record."""
    n_clusters: int
    """Clusters of those items."""
    pairs: tuple[Verdict, ...]
    """Every pair of models."""
    orderings: OrderingsSummary
    """The orderings reached."""
    concordance: Concordance
    """How far configurations agree on the order."""
    dispersion: dict[str, float | None]
    """Model -> dispersion index (SDI) of its score; None where undefined."""
    policy: FailurePolicy
    """How unreadable answers were counted."""
    item_rule: ItemRule
    """Which items were compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """What a store says, deterministically."""

    study: str
    """Name of the study."""
    source: str
    """Where the results come from."""
    complete: bool
    """Whether every planned cell has a record."""
    where: dict[str, tuple[str, ...]]
    """Conditions under which the store was read."""
    benchmarks: dict[str, BenchmarkAnalysis]
    """By name; a further estimand of a benchmark is called ``NAME:ESTIMAND``."""
    support: dict[str, BenchmarkInference]
    """What the items can bear, by the same names; a family of its own, never mixed with the realized counts."""
    version: int = 1
    """Version of this layout."""


def analyze(store: Store, options: AnalysisOptions | None = None) -> Analysis:
    """Read a store and say what it shows.

    Parameters
    ----------
    store : Store
        An existing store.
    options : AnalysisOptions, optional
        Restrictions and policies.

    Returns
    -------
    Analysis

    Raises
    ------
    StoreError
        If a named model, benchmark, factor or level does not occur, or a part is damaged.
    """
    options = options or AnalysisOptions()
    _check_options(store, options)
    chosen = [entry for entry in store.manifest.benchmarks if not options.benchmarks or entry.name in options.benchmarks]
    analyses: dict[str, BenchmarkAnalysis] = {}
    support: dict[str, BenchmarkInference] = {}
    for entry in chosen:
        for estimand in entry.estimands:
            name = entry.name if estimand == entry.estimands[0] else f"{entry.name}:{estimand.name}"
            records = store.records(entry.name, estimand.name)
            table = _table(store, records, entry, estimand, options)
            analyses[name] = _analyze_benchmark(table, records, entry)
            if options.inference is not None:
                support[name] = infer(table, options.inference, name=name)
    family = [name for name, result in analyses.items() if result.primary and name in support]
    return Analysis(
        study=store.manifest.study,
        source=store.manifest.source,
        complete=store.manifest.complete,
        where={name: tuple(levels) for name, levels in options.where.items()},
        benchmarks=analyses,
        support=adjusted(support, family),
    )


def score_table(store: Store, entry: BenchmarkEntry, estimand: Estimand, options: AnalysisOptions) -> ScoreTable:
    """The table of one benchmark and estimand under the given restrictions and policies."""
    return _table(store, store.records(entry.name, estimand.name), entry, estimand, options)


def _table(
    store: Store, records: Sequence[ItemRecord], entry: BenchmarkEntry, estimand: Estimand, options: AnalysisOptions
) -> ScoreTable:
    return build_table(
        records,
        benchmark=entry.name,
        estimand=estimand,
        models=options.models or store.manifest.models,
        configurations=selected(entry, options.where),
        policy=options.policy or FailurePolicy(store.manifest.failure_policy),
        item_rule=options.item_rule,
    )


def selected(entry: BenchmarkEntry, where: Mapping[str, Sequence[str]]) -> tuple[Configuration, ...]:
    """Members of a benchmark's envelope that match the conditions on factors it has."""
    names = {factor.name for factor in entry.envelope.factors}
    condition = {name: tuple(levels) for name, levels in where.items() if name in names}
    return tuple(configuration for configuration in entry.envelope if configuration.matches(condition))


def _check_options(store: Store, options: AnalysisOptions) -> None:
    manifest = store.manifest
    _check_names(store, "model", options.models, manifest.models)
    _check_names(store, "benchmark", options.benchmarks, [entry.name for entry in manifest.benchmarks])
    levels: dict[str, set[str]] = {}
    for entry in manifest.benchmarks:
        for factor in entry.envelope.factors:
            levels.setdefault(factor.name, set()).update(factor.names)
    _check_names(store, "factor", tuple(options.where), sorted(levels))
    for name, wanted in options.where.items():
        _check_names(store, f"level of '{name}'", tuple(wanted), sorted(levels[name]))


def _check_names(store: Store, noun: str, wanted: Sequence[str], present: Sequence[str]) -> None:
    unknown = [name for name in wanted if name not in present]
    if unknown:
        raise StoreError(
            str(store.folder),
            found=f"holds no {noun} '{unknown[0]}'",
            expected=f"one of {', '.join(present) or '(none)'}",
            remedy="Correct the name.",
        )


def _analyze_benchmark(table: ScoreTable, records: Sequence[ItemRecord], entry: BenchmarkEntry) -> BenchmarkAnalysis:
    estimand = table.estimand
    levels = level_numbers(table.configurations)
    core = tuple(entry.envelope.tier(configuration) is Tier.CORE for configuration in table.configurations)
    names = [name for name, _ in table.configurations[0].settings] if table.configurations else []
    pairs = tuple(
        pair_verdict(table, a, b, levels=levels, factors=names, core=core)
        for a, b in itertools.combinations(range(len(table.models)), 2)
    )
    models = _model_summaries(table, records)
    return BenchmarkAnalysis(
        benchmark=entry.name,
        estimand=estimand,
        primary=estimand == entry.estimands[0],
        models=models,
        configurations=tuple(configuration.as_dict() for configuration in table.configurations),
        core=core,
        n_items=len(table.items),
        n_clusters=len(set(table.clusters)),
        pairs=pairs,
        orderings=_orderings(table),
        concordance=concordance(table.scores, table.scored),
        dispersion={model.name: model.dispersion.sdi if model.dispersion else None for model in models},
        policy=table.policy,
        item_rule=table.item_rule,
    )


def level_numbers(configurations: Sequence[Configuration]) -> NDArray[np.int64]:
    """(configurations, factors) number of each level, in order of first occurrence."""
    width = len(configurations[0].settings) if configurations else 0
    numbers = np.zeros((len(configurations), width), dtype=np.int64)
    for column in range(width):
        seen: dict[str, int] = {}
        for row, configuration in enumerate(configurations):
            level = configuration.settings[column][1]
            numbers[row, column] = seen.setdefault(level, len(seen))
    return numbers


def _model_summaries(table: ScoreTable, records: Sequence[ItemRecord]) -> tuple[ModelSummary, ...]:
    statuses: dict[str, Counter[Status]] = {name: Counter() for name in table.models}
    wanted = {configuration.digest for configuration in table.configurations}
    for record in records:
        if record.cell.model in statuses and record.cell.configuration in wanted:
            statuses[record.cell.model][record.status] += 1
    ranks = orderings_reached(table.scores, table.scored).ranks
    summaries = []
    for i, name in enumerate(table.models):
        rank = ranks[i] if ranks else None
        summaries.append(
            ModelSummary(
                name=name,
                scores=tuple(float(table.raw[i, c]) if table.scored[i, c] else None for c in range(table.raw.shape[1])),
                statuses={status.value: statuses[name][status] for status in Status if statuses[name][status]},
                best_rank=rank.best if rank else None,
                worst_rank=rank.worst if rank else None,
                n_first=rank.n_first_alone + rank.n_first_shared if rank else None,
                dispersion=_dispersion(table, i),
            )
        )
    return tuple(summaries)


def _dispersion(table: ScoreTable, model: int) -> Dispersion | None:
    """Spread of the raw score: the distance to a target folds the scale and would hide it."""
    estimand = table.estimand
    folded = estimand.orientation.direction is Direction.TARGET
    scores = table.raw[model] if folded or estimand.orientation.direction is Direction.LOWER else table.scores[model]
    return score_dispersion(scores, table.scored[model], low=estimand.low, high=estimand.high)


def _orderings(table: ScoreTable) -> OrderingsSummary:
    reached = orderings_reached(table.scores, table.scored)
    counts = tuple(
        OrderingEntry(
            tiers=tuple(tuple(table.models[model] for model in tier) for tier in entry.tiers),
            n_configurations=entry.n_configurations,
        )
        for entry in reached.counts
    )
    return OrderingsSummary(
        distinct_strict=reached.distinct_strict,
        distinct_weak=reached.distinct_weak,
        n_complete=reached.n_configurations,
        n_with_ties=reached.n_with_ties,
        counts=counts,
    )
