"""The published JSON schema of every document."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Any

SCHEMAS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "study": ("safetyrepro.study", "Study"),
        "manifest": ("safetyrepro.manifest", "Manifest"),
        "analysis": ("safetyrepro.analysis", "Analysis"),
        "claims": ("safetyrepro.claims", "ClaimFile"),
        "card": ("safetyrepro.card", "GridCard"),
    }
)
"""Document -> module and class; a module loads when its schema is asked for."""


def json_schema(document: str) -> dict[str, Any]:  # Any: a JSON schema holds whatever JSON can
    """JSON schema of a document.

    Raises
    ------
    KeyError
        If there is no such document.
    """
    from pydantic import TypeAdapter

    module, name = SCHEMAS[document]
    return TypeAdapter(getattr(import_module(module), name)).json_schema()
