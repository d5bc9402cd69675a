"""`safetyrepro run`: a plan carried out into a store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def run(
    study: Annotated[Path, typer.Argument(help="A study.yaml.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder of the store. Default: results/NAME.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
) -> None:
    """Ask the models whatever the store does not hold yet.

    Started again after a kill it asks only for what is absent. A request that fails becomes a record with a status and a
    reason, never a score.
    """
    from safetyrepro.plan import make_plan
    from safetyrepro.render.progress import progress_bar
    from safetyrepro.render.terminal import print_store
    from safetyrepro.run import run as run_plan
    from safetyrepro.study import read_study

    worked_out = make_plan(read_study(study), study)
    folder = out or Path("results") / worked_out.study.name
    with progress_bar(quiet=quiet) as progress:
        store = run_plan(worked_out, folder, progress=progress)
    print_store(store)
