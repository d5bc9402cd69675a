"""`safetyrepro init`: a study to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def init(
    source: Annotated[
        str, typer.Option("--from", help="A study that ships: quickstart, paper, paper-extended, cross-package.")
    ] = "paper",
    out: Annotated[Path, typer.Option("--out", "-o", help="The new file.")] = Path("study.yaml"),
) -> None:
    """Copy a study that ships with the package, to be edited: models, benchmarks, factors, levels, tiers."""
    from safetyrepro.selection import copy_study

    study = copy_study(source, out)
    typer.echo(f"{out}: {study.name}, {len(study.models)} models, {len(study.benchmarks)} benchmarks.")
    typer.echo(f"Next: edit it, then safetyrepro plan {out}")
