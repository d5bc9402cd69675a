"""`safetyrepro mend`: drop damaged parts, so that a run makes just those again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def mend(store: Annotated[Path, typer.Argument(help="A store with an absent or altered part.")]) -> None:
    """Drop every part that is absent or altered; damaged files are kept under another name.

    The next `safetyrepro run` of the same study makes again only what the dropped parts held.
    """
    from safetyrepro.store import mend as mend_store

    dropped = mend_store(store)
    for part in dropped:
        typer.echo(f"dropped {part.kind}/{part.name} ({part.unit}, {part.rows} rows)")
    typer.echo(f"{len(dropped)} part(s) dropped." if dropped else "Every part is whole: nothing to mend.")
