"""Store -> ScoreTable -> statistics -> Analysis: the step that puts names back on the statistics' indices."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from safetyrepro.attribute import BenchmarkAttribution, attribute
from safetyrepro.boosted import BenchmarkBoosted, boost
from safetyrepro.effects import BenchmarkEffects, size_effects
from safetyrepro.envelope import Configuration, Tier
from safetyrepro.errors import StoreError
from safetyrepro.estimands import Estimand
from safetyrepro.further import BenchmarkFurther, look_further
from safetyrepro.inference import BenchmarkInference, InferenceOptions, adjusted, infer
from safetyrepro.joint import JointPair, JointVerdicts, join_benchmarks
from safetyrepro.manifest import BenchmarkEntry
from safetyrepro.methods import BenchmarkMethods, MethodTest, compare_methods, methods_tested
from safetyrepro.nesting import find_design
from safetyrepro.notebook import notebook_table
from safetyrepro.pairs import pair_verdict
from safetyrepro.placebo import placebo_of_pairs
from safetyrepro.policies import BenchmarkPolicies, judge_policies
from safetyrepro.records import ItemRecord
from safetyrepro.robustness import Layout
from safetyrepro.scores import FailurePolicy, ItemRule, ScoreTable, build_table
from safetyrepro.stats.concordance import Concordance, concordance
from safetyrepro.stats.support import SupportWord
from safetyrepro.store import Store
from safetyrepro.summaries import ModelSummary, OrderingsSummary, summarize_models, summarize_orderings
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
    further: bool = True
    """Whether to say how far orders reach and how the models stand together."""
    attribution: bool = True
    """Whether to say which choices move a difference."""
    policies: bool = True
    """Whether to hold each verdict against every failure policy, where an answer has no score."""
    boosted: bool = False
    """Whether to ask boosted trees too what moves a difference; needs LightGBM."""


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
    further: dict[str, BenchmarkFurther] = field(default_factory=dict)
    """How far each order reaches and how the models stand together, by the same names; deterministic."""
    joint: tuple[JointPair, ...] = ()
    """Each pair on several primary benchmarks at once, where they share configurations; deterministic."""
    attribution: dict[str, BenchmarkAttribution] = field(default_factory=dict)
    """Which choices move a difference, by the same names; deterministic."""
    effects: dict[str, BenchmarkEffects] = field(default_factory=dict)
    """How large those effects are among items like these, by the same names; inferred."""
    policies: dict[str, BenchmarkPolicies] = field(default_factory=dict)
    """What failures can do to each verdict, by the same names; only benchmarks with an answer that has no score; deterministic."""
    methods: dict[str, BenchmarkMethods] = field(default_factory=dict)
    """How far packages, scorers or judges agree item by item, by the same names; deterministic."""
    boosted: dict[str, BenchmarkBoosted] = field(default_factory=dict)
    """What boosted trees say moves a difference, by the same names; a second opinion, only where it was asked for."""
    method_tests: dict[str, tuple[MethodTest, ...]] = field(default_factory=dict)
    """Whether they say yes equally often among items like these, by the same names; inferred."""
    version: int = 1
    """Version of this layout."""

    def _repr_html_(self) -> str:
        heads = ("benchmark", "A", "B", "A ahead", "B ahead", "tie", "missing", "flip rate", "reversal")
        rows = [
            (name, pair.a, pair.b, pair.n_plus, pair.n_minus, pair.n_tie, pair.n_missing, pair.flip_rate, pair.reversal)
            for name, result in self.benchmarks.items()
            for pair in result.pairs
        ]
        return notebook_table(f"{self.study}: configurations in which each model is ahead", heads, rows)


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
    check_options(store, options)
    chosen = [entry for entry in store.manifest.benchmarks if not options.benchmarks or entry.name in options.benchmarks]
    found = {
        entry.name if estimand == entry.estimands[0] else f"{entry.name}:{estimand.name}": (entry, estimand)
        for entry in chosen
        for estimand in entry.estimands
    }
    read = {name: _read(store, entry, estimand, options, name=name) for name, (entry, estimand) in found.items()}
    support = {name: one.support for name, one in read.items() if one.support}
    return Analysis(
        study=store.manifest.study,
        source=store.manifest.source,
        complete=store.manifest.complete,
        where={name: tuple(levels) for name, levels in options.where.items()},
        benchmarks={name: one.result for name, one in read.items()},
        support=adjusted(support, [name for name in support if read[name].result.primary]),
        further={name: one.further for name, one in read.items() if one.further},
        joint=_joint(read) if options.further else (),
        attribution={name: one.attribution for name, one in read.items() if one.attribution},
        effects={name: one.effects for name, one in read.items() if one.effects},
        policies={name: one.policies for name, one in read.items() if one.policies},
        methods={name: one.methods for name, one in read.items() if one.methods},
        boosted={name: one.boosted for name, one in read.items() if one.boosted},
        method_tests={name: one.method_tests for name, one in read.items() if one.method_tests},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """Everything that is said of one benchmark under one estimand; None what was left out."""

    result: BenchmarkAnalysis
    support: BenchmarkInference | None
    further: BenchmarkFurther | None
    attribution: BenchmarkAttribution | None
    effects: BenchmarkEffects | None
    policies: BenchmarkPolicies | None
    methods: BenchmarkMethods | None
    boosted: BenchmarkBoosted | None
    method_tests: tuple[MethodTest, ...]


def _read(store: Store, entry: BenchmarkEntry, estimand: Estimand, options: AnalysisOptions, *, name: str) -> _Read:
    records = store.records(entry.name, estimand.name)
    table = table_of(store, records, entry, estimand, options)
    layout = _layout(table, entry, options)
    design = find_design(layout.levels, layout.factors, entry.envelope.factors)
    policies = judge_policies(records, table) if options.policies else None
    asked, attributed, factors = options.inference, options.attribution, entry.envelope.factors
    return _Read(
        result=_analyze_benchmark(table, records, entry, layout),
        support=_support(records, table, policies, asked, name=name) if asked else None,
        further=look_further(table, layout) if options.further else None,
        attribution=attribute(table, design) if attributed else None,
        effects=size_effects(table, design, asked, name=name) if asked and attributed else None,
        policies=policies,
        methods=compare_methods(table, layout, factors) if options.further else None,
        boosted=boost(table, design, seed=asked.seed if asked else 0, name=name) if options.boosted else None,
        method_tests=methods_tested(table, layout, factors, alpha=asked.alpha) if asked and options.further else (),
    )


def _layout(table: ScoreTable, entry: BenchmarkEntry, options: AnalysisOptions) -> Layout:
    return Layout(
        levels=level_numbers(table.configurations),
        factors=tuple(name for name, _ in table.configurations[0].settings) if table.configurations else (),
        core=tuple(entry.envelope.tier(configuration) is Tier.CORE for configuration in table.configurations),
        n_not_run=0 if options.where else entry.n_not_run,
    )


def _support(
    records: Sequence[ItemRecord],
    table: ScoreTable,
    policies: BenchmarkPolicies | None,
    options: InferenceOptions,
    *,
    name: str,
) -> BenchmarkInference:
    """What the items can bear, with the floor that repeats set; unresolved where failures decide the order."""
    support = infer(table, options, name=name)
    placebo = placebo_of_pairs(records, table)
    because = {(pair.a, pair.b): pair.sentence for pair in policies.pairs} if policies else {}
    return replace(
        support,
        pairs=tuple(
            replace(
                pair,
                placebo=placebo.get((pair.a, pair.b)),
                unresolved_because=because.get((pair.a, pair.b), ""),
                word=SupportWord.UNRESOLVED if because.get((pair.a, pair.b)) else pair.word,
            )
            for pair in support.pairs
        ),
    )


def _joint(read: Mapping[str, _Read]) -> tuple[JointPair, ...]:
    primary = {name: one.result for name, one in read.items() if one.result.primary}
    return join_benchmarks(
        [
            JointVerdicts(name=name, width=result.estimand.high - result.estimand.low, pairs=result.pairs)
            for name, result in primary.items()
        ]
    )


def score_table(store: Store, entry: BenchmarkEntry, estimand: Estimand, options: AnalysisOptions) -> ScoreTable:
    """The table of one benchmark and estimand under the given restrictions and policies."""
    return table_of(store, store.records(entry.name, estimand.name), entry, estimand, options)


def table_of(
    store: Store, records: Sequence[ItemRecord], entry: BenchmarkEntry, estimand: Estimand, options: AnalysisOptions
) -> ScoreTable:
    """The same, of records that were read before."""
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


def check_options(store: Store, options: AnalysisOptions) -> None:
    """Refuse options that name what a store does not hold.

    Raises
    ------
    StoreError
        If a named model, benchmark, factor or level does not occur.
    """
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


def _analyze_benchmark(
    table: ScoreTable, records: Sequence[ItemRecord], entry: BenchmarkEntry, layout: Layout
) -> BenchmarkAnalysis:
    estimand = table.estimand
    pairs = tuple(
        pair_verdict(table, a, b, levels=layout.levels, factors=layout.factors, core=layout.core)
        for a, b in itertools.combinations(range(len(table.models)), 2)
    )
    models = summarize_models(table, records)
    return BenchmarkAnalysis(
        benchmark=entry.name,
        estimand=estimand,
        primary=estimand == entry.estimands[0],
        models=models,
        configurations=tuple(configuration.as_dict() for configuration in table.configurations),
        core=layout.core,
        n_items=len(table.items),
        n_clusters=len(set(table.clusters)),
        pairs=pairs,
        orderings=summarize_orderings(table),
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
