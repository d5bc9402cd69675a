"""`safetyrepro plan`: the envelope, the cells and the cost, before anything is loaded."""

from __future__ import annotations

import json as json_text
from typing import Annotated

import typer

from safetyrepro.parameters import DataFolder, Items, Models, Only, StudyArgument, TierName


def plan(
    study: StudyArgument,
    *,
    json: Annotated[bool, typer.Option("--json", help="Print the plan as JSON, with one row for each cell.")] = False,
    only: Only = None,
    models: Models = None,
    items: Items = None,
    tier: TierName = None,
    data: DataFolder = None,
) -> None:
    """Show what a study will do: factors, levels, tiers, what is left out and why, cells, loads, prompts and requests.

    Nothing is loaded and nothing is asked. Tokens are estimates until a tokenizer is at hand, and marked so. Where a
    benchmark's data are not at hand, its cells are shown without items.
    """
    from safetyrepro.costs import plan_costs, plan_document
    from safetyrepro.options import parse_names, parse_tier
    from safetyrepro.plan import make_plan
    from safetyrepro.programs import plan_programs
    from safetyrepro.render.programs import programs_document, programs_lines
    from safetyrepro.render.terminal import print_plan
    from safetyrepro.selection import find_study, narrowed
    from safetyrepro.study import read_study

    path = find_study(study)
    chosen = narrowed(read_study(path), only=parse_names(only), models=parse_names(models), items=items, data=data)
    worked_out = make_plan(chosen, path, tier=parse_tier(tier), need_data=False)
    if chosen.harness:
        found = plan_programs(worked_out)
        lines = [json_text.dumps(programs_document(found), indent=1, ensure_ascii=False)] if json else programs_lines(found)
        typer.echo("\n".join(lines))
        return
    costs = plan_costs(worked_out)
    if json:
        typer.echo(json_text.dumps(plan_document(worked_out, costs), indent=1, ensure_ascii=False))
    else:
        print_plan(worked_out, costs)
