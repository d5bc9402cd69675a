"""Plan x Backend -> what a run will take on this machine, from exact tokens and a few of its requests.

Every model is loaded and every request tokenized, so tokens are exact. Then stretches of neighbouring requests, spread evenly over what a
run asks, are answered until a time is spent; the rest is proportion. Nothing is stored.
"""

from __future__ import annotations

import dataclasses
import itertools
import resource
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from safetyrepro.backends import backend_module
from safetyrepro.backends.base import Backend, Encoded
from safetyrepro.backends.prefix import count_tokens
from safetyrepro.batching import ask_groups
from safetyrepro.costs import fed
from safetyrepro.derive import Unit
from safetyrepro.plan import LoadPlan, Plan, cell_requests
from safetyrepro.records import Request, RequestKind

STRETCH_TOKENS = 1500
"""Tokens, shared prefixes counted once, of log-likelihoods that are probed together: several rows of any model."""
STRETCH_REQUESTS = 64
"""Generations that are probed together."""
FEWEST = {RequestKind.LOGLIKELIHOOD: 3, RequestKind.GENERATION: 1}
"""Stretches that are probed however long they take, after a few requests that warm up and are not counted."""
WARMING = 2
Clock = Callable[[], float]
STORE_SECONDS = 4e-4
"""What it takes to store one answer with its prompt."""
RECORD_SECONDS = 1e-4
"""What it takes to derive one record and write it, beside finding its requests again."""
RESPONSE_BYTES, RECORD_BYTES = 2500, 1200
"""What an answer, and a record of the unit at hand, hold in memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitEstimate:
    """What one benchmark under one loading will take."""

    load: str
    """Label of the loading."""
    benchmark: str
    """Name of the benchmark."""
    requests: int
    """Different requests, of one time."""
    probed: int
    """Requests that were answered to find out."""
    tokens_naive: int
    """Tokens if every cell asked for itself."""
    tokens_planned: int
    """Tokens of the different requests, each whole."""
    tokens_limit: int
    """Tokens with every shared prefix once: the fewest that give exact results."""
    seconds_prepared: float
    """Rendering, tokenizing and finding requests again for their records."""
    seconds_asked: float
    """Asking the model, all repeats."""
    seconds_recorded: float
    """Storing answers, deriving and writing records, all repeats."""

    @property
    def seconds(self) -> float:
        """All of it."""
        return self.seconds_prepared + self.seconds_asked + self.seconds_recorded


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadEstimate:
    """What one loading of one model will take."""

    load: str
    """Its label."""
    seconds_loaded: float
    """Loading; the first one imports the model library too."""
    units: tuple[UnitEstimate, ...]
    """Its benchmarks; those without data at hand are left out."""
    peak_memory_gb: float
    """Largest memory of the process, in 2^30 bytes."""
    device_memory_gb: float | None
    """Largest memory on the graphics card; None where the model is not on one, or the backend cannot tell."""

    @property
    def seconds(self) -> float:
        """Loading and asking."""
        return self.seconds_loaded + sum(unit.seconds for unit in self.units)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEstimate:
    """What a run of a plan into an empty store will take on this machine."""

    seconds_started: float
    """Starting the program and planning."""
    loads: tuple[LoadEstimate, ...]
    """The loadings."""
    seconds_probed: float
    """How long finding out took."""

    @property
    def seconds(self) -> float:
        """All of it."""
        return self.seconds_started + sum(load.seconds for load in self.loads)

    @property
    def peak_memory_gb(self) -> float:
        """Largest memory of the process, in 2^30 bytes."""
        return max((load.peak_memory_gb for load in self.loads), default=0.0)

    def document(self) -> dict[str, object]:
        """The estimate as JSON."""
        totals = {"seconds": self.seconds, "peak_memory_gb": self.peak_memory_gb}
        return totals | dataclasses.asdict(self)


def probe(plan: Plan, *, seconds: float = 20.0, clock: Clock = time.monotonic) -> RunEstimate:
    """Estimate time and memory of a run.

    Parameters
    ----------
    plan : Plan
        What will be run.
    seconds : float
        Time that the stretches of one loading may take, beside loading and tokenizing; each benchmark has an equal part of it.
    clock : callable
        What seconds are of: the wall clock, or `time.process_time` where other work on the machine shall not count.

    Returns
    -------
    RunEstimate

    Raises
    ------
    ModelError, MissingDependency
        If a model cannot be loaded.

    Notes
    -----
    Log-likelihoods: the seconds of the stretches over their tokens, times the tokens of all groups, shared prefixes counted once in each.
    Generations: the seconds of batches of 64 over their requests, times the requests. A judge is not in it. By the wall clock,
    other work on the machine is in the estimate.
    """
    started, begun = time.process_time(), clock()
    loads = tuple(_probe_load(plan, load, seconds, clock) for load in plan.loads)
    return RunEstimate(seconds_started=started, loads=loads, seconds_probed=clock() - begun)


def _probe_load(plan: Plan, load: LoadPlan, seconds: float, clock: Clock) -> LoadEstimate:
    begun = clock()
    present = [benchmark for benchmark in plan.benchmarks if benchmark.items]
    module = backend_module(plan.study.backend)
    with module.open_backend(load.model, dict(load.settings), plan.study.engine, folder=plan.folder) as backend:
        loaded = clock() - begun
        units = [Unit(load, benchmark, plan.configurations(load, benchmark)) for benchmark in present]
        asking = _Asking(backend, seconds / max(1, len(present)), clock)
        found = tuple(_probe_unit(plan, asking, unit) for unit in units if unit.configurations)
        on_card = getattr(backend, "device_memory", None)
    answers = sum(unit.requests for unit in found) * plan.study.repeats * RESPONSE_BYTES
    records = max((len(unit.configurations) * len(unit.benchmark.items) for unit in units), default=0) * RECORD_BYTES
    return LoadEstimate(
        load=load.label,
        seconds_loaded=loaded,
        units=found,
        peak_memory_gb=_peak_memory_gb() + (answers + records) / 2**30,
        device_memory_gb=None if on_card is None else on_card / 2**30,
    )


def _probe_unit(plan: Plan, asking: _Asking, unit: Unit) -> UnitEstimate:
    begun = asking.clock()
    wanted: dict[Request, int] = {}
    for _, _, requests in cell_requests(unit.benchmark, unit.configurations, unit.benchmark.examples(unit.load.model)):
        for request in requests:
            wanted[request] = wanted.get(request, 0) + 1
    found_again = asking.clock() - begun
    encoded = dict(zip(wanted, asking.backend.encode(list(wanted)), strict=True))
    different = list({entry.key: entry for entry in encoded.values()}.values())
    prepared = asking.clock() - begun
    repeats, size = plan.study.repeats, plan.study.engine.group_size
    groups = [list(ask_groups(different, size=size, repeat=repeat)) for repeat in range(repeats)]
    rates = {kind: asking.rate(asked, kind) for kind, asked in _by_kind(itertools.chain(*groups[0])).items()}
    work = [(kind, _work(kind, asked)) for group in itertools.chain(*groups) for kind, asked in _by_kind(group).items()]
    records = repeats * len(unit.configurations) * len(unit.benchmark.items) * len(unit.benchmark.estimands)
    return UnitEstimate(
        load=unit.load.label,
        benchmark=unit.benchmark.spec.name,
        requests=len(different),
        probed=sum(rate.requests for rate in rates.values()),
        tokens_naive=sum(n_times * _tokens(encoded[request]) for request, n_times in wanted.items()),
        tokens_planned=sum(map(_tokens, different)),
        tokens_limit=count_tokens([fed(entry) for entry in different]).limit,
        seconds_prepared=repeats * (prepared + found_again),
        seconds_asked=sum(rates[kind].seconds * amount for kind, amount in work),
        seconds_recorded=records * RECORD_SECONDS + repeats * len(different) * STORE_SECONDS,
    )


@dataclass(frozen=True, slots=True)
class _Rate:
    """Seconds for one unit of work, and how many requests it was learnt from."""

    seconds: float
    requests: int


@dataclass(frozen=True, slots=True)
class _Asking:
    """Asks one backend, for so many seconds of a clock."""

    backend: Backend
    seconds: float
    clock: Clock

    def rate(self, asked: Sequence[Encoded], kind: RequestKind) -> _Rate:
        """Answer stretches, spread evenly, until the time is spent."""
        stretches = list(_stretches(asked, kind))
        spread = [stretches[place] for place in _spread(len(stretches))]
        list(self.backend.answer(spread[0][:WARMING]))
        taken, amount, n_requests = 0.0, 0, 0
        for number, stretch in enumerate(spread):
            if number >= FEWEST[kind] and taken >= self.seconds:
                break
            begun = self.clock()
            list(self.backend.answer(stretch))
            taken += self.clock() - begun
            amount += _work(kind, stretch)
            n_requests += len(stretch)
        return _Rate(taken / amount if amount else 0.0, n_requests)


def _stretches(asked: Sequence[Encoded], kind: RequestKind) -> Iterator[list[Encoded]]:
    """Cut neighbours into stretches of about the same work."""
    stretch: list[Encoded] = []
    size = 0
    before: tuple[int, ...] = ()
    for entry in asked:
        size += len(entry.context_ids) + len(entry.continuation_ids) - _common(before, entry.context_ids)
        stretch.append(entry)
        before = entry.context_ids
        if len(stretch) >= STRETCH_REQUESTS if kind is RequestKind.GENERATION else size >= STRETCH_TOKENS:
            yield stretch
            stretch, size, before = [], 0, ()
    if stretch:
        yield stretch


def _common(one: Sequence[int], other: Sequence[int]) -> int:
    return next((place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _spread(count: int) -> list[int]:
    """All places, each next one far from those before: steps of the golden section."""
    places = (int((0.5 + number * 0.6180339887498949) % 1 * count) for number in range(8 * count))
    return list(dict.fromkeys([*places, *range(count)]))


def _work(kind: RequestKind, asked: Sequence[Encoded]) -> int:
    if kind is RequestKind.GENERATION:
        return len(asked)
    return count_tokens([fed(entry) for entry in asked]).limit


def _by_kind(entries: Sequence[Encoded] | Iterator[Encoded]) -> Mapping[RequestKind, list[Encoded]]:
    found: dict[RequestKind, list[Encoded]] = {}
    for entry in entries:
        if entry.refusal is None:
            found.setdefault(entry.request.kind, []).append(entry)
    return found


def _tokens(entry: Encoded) -> int:
    return len(fed(entry).ids) - 1


def _peak_memory_gb() -> float:
    """Largest memory of this process so far."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30
