"""Backends: whatever answers requests, behind one seam."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import entry_points
from types import MappingProxyType
from typing import cast

from safetyrepro.backends.base import BackendModule
from safetyrepro.errors import StudyError

BACKENDS: Mapping[str, str] = MappingProxyType(
    {
        "hf": "safetyrepro.backends.hf",
        "vllm": "safetyrepro.backends.vllm",
        "server": "safetyrepro.backends.server",
        "replay": "safetyrepro.backends.replay",
    }
)
"""The backends of this package, by the name that a study uses; the module loads when it is asked for."""

ENTRY_POINTS = "safetyrepro.backends"
"""Group of entry points under which another package adds a backend."""


def backend_module(name: str) -> BackendModule:
    """Return the backend that a study calls `name`.

    Raises
    ------
    StudyError
        If neither this package nor an installed one has a backend of this name.
    """
    if name in BACKENDS:
        return cast("BackendModule", import_module(BACKENDS[name]))
    added = {entry.name: entry for entry in entry_points(group=ENTRY_POINTS)}
    if name in added:
        return cast("BackendModule", added[name].load())
    raise StudyError(
        "backend",
        found=f"'{name}' is not a backend",
        expected=f"one of {', '.join([*BACKENDS, *sorted(added)])}",
        remedy="Correct the field 'backend' of the study.",
    )
