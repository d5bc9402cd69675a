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


DIALECT = "https://json-schema.org/draft/2020-12/schema"
OPEN = ("card", "analysis")
"""Documents that this package writes and others read: within a version fields are added, so that an unknown one is no mistake."""


def json_schema(document: str) -> dict[str, Any]:  # Any: a JSON schema holds whatever JSON can
    """JSON schema of a document, named with its version.

    Raises
    ------
    KeyError
        If there is no such document.
    """
    from pydantic import TypeAdapter

    module, name = SCHEMAS[document]
    schema = TypeAdapter(getattr(import_module(module), name)).json_schema()
    version = schema["properties"]["version"]["default"]
    if document in OPEN:
        for part in (schema, *schema["$defs"].values()):
            if part.get("additionalProperties") is False:
                del part["additionalProperties"]
    return {"$schema": DIALECT, "$id": f"urn:safetyrepro:{document}:v{version}", **schema}
