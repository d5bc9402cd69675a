"""Executors: where the loads of a plan are carried out, behind one seam."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import cast

from safetyrepro.errors import ExecutorError
from safetyrepro.executors.base import ExecutorModule

EXECUTORS: Mapping[str, str] = MappingProxyType(
    {
        "local": "safetyrepro.executors.local",
        "ray": "safetyrepro.executors.ray",
    }
)
"""The executors by the name that the command line uses; the module loads when it is asked for."""


def executor_module(name: str) -> ExecutorModule:
    """Return the executor called `name`.

    Raises
    ------
    ExecutorError
        If there is none of this name.
    """
    if name not in EXECUTORS:
        raise ExecutorError(
            "option --executor",
            found=f"'{name}' is not an executor",
            expected=f"one of {', '.join(EXECUTORS)}",
            remedy="Name one of them.",
        )
    return cast("ExecutorModule", import_module(EXECUTORS[name]))
