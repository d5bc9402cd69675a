"""`safetyrepro card`: a store as a GRIDcard."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def card(
    store: Annotated[Path, typer.Argument(help="A store made by run or ingest.")],
    *,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder of the card. Default: STORE/card.")] = None,
    where: Annotated[
        list[str] | None, typer.Option("--where", help="FACTOR=LEVEL[,LEVEL]: read only these configurations. Repeatable.")
    ] = None,
    claims: Annotated[Path | None, typer.Option("--claims", help="A claims.yaml whose decisions the card carries.")] = None,
    rows: Annotated[
        bool, typer.Option("--rows/--no-rows", help="Whether ids and values of items lie beside the card, or scores only.")
    ] = True,
) -> None:
    """Write a card: the verdicts, their witnesses, the envelope, its item rows, and a program that recomputes it.

    The page is one file, makes no network request, and reads without script. Texts of items are never in a card.
    """
    from safetyrepro.analysis import AnalysisOptions, analyze
    from safetyrepro.claims import read_claims
    from safetyrepro.options import parse_conditions
    from safetyrepro.publish import publish
    from safetyrepro.store import open_store

    opened = open_store(store)
    options = AnalysisOptions(where=parse_conditions(where or []))
    wanted = read_claims(claims) if claims else ()
    made = publish(opened, analyze(opened, options), out or store / "card", options=options, claims=wanted, rows=rows)
    paths = made.paths
    typer.echo(f"The card: {paths.html}")
    typer.echo(f"          {paths.markdown}")
    typer.echo(f"          {paths.json}")
