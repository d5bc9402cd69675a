"""Plan x packages -> Store: each package asks the models in its own way, as a program, and its own log says what came of it.

The factor is `harness`, and its levels are releases. Items keep our names and clusters, so that what two packages say about one item can be
compared. Programs come first and lie beside the store; the store is built from what they wrote and renamed when it is whole.
"""

from __future__ import annotations

import itertools
import shutil
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from safetyrepro.backends.checkpoint import find_checkpoint, weights_digest
from safetyrepro.envelope import Configuration, Envelope, Exclusion, Factor, Level
from safetyrepro.environments import find_python
from safetyrepro.errors import IngestError, StoreError, StudyError
from safetyrepro.harnesses.base import STAGES, ForeignItem, ForeignRun
from safetyrepro.harnesses.content import text_digest, tokens_digest
from safetyrepro.harnesses.discovery import discover
from safetyrepro.harnesses.hub_rows import hub_rows
from safetyrepro.harnesses.joining import join
from safetyrepro.harnesses.program import OUTPUT, Job, Question, Release, parse_release
from safetyrepro.launching import Start, carry_out, finished
from safetyrepro.manifest import PROGRAMS, BenchmarkEntry, Manifest, ModelEntry
from safetyrepro.plan import BenchmarkPlan, Plan
from safetyrepro.records import CellKey, Item, ItemRecord, Status
from safetyrepro.run import Progress, Silent
from safetyrepro.stamp import make_stamp, now, stamp_time
from safetyrepro.store import MANIFEST, STUDY, Store, open_store
from safetyrepro.study import ModelSpec, Study, read_study, write_study

HARNESS = "harness"
DEFAULT_DTYPE = "float32"
_ABSENT = "the package's log does not hold this item"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One model on one benchmark by one release."""

    model: ModelSpec
    """The model."""
    benchmark: BenchmarkPlan
    """The benchmark."""
    release: Release
    """The package."""
    job: Job
    """What it is asked."""

    @property
    def question(self) -> Question:
        """Which of its metrics answers which question."""
        return self.release.program.QUESTIONS[self.benchmark.spec.name]

    @property
    def configuration(self) -> Configuration:
        """Its place in the envelope."""
        return Configuration(((HARNESS, self.release.text),))

    @property
    def label(self) -> str:
        """What a progress line and a message call it."""
        return f"{self.model.name} on {self.benchmark.spec.name} by {self.release.text}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Programs:
    """Everything that packages will do for a study."""

    plan: Plan
    """The plan: items drawn, data read."""
    cells: tuple[Cell, ...]
    """What is run, packages innermost."""
    refused: Mapping[str, tuple[Exclusion, ...]]
    """Benchmark -> releases that cannot run it, with the reason."""


def plan_programs(plan: Plan) -> Programs:
    """Work out what each package of a study is asked.

    Raises
    ------
    StudyError
        If a release is not known, the study varies what no package obeys, or no package can run a benchmark.
    """
    where = f"study '{plan.study.name}'"
    _check_obeyed(plan.study, where)
    releases = list(dict.fromkeys(parse_release(text, f"{where}, harness") for text in plan.study.harness))
    cells, refused = [], {}
    for benchmark in plan.benchmarks:
        jobs = {release: _job(benchmark, release, plan.study) for release in releases}
        reasons = {release: release.program.refusal(job) for release, job in jobs.items()}
        refused[benchmark.spec.name] = tuple(
            Exclusion(condition={HARNESS: (release.text,)}, reason=reason, count=1)
            for release, reason in reasons.items()
            if reason
        )
        able = [release for release in releases if not reasons[release]]
        if not able:
            found = "; ".join(reasons.values())
            raise StudyError(f"{where}, benchmark '{benchmark.spec.name}'", found=f"no package can run it: {found}")
        cells += [
            Cell(model=model, benchmark=benchmark, release=release, job=jobs[release])
            for model in plan.study.models
            for release in able
        ]
    return Programs(plan=plan, cells=tuple(cells), refused=refused)


def _check_obeyed(study: Study, where: str) -> None:
    """What no package can be told is refused: a setting that is silently ignored makes false agreement."""
    varied = [f"load.{name}" for name, levels in study.load.items() if name != "dtype" or len(levels) != 1]
    varied += [name for name, asked in (("repeats", study.repeats > 1), ("judge", study.judge is not None)) if asked]
    for spec in study.benchmarks:
        fields = ("factors", "configurations", "core", "exclude", "estimands")
        varied += [f"benchmarks.{spec.name}.{field}" for field in fields if getattr(spec, field)]
    if varied:
        raise StudyError(
            where,
            found=f"it has both 'harness' and '{varied[0]}', which no package can be told",
            expected="each package's own settings, and at most one dtype",
            remedy="Leave the field out; what each package does is read from its log.",
        )


def _job(benchmark: BenchmarkPlan, release: Release, study: Study) -> Job:
    name, files = benchmark.spec.name, benchmark.data.files
    return Job(
        version=release.version,
        benchmark=name,
        rows=hub_rows(name, benchmark.items, files),
        pool=hub_rows(name, benchmark.pool, files),
        dtype=_dtype(study),
        device=_device(study.engine.device),
    )


def _dtype(study: Study) -> str:
    return study.load.get("dtype", [DEFAULT_DTYPE])[0]


def _device(wanted: str) -> str:
    """Kind of device; ``auto`` is the accelerator where its driver is installed, since no model library is loaded to ask."""
    if wanted == "auto":
        return "cuda" if shutil.which("nvidia-smi") else "cpu"
    return wanted.partition(":")[0]


def run_programs(plan: Plan, folder: Path, *, progress: Progress | None = None, executor: str = "local") -> Store:
    """Run every package of a study and build the store from what they wrote.

    Parameters
    ----------
    plan : Plan
        The study, worked out.
    folder : Path
        The store's folder. What the packages write lies beside it, in a folder whose name ends in ``.programs``; a run that ended well
        there is not repeated.
    progress : Progress, optional
        Who is told how far it is.
    executor : str
        Where programs are started; only ``local`` starts them.

    Returns
    -------
    Store

    Raises
    ------
    StudyError
        As in `plan_programs`, or if a package has no environment.
    ModelError
        If a program does not end well.
    IngestError
        If a program ends well and writes no results.
    StoreError
        If the folder is occupied by anything but this study's results.
    """
    programs = plan_programs(plan)
    if executor != "local":
        raise StudyError(f"--executor {executor}", found="other packages are started on this machine only", expected="local")
    progress = progress or Silent()
    present = _present(plan.study, folder) if folder.is_dir() and any(folder.iterdir()) else None
    if present is not None and present.whole:
        return present
    pythons = {cell.release: find_python(cell.release) for cell in programs.cells}
    started = now()
    beside = folder.with_name(f"{folder.name}.programs")
    progress.begin("programs", len(programs.cells), 0)
    outputs = []
    for cell in programs.cells:
        place = _place(cell, beside)
        start = _start(cell, plan, pythons[cell.release])
        progress.note(f"{cell.label}: {'done before' if finished(start, place) else 'running'}")
        outputs.append((cell, carry_out(start, place)))
        progress.advance(1)
    read = [(cell, _read(cell, output)) for cell, output in outputs]
    return (
        _built(programs, read, folder, started=stamp_time(started)) if present is None else _restored(present, read, progress)
    )


def _present(study: Study, folder: Path) -> Store:
    """The store that is there, where it holds this very study whole."""
    if (folder / MANIFEST).exists() and (folder / STUDY).is_file() and read_study(folder / STUDY) == study:
        return open_store(folder)
    raise StoreError(
        str(folder),
        found="is occupied by other results",
        remedy="Choose another folder with --out; a store is never changed to another study.",
    )


def _restored(store: Store, read: Sequence[tuple[Cell, ForeignRun]], progress: Progress) -> Store:
    """The store with what it lost written again, out of what the programs wrote; what it kept stays as it is."""
    kept = set(store.manifest.parts)
    with store.writing():
        for cell, run in read:
            deque(_write(store, cell, run), maxlen=0)
        store.update({"complete": True})
    again = sum(part not in kept for part in store.manifest.parts)
    parts = "1 part" if again == 1 else f"{again} parts"
    progress.note(f"what the store lacked is written again ({parts}), from what the programs wrote")
    return store


def _word(name: str) -> str:
    """A name as one folder's name, with a digest where letters had to go."""
    kept = "".join(letter if letter.isascii() and (letter.isalnum() or letter in "._-") else "-" for letter in name).lstrip(".")
    return kept if kept == name else f"{kept}-{text_digest(name)[:8]}"


def _start(cell: Cell, plan: Plan, python: Path) -> Start:
    engine, program = plan.study.engine, cell.release.program
    return Start(
        name=cell.label,
        python=python,
        launch=program.launch(cell.job),
        checkpoint=find_checkpoint(cell.model, plan.folder).folder,
        dtype=cell.job.dtype,
        older=program.older_transformers(cell.release.version),
        device=engine.device,
        threads=engine.threads or 1,
        seconds=engine.program_seconds,
    )


def _place(cell: Cell, beside: Path) -> Path:
    return beside / _word(cell.model.name) / _word(cell.benchmark.spec.name) / cell.release.folder


def read_run(cell: Cell, beside: Path) -> ForeignRun:
    """Return what a cell's package wrote, as its own files state it.

    Parameters
    ----------
    cell : Cell
        The cell.
    beside : Path
        Folder of the programs, whose name ends in ``.programs``.

    Raises
    ------
    IngestError
        If no file of it answers the cell's question.
    """
    return _read(cell, _place(cell, beside) / OUTPUT)


def _read(cell: Cell, output: Path) -> ForeignRun:
    readings = list(discover([output], package=cell.release.program.READER))
    metric = cell.question.metric
    runs = [run for reading in readings for run in reading.runs if not run.subtasks and not run.aggregates_only]
    answering = [run for run in runs if any(estimand.name == metric for estimand in run.estimands)]
    if not answering:
        refusals = [reading.refusal.sentence for reading in readings if reading.refusal is not None]
        raise IngestError(
            cell.label,
            found=f"the program ended well and {output} holds no items with '{metric}'",
            remedy=refusals[0] if refusals else "Look at log.txt beside that folder.",
        )
    # A package that has a task for each category states a run for each; under the same settings they are one.
    same = [run for run in answering if run.settings == answering[0].settings]
    return replace(same[0], open_items=lambda: itertools.chain.from_iterable(run.items() for run in same))


def _built(programs: Programs, read: Sequence[tuple[Cell, ForeignRun]], folder: Path, *, started: str) -> Store:
    building = folder.with_name(f".{folder.name}.building")
    shutil.rmtree(building, ignore_errors=True)
    try:
        store = Store.create(building, _manifest(programs, started))
        with store.writing():
            write_study(programs.plan.study, building / STUDY)
            notes = [note for cell, run in read for note in _write(store, cell, run)]
            note = " ".join(part for part in (programs.plan.study.note, *dict.fromkeys(notes)) if part)
            finished_at = store.manifest.stamp.model_copy(update={"finished": stamp_time(now())})
            store.update({"note": note, "stamp": finished_at, "complete": True, "undisclosed": _undisclosed(read)})
        if folder.is_dir():
            folder.rmdir()
        building.rename(folder)
    except OSError as error:
        raise StoreError(str(folder), found=f"cannot be written ({error.strerror})", remedy="Choose another --out.") from error
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return open_store(folder)


def _undisclosed(read: Sequence[tuple[Cell, ForeignRun]]) -> tuple[str, ...]:
    found = {f"{name} ({cell.release.text})": None for cell, run in read for name in run.undisclosed}
    return tuple(found)


def _manifest(programs: Programs, started: str) -> Manifest:
    plan = programs.plan
    study = plan.study
    stamp = make_stamp(plan.folder, seed=study.seed, started=now()).model_copy(update={"started": started})
    return Manifest(
        study=study.name,
        question=study.question,
        note=study.note,
        source=PROGRAMS,
        failure_policy=study.failure_policy,
        benchmarks=tuple(_entry(programs, benchmark) for benchmark in plan.benchmarks),
        models=tuple(model.name for model in study.models),
        loads=tuple(_load(model, plan) for model in study.models),
        stamp=stamp,
    )


def _load(model: ModelSpec, plan: Plan) -> ModelEntry:
    checkpoint = find_checkpoint(model, plan.folder)
    digest = weights_digest(checkpoint)
    return ModelEntry(
        name=model.name, digest=digest[:16], weights=digest, dtype=_dtype(plan.study), engine="each package's own"
    )


def _entry(programs: Programs, benchmark: BenchmarkPlan) -> BenchmarkEntry:
    name = benchmark.spec.name
    cells = [cell for cell in programs.cells if cell.benchmark.spec.name == name]
    configurations = tuple(dict.fromkeys(cell.configuration for cell in cells))
    levels = tuple(Level(name=cell.release.text) for cell in {cell.release: cell for cell in cells}.values())
    asked = {cell.question.estimand for cell in cells}
    return benchmark.entry().model_copy(
        update={
            "estimands": tuple(estimand for estimand in benchmark.module.ESTIMANDS if estimand.name in asked),
            "envelope": Envelope(
                benchmark=name,
                factors=(Factor(name=HARNESS, stage=STAGES[HARNESS], levels=levels),),
                configurations=configurations,
                exclusions=programs.refused[name],
            ),
        }
    )


def _write(store: Store, cell: Cell, run: ForeignRun) -> Iterator[str]:
    """Write a cell's records; give what a reader must know about how the package asked."""
    joined = join(cell.benchmark.items, run.items())
    found = joined.found
    records = [_record(cell, item, found.get(item.id)) for item in cell.benchmark.items]
    store.replace_records(records, cell.label)
    store.add_prompts({text_digest(item.prompt): item.prompt for item in found.values() if item.prompt}, cell.label)
    stated = ", ".join(f"{name} {level}" for name, level in run.settings.items() if name not in (HARNESS, "harness_version"))
    yield f"{cell.release.text} on {cell.benchmark.spec.name} states: {stated}."
    if len(found) < len(records):
        yield f"{cell.label}: its log holds {len(found)} of the {len(records)} items."
    if joined.n_strange:
        yield f"{cell.label}: its log holds {joined.n_strange} items that were not asked for."
    if run.harness_version and run.harness_version != cell.release.version:
        yield f"{cell.label}: its log names version {run.harness_version}."


def _record(cell: Cell, item: Item, foreign: ForeignItem | None) -> ItemRecord:
    mark = foreign.marks.get(cell.question.metric) if foreign is not None else None
    record = ItemRecord(
        cell=CellKey(cell.model.name, cell.benchmark.spec.name, cell.configuration.digest),
        estimand=cell.question.estimand,
        item_id=item.id,
        cluster=item.cluster,
        stratum=item.stratum,
        repeat=0,
        value=None,
        weight=1.0,
        status=Status.UNKNOWN,
        reason=_ABSENT,
        prompt_digest=text_digest(foreign.prompt) if foreign is not None else "",
        token_digest=tokens_digest(foreign.tokens) if foreign is not None else "",
    )
    if mark is None:
        return record
    value = None if mark.value is None else mark.value * cell.question.scale
    return replace(record, value=value, status=mark.status, reason=mark.reason)
