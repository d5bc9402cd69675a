"""Runs of other packages -> a store that analyze, card and gate treat like any other.

Items are named by what they ask, not by their position, so that the same question in two packages is one item. The new store is
built beside its place and renamed when it is whole: a refusal leaves nothing behind and touches nothing that exists.
"""

from __future__ import annotations

import itertools
import math
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from safetyrepro.envelope import Configuration, Envelope, Factor, Level
from safetyrepro.errors import IngestError, SafetyReproError, StoreError
from safetyrepro.estimands import Estimand, Orientation
from safetyrepro.foreign_records import Batches, Observed, PlacedCell, write_run
from safetyrepro.harnesses.base import STAGES, UNRECORDED, ForeignRun
from safetyrepro.harnesses.discovery import Reading, discover
from safetyrepro.harnesses.mapping import Cell, cells_of
from safetyrepro.item_names import ItemNames
from safetyrepro.manifest import BenchmarkEntry, DataEntry, Manifest
from safetyrepro.records import CellKey
from safetyrepro.stamp import make_stamp, now, stamp_time
from safetyrepro.store import MANIFEST, Store, open_store

MAX_NOTES = 100
_TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignOptions:
    """What result files cannot say about themselves."""

    models: Mapping[str, str] = field(default_factory=dict)
    """Name in the files -> name in the store; the empty name stands for files that name no model."""
    benchmarks: Mapping[str, str] = field(default_factory=dict)
    """Name in the files -> name in the store."""
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Question -> smallest and largest value; the empty name stands for every question not named."""
    orientations: Mapping[str, Orientation] = field(default_factory=dict)
    """Question -> direction; the empty name stands for every question not named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignIngest:
    """What was made of result files."""

    store: Store
    """The new store."""
    readings: tuple[Reading, ...]
    """Every file that was looked at, with what it gave or why it was refused."""
    notes: tuple[str, ...]
    """What a reader of the store must know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Placed:
    """A cell with its place in the store."""

    cell: Cell
    model: str
    benchmark: str
    configuration: Configuration
    repeat: int

    @property
    def key(self) -> CellKey:
        return CellKey(self.model, self.benchmark, self.configuration.digest)


def ingest_foreign(
    paths: Sequence[Path], folder: Path, *, package: str | None = None, options: ForeignOptions | None = None
) -> ForeignIngest:
    """Read result files of other packages into a new store.

    Parameters
    ----------
    paths : sequence of Path
        Files and folders.
    folder : Path
        Where the store is made; it must not hold one yet.
    package : str, optional
        Name of the only package whose files are read; None tries every one.
    options : ForeignOptions, optional
        Names, ranges and directions that the files do not state.

    Returns
    -------
    ForeignIngest
        Files that were refused are among its readings.

    Raises
    ------
    IngestError
        If no file holds a result, or none names its model.
    StoreError
        If the folder is occupied.
    """
    options = options or ForeignOptions()
    _check_folder(folder)
    readings = list(discover(paths, package=package))
    fresh = not folder.parent.exists()
    building = folder.with_name(f".{folder.name}.ingesting")
    try:
        notes = _built(building, folder.name, paths, readings, options=options)
        building.rename(folder)
    except OSError as error:
        raise StoreError(str(folder), found=f"cannot be written ({error.strerror})", remedy="Choose another --out.") from error
    finally:
        shutil.rmtree(building, ignore_errors=True)
        if fresh and folder.parent.is_dir() and not any(folder.parent.iterdir()):
            folder.parent.rmdir()
    return ForeignIngest(store=open_store(folder), readings=tuple(readings), notes=notes)


def _built(
    building: Path, study: str, paths: Sequence[Path], readings: list[Reading], *, options: ForeignOptions
) -> tuple[str, ...]:
    """Build the store; a file whose items turn out to be damaged is refused, and the others are read again without it."""
    while True:
        runs = [run for reading in readings for run in reading.runs if not run.subtasks]
        placed = _placed(runs, options)
        if not placed:
            raise _nothing(paths, readings)
        shutil.rmtree(building, ignore_errors=True)
        try:
            return _build(building, study, placed, runs, options)
        except _Damaged as damage:
            at = next(place for place, reading in enumerate(readings) if damage.run in reading.runs)
            readings[at] = replace(readings[at], runs=(), refusal=damage.error)


class _Damaged(Exception):
    """Items of a run that could not be read to the end."""

    def __init__(self, run: ForeignRun, error: SafetyReproError) -> None:
        super().__init__(error.sentence)
        self.run = run
        self.error = error


def _check_folder(folder: Path) -> None:
    if (folder / MANIFEST).exists() or (folder.exists() and (not folder.is_dir() or any(folder.iterdir()))):
        raise StoreError(
            str(folder),
            found="is occupied",
            expected="a folder that does not exist yet",
            remedy="Choose another folder with --out; an existing store is never changed.",
        )


def _nothing(paths: Sequence[Path], readings: Sequence[Reading]) -> SafetyReproError:
    refusals = [reading.refusal for reading in readings if reading.refusal is not None]
    if refusals and not any(reading.runs for reading in readings):
        return refusals[0]
    return IngestError(
        ", ".join(str(path) for path in paths[:3]),
        found="no file names the model that answered" if any(reading.runs for reading in readings) else "holds no result file",
        expected="results of lm-eval, Inspect, HELM, lighteval, Every Eval Ever or NeMo Evaluator",
        remedy="Name the model with --model NAME, or name the files that the run wrote.",
    )


def _placed(runs: Sequence[ForeignRun], options: ForeignOptions) -> list[_Placed]:
    """Cells with names, configurations over one set of factors for each benchmark, and numbers of repetition."""
    named = []
    for run in runs:
        model = options.models.get(run.model or "", run.model)
        if model:
            named += [(model, options.benchmarks.get(cell.benchmark, cell.benchmark), cell) for cell in cells_of(run)]
    factors: dict[str, dict[str, None]] = {}
    for _, benchmark, cell in named:
        factors.setdefault(benchmark, {}).update(dict.fromkeys(cell.settings))
    repeats: Counter[tuple[str, str, Configuration]] = Counter()
    placed = []
    for model, benchmark, cell in named:
        ordered = sorted(factors[benchmark], key=_stage_order)
        configuration = Configuration(tuple((name, cell.settings.get(name, UNRECORDED)) for name in ordered))
        at = (model, benchmark, configuration)
        placed.append(_Placed(cell=cell, model=model, benchmark=benchmark, configuration=configuration, repeat=repeats[at]))
        repeats[at] += 1
    return placed


def _stage_order(factor: str) -> tuple[int, int, str]:
    known = list(STAGES)
    return (STAGES[factor], known.index(factor), factor) if factor in STAGES else (len(known), 0, factor)


def _build(
    building: Path, study: str, placed: Sequence[_Placed], runs: Sequence[ForeignRun], options: ForeignOptions
) -> tuple[str, ...]:
    started = now()
    entries = _entries(placed, options)
    manifest = Manifest(
        study=_study_name(study),
        source=" + ".join(sorted({run.harness for run in runs})),
        benchmarks=entries,
        models=tuple(dict.fromkeys(one.model for one in placed)),
        stamp=make_stamp(building.parent if building.parent.is_dir() else Path(), seed=None, started=started),
        undisclosed=_undisclosed(runs),
    )
    store = Store.create(building, manifest)
    observed: dict[tuple[str, str], Observed] = {}
    n_runs = Counter(benchmark for benchmark, _ in {(one.benchmark, id(one.cell.run)) for one in placed})
    items = {benchmark: ItemNames(several_runs=n > 1) for benchmark, n in n_runs.items()}
    with store.writing():
        batches = Batches(store)
        notes = [*_repeat_notes(placed), *_write_runs(batches, placed, items, observed)]
        batches.flush()
        kept = tuple(dict.fromkeys(notes))
        note = " ".join(kept[:MAX_NOTES]) + (f" {len(kept) - MAX_NOTES} more notes." if len(kept) > MAX_NOTES else "")
        store.update(
            {
                "benchmarks": tuple(_bounded(entry, observed, len(items[entry.name]), options) for entry in entries),
                "note": note,
                "stamp": store.manifest.stamp.model_copy(update={"finished": stamp_time(now())}),
                "complete": True,
            }
        )
    return kept


def _write_runs(
    batches: Batches, placed: Sequence[_Placed], items: Mapping[str, ItemNames], observed: dict[tuple[str, str], Observed]
) -> Iterator[str]:
    """Write the records of every run, in one pass over the items of each; what was seen is added to `observed`, notes are given."""
    for _, cells in itertools.groupby(placed, key=lambda one: id(one.cell.run)):
        members = list(cells)
        first = members[0]
        for one, found in zip(members, _written(batches, first.cell.run, members, items[first.benchmark]), strict=True):
            for estimand, seen in found.items():
                observed.setdefault((one.benchmark, estimand), Observed()).merge(seen)
                yield from _disagreements(one, estimand, seen)
        yield from (f"{first.model} on {first.benchmark}: {note}" for note in first.cell.run.notes)


def _written(batches: Batches, run: ForeignRun, cells: Sequence[_Placed], items: ItemNames) -> list[dict[str, Observed]]:
    try:
        return write_run(batches, [PlacedCell(cell=one.cell, key=one.key, repeat=one.repeat) for one in cells], items)
    except IngestError as error:
        raise _Damaged(run, error) from error


def _study_name(text: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "._-" else "-" for letter in text).lstrip("._-") or "ingested"


def _entries(placed: Sequence[_Placed], options: ForeignOptions) -> tuple[BenchmarkEntry, ...]:
    by_benchmark: dict[str, list[_Placed]] = {}
    for one in placed:
        by_benchmark.setdefault(one.benchmark, []).append(one)
    entries = []
    for name, members in by_benchmark.items():
        configurations = tuple(sorted({one.configuration for one in members}, key=lambda member: member.settings))
        estimands: dict[str, Estimand] = {}
        for one in members:
            for estimand in one.cell.estimands.values():
                estimands.setdefault(estimand.name, _oriented(estimand, options))
        entries.append(
            BenchmarkEntry(
                name=name,
                estimands=tuple(_finite(estimand, Observed(), options) for estimand in estimands.values()),
                envelope=Envelope(benchmark=name, factors=_factors(configurations), configurations=configurations),
                data=DataEntry(edition="as the ingested files state it"),
            )
        )
    return tuple(entries)


def _factors(configurations: Sequence[Configuration]) -> tuple[Factor, ...]:
    levels: dict[str, dict[str, None]] = {}
    for configuration in configurations:
        for name, level in configuration.settings:
            levels.setdefault(name, {}).setdefault(level)
    return tuple(
        Factor(name=name, stage=STAGES.get(name), levels=tuple(Level(name=level) for level in its_levels))
        for name, its_levels in levels.items()
    )


def _oriented(estimand: Estimand, options: ForeignOptions) -> Estimand:
    orientation = options.orientations.get(estimand.name) or options.orientations.get("")
    return replace(estimand, orientation=orientation) if orientation else estimand


def _finite(estimand: Estimand, seen: Observed, options: ForeignOptions) -> Estimand:
    """The question with a finite range: the one asked for, the declared one, or else one that holds what was seen."""
    asked = options.ranges.get(estimand.name) or options.ranges.get("")
    low, high = asked or (estimand.low, estimand.high)
    low = low if math.isfinite(low) else min(0.0, seen.low)
    high = high if math.isfinite(high) else max(1.0, seen.high)
    return replace(estimand, low=min(low, seen.low), high=max(high, seen.high))


def _bounded(
    entry: BenchmarkEntry, observed: Mapping[tuple[str, str], Observed], n_items: int, options: ForeignOptions
) -> BenchmarkEntry:
    estimands = tuple(
        _finite(estimand, observed.get((entry.name, estimand.name), Observed()), options) for estimand in entry.estimands
    )
    data = entry.data.model_copy(update={"n_items": n_items})
    return entry.model_copy(update={"estimands": estimands, "data": data})


def _repeat_notes(placed: Sequence[_Placed]) -> list[str]:
    return [
        f"{one.model} on {one.benchmark}: a further run states the same configuration and counts as a repetition ({one.cell.run.files[0].name})."
        for one in placed
        if one.repeat
    ]


def _disagreements(one: _Placed, estimand: str, seen: Observed) -> Iterator[str]:
    reported = one.cell.reported.get(estimand)
    declared = one.cell.run.n_declared
    place = f"{one.model} on {one.benchmark}"
    if declared is not None and seen.n_items and seen.n_items != declared:
        yield f"{place}: the file holds {seen.n_items} of the {declared} items that it declares."
    found = seen.package_mean
    if reported is not None and found is not None and abs(found - reported) > max(_TOLERANCE, one.cell.run.reported_within):
        yield f"{place}: the file reports {estimand} {reported:g}, its items give {found:g}."


def _undisclosed(runs: Sequence[ForeignRun]) -> tuple[str, ...]:
    counts: Counter[str] = Counter(name for run in runs for name in run.undisclosed)
    return tuple(name if count == len(runs) else f"{name} ({count} of {len(runs)} runs)" for name, count in counts.items())
