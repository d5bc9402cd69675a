"""Plan x Backend -> Store: asks what is absent, keeps every answer by content, and turns answers into records."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from safetyrepro.backends import backend_module
from safetyrepro.backends.base import Backend, Encoded, ModelIdentity, short_digest
from safetyrepro.envelope import Configuration
from safetyrepro.manifest import Manifest, ModelEntry, TokenCounts
from safetyrepro.parquet import write_whole
from safetyrepro.plan import BenchmarkPlan, LoadPlan, Plan, cell_requests
from safetyrepro.records import CellKey, Item, ItemRecord, Outcome, Request, Response, Status
from safetyrepro.stamp import make_stamp, now, stamp_time
from safetyrepro.store import STUDY, Store
from safetyrepro.study import write_study


class Progress(Protocol):
    """Who is told how far a run is."""

    def begin(self, label: str, total: int, done: int) -> None:
        """A unit of `total` requests begins, `done` of which are in the store."""

    def advance(self, count: int) -> None:
        """`count` more requests are answered and stored."""

    def note(self, text: str) -> None:
        """Something worth a line."""


class Silent:
    """Tells nobody."""

    def begin(self, label: str, total: int, done: int) -> None:
        """Say nothing."""

    def advance(self, count: int) -> None:
        """Say nothing."""

    def note(self, text: str) -> None:
        """Say nothing."""


@dataclass(frozen=True, slots=True)
class _Unit:
    """One benchmark under one loading."""

    load: LoadPlan
    benchmark: BenchmarkPlan
    configurations: tuple[Configuration, ...]

    @property
    def label(self) -> str:
        return f"{self.load.label} on {self.benchmark.spec.name}"


def run(plan: Plan, folder: Path, *, progress: Progress | None = None) -> Store:
    """Carry a plan out into a store.

    Parameters
    ----------
    plan : Plan
        What to ask.
    folder : Path
        The store's folder; where it holds the same study, only what is absent is asked.
    progress : Progress, optional
        Who is told how far it is.

    Returns
    -------
    Store

    Raises
    ------
    ModelError, MissingDependency
        If a model cannot be loaded.
    StoreError
        If the folder is occupied, or a part is damaged.
    """
    progress = progress or Silent()
    store = Store.create(folder, _manifest(plan))
    with store.writing():
        write_study(plan.study, folder / STUDY)
        answered = {response.key: response for response in store.responses()}
        for load in plan.loads:
            _run_load(plan, load, store, answered, progress)
        finished = store.manifest.stamp.model_copy(update={"finished": stamp_time(now())})
        store.update(stamp=finished, complete=True)
        _write_lock(store)
    return store


def _manifest(plan: Plan) -> Manifest:
    study = plan.study
    return Manifest(
        study=study.name,
        question=study.question,
        note=study.note,
        source="run",
        failure_policy=study.failure_policy,
        benchmarks=tuple(benchmark.entry() for benchmark in plan.benchmarks),
        models=tuple(model.name for model in study.models),
        stamp=make_stamp(plan.folder, seed=study.seed, started=now()),
    )


def _run_load(plan: Plan, load: LoadPlan, store: Store, answered: dict[str, Response], progress: Progress) -> None:
    module = backend_module(plan.study.backend)
    progress.note(f"loading {load.label}")
    with module.open_backend(load.model, dict(load.settings), plan.study.engine, folder=plan.folder) as backend:
        _remember_load(store, load, backend.identity)
        for benchmark in plan.benchmarks:
            configurations = plan.configurations(load, benchmark)
            if configurations:
                unit = _Unit(load, benchmark, configurations)
                keys = _ask_unit(unit, backend, store, answered, progress, plan.study.engine.group_size)
                _write_unit(unit, store, keys, answered)
        counts = getattr(backend, "counters", None)
        if isinstance(counts, TokenCounts):
            store.update(tokens=_added(store.manifest.tokens, counts))


def _ask_unit(
    unit: _Unit, backend: Backend, store: Store, answered: dict[str, Response], progress: Progress, group_size: int
) -> dict[Request, Encoded]:
    """Ask whatever the store does not hold; return how each request was encoded."""
    examples = unit.benchmark.examples(unit.load.model)
    wanted: dict[Request, None] = {}
    for _, _, requests in cell_requests(unit.benchmark, unit.configurations, examples):
        wanted.update(dict.fromkeys(requests))
    encoded = dict(zip(wanted, backend.encode(list(wanted)), strict=True))
    absent = {entry.key: entry for entry in encoded.values() if entry.key not in answered}
    total = len({entry.key for entry in encoded.values()})
    progress.begin(unit.label, total, total - len(absent))
    # Neighbours share prefixes, so a group of neighbours shares the most work.
    ordered = sorted(absent.values(), key=lambda entry: (entry.request.kind.value, entry.context_ids, entry.continuation_ids))
    for start in range(0, len(ordered), group_size):
        group = ordered[start : start + group_size]
        responses = list(_answers(backend, group))
        store.add_prompts({short_digest(entry.text): entry.text for entry in group}, unit.label)
        store.add_responses([response for response in responses if response.error is None], unit.label)
        answered.update((response.key, response) for response in responses)
        progress.advance(len(group))
    return encoded


def _answers(backend: Backend, group: Sequence[Encoded]) -> Iterator[Response]:
    """Answer a group; when it fails as a whole, one by one, so that one bad request costs only itself."""
    try:
        yield from list(backend.answer(group))
        return
    except Exception as error:  # noqa: BLE001 (the one place where whatever a model library raises becomes a record)
        if len(group) == 1:
            yield _failure(group[0], error)
            return
    for entry in group:
        yield from _answers(backend, [entry])


def _failure(entry: Encoded, error: Exception) -> Response:
    return Response(
        key=entry.key,
        kind=entry.request.kind,
        prompt_digest=short_digest(entry.text),
        token_digest="",
        n_prompt_tokens=len(entry.context_ids),
        truncated=entry.truncated,
        error=f"{type(error).__name__}: {error}"[:500],
    )


def _write_unit(unit: _Unit, store: Store, keys: dict[Request, Encoded], answered: dict[str, Response]) -> None:
    examples = unit.benchmark.examples(unit.load.model)
    records: list[ItemRecord] = []
    for configuration, item, requests in cell_requests(unit.benchmark, unit.configurations, examples):
        responses = [answered[keys[request].key] for request in requests]
        records.extend(_records(unit, configuration, item, responses))
    store.replace_records(records, unit.label)


def _records(unit: _Unit, configuration: Configuration, item: Item, responses: Sequence[Response]) -> Iterator[ItemRecord]:
    wanted = {estimand.name for estimand in unit.benchmark.estimands}
    for outcome in _outcomes(unit.benchmark, configuration, item, responses):
        if outcome.estimand in wanted:
            yield ItemRecord(
                cell=CellKey(unit.load.model.name, unit.benchmark.spec.name, configuration.digest),
                estimand=outcome.estimand,
                item_id=item.id,
                cluster=item.cluster,
                stratum=item.stratum,
                repeat=0,
                value=outcome.value,
                weight=outcome.weight,
                status=outcome.status,
                reason=outcome.reason,
                keys=tuple(response.key for response in responses),
                prompt_digest=joined_digest([response.prompt_digest for response in responses]),
                token_digest=joined_digest([response.token_digest for response in responses]),
            )


def joined_digest(digests: Sequence[str]) -> str:
    """One digest for several, in order; a single one stands for itself."""
    distinct = list(dict.fromkeys(digests))
    return distinct[0] if len(distinct) == 1 else short_digest("\n".join(digests))


def _outcomes(
    benchmark: BenchmarkPlan, configuration: Configuration, item: Item, responses: Sequence[Response]
) -> tuple[Outcome, ...]:
    failed = next((response.error for response in responses if response.error is not None), None)
    if failed is None:
        return benchmark.module.outcomes(item, configuration, responses)
    return tuple(
        Outcome(estimand=estimand.name, value=None, status=Status.FAILED, reason=failed) for estimand in benchmark.estimands
    )


def _remember_load(store: Store, load: LoadPlan, identity: ModelIdentity) -> None:
    entry = ModelEntry(
        name=load.model.name,
        load=dict(load.settings),
        digest=identity.digest,
        weights=identity.weights,
        tokenizer=identity.tokenizer,
        chat_template=identity.chat_template,
        dtype=identity.dtype,
        quantization=identity.quantization,
        engine=identity.engine,
        device=identity.device,
        revision=identity.revision or "not recorded",
    )
    others = [known for known in store.manifest.loads if (known.name, known.load) != (entry.name, entry.load)]
    store.update(loads=(*others, entry))


def _added(one: TokenCounts, other: TokenCounts) -> TokenCounts:
    fields = TokenCounts.model_fields
    return TokenCounts(**{name: getattr(one, name) + getattr(other, name) for name in fields})


def _write_lock(store: Store) -> None:
    """study.lock.json: everything that the study left open, as it was resolved."""
    manifest = store.manifest
    lock = {
        "study": manifest.study,
        "models": [entry.model_dump(mode="json") for entry in manifest.loads],
        "benchmarks": {entry.name: entry.data.model_dump(mode="json") for entry in manifest.benchmarks},
    }
    write_whole(store.folder / "study.lock.json", (json.dumps(lock, indent=1, ensure_ascii=False) + "\n").encode())
