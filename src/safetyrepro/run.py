"""Plan x Backend -> Store: asks what is absent, keeps every answer by content, and turns answers into records."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from safetyrepro.backends import backend_module
from safetyrepro.backends.base import Backend, Encoded, ModelIdentity, short_digest
from safetyrepro.derive import Answers, Unit, judgements_wanted, unit_records
from safetyrepro.manifest import Manifest, ModelEntry, TokenCounts
from safetyrepro.parquet import write_whole
from safetyrepro.plan import LoadPlan, Plan, cell_requests
from safetyrepro.records import Request, Response
from safetyrepro.stamp import make_stamp, now, stamp_time
from safetyrepro.store import STUDY, Store
from safetyrepro.study import ModelSpec, write_study


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
        shared = _Run(plan, store, {response.key: response for response in store.responses()}, progress)
        waiting = [entry for load in plan.loads for entry in _run_load(shared, load)]
        if waiting and plan.judge is not None:
            _run_judge(shared, plan.judge, waiting)
        finished = store.manifest.stamp.model_copy(update={"finished": stamp_time(now())})
        store.update({"stamp": finished, "complete": True})
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


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A unit that is answered and waits for its judge."""

    unit: Unit
    answers: Answers


@dataclass(frozen=True, slots=True)
class _Run:
    """What every step of a run shares."""

    plan: Plan
    store: Store
    answered: dict[str, Response]
    progress: Progress

    def asking(self, backend: Backend) -> _Asking:
        """Something that asks one backend what the store lacks."""
        return _Asking(backend, self.store, self.answered, self.progress, self.plan.study.engine.group_size)


def _run_load(run: _Run, load: LoadPlan) -> list[_Waiting]:
    """Ask one loading everything; units that need no judge are scored at once."""
    plan = run.plan
    module = backend_module(plan.study.backend)
    waiting = []
    run.progress.note(f"loading {load.label}")
    with module.open_backend(load.model, dict(load.settings), plan.study.engine, folder=plan.folder) as backend:
        _remember_load(run.store, load, backend.identity)
        asking = run.asking(backend)
        for benchmark in plan.benchmarks:
            unit = Unit(load, benchmark, plan.configurations(load, benchmark))
            if not unit.configurations:
                continue
            answers = asking.ask(unit.label, _wanted(unit))
            if plan.judge is not None and judgements_wanted(unit, answers):
                waiting.append(_Waiting(unit, answers))
            else:
                run.store.replace_records(unit_records(unit, answers, None), unit.label)
        asking.count()
    return waiting


def _run_judge(run: _Run, judge: ModelSpec, waiting: Sequence[_Waiting]) -> None:
    """Ask the judge about every answer that waits for it, then score those units; the judge is loaded once."""
    module = backend_module(run.plan.study.backend)
    load = LoadPlan(judge, tuple((factor.name, factor.levels[0].name) for factor in module.FACTORS))
    run.progress.note(f"loading the judge {load.label}")
    with module.open_backend(judge, dict(load.settings), run.plan.study.engine, folder=run.plan.folder) as backend:
        _remember_load(run.store, load, backend.identity)
        asking = run.asking(backend)
        for entry in waiting:
            judged = asking.ask(f"{judge.name} judging {entry.unit.label}", judgements_wanted(entry.unit, entry.answers))
            run.store.replace_records(unit_records(entry.unit, entry.answers, judged), entry.unit.label)
        asking.count()


def _wanted(unit: Unit) -> dict[Request, None]:
    """What a unit asks, in order and without repeats."""
    wanted: dict[Request, None] = {}
    for _, _, requests in cell_requests(unit.benchmark, unit.configurations, unit.benchmark.examples(unit.load.model)):
        wanted.update(dict.fromkeys(requests))
    return wanted


@dataclass(frozen=True, slots=True)
class _Asking:
    """Asks one backend whatever the store does not hold."""

    backend: Backend
    store: Store
    answered: dict[str, Response]
    progress: Progress
    group_size: int

    def ask(self, label: str, wanted: dict[Request, None]) -> Answers:
        """Ask what is absent, group by group; every group is in the store before the next is asked."""
        encoded = dict(zip(wanted, self.backend.encode(list(wanted)), strict=True))
        different = {entry.key: entry for entry in encoded.values()}
        self.progress.begin(label, len(different), sum(key in self.answered for key in different))
        # Neighbours share prefixes, so a group of neighbours shares the most work. Groups are cut before it is known what is
        # absent: a resumed run then batches, and rounds, exactly as an undisturbed one.
        ordered = sorted(different.values(), key=_neighbourhood)
        for start in range(0, len(ordered), self.group_size):
            self._ask_group([e for e in ordered[start : start + self.group_size] if e.key not in self.answered], label)
        return Answers({request: entry.key for request, entry in encoded.items()}, self.answered)

    def _ask_group(self, group: Sequence[Encoded], label: str) -> None:
        if not group:
            return
        responses = list(_answers(self.backend, group))
        self.store.add_prompts({short_digest(entry.text): entry.text for entry in group}, label)
        self.store.add_responses([response for response in responses if response.error is None], label)
        self.answered.update((response.key, response) for response in responses)
        self.progress.advance(len(group))

    def count(self) -> None:
        """Tell what the backend noted, and add what it counted to the manifest."""
        for note in getattr(self.backend, "notes", ()):
            self.progress.note(note)
        counts = getattr(self.backend, "counters", None)
        if isinstance(counts, TokenCounts):
            self.store.update({"tokens": _added(self.store.manifest.tokens, counts)})


def _neighbourhood(entry: Encoded) -> tuple[str, tuple[int, ...], tuple[int, ...]]:
    return entry.request.kind.value, entry.context_ids, entry.continuation_ids


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
    store.update({"loads": (*others, entry)})


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
