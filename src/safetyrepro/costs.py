"""Plan -> what it costs, before any weights are loaded: requests exactly, tokens exactly where a tokenizer is at hand, else by estimate."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from safetyrepro.backends.at_hand import EncoderAtHand
from safetyrepro.backends.base import Encoded
from safetyrepro.backends.prefix import Scorable, count_tokens
from safetyrepro.envelope import Stage
from safetyrepro.plan import BenchmarkPlan, LoadPlan, Plan, cell_requests
from safetyrepro.records import Request

CHARACTERS_PER_TOKEN = 4
LARGEST_TEXT, PART_TEXT = 2_000_000, 400_000
"""Characters of one benchmark's requests that a plan tokenizes whole; of more, a part of the second size, spread over them, stands for all."""
Encoders = Mapping[str, EncoderAtHand]
"""Name of a model -> what tokenizes for it, for models whose tokenizer is at hand."""


class TokensBy(Enum):
    """How tokens were counted."""

    TOKENIZER = "tokenizer"
    """By the model's tokenizer, every request: exact."""
    PART = "part"
    """By the model's tokenizer, a part of the requests, scaled by characters."""
    CHARACTERS = "characters"
    """As characters / 4: the tokenizer is not at hand."""


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
    """Tokens if every cell asked for itself."""
    tokens: int
    """Tokens of the different requests, before prefixes are shared."""
    tokens_limit: int | None
    """Tokens with every shared prefix once, the fewest that give exact results; None where tokens are estimated."""
    tokens_by: TokensBy
    """How tokens were counted."""
    longest: int
    """Tokens of the longest request with its answer."""


def plan_costs(plan: Plan, encoders: Encoders | None = None) -> tuple[BenchmarkCost, ...]:
    """What every loading is asked, in requests and tokens.

    Parameters
    ----------
    plan : Plan
        The plan.
    encoders : mapping of model name to EncoderAtHand, optional
        What tokenizes; the tokens of a model that is not in it are estimated as characters / 4.
    """
    found: dict[tuple[str, str], BenchmarkCost] = {}
    for benchmark in plan.benchmarks:
        # Requests depend on a model through its safety prompt, tokens through its tokenizer: loads that share them are counted once.
        asked: dict[Hashable, dict[Request, int]] = {}
        counted: dict[Hashable, BenchmarkCost] = {}
        for load in plan.loads:
            encoder = (encoders or {}).get(load.model.name)
            same = (load.model.safety_prompt, plan.configurations(load, benchmark))
            tokenizer = load.model.name if encoder is not None else ""
            if same not in asked:
                asked[same] = _wanted(plan, load, benchmark)
            if (same, tokenizer) not in counted:
                counted[same, tokenizer] = _cost(plan, load, benchmark, asked[same], encoder)
            found[load.label, benchmark.spec.name] = dataclasses.replace(counted[same, tokenizer], model=load.label)
    return tuple(found[load.label, benchmark.spec.name] for load in plan.loads for benchmark in plan.benchmarks)


def fed(entry: Encoded) -> Scorable:
    """What goes through a model for a request; the prompt of a generation goes whole."""
    return Scorable(entry.context_ids + (entry.continuation_ids or (0,)), max(1, len(entry.continuation_ids)))


def _wanted(plan: Plan, load: LoadPlan, benchmark: BenchmarkPlan) -> dict[Request, int]:
    """Request -> how many cells ask it of an item."""
    wanted: dict[Request, int] = {}
    configurations = plan.configurations(load, benchmark)
    for _, _, requests in cell_requests(benchmark, configurations, benchmark.examples(load.model)):
        for request in requests:
            wanted[request] = wanted.get(request, 0) + 1
    return wanted


def _cost(
    plan: Plan, load: LoadPlan, benchmark: BenchmarkPlan, wanted: Mapping[Request, int], encoder: EncoderAtHand | None
) -> BenchmarkCost:
    configurations = plan.configurations(load, benchmark)
    stages = {factor.name: factor.stage for factor in benchmark.envelope.factors}
    before_score = [name for name, stage in stages.items() if stage is not Stage.SCORE]
    found = _tokens(list(wanted), encoder)
    return BenchmarkCost(
        model=load.label,
        benchmark=benchmark.spec.name,
        n_configurations=len(configurations),
        n_prompt_cells=len({configuration.restricted(before_score) for configuration in configurations}),
        n_items=len(benchmark.items),
        requests_naive=sum(wanted.values()),
        requests=found.n_different,
        tokens_naive=sum(n_times * found.sizes[request] for request, n_times in wanted.items()),
        tokens=found.different,
        tokens_limit=found.limit,
        tokens_by=found.by,
        longest=max((found.sizes[request] + _answer(request) for request in wanted), default=0),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tokens:
    """Tokens of different requests."""

    sizes: Mapping[Request, int]
    """Tokens of each request."""
    n_different: int
    """Requests that are different to the model, where that is known; else those that are written differently."""
    different: int
    """Their tokens."""
    limit: int | None
    by: TokensBy


def _tokens(requests: Sequence[Request], encoder: EncoderAtHand | None) -> _Tokens:
    characters = {request: _characters(request) for request in requests}
    total = sum(characters.values())
    if encoder is not None and total <= LARGEST_TEXT:
        return _tokenized(requests, encoder)
    if encoder is None:
        sizes, by = {request: size // CHARACTERS_PER_TOKEN + 1 for request, size in characters.items()}, TokensBy.CHARACTERS
    else:
        part = requests[:: -(-total // PART_TEXT)]
        rate = sum(len(fed(entry).ids) for entry in encoder.encoder.encode(part)) / sum(characters[one] for one in part)
        sizes, by = {request: round(size * rate) for request, size in characters.items()}, TokensBy.PART
    return _Tokens(sizes=sizes, n_different=len(requests), different=sum(sizes.values()), limit=None, by=by)


def _tokenized(requests: Sequence[Request], encoder: EncoderAtHand) -> _Tokens:
    encoded = encoder.encoder.encode(requests)
    different = [fed(entry) for entry in {entry.key: entry for entry in encoded}.values()]
    return _Tokens(
        sizes={entry.request: len(fed(entry).ids) - 1 for entry in encoded},
        n_different=len(different),
        different=sum(len(one.ids) - 1 for one in different),
        limit=count_tokens(different).limit if different else 0,
        by=TokensBy.TOKENIZER,
    )


def _answer(request: Request) -> int:
    return 0 if request.decoding is None else request.decoding.max_tokens


def _characters(request: Request) -> int:
    return sum(len(turn.text) for turn in request.prompt.turns) + len(request.continuation or "")


def plan_document(plan: Plan, costs: Sequence[BenchmarkCost]) -> dict[str, object]:
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
        "cells": cells,
    }


def _cost_row(cost: BenchmarkCost) -> dict[str, object]:
    """A cost as JSON; where the data are not at hand, what hangs on items is unknown."""
    row = dataclasses.asdict(cost) | {"tokens_by": cost.tokens_by.value}
    if not cost.n_items:
        row |= dict.fromkeys(("n_items", "requests_naive", "requests", "tokens_naive", "tokens", "tokens_limit", "longest"))
    return row
