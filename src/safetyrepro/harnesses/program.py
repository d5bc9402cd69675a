"""What every evaluation package is as a program: what it can be asked, with which words, on which rows, and how its data are turned.

A package is never imported. Its own Python runs its own command line behind `redirected.py`, which hands it the rows of the study
in place of a download and changes nothing else.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, cast

from safetyrepro.errors import StudyError
from safetyrepro.records import Json

PROGRAMS: Mapping[str, str] = {
    "lm-eval": "safetyrepro.harnesses.lm_eval_program",
    "inspect": "safetyrepro.harnesses.inspect_program",
    "helm": "safetyrepro.harnesses.helm_program",
    "lighteval": "safetyrepro.harnesses.lighteval_program",
}
"""Name in a study -> what is known of running the package."""

CHECKPOINT = "checkpoint"
"""Folder below a run's own, in which every package finds the model; relative, so that no path needs quoting."""
OUTPUT = "out"
"""Folder below a run's own, into which the package writes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What a package is asked: one benchmark's items, of one model."""

    version: str
    """Release of the package."""
    benchmark: str
    """Our name of the benchmark."""
    rows: tuple[Mapping[str, Json], ...]
    """Rows of the evaluated items, as the package's own loader would give them."""
    pool: tuple[Mapping[str, Json], ...] = ()
    """Rows of items that may be shown as examples."""
    dtype: str = "float32"
    """Number format of the weights in memory."""
    device: str = "cpu"
    """``cpu`` or ``cuda``; which one of several is told by the environment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """The words that start a package, and what must lie in its way."""

    module: str
    """Module that its Python runs."""
    arguments: tuple[str, ...]
    """Words of the command line; paths are relative to the run's folder."""
    sets: Mapping[str, Mapping[str, tuple[Mapping[str, Json], ...]]] = field(default_factory=dict)
    """Data set that the package asks for -> split -> rows."""
    seeds: Mapping[str, str] = field(default_factory=dict)
    """Path below the run's folder -> text of the file that the package would have downloaded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Which of a package's metrics answers which of our questions."""

    metric: str
    """Name of the metric, as the reader calls it."""
    estimand: str
    """Name of our question."""
    scale: float = 1.0
    """What an item's value is multiplied with to be on our scale."""


class Program(Protocol):
    """What every ``*_program.py`` offers under the same names."""

    READER: str
    """Reader of what it writes, as `HARNESSES` calls it."""
    RELEASES: tuple[str, ...]
    """Releases with a constraint set; the first was run here."""
    QUESTIONS: Mapping[str, Question]
    """Benchmark -> what its stock task answers."""
    UNWANTED: tuple[str, ...]
    """What its set pulls in and what then keeps it from starting beside a torch for CPUs."""
    EMPTY_FILES: tuple[str, ...]
    """Files below its libraries that it would download while it starts, and does without."""

    def refusal(self, job: Job) -> str:
        """Why the package cannot run a job, one sentence; empty where it can."""

    def older_transformers(self, version: str) -> bool:
        """Whether the release runs with transformers 4, which reads fewer forms of a checkpoint."""

    def launch(self, job: Job) -> Launch:
        """The words that start a job."""


@dataclass(frozen=True, slots=True)
class Release:
    """A package at a release: a level of the factor `harness`."""

    package: str
    """Name, as `PROGRAMS` has it."""
    version: str
    """Release."""

    @property
    def text(self) -> str:
        """The release as studies and cards write it."""
        return f"{self.package}=={self.version}"

    @property
    def folder(self) -> str:
        """Name of its environment's folder."""
        return f"{self.package}-{self.version}"

    @property
    def program(self) -> Program:
        """What is known of running it."""
        return program(self.package)


def program(name: str) -> Program:
    """Return what is known of running a package; KeyError where nothing is."""
    return cast("Program", importlib.import_module(PROGRAMS[name]))


def parse_release(text: str, where: str) -> Release:
    """Read ``lm-eval==0.4.13``; without a version it is the first release that is known.

    Raises
    ------
    StudyError
        If the package or the release is not known.
    """
    name, _, version = text.partition("==")
    if name not in PROGRAMS:
        raise StudyError(where, found=f"no package '{name}' can be run", expected=f"one of {', '.join(PROGRAMS)}")
    releases = program(name).RELEASES
    if version and version not in releases:
        raise StudyError(
            where,
            found=f"{name} {version} has no constraint set",
            expected=f"one of {', '.join(f'{name}=={one}' for one in releases)}",
            remedy="Name one of these, or run the package yourself and read its files with `safetyrepro ingest`.",
        )
    return Release(name, version or releases[0])


def constraints(release: Release) -> Path:
    """Path of the pinned set of packages that a release was seen to run with."""
    return Path(__file__).parent / "constraints" / f"{release.folder}.txt"


def no_task(package: str, benchmark: str, known: Mapping[str, Question]) -> str:
    """The sentence for a benchmark that a package has no stock task for."""
    return "" if benchmark in known else f"{package} is not known to run {benchmark}, only {', '.join(known)}"
