"""`safetyrepro export`: a store in the forms of other tools."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from safetyrepro.parameters import StoreArgument

if TYPE_CHECKING:
    from safetyrepro.export import Exported

app = typer.Typer(no_args_is_help=True, help="Write a store in the form of another tool.")


@app.command(name="every-eval-ever")
def every_eval_ever(
    store: StoreArgument,
    *,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder in which data/ is made.")] = Path(),
    organization: Annotated[str, typer.Option("--organization", help="Who provides the results.")] = "unknown",
    relationship: Annotated[
        str, typer.Option("--relationship", help="first_party, third_party, collaborative or other.")
    ] = "other",
) -> None:
    """Write records of Every Eval Ever, one for each model and package, with the factors in their extension place.

    Example:  safetyrepro export every-eval-ever results/mine -o shared
    """
    from safetyrepro.export import EverySource, export_every_eval_ever
    from safetyrepro.store import open_store

    source = EverySource(organization=organization, relationship=relationship)
    _report(export_every_eval_ever(open_store(store), out, source=source), "result")


@app.command()
def table(
    store: StoreArgument,
    *,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="CSV, gzipped where it ends in .gz; Parquet where it ends in .parquet.")
    ] = Path("results.csv"),
) -> None:
    """Write the tidy table: one row for each item of a cell, which `safetyrepro ingest table` reads back.

    Example:  safetyrepro export table results/mine -o mine.csv.gz
    """
    from safetyrepro.export_table import export_table
    from safetyrepro.store import open_store

    _report(export_table(open_store(store), out), "row")


def _report(done: Exported, noun: str) -> None:
    from safetyrepro.render.text import counted

    for path in done.paths:
        typer.echo(str(path))
    missing = f"; {counted(done.n_without_value, 'item')} without a value" if done.n_without_value else ""
    whole = f"; {counted(done.n_aggregates, 'row')} for aggregates of cells without items" if done.n_aggregates else ""
    left = f"; {counted(done.n_without_score, 'cell')} without a score left out" if done.n_without_score else ""
    typer.echo(f"{counted(len(done.paths), 'file')}, {counted(done.n_results, noun)}{whole}{missing}{left}")
    for note in done.notes:
        typer.echo(note)
    if done.paths:
        typer.echo(f"Read back with: {done.read_back}")
