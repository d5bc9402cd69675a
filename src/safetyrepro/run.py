"""Plan x Backend -> Store: asks what is absent, keeps every answer by content, and turns answers into records."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from safetyrepro.backends.base import Backend, Encoded, ModelIdentity, short_digest
from safetyrepro.batching import ask_groups, repeat_key
from safetyrepro.derive import Answers, Unit, judgements_wanted, unit_records
from safetyrepro.errors import ExecutorError
from safetyrepro.executors.base import Executor, Opening
from safetyrepro.executors.local import LocalExecutor
from safetyrepro.manifest import NOT_RECORDED, Manifest, ModelEntry, TokenCounts
from safetyrepro.parquet import write_whole
from safetyrepro.plan import LoadPlan, Plan, cell_requests
from safetyrepro.records import Request, Response
from safetyrepro.stamp import make_stamp, now, stamp_time
from safetyrepro.store import STUDY, Store
from safetyrepro.study import EngineSpec, ModelSpec, write_study


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


def run(plan: Plan, folder: Path, *, progress: Progress | None = None, executor: Executor | None = None) -> Store:
    """Carry a plan out into a store.

    Parameters
    ----------
    plan : Plan
        What to ask.
    folder : Path
        The store's folder; where it holds the same study, only what is absent is asked.
    progress : Progress, optional
        Who is told how far it is.
    executor : Executor, optional
        Where loads are carried out; None is this process. The finished store does not depend on it.

    Returns
    -------
    Store

    Raises
    ------
    ModelError, MissingDependency
        If a model cannot be loaded.
    ExecutorError
        If a cluster lost its workers too often; what was answered is in the store.
    StoreError
        If the folder is occupied, or a part is damaged.
    """
    progress = progress or Silent()
    store = Store.create(folder, _manifest(plan))
    plan = _pinned(plan, store.manifest, progress)
    with store.writing():
        write_study(plan.study, folder / STUDY)
        answered = {response.key: response for response in store.responses()}
        kept = _Kept(answered, store.prompt_digests())
        shared = _Run(plan, store, kept, progress, executor or LocalExecutor())
        found = shared.executor.spread(lambda load: _run_load(shared, load), plan.loads)
        waiting = [entry for load in found for entry in load]
        if waiting and plan.judge is not None:
            _run_judge(shared, plan.judge, waiting)
        _tell_lost(kept, progress)
        finished = store.manifest.stamp.model_copy(update={"finished": stamp_time(now())})
        store.update({"stamp": finished, "complete": True, **_in_plan_order(plan, store.manifest)})
        _write_lock(store)
    return store


def _pinned(plan: Plan, manifest: Manifest, progress: Progress) -> Plan:
    """The plan with every repository that the study left unpinned at the revision that the store's first run found."""
    found = {entry.name: entry.revision for entry in manifest.loads if entry.revision != NOT_RECORDED}

    def fixed(model: ModelSpec) -> ModelSpec:
        if not model.unpinned or model.name not in found:
            return model
        progress.note(f"{model.name}: revision {found[model.name]}, as the first run of this store found it")
        return model.model_copy(update={"revision": found[model.name]})

    models = {model.name: fixed(model) for model in plan.study.models}
    loads = tuple(dataclasses.replace(load, model=models[load.model.name]) for load in plan.loads)
    return dataclasses.replace(plan, loads=loads, judge=None if plan.judge is None else fixed(plan.judge))


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
class _Kept:
    """What the store holds, kept up to date while a run adds to it."""

    answered: dict[str, Response]
    """Content key -> answer; failures of this run, which no store keeps, are among them."""
    prompts: set[str]
    """Digests of the rendered prompts."""


@dataclass(frozen=True, slots=True)
class _Run:
    """What every step of a run shares."""

    plan: Plan
    store: Store
    kept: _Kept
    progress: Progress
    executor: Executor

    def open(self, load: LoadPlan, engine: EngineSpec) -> Backend:
        """Load a model, wherever the executor has room."""
        opening = Opening(
            backend=self.plan.study.backend,
            model=load.model,
            settings=dict(load.settings),
            engine=engine,
            folder=self.plan.folder,
        )
        return self.executor.open(opening)

    def asking(self, backend: Backend) -> _Asking:
        """Something that asks one backend what the store lacks."""
        return _Asking(backend, self.store, self.kept, self.progress, self.plan.study.engine.group_size)


def _run_load(run: _Run, load: LoadPlan) -> list[_Waiting]:
    """Ask one loading everything, on each device that it is asked on; units that need no judge are scored at once."""
    plan = run.plan
    waiting: list[_Waiting] = []
    for device, repeats in plan.study.devices:
        run.progress.note(f"loading {load.label}" + (f" on {device} for repeats" if 0 not in repeats else ""))
        engine = plan.study.engine.model_copy(update={"device": device})
        with run.open(load, engine) as backend:
            with run.store.changing:
                _remember_load(run.store, load, backend.identity, first=0 in repeats)
            asking = run.asking(backend)
            for repeat in repeats:
                waiting += _run_units(run, load, asking, repeat)
            asking.count()
    return waiting


def _run_units(run: _Run, load: LoadPlan, asking: _Asking, repeat: int) -> Iterator[_Waiting]:
    """Ask every unit of a loading once; gives those that wait for a judge."""
    for benchmark in run.plan.benchmarks:
        unit = Unit(load, benchmark, run.plan.configurations(load, benchmark), repeat)
        if not unit.configurations:
            continue
        answers = asking.ask(unit.label, _wanted(unit), repeat=repeat)
        if run.plan.judge is not None and judgements_wanted(unit, answers):
            yield _Waiting(unit, answers)
        else:
            run.store.replace_records(unit_records(unit, answers, None), unit.label)


def _run_judge(run: _Run, judge: ModelSpec, waiting: Sequence[_Waiting]) -> None:
    """Ask the judge about every answer that waits for it, then score those units; the judge is loaded once, like the first loading.

    A study whose models fit a card at four bits would not fit it if its judge were loaded at full precision.
    """
    load = LoadPlan(judge, run.plan.loads[0].settings)
    run.progress.note(f"loading the judge {load.label}")
    with run.open(load, run.plan.study.engine) as backend:
        _remember_load(run.store, load, backend.identity)
        asking = run.asking(backend)
        for entry in waiting:
            judged = asking.ask(_judging(judge, entry.unit.label), judgements_wanted(entry.unit, entry.answers))
            run.store.replace_records(unit_records(entry.unit, entry.answers, judged), entry.unit.label)
        asking.count()


def _judging(judge: ModelSpec, label: str) -> str:
    return f"{judge.name} judging {label}"


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
    kept: _Kept
    progress: Progress
    group_size: int

    def ask(self, label: str, wanted: dict[Request, None], *, repeat: int = 0) -> Answers:
        """Ask what is absent, group by group; every group is in the store before the next is asked."""
        encoded = dict(zip(wanted, self.backend.encode(list(wanted)), strict=True))
        if repeat:
            encoded = {q: dataclasses.replace(entry, key=repeat_key(entry.key, repeat)) for q, entry in encoded.items()}
        different = {entry.key: entry for entry in encoded.values()}
        answered = self.kept.answered
        self.progress.begin(label, len(different), sum(key in answered for key in different))
        restored = 0
        # Groups are cut before it is known what is absent: a resumed run then batches, and rounds, exactly as an undisturbed one.
        for group in ask_groups(list(different.values()), size=self.group_size, repeat=repeat):
            absent = [entry for entry in group if entry.key not in answered]
            responses = list(_answers(self.backend, absent)) if absent else []
            restored += self._keep_prompts(group, absent, label)
            self._keep(responses, label)
        if restored:
            self.progress.note(f"{label}: {restored} rendered prompts that the store lacked are written again")
        return Answers({request: entry.key for request, entry in encoded.items()}, answered)

    def _keep_prompts(self, group: Sequence[Encoded], absent: Sequence[Encoded], label: str) -> int:
        """Store the prompts of what was asked now, or of the whole group where the store lacks some; gives how many it lacked."""
        texts = {short_digest(entry.text): entry.text for entry in group}
        asked = texts if len(absent) == len(group) else {short_digest(entry.text): entry.text for entry in absent}
        lost = texts.keys() - asked.keys() - self.kept.prompts
        self.store.add_prompts(texts if lost else asked, label)
        self.kept.prompts.update(texts)
        return len(lost)

    def _keep(self, responses: Sequence[Response], label: str) -> None:
        self.store.add_responses([response for response in responses if response.error is None], label)
        self.kept.answered.update((response.key, response) for response in responses)
        self.progress.advance(len(responses))

    def count(self) -> None:
        """Tell what the backend noted, and add what it counted to the manifest."""
        for note in getattr(self.backend, "notes", ()):
            self.progress.note(note)
        counts = getattr(self.backend, "counters", None)
        if isinstance(counts, TokenCounts):
            with self.store.changing:
                self.store.update({"tokens": self.store.manifest.tokens.plus(counts)})


def _answers(backend: Backend, group: Sequence[Encoded]) -> Iterator[Response]:
    """Answer a group; when it fails as a whole, one by one, so that one bad request costs only itself."""
    try:
        yield from list(backend.answer(group))
        return
    except ExecutorError:
        raise
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


def _tell_lost(kept: _Kept, progress: Progress) -> None:
    """Say how many prompts no run of this study can write again: it no longer asks what they belong to."""
    lost = {response.prompt_digest for response in kept.answered.values()} - kept.prompts
    if lost:
        progress.note(
            f"{len(lost)} rendered prompts stay absent: this study does not ask them, and one that does writes them again"
        )


def _remember_load(store: Store, load: LoadPlan, identity: ModelIdentity, *, first: bool = True) -> None:
    """Tell the manifest what was loaded; where repeats run on another device, their device stands beside the first one."""
    if not first:
        known = [
            _with_device(e, identity) if (e.name, e.load) == (load.model.name, dict(load.settings)) else e
            for e in store.manifest.loads
        ]
        store.update({"loads": tuple(known)})
        return
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


def _with_device(entry: ModelEntry, identity: ModelIdentity) -> ModelEntry:
    return entry.model_copy(update={"device": f"{entry.device}; repeats on {identity.device}"})


def _in_plan_order(plan: Plan, manifest: Manifest) -> dict[str, object]:
    """Parts and loads in the order of the plan, each part once: loads that ran side by side leave no trace of who was first."""
    repeats = [repeat for _, some in plan.study.devices for repeat in some]
    labels = [Unit(load, one, (), repeat).label for load in plan.loads for repeat in repeats for one in plan.benchmarks]
    judging = [_judging(plan.judge, label) for label in labels] if plan.judge is not None else []
    rank = {label: place for place, label in enumerate([*labels, *judging])}
    parts = sorted(manifest.parts, key=lambda part: rank.get(part.unit, -1))
    # Two names for one model may have been asked at once; their answers are one file. Records differ by the name.
    kept = {(part.kind, part.name, part.unit if part.kind == "records" else ""): part for part in reversed(parts)}
    names = [(load.model.name, dict(load.settings)) for load in plan.loads]
    judge = "" if plan.judge is None else plan.judge.name
    asked = [entry for entry in manifest.loads if (entry.name, entry.load) in names or entry.name == judge]
    loads = sorted(asked, key=lambda e: names.index((e.name, e.load)) if (e.name, e.load) in names else len(names))
    return {"parts": tuple(reversed(kept.values())), "loads": tuple(loads)}


def _write_lock(store: Store) -> None:
    """study.lock.json: everything that the study left open, as it was resolved."""
    manifest = store.manifest
    lock = {
        "study": manifest.study,
        "models": [entry.model_dump(mode="json") for entry in manifest.loads],
        "benchmarks": {entry.name: entry.data.model_dump(mode="json") for entry in manifest.benchmarks},
    }
    write_whole(store.folder / "study.lock.json", (json.dumps(lock, indent=1, ensure_ascii=False) + "\n").encode())
