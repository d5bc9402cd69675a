"""`safetyrepro card`: a store as a GRIDcard."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def card(
    store: Annotated[Path, typer.Argument(help="A store made by run or ingest.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder of the card. Default: STORE/card.")] = None,
    where: Annotated[
        list[str] | None, typer.Option("--where", help="FACTOR=LEVEL[,LEVEL]: read only these configurations. Repeatable.")
    ] = None,
) -> None:
    """Write card.json, card.md and card.html: the verdicts, their witnesses, the envelope, and how to recompute it all.

    The page is one file, makes no network request, and reads without script.
    """
    from safetyrepro.analysis import AnalysisOptions, analyze
    from safetyrepro.card import make_card
    from safetyrepro.options import parse_conditions
    from safetyrepro.render.files import write_card
    from safetyrepro.store import open_store

    opened = open_store(store)
    options = AnalysisOptions(where=parse_conditions(where or []))
    paths = write_card(make_card(opened, analyze(opened, options)), out or store / "card")
    typer.echo(f"The card: {paths.html}")
    typer.echo(f"          {paths.markdown}")
    typer.echo(f"          {paths.json}")
