"""`safetyrepro run`: a plan carried out into a store."""

from __future__ import annotations

from pathlib import Path

from safetyrepro.parameters import DataFolder, Items, Models, Only, Quiet, StoreOut, StudyArgument, TierName


def run(
    study: StudyArgument,
    *,
    out: StoreOut = None,
    only: Only = None,
    models: Models = None,
    items: Items = None,
    tier: TierName = None,
    data: DataFolder = None,
    quiet: Quiet = False,
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
