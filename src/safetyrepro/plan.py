"""Study -> Plan: every cell, what is shared at each stage, and what it will ask, before anything is loaded."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from safetyrepro.backends import backend_module
from safetyrepro.benchmarks import benchmark_module
from safetyrepro.benchmarks.base import Benchmark, Examples
from safetyrepro.benchmarks.data import LoadedData, load_data
from safetyrepro.envelope import Configuration, Envelope, Exclusion, Factor, Tier
from safetyrepro.envelopes import build_envelope
from safetyrepro.errors import DataError, StudyError
from safetyrepro.estimands import Estimand
from safetyrepro.manifest import BenchmarkEntry, DataEntry
from safetyrepro.records import Item, Request, digest_of
from safetyrepro.study import BenchmarkSpec, ModelSpec, Study

NO_JUDGE = "no judge is named in the study"


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkPlan:
    """One benchmark of a plan: items drawn, envelope built."""

    spec: BenchmarkSpec
    """What the study says."""
    module: Benchmark
    """The adapter."""
    envelope: Envelope
    """The configurations."""
    estimands: tuple[Estimand, ...]
    """The questions; the first is primary."""
    items: tuple[Item, ...]
    """The evaluated items, in order."""
    pool: tuple[Item, ...]
    """Solved items for in-context examples, in order; disjoint from the evaluated ones."""
    data: LoadedData
    """What was read, with digests."""
    seed: int
    """Seed of the draw."""

    def entry(self) -> BenchmarkEntry:
        """The manifest's entry."""
        contents = [[item.id, item.digest] for item in self.items]
        source = self.module.SOURCE
        return BenchmarkEntry(
            name=self.spec.name,
            title=self.module.TITLE,
            about=self.module.ABOUT,
            estimands=self.estimands,
            envelope=self.envelope,
            data=DataEntry(
                edition=self.data.edition,
                files=dict(self.data.digests),
                licence=source.licence,
                citation=source.citation,
                subset_rule=subset_rule(self),
                subset_seed=self.seed,
                n_items=len(self.items),
                items_digest=digest_of([list(map(str, pair)) for pair in contents]),
                example_ids=tuple(item.id for item in self.pool[:MAX_EXAMPLES]),
            ),
        )

    def examples(self, model: ModelSpec) -> Examples:
        """What a presentation may show before an item, for one model."""
        return Examples(pool=self.pool, texts=self.data.texts, safety_prompt=model.safety_prompt)


MAX_EXAMPLES = 32


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """One loading of one model: the outermost loop of a run."""

    model: ModelSpec
    """The model."""
    settings: tuple[tuple[str, str], ...]
    """Levels of the LOAD factors."""
    varied: tuple[str, ...] = ()
    """LOAD factors of which the study has more than one level."""

    @property
    def label(self) -> str:
        """Name of the model, with the settings that tell its loadings apart."""
        return " ".join([self.model.name, *(f"{name}={level}" for name, level in self.settings if name in self.varied)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything a run will do."""

    study: Study
    """The study."""
    folder: Path
    """Folder of the study's file; relative paths start there."""
    benchmarks: tuple[BenchmarkPlan, ...]
    """The benchmarks."""
    loads: tuple[LoadPlan, ...]
    """The loadings, models outermost."""
    judge: ModelSpec | None
    """The model that judges answers; None where none is named."""

    @property
    def n_cells(self) -> int:
        """Cells: models times configurations, over all benchmarks."""
        return len(self.study.models) * sum(len(benchmark.envelope) for benchmark in self.benchmarks)

    def configurations(self, load: LoadPlan, benchmark: BenchmarkPlan) -> tuple[Configuration, ...]:
        """Members of a benchmark's envelope that one loading serves."""
        condition = {name: (level,) for name, level in load.settings}
        return tuple(configuration for configuration in benchmark.envelope if configuration.matches(condition))


def make_plan(study: Study, path: Path, *, tier: Tier | None = None, need_data: bool = True) -> Plan:
    """Work a study out.

    Parameters
    ----------
    study : Study
        The study.
    path : Path
        Its file, which errors name and whose folder relative paths start from.
    tier : Tier, optional
        Only configurations of this tier.
    need_data : bool
        Whether data that are not at hand are an error; where not, their benchmark is planned without items, and says so.

    Returns
    -------
    Plan

    Raises
    ------
    StudyError
        If it names a benchmark, backend, factor, level, estimand or folder that does not exist.
    DataError
        If a benchmark's file is absent or altered.
    """
    folder = path.resolve().parent
    backend = backend_module(study.backend)
    _check_models(study, folder, str(path), weighs=bool(backend.FACTORS))
    benchmarks = tuple(
        _plan_benchmark(study, spec, backend.FACTORS, folder=folder, where=str(path), tier=tier, need_data=need_data)
        for spec in study.benchmarks
    )
    load_names = [factor.name for factor in backend.FACTORS]
    loads = _loads(study, benchmarks, load_names)
    return Plan(study=study, folder=folder, benchmarks=benchmarks, loads=loads, judge=study.judge)


def _check_models(study: Study, folder: Path, where: str, *, weighs: bool) -> None:
    """Refuse a model without a folder that it names, or, where the backend loads weights, without any place."""
    for model in study.models:
        if model.path is not None and not (folder / model.path).is_dir():
            raise StudyError(
                f"{where}, model '{model.name}'",
                found=f"there is no folder '{model.path}'",
                expected="a folder with a checkpoint, relative to the study's file",
                remedy="Correct 'path', or give 'repository' and 'revision'.",
            )
        if weighs and model.path is None and model.repository is None:
            raise StudyError(
                f"{where}, model '{model.name}'", found="has neither 'path' nor 'repository'", remedy="Give one of the two."
            )


def _plan_benchmark(
    study: Study,
    spec: BenchmarkSpec,
    load_factors: Sequence[Factor],
    *,
    folder: Path,
    where: str,
    tier: Tier | None,
    need_data: bool,
) -> BenchmarkPlan:
    module = benchmark_module(spec.name)
    hidden = _hidden(module, study)
    factors = [*load_factors, *module.FACTORS]
    core = spec.core or [dict(condition) for condition in getattr(module, "CORE", ())]
    envelope = build_envelope(spec, factors, load=study.load, where=where, hidden=hidden, core=core)
    _check_safety_prompts(study, module, envelope, where)
    if tier is not None:
        envelope = _tier_of(envelope, tier, where)
    seed = benchmark_seed(study.seed, spec.name)
    drawn = _drawn(module, spec, seed, folder=folder, where=where, need_data=need_data)
    return BenchmarkPlan(
        spec=spec,
        module=module,
        envelope=envelope,
        estimands=_estimands(module, spec, where),
        items=drawn.items,
        pool=drawn.pool,
        data=drawn.data,
        seed=seed,
    )


@dataclass(frozen=True, slots=True)
class _Drawn:
    """The items of a benchmark, and the data they were drawn from."""

    data: LoadedData
    items: tuple[Item, ...] = ()
    pool: tuple[Item, ...] = ()


def _drawn(module: Benchmark, spec: BenchmarkSpec, seed: int, *, folder: Path, where: str, need_data: bool) -> _Drawn:
    try:
        data = load_data(module, folder / spec.data if spec.data else None)
    except DataError as error:
        if need_data:
            raise
        return _Drawn(LoadedData(files={}, digests={}, edition="not at hand", notes=(error.sentence,)))
    everything = module.items(data.files)
    n_items = len(everything) if spec.items == "all" else spec.items
    items, pool = module.subset(everything, n_items, np.random.default_rng(seed))
    if spec.items != "all" and len(items) < spec.items:
        raise StudyError(
            f"{where}, benchmark '{spec.name}'",
            found=f"asks for {spec.items} items",
            expected=f"at most {len(items)}, which is what its data give beside the pool of examples",
            remedy="Lower 'items', or write 'all'.",
        )
    return _Drawn(data, items, pool)


def _tier_of(envelope: Envelope, tier: Tier, where: str) -> Envelope:
    kept = tuple(configuration for configuration in envelope if envelope.tier(configuration) is tier)
    if not kept:
        raise StudyError(
            f"{where}, benchmark '{envelope.benchmark}'",
            found=f"has no configuration of the tier '{tier.value}'",
            remedy="Mark some with 'core', or leave out --tier.",
        )
    others = Exclusion(condition={}, reason=f"only the {tier.value} tier was asked for", count=len(envelope) - len(kept))
    return dataclasses.replace(envelope, configurations=kept, exclusions=(*envelope.exclusions, others))


def _hidden(module: Benchmark, study: Study) -> list[Exclusion]:
    """Levels that the circumstances rule out: a judge that nobody named."""
    judged: Mapping[str, tuple[str, ...]] = getattr(module, "JUDGED_LEVELS", {})
    if study.judge is not None:
        return []
    return [Exclusion(condition={name: levels}, reason=NO_JUDGE) for name, levels in judged.items()]


def _check_safety_prompts(study: Study, module: Benchmark, envelope: Envelope, where: str) -> None:
    """A level that needs the maker's safety prompt is refused for a model without one."""
    needed: Mapping[str, tuple[str, ...]] = getattr(module, "SAFETY_PROMPT_LEVELS", {})
    used = [(name, level) for name, levels in needed.items() for level in levels if _occurs(envelope, name, level)]
    for model in study.models:
        if used and model.safety_prompt is None:
            name, level = used[0]
            raise StudyError(
                f"{where}, model '{model.name}'",
                found=f"has no 'safety_prompt', which level '{level}' of '{name}' needs",
                expected="the safety prompt that its maker publishes",
                remedy=f"Give the model a 'safety_prompt', or leave '{level}' out of benchmark '{envelope.benchmark}'.",
            )


def _occurs(envelope: Envelope, name: str, level: str) -> bool:
    return any(configuration.get(name) == level for configuration in envelope)


def benchmark_seed(seed: int, name: str) -> int:
    """Seed of a benchmark's draws: the study's seed spread by the benchmark's name, so that adding one moves no other."""
    return int.from_bytes(np.random.SeedSequence([seed, *name.encode()]).generate_state(2).tobytes()[:6], "little")


def subset_rule(plan: BenchmarkPlan) -> str:
    """How the evaluated items were drawn, in one sentence."""
    if plan.spec.items == "all":
        return f"every item that the adapter evaluates ({len(plan.items)}); {len(plan.pool)} kept apart as examples"
    return (
        f"{len(plan.items)} items drawn by numpy default_rng({plan.seed}), stratified as the adapter says; "
        f"{len(plan.pool)} kept apart as examples"
    )


def _estimands(module: Benchmark, spec: BenchmarkSpec, where: str) -> tuple[Estimand, ...]:
    if not spec.estimands:
        return module.ESTIMANDS
    by_name = {estimand.name: estimand for estimand in module.ESTIMANDS}
    unknown = [name for name in spec.estimands if name not in by_name]
    if unknown:
        raise StudyError(
            f"{where}, benchmark '{spec.name}'",
            found=f"it answers no estimand '{unknown[0]}'",
            expected=f"some of {', '.join(by_name)}",
            remedy="Correct 'estimands'.",
        )
    return tuple(by_name[name] for name in spec.estimands)


def _loads(study: Study, benchmarks: Sequence[BenchmarkPlan], load_names: Sequence[str]) -> tuple[LoadPlan, ...]:
    settings: dict[tuple[tuple[str, str], ...], None] = {}
    for benchmark in benchmarks:
        for configuration in benchmark.envelope:
            settings.setdefault(configuration.restricted(load_names).settings)
    seen = {pair for chosen in settings for pair in chosen}
    varied = tuple(name for name in load_names if sum(factor == name for factor, _ in seen) > 1)
    return tuple(LoadPlan(model, chosen, varied) for model in study.models for chosen in settings)


def cell_requests(
    benchmark: BenchmarkPlan, configurations: Sequence[Configuration], examples: Examples
) -> Iterator[tuple[Configuration, Item, tuple[Request, ...]]]:
    """What each item asks in each configuration, prompt cell by prompt cell."""
    for configuration in configurations:
        for item in benchmark.items:
            yield configuration, item, benchmark.module.requests(item, configuration, examples)
