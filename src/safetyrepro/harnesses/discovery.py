"""Files and folders -> the runs they hold, whatever package wrote them; a file that is no result is refused with one sentence."""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from safetyrepro.errors import IngestError, SafetyReproError
from safetyrepro.harnesses import HARNESSES, harness
from safetyrepro.harnesses.base import ForeignRun, Part
from safetyrepro.harnesses.bounded import Sniff, sniff

MAX_FILES = 200_000
"""Most files that one command looks at."""
_SUFFIXES = frozenset({".json", ".jsonl", ".eval", ".parquet"})
_NAMES = frozenset({"results.yml", "results.yaml"})
_SCHEMA = "is a JSON Schema, which says what results look like and holds none"
_INDEX = "is an index of records, which says where scores lie and holds none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one file gave."""

    path: Path
    """The file."""
    harness: str | None
    """The package that wrote it; None where none is recognised."""
    runs: tuple[ForeignRun, ...] = ()
    """The runs that it states; their items are read when they are asked for."""
    part_of: Path | None = None
    """The file with whose run it was read; None where it was read by itself or refused."""
    refusal: SafetyReproError | None = None
    """Why it was refused; None where it was read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A file whose items were read to the end."""

    reading: Reading
    """What the file gave."""
    n_runs: int = 0
    """Runs that it states, groups not counted."""
    n_items: int = 0
    """Items of all its runs."""
    n_scored: int = 0
    """Items with a value under at least one metric."""
    refusal: SafetyReproError | None = None
    """Why the file, or its items, were refused; None where all was read."""


def check(reading: Reading) -> Checked:
    """Read the items of a file to the end without keeping them."""
    if reading.refusal is not None:
        return Checked(reading=reading, refusal=reading.refusal)
    runs = [run for run in reading.runs if not run.subtasks]
    try:
        counts = Counter(any(mark.value is not None for mark in item.marks.values()) for run in runs for item in run.items())
    except SafetyReproError as error:
        return Checked(reading=reading, n_runs=len(runs), refusal=error)
    return Checked(reading=reading, n_runs=len(runs), n_items=counts.total(), n_scored=counts[True])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidate:
    path: Path
    harness: str | None
    part: Part | None
    sniffed: Sniff | None
    refusal: SafetyReproError | None = None


def discover(paths: Sequence[Path], *, package: str | None = None) -> Iterator[Reading]:
    """Yield what each result file among files and folders gives; files that state a run come before files with items only.

    Parameters
    ----------
    paths : sequence of Path
        Files, folders and patterns such as ``runs/*/results_*.json``; a folder is walked, links to folders in it are not followed.
    package : str, optional
        Name of the only package whose files are read; None tries every one.

    Raises
    ------
    IngestError
        If a path does not exist, or a folder holds more than `MAX_FILES` files.
    """
    candidates = [_candidate(path, package) for path in _files(paths)]
    runs_of = {one.path: one.harness for one in candidates if one.part is Part.RUN}
    used: dict[Path, Path] = {}
    for candidate in sorted(candidates, key=lambda one: one.part is not Part.RUN):
        if candidate.path in used:
            yield Reading(path=candidate.path, harness=candidate.harness, part_of=used[candidate.path])
            continue
        reading = _read(candidate, package)
        for run in reading.runs:
            used.update({path: candidate.path for path in run.files if path != candidate.path})
        yield _once(reading, runs_of)


def _once(reading: Reading, runs_of: Mapping[Path, str | None]) -> Reading:
    """A reading without its runs where they repeat the numbers of another package's file that is read here too."""
    for path in (path for run in reading.runs for path in run.restates):
        if runs_of.get(path) not in (None, reading.harness):
            return Reading(path=reading.path, harness=reading.harness, part_of=path)
    return reading


def _files(paths: Sequence[Path]) -> list[Path]:
    found: dict[Path, None] = {}
    for path in _matching(paths):
        found.update(dict.fromkeys(_below(path) if path.is_dir() else (path,)))
        if len(found) > MAX_FILES:
            raise IngestError(str(path), found=f"holds more than {MAX_FILES} files", remedy="Name the folders of the results.")
    return list(found)


def _matching(paths: Sequence[Path]) -> Iterator[Path]:
    """Paths as they are named, and what a pattern names where no file has that name: published names hold ``[``, ``*`` too."""
    for path in paths:
        # Path.glob refuses some patterns with an error; this finds nothing for them.
        present = _exists(path)
        found = [] if present else glob.glob(str(path), recursive=True)  # noqa: PTH207
        named = [path] if present else [Path(one) for one in sorted(found)]
        special = next((one for one in named if not (one.is_file() or one.is_dir())), None)
        if special is not None:
            # A pipe would be waited for without end, and a device read without end.
            raise IngestError(
                str(special), found="is no file", expected="a file, a folder or a pattern", remedy="Save it to a file first."
            )
        if not named:
            raise IngestError(
                str(path), found="does not exist", expected="a file, a folder or a pattern", remedy="Check the path."
            )
        yield from named


def _exists(path: Path) -> bool:
    """Whether a path exists; a name that no system can hold does not."""
    try:
        return path.exists()
    except OSError:
        return False


def _below(folder: Path) -> Iterator[Path]:
    for above, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = Path(above, name)
            if (path.suffix in _SUFFIXES or name in _NAMES) and path.is_file():
                yield path


def _candidate(path: Path, package: str | None) -> _Candidate:
    try:
        sniffed = sniff(path)
        for name in (package,) if package else HARNESSES:
            part = harness(name).recognises(sniffed)
            if part is not None:
                return _Candidate(path=path, harness=name, part=part, sniffed=sniffed)
    except SafetyReproError as error:
        return _Candidate(path=path, harness=None, part=None, sniffed=None, refusal=error)
    return _Candidate(path=path, harness=None, part=None, sniffed=sniffed)


def _read(candidate: _Candidate, package: str | None) -> Reading:
    if candidate.refusal is not None:
        return Reading(path=candidate.path, harness=None, refusal=candidate.refusal)
    if candidate.harness is None:
        return Reading(path=candidate.path, harness=None, refusal=_unrecognised(candidate, package))
    try:
        runs = tuple(harness(candidate.harness).read(candidate.path))
    except SafetyReproError as error:
        return Reading(path=candidate.path, harness=candidate.harness, refusal=error)
    return Reading(path=candidate.path, harness=candidate.harness, runs=runs)


def _unrecognised(candidate: _Candidate, package: str | None) -> IngestError:
    names = candidate.sniffed.names if candidate.sniffed else frozenset()
    where = str(candidate.path)
    if candidate.sniffed is not None and candidate.sniffed.kind == "utf-16":
        remedy = "Write it again: iconv -f UTF-16 -t UTF-8 FILE > NEW."
        return IngestError(where, found="is text in UTF-16", expected="UTF-8, as every package writes", remedy=remedy)
    if "$schema" in names:
        return IngestError(where, found=_SCHEMA, remedy="Name the records themselves.")
    if {"record_type", "object_path"} <= names:
        return IngestError(where, found=_INDEX, remedy="Name the records that it lists.")
    known = package or ", ".join(HARNESSES)
    seen = f" (its members are {', '.join(name[:40] for name in sorted(names)[:5])})" if names else ""
    return IngestError(
        where,
        found=f"is not a result file that is known{seen}",
        expected=f"what {known} writes",
        remedy="Name the file that the run wrote, or make a table for `safetyrepro ingest table`.",
    )
