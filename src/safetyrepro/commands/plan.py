"""`safetyrepro plan`: the envelope, the cells and the cost, before anything is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def plan(
    study: Annotated[Path, typer.Argument(help="A study.yaml.")],
    json: Annotated[bool, typer.Option("--json", help="Print the plan as JSON, with one row for each cell.")] = False,
) -> None:
    """Show what a study will do: factors, levels, tiers, what is left out and why, cells, loads, prompts and requests.

    Nothing is loaded and nothing is asked. Tokens are estimates until a tokenizer is at hand, and marked so.
    """
    from safetyrepro.plan import make_plan, plan_costs, plan_document
    from safetyrepro.render.terminal import print_plan
    from safetyrepro.study import read_study

    worked_out = make_plan(read_study(study), study)
    costs = plan_costs(worked_out)
    if json:
        import json as json_text

        typer.echo(json_text.dumps(plan_document(worked_out, costs), indent=1, ensure_ascii=False))
    else:
        print_plan(worked_out, costs)
