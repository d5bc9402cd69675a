"""`safetyrepro ingest`: results of others into a store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    no_args_is_help=True,
    help="Read results that somebody else measured into a store that analyze, card and gate treat like any other.",
)


@app.command()
def table(
    file: Annotated[Path, typer.Argument(help="CSV (also .gz) or Parquet with the columns model, benchmark, item_id, score.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder of the new store. Default: results/NAME.")] = None,
    score_range: Annotated[
        list[str] | None, typer.Option("--range", help="BENCHMARK=LOW,HIGH, or LOW,HIGH for all. Default: 0,1.")
    ] = None,
    orientation: Annotated[
        list[str] | None,
        typer.Option("--orientation", help="BENCHMARK=higher|lower|target(T), or one word for all. Default: higher."),
    ] = None,
    envelope: Annotated[
        Path | None, typer.Option("--envelope", help="A study.yaml that declares a larger envelope, ranges and orientations.")
    ] = None,
) -> None:
    """Read a tidy table: one row for each item of a cell.

    Besides model, benchmark, item_id and score, the columns cluster, stratum, status and repeat are understood; every other
    column is a factor. An empty score is missing: it is neither zero nor a tie.

    Example:  safetyrepro ingest table results.csv -o results/mine && safetyrepro analyze results/mine
    """
    from safetyrepro.ingest import TableOptions, ingest_table
    from safetyrepro.options import parse_orientations, parse_ranges
    from safetyrepro.render.terminal import print_store
    from safetyrepro.study import read_study

    options = TableOptions(
        ranges=parse_ranges(score_range or []),
        orientations=parse_orientations(orientation or []),
        study=read_study(envelope) if envelope else None,
    )
    folder = out or Path("results") / file.name.split(".")[0]
    print_store(ingest_table(file, folder, options=options))
