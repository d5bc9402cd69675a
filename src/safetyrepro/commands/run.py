"""`safetyrepro run`: a plan carried out into a store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def run(
    study: Annotated[
        str, typer.Argument(help="A study.yaml, or the name of one that ships: quickstart, paper, paper-extended.")
    ],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder of the store. Default: results/NAME.")] = None,
    only: Annotated[str | None, typer.Option("--only", help="A,B: only these benchmarks.")] = None,
    models: Annotated[str | None, typer.Option("--models", help="A,B: only these models.")] = None,
    items: Annotated[int | None, typer.Option("--items", min=1, help="Size of each benchmark's subset.")] = None,
    tier: Annotated[str | None, typer.Option("--tier", help="core or stress: only this tier.")] = None,
    data: Annotated[Path | None, typer.Option("--data", help="Folder with one folder of data for each benchmark.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
) -> None:
    """Ask the models whatever the store does not hold yet.

    Started again after a kill it asks only for what is absent. A request that fails becomes a record with a status and a
    reason, never a score.
    """
    from safetyrepro.options import parse_names, parse_tier
    from safetyrepro.plan import make_plan
    from safetyrepro.render.progress import progress_bar
    from safetyrepro.render.terminal import print_store
    from safetyrepro.run import run as run_plan
    from safetyrepro.selection import find_study, narrowed
    from safetyrepro.study import read_study

    path = find_study(study)
    chosen = narrowed(read_study(path), only=parse_names(only), models=parse_names(models), items=items, data=data)
    worked_out = make_plan(chosen, path, tier=parse_tier(tier))
    with progress_bar(quiet=quiet) as progress:
        store = run_plan(worked_out, out or Path("results") / chosen.name, progress=progress)
    print_store(store)
