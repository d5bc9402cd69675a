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
    benchmark_b: Annotated[str, typer.Option("--benchmark-b", help="Which benchmark of B, where it has another name.")] = "",
    model: Annotated[str, typer.Option("--model", help="Which model, where there are several.")] = "",
    model_b: Annotated[str, typer.Option("--model-b", help="Which model of B, where it has another name.")] = "",
    estimand: Annotated[str, typer.Option("--estimand", help="Which question; default: the first.")] = "",
    estimand_b: Annotated[str, typer.Option("--estimand-b", help="Which question of B, where it has another name.")] = "",
    versus: Annotated[str, typer.Option("--versus", help="A second model: explain why A and B order the two as they do.")] = "",
    versus_b: Annotated[str, typer.Option("--versus-b", help="Which second model of B, where it has another name.")] = "",
    where_a: Annotated[list[str] | None, typer.Option("--where-a", help="FACTOR=LEVEL: which configuration of A.")] = None,
    where_b: Annotated[list[str] | None, typer.Option("--where-b", help="FACTOR=LEVEL: which configuration of B.")] = None,
) -> None:
    """Share the gap between two numbers out among what differs, in parts that add up; no model is asked.

    With --versus, A and B are two labs that measured two models: the differences that turn A's verdict into B's are named.

    Example:  safetyrepro explain run1/results.json run2/log.eval --estimand accuracy
    """
    from safetyrepro.explain import explain as explain_sides
    from safetyrepro.labs import explain_labs
    from safetyrepro.options import parse_conditions
    from safetyrepro.sides import Choice, Side, read_side

    conditions = parse_conditions(where_a or []), parse_conditions(where_b or [])

    benchmarks, estimands = (benchmark, benchmark_b or benchmark), (estimand, estimand_b or estimand)

    def sides(model_of_a: str, model_of_b: str) -> tuple[Side, Side]:
        models = (model_of_a, model_of_b or model_of_a)
        first, second = (
            read_side(path, Choice(benchmark=of, model=name, estimand=question, where=where), name=str(path))
            for path, of, name, question, where in zip((a, b), benchmarks, models, estimands, conditions, strict=True)
        )
        return first, second

    if not versus:
        lines = explain_sides(*sides(model, model_b)).lines()
    else:
        (first_a, first_b), (second_a, second_b) = sides(model, model_b), sides(versus, versus_b)
        lines = explain_labs((first_a, second_a), (first_b, second_b)).lines()
    for line in lines:
        typer.echo(line)
