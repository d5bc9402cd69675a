"""`safetyrepro run`: a plan carried out into a store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from safetyrepro.parameters import DataFolder, Items, Models, Only, Quiet, Repeats, StoreOut, StudyArgument, TierName

ExecutorName = Annotated[str, typer.Option("--executor", help="local, or ray: where models are loaded and asked.")]
Address = Annotated[str | None, typer.Option("--address", help="HOST:PORT of a Ray cluster. Default: RAY_ADDRESS, else here.")]
GroupTimeout = Annotated[
    float,
    typer.Option("--group-timeout", min=1.0, help="Seconds for a loading or a group before another worker gets it (ray)."),
]
Gpus = Annotated[
    float | None,
    typer.Option("--gpus", min=0.0, help="GPUs for one load (ray). Default: 1 where it needs one and there is one."),
]


def run(
    study: StudyArgument,
    *,
    out: StoreOut = None,
    only: Only = None,
    models: Models = None,
    items: Items = None,
    tier: TierName = None,
    data: DataFolder = None,
    repeat: Repeats = None,
    executor: ExecutorName = "local",
    address: Address = None,
    group_timeout: GroupTimeout = 3600.0,
    gpus: Gpus = None,
    quiet: Quiet = False,
) -> None:
    """Ask the models whatever the store does not hold yet.

    Started again after a kill it asks only for what is absent. A request that fails becomes a record with a status and a
    reason, never a score.
    """
    from safetyrepro.executors import executor_module
    from safetyrepro.executors.base import ExecutorOptions
    from safetyrepro.options import parse_names, parse_tier
    from safetyrepro.plan import make_plan
    from safetyrepro.programs import run_programs
    from safetyrepro.render.progress import progress_bar
    from safetyrepro.render.terminal import print_store
    from safetyrepro.run import run as run_plan
    from safetyrepro.selection import find_study, narrowed
    from safetyrepro.study import read_study

    path = find_study(study)
    chosen = narrowed(
        read_study(path), only=parse_names(only), models=parse_names(models), items=items, data=data, repeats=repeat
    )
    worked_out = make_plan(chosen, path, tier=parse_tier(tier))
    options = ExecutorOptions(address=address, group_timeout=group_timeout, gpus=gpus)
    folder = out or Path("results") / chosen.name
    with progress_bar(quiet=quiet) as progress, executor_module(executor).open_executor(options, note=progress.note) as opened:
        if chosen.harness:
            store = run_programs(worked_out, folder, progress=progress, executor=executor)
        else:
            store = run_plan(worked_out, folder, progress=progress, executor=opened)
    print_store(store)
