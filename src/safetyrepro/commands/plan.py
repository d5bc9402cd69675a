"""`safetyrepro plan`: the envelope, the cells and the cost, before anything is loaded."""

from __future__ import annotations

import json as json_text
from typing import TYPE_CHECKING, Annotated

import typer

from safetyrepro.parameters import DataFolder, Items, Models, Only, Probe, ProbeSeconds, Repeats, StudyArgument, TierName

if TYPE_CHECKING:
    from safetyrepro.plan import Plan


def plan(
    study: StudyArgument,
    *,
    json: Annotated[bool, typer.Option("--json", help="Print the plan as JSON, with one row for each cell.")] = False,
    only: Only = None,
    models: Models = None,
    items: Items = None,
    tier: TierName = None,
    data: DataFolder = None,
    probe: Probe = False,
    probe_seconds: ProbeSeconds = 20.0,
    repeat: Repeats = None,
) -> None:
    """Show what a study will do: factors, levels, tiers, what is left out and why, cells, loads, prompts and requests.

    Without --probe no weights are loaded and nothing is asked. Where a model's tokenizer is on this machine, tokens are counted, and
    levels that ask it the same are named; elsewhere tokens are estimates, and marked so. Where a benchmark's data are not at hand, its
    cells are shown without items.
    """
    from safetyrepro.options import parse_names, parse_tier
    from safetyrepro.plan import make_plan
    from safetyrepro.selection import find_study, narrowed
    from safetyrepro.study import read_study

    path = find_study(study)
    chosen = narrowed(
        read_study(path), only=parse_names(only), models=parse_names(models), items=items, data=data, repeats=repeat
    )
    worked_out = make_plan(chosen, path, tier=parse_tier(tier), need_data=False)
    if chosen.harness:
        return _plan_programs(worked_out, json=json, probe=probe)
    return _plan_cells(worked_out, json=json, seconds=probe_seconds if probe else None)


def _plan_cells(worked_out: Plan, *, json: bool, seconds: float | None) -> None:
    """Print cells and their cost, and what a probe of so many seconds finds."""
    from safetyrepro.costs import plan_costs, plan_document
    from safetyrepro.foresight import encoders_at_hand, foresight_document, planned_memory, planned_runs
    from safetyrepro.probe import probe as estimated
    from safetyrepro.render.estimate import print_estimate
    from safetyrepro.render.foreseen import print_memory, print_runs
    from safetyrepro.render.planned import print_plan

    encoders = encoders_at_hand(worked_out)
    costs, runs = plan_costs(worked_out, encoders), planned_runs(worked_out, encoders)
    memory = planned_memory(worked_out, costs)
    estimate = None if seconds is None else estimated(worked_out, seconds=seconds)
    if json:
        document = plan_document(worked_out, costs) | foresight_document(runs, memory)
        document |= {"estimate": estimate.document()} if estimate else {}
        return typer.echo(json_text.dumps(document, indent=1, ensure_ascii=False))
    print_plan(worked_out, costs)
    print_runs(runs)
    print_memory(memory)
    return print_estimate(estimate) if estimate else None


def _plan_programs(worked_out: Plan, *, json: bool, probe: bool) -> None:
    """Print what other packages will be told."""
    from safetyrepro.errors import StudyError
    from safetyrepro.programs import plan_programs
    from safetyrepro.render.programs import programs_document, programs_lines

    if probe:
        raise StudyError("--probe", found="it cannot ask another package's program", remedy="Leave it out.")
    found = plan_programs(worked_out)
    lines = [json_text.dumps(programs_document(found), indent=1, ensure_ascii=False)] if json else programs_lines(found)
    typer.echo("\n".join(lines))
