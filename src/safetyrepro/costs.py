"""Plan -> what it costs, before anything is loaded: requests exactly, tokens by estimate, runs by what they ask, memory at most."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from safetyrepro.alike import AlikeLevels, alike_levels, distinct_runs
from safetyrepro.backends.at_hand import EncoderAtHand, configuration_at_hand, encoder_at_hand
from safetyrepro.envelope import Configuration, Stage
from safetyrepro.footprint import DTYPE_BYTES, PUBLISHED, Footprint, footprint, shape_of
from safetyrepro.plan import BenchmarkPlan, LoadPlan, Plan, cell_requests
from safetyrepro.records import Request
from safetyrepro.study import ModelSpec

CHARACTERS_PER_TOKEN = 4
ITEMS_COMPARED = (4, 32)
"""Items, spread over the evaluated ones, on which it is seen whether two configurations ask the same: a few, and more where they do, since
a shuffled order leaves a few items as they are by chance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkCost:
    """What one benchmark asks of one loading."""

    model: str
    """Label of the loading."""
    benchmark: str
    """Name of the benchmark."""
    n_configurations: int
    """Cells."""
    n_prompt_cells: int
    """Configurations that differ before SCORE: the rest only reads the same answers."""
    n_items: int
    """Evaluated items."""
    requests_naive: int
    """Requests if every cell asked for itself."""
    requests: int
    """Different requests."""
    tokens_naive: int
    """Estimated tokens if every cell asked for itself."""
    tokens: int
    """Estimated tokens of the different requests, before prefixes are shared."""
    longest: int
    """Estimated tokens of the longest request with its answer."""


def plan_costs(plan: Plan) -> tuple[BenchmarkCost, ...]:
    """What every loading is asked, counted exactly in requests and estimated in tokens.

    Notes
    -----
    Tokens are estimated as characters / 4, since no tokenizer is loaded; the run records the exact numbers.
    """
    counted: dict[tuple[str, str | None, tuple[Configuration, ...]], BenchmarkCost] = {}
    costs = []
    for load in plan.loads:
        for benchmark in plan.benchmarks:
            # Requests depend on a model through its safety prompt only, so loads that share it are counted once.
            same = (benchmark.spec.name, load.model.safety_prompt, plan.configurations(load, benchmark))
            if same not in counted:
                counted[same] = _cost(plan, load, benchmark)
            costs.append(dataclasses.replace(counted[same], model=load.label))
    return tuple(costs)


def _cost(plan: Plan, load: LoadPlan, benchmark: BenchmarkPlan) -> BenchmarkCost:
    configurations = plan.configurations(load, benchmark)
    stages = {factor.name: factor.stage for factor in benchmark.envelope.factors}
    before_score = [name for name, stage in stages.items() if stage is not Stage.SCORE]
    different: dict[Request, int] = {}
    naive, tokens_naive = 0, 0
    for _, _, requests in cell_requests(benchmark, configurations, benchmark.examples(load.model)):
        for request in requests:
            size = different.setdefault(request, _size(request))
            naive += 1
            tokens_naive += size
    return BenchmarkCost(
        model=load.label,
        benchmark=benchmark.spec.name,
        n_configurations=len(configurations),
        n_prompt_cells=len({configuration.restricted(before_score) for configuration in configurations}),
        n_items=len(benchmark.items),
        requests_naive=naive,
        requests=len(different),
        tokens_naive=tokens_naive,
        tokens=sum(different.values()),
        longest=max((size + _answer(request) for request, size in different.items()), default=0),
    )


def _answer(request: Request) -> int:
    return 0 if request.decoding is None else request.decoding.max_tokens


def _size(request: Request) -> int:
    characters = sum(len(turn.text) for turn in request.prompt.turns) + len(request.continuation or "")
    return characters // CHARACTERS_PER_TOKEN + 1


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


def planned_runs(plan: Plan) -> tuple[PlannedRuns, ...]:
    """How many different runs stand behind each benchmark's configurations, and which levels have no effect.

    Returns
    -------
    tuple of PlannedRuns
        Benchmark by benchmark; models of which the same is found are one entry. A benchmark without data at hand has none.
    """
    encoders = {
        model.name: encoder_at_hand(model, plan.folder) if plan.study.backend == "hf" else None for model in plan.study.models
    }
    found = []
    for benchmark in (one for one in plan.benchmarks if one.items):
        groups: dict[PlannedRuns, list[str]] = {}
        for model in plan.study.models:
            groups.setdefault(_runs(benchmark, model, encoders[model.name]), []).append(model.name)
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
        backend loads no weights.
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


def plan_document(
    plan: Plan,
    costs: Sequence[BenchmarkCost],
    runs: Sequence[PlannedRuns] = (),
    memory: Sequence[PlannedMemory] = (),
) -> dict[str, object]:
    """The plan as JSON: one row for each cell, so that cells can be counted by model and benchmark."""
    cells = [
        {
            "model": model.name,
            "benchmark": benchmark.spec.name,
            "configuration": configuration.digest,
            "tier": benchmark.envelope.tier(configuration).value,
            "settings": configuration.as_dict(),
        }
        for model in plan.study.models
        for benchmark in plan.benchmarks
        for configuration in benchmark.envelope
    ]
    return {
        "study": plan.study.name,
        "n_cells": plan.n_cells,
        "loads": [load.label for load in plan.loads],
        "benchmarks": {
            benchmark.spec.name: {
                "configurations": len(benchmark.envelope),
                "core": len(benchmark.envelope.core),
                "items": len(benchmark.items) or None,
                "exclusions": [
                    {"condition": dict(entry.condition), "reason": entry.reason, "count": entry.count}
                    for entry in benchmark.envelope.exclusions
                ],
            }
            for benchmark in plan.benchmarks
        },
        "unpinned": [model.name for model in plan.study.models if model.unpinned],
        "costs": [_cost_row(cost) for cost in costs],
        "runs": [dataclasses.asdict(entry) for entry in runs],
        "memory": [_memory_row(entry) for entry in memory],
        "cells": cells,
    }


def _cost_row(cost: BenchmarkCost) -> dict[str, object]:
    """A cost as JSON; where the data are not at hand, what hangs on items is unknown."""
    row = dataclasses.asdict(cost)
    if not cost.n_items:
        row |= dict.fromkeys(("n_items", "requests_naive", "requests", "tokens_naive", "tokens", "longest"))
    return row


def _memory_row(entry: PlannedMemory) -> dict[str, object]:
    total = None if entry.footprint is None else entry.footprint.total
    return dataclasses.asdict(entry) | {"total": total}
