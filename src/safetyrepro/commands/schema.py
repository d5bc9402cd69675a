"""`safetyrepro schema`: the published JSON schema of every document."""

from __future__ import annotations

import json
from typing import Annotated

import typer


def schema(
    document: Annotated[str, typer.Argument(help="study, manifest, analysis, claims or card.")],
) -> None:
    """Print the JSON schema of a document that people or other programs read and write."""
    from safetyrepro.schemas import SCHEMAS, json_schema

    if document not in SCHEMAS:
        from safetyrepro.errors import SafetyReproError

        raise SafetyReproError(
            f"schema {document}",
            found="there is no such document",
            expected=f"one of {', '.join(SCHEMAS)}",
            remedy="Correct the name.",
        )
    typer.echo(json.dumps(json_schema(document), indent=1, ensure_ascii=False))
