"""`safetyrepro explain`: why two numbers differ."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def explain(
    a: Annotated[Path, typer.Argument(help="A store, a result file or a folder of result files.")],
    b: Annotated[Path, typer.Argument(help="The other.")],
    *,
    benchmark: Annotated[str, typer.Option("--benchmark", help="Which benchmark, where there are several.")] = "",
    model: Annotated[str, typer.Option("--model", help="Which model, where there are several.")] = "",
    model_b: Annotated[str, typer.Option("--model-b", help="Which model of B, where it has another name.")] = "",
    estimand: Annotated[str, typer.Option("--estimand", help="Which question; default: the first.")] = "",
    where_a: Annotated[list[str] | None, typer.Option("--where-a", help="FACTOR=LEVEL: which configuration of A.")] = None,
    where_b: Annotated[list[str] | None, typer.Option("--where-b", help="FACTOR=LEVEL: which configuration of B.")] = None,
) -> None:
    """Share the gap between two numbers out among what differs, in parts that add up; no model is asked.

    Example:  safetyrepro explain run1/results.json run2/log.eval --estimand accuracy
    """
    from safetyrepro.explain import explain as explain_sides
    from safetyrepro.options import parse_conditions
    from safetyrepro.sides import Choice, read_side

    choices = (
        Choice(benchmark=benchmark, model=model, estimand=estimand, where=parse_conditions(where_a or [])),
        Choice(benchmark=benchmark, model=model_b or model, estimand=estimand, where=parse_conditions(where_b or [])),
    )
    found = explain_sides(*(read_side(path, choice, name=str(path)) for path, choice in zip((a, b), choices, strict=True)))
    for line in found.lines():
        typer.echo(line)
