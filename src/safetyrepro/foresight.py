"""Plan -> what a run will be like, before any weights are loaded: how many different runs stand behind it, and its memory at most."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from safetyrepro.alike import AlikeLevels, alike_levels, distinct_runs
from safetyrepro.backends import backend_module
from safetyrepro.backends.at_hand import EncoderAtHand, configuration_at_hand, encoder_at_hand
from safetyrepro.costs import BenchmarkCost, Encoders
from safetyrepro.envelope import Configuration, Stage
from safetyrepro.footprint import DTYPE_BYTES, PUBLISHED, Footprint, footprint, shape_of
from safetyrepro.plan import BenchmarkPlan, LoadPlan, Plan, cell_requests
from safetyrepro.records import Request
from safetyrepro.study import ModelSpec

ITEMS_COMPARED = (4, 32)
"""Items, spread over the evaluated ones, on which it is seen whether two configurations ask the same: a few, and more where they do, since
a shuffled order leaves a few items as they are by chance."""


def encoders_at_hand(plan: Plan) -> dict[str, EncoderAtHand]:
    """What tokenizes for each model whose tokenizer is on this machine; empty where the backend loads no weights."""
    if not backend_module(plan.study.backend).FACTORS:
        return {}
    found = {model.name: encoder_at_hand(model, plan.folder) for model in plan.study.models}
    return {name: encoder for name, encoder in found.items() if encoder is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRuns:
    """How many different runs stand behind one benchmark's configurations, for models that agree in it."""

    benchmark: str
    """Name of the benchmark."""
    models: tuple[str, ...]
    """Names of the models."""
    n_configurations: int
    """Members of the envelope."""
    n_distinct_runs: int
    """Different runs of one model."""
    alike: tuple[AlikeLevels, ...]
    """Levels that ask the same as others."""
    tokenized: bool
    """Whether tokens were compared; otherwise requests, since the tokenizers are not at hand: a chat template may make more of them alike."""
    n_items: int
    """Items that were looked at."""


def planned_runs(plan: Plan, encoders: Encoders | None = None) -> tuple[PlannedRuns, ...]:
    """How many different runs stand behind each benchmark's configurations, and which levels have no effect.

    Parameters
    ----------
    plan : Plan
        The plan.
    encoders : mapping of model name to EncoderAtHand, optional
        What tokenizes; of a model that is not in it, requests are compared.

    Returns
    -------
    tuple of PlannedRuns
        Benchmark by benchmark; models of which the same is found are one entry. A benchmark without data at hand has none.
    """
    found = []
    for benchmark in (one for one in plan.benchmarks if one.items):
        groups: dict[PlannedRuns, list[str]] = {}
        for model in plan.study.models:
            groups.setdefault(_runs(benchmark, model, (encoders or {}).get(model.name)), []).append(model.name)
        found += [dataclasses.replace(entry, models=tuple(names)) for entry, names in groups.items()]
    return tuple(found)


def _runs(benchmark: BenchmarkPlan, model: ModelSpec, encoder: EncoderAtHand | None) -> PlannedRuns:
    """What is found for one model, without its name."""
    few, more = ITEMS_COMPARED
    found = _compared(benchmark, model, encoder, few)
    return _compared(benchmark, model, encoder, more) if found.alike else found


def _compared(benchmark: BenchmarkPlan, model: ModelSpec, encoder: EncoderAtHand | None, n_items: int) -> PlannedRuns:
    """What is found on so many items."""
    step = max(1, len(benchmark.items) // n_items)
    part = dataclasses.replace(benchmark, items=benchmark.items[::step][:n_items])
    factors, members = benchmark.envelope.factors, benchmark.envelope.configurations
    wanted: dict[Configuration, list[Request]] = {}
    for configuration, _, requests in cell_requests(part, members, benchmark.examples(model)):
        wanted.setdefault(configuration, []).extend(requests)
    different = list(dict.fromkeys(request for requests in wanted.values() for request in requests))
    reached: dict[Request, Hashable] = {request: request for request in different}
    if encoder is not None:
        reached = encoder.asked(different)
    loading = [factor.name for factor in factors if factor.stage is Stage.LOAD]
    asked: dict[Configuration, Hashable] = {
        one: (one.restricted(loading), *(reached[request] for request in requests)) for one, requests in wanted.items()
    }
    return PlannedRuns(
        benchmark=benchmark.spec.name,
        models=(),
        n_configurations=len(members),
        n_distinct_runs=distinct_runs(asked, factors),
        alike=alike_levels(asked, factors),
        tokenized=encoder is not None,
        n_items=len(part.items),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedMemory:
    """The memory that one loading takes at most, by arithmetic."""

    load: str
    """Label of the loading; the judge's is its name."""
    footprint: Footprint | None
    """The parts; None where the shape of the model is not known."""
    longest: int
    """Estimated tokens of the longest request with its answer; that of a full pass where the data are not at hand."""


def planned_memory(plan: Plan, costs: Sequence[BenchmarkCost]) -> tuple[PlannedMemory, ...]:
    """The memory of every loading, one after the other as they are loaded, and of the judge behind them.

    Returns
    -------
    tuple of PlannedMemory
        From the configuration that is at hand, else from what is published of the models of the shipped studies; empty where the
        backend loads no weights, or takes the memory that it is given, as vLLM does.
    """
    if plan.study.backend != "hf" or not plan.loads:
        return ()
    longest = max((cost.longest for cost in costs), default=0) or plan.study.engine.batch_tokens
    judge = () if plan.judge is None else (LoadPlan(plan.judge, plan.loads[0].settings),)
    return tuple(
        PlannedMemory(load=load.label, footprint=_footprint(plan, load, longest), longest=longest)
        for load in (*plan.loads, *judge)
    )


def _footprint(plan: Plan, load: LoadPlan, longest: int) -> Footprint | None:
    known = configuration_at_hand(load.model, plan.folder) or PUBLISHED.get(load.model.repository or "")
    shape, settings = shape_of(known), dict(load.settings)
    dtype = settings.get("dtype", "float32")
    if shape is None or dtype not in DTYPE_BYTES:
        return None
    engine = plan.study.engine
    return footprint(
        shape,
        dtype=dtype,
        quantization=settings.get("quantization", "none"),
        longest=longest,
        batch_tokens=engine.batch_tokens,
        on_card=engine.device != "cpu",
    )


def foresight_document(runs: Sequence[PlannedRuns], memory: Sequence[PlannedMemory]) -> dict[str, object]:
    """Both as JSON."""
    return {
        "runs": [dataclasses.asdict(entry) for entry in runs],
        "memory": [
            dataclasses.asdict(entry) | {"total": None if entry.footprint is None else entry.footprint.total}
            for entry in memory
        ],
    }
