"""The seam between what is asked and where it is computed: an executor opens a load somewhere and lets loads run side by side.

A load is one model under one setting of the factors of the stage LOAD; all cells that it serves are one piece of work. The run itself
stays in one process: it plans, cuts groups, writes the store. What an executor moves elsewhere is the backend, so that neither the groups
nor the parts depend on where a load was carried out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from safetyrepro.backends import backend_module
from safetyrepro.backends.base import Backend
from safetyrepro.study import EngineSpec, ModelSpec

Piece = TypeVar("Piece")
Result = TypeVar("Result")
Note = Callable[[str], None]
"""Told what is worth a line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What it takes to load a model anywhere."""

    backend: str
    """Name of the backend."""
    model: ModelSpec
    """The model."""
    settings: Mapping[str, str]
    """Levels of the LOAD factors."""
    engine: EngineSpec
    """Device, batch size, threads."""
    folder: Path
    """Folder of the study; it must have the same path wherever the load is opened."""

    def open(self) -> Backend:
        """Load the model in this process."""
        module = backend_module(self.backend)
        return module.open_backend(self.model, dict(self.settings), self.engine, folder=self.folder)

    @property
    def weighs(self) -> bool:
        """Whether the backend loads weights itself: only such a one obeys factors of the stage LOAD, and only it needs a GPU."""
        return bool(backend_module(self.backend).FACTORS)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorOptions:
    """What a user may say about where a run is carried out."""

    address: str | None = None
    """Address of a cluster; None where none is named."""
    group_timeout: float = 3600.0
    """Seconds that one group of requests, or one loading, may take before it is given to another worker."""
    gpus: float | None = None
    """GPUs for one load; None is one where the load needs one and the cluster has any."""


class Executor(Protocol):
    """Somewhere to carry loads out."""

    def open(self, opening: Opening) -> Backend:
        """Load a model; the backend is a context manager that gives its place back.

        Raises
        ------
        ExecutorError
            If no worker could do it.
        ModelError, MissingDependency
            If the model cannot be loaded, wherever it is tried.
        """

    def spread(self, work: Callable[[Piece], Result], pieces: Sequence[Piece]) -> list[Result]:
        """Do a piece of work for each load, side by side where there is room; the results are in the order of the pieces."""


class ExecutorModule(Protocol):
    """What every module of this family offers under the same names."""

    NAME: str
    """Name by which the command line calls it."""

    def open_executor(self, options: ExecutorOptions, *, note: Note) -> AbstractContextManager[Executor]:
        """Make ready to carry loads out.

        Raises
        ------
        ExecutorError
            If an option does not fit, or the cluster cannot be reached.
        MissingDependency
            If a library is absent.
        """
