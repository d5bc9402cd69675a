"""`safetyrepro analyze`: what a store shows, in counts before rates."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def analyze(
    store: Annotated[Path, typer.Argument(help="A store made by run or ingest.")],
    json: Annotated[
        bool, typer.Option("--json", help="Print the analysis as JSON (see `safetyrepro schema analysis`).")
    ] = False,
    where: Annotated[
        list[str] | None, typer.Option("--where", help="FACTOR=LEVEL[,LEVEL]: read only these configurations. Repeatable.")
    ] = None,
    models: Annotated[str | None, typer.Option("--models", help="A,B: compare only these, in this order.")] = None,
    items: Annotated[
        str, typer.Option("--items", help="as-is: each cell averages what it holds; common: only items that every model has.")
    ] = "as-is",
    policy: Annotated[
        str | None, typer.Option("--policy", help="wrong, dropped or dropped_pairwise: how unreadable answers count.")
    ] = None,
    draws: Annotated[
        int, typer.Option("--draws", min=0, help="Sign vectors for what the items can bear; 0 leaves that half out.")
    ] = 10_000,
    alpha: Annotated[float, typer.Option("--alpha", min=0.0001, max=0.5, help="Level of the verdict words.")] = 0.05,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the draws.")] = 0,
    estimands: Annotated[bool, typer.Option("--estimands", help="Print every estimand, not only the primary ones.")] = False,
    pairs: Annotated[int, typer.Option("--pairs", help="Pairs to print in full; every pair is in the table.")] = 6,
) -> None:
    """Say for every benchmark and pair of models in how many configurations each is ahead, and show the witness of a reversal.

    A reversal is two configurations that put the models in strictly opposite order. It is a fact about these scores; whether
    the items can bear it is said apart from it.
    """
    from safetyrepro.analysis import Analysis, AnalysisOptions
    from safetyrepro.analysis import analyze as analyze_store
    from safetyrepro.inference import InferenceOptions
    from safetyrepro.options import parse_choice, parse_conditions, parse_names
    from safetyrepro.render.terminal import print_analysis
    from safetyrepro.scores import FailurePolicy, ItemRule
    from safetyrepro.store import open_store

    options = AnalysisOptions(
        where=parse_conditions(where or []),
        models=parse_names(models),
        policy=parse_choice(policy, FailurePolicy, "--policy") if policy else None,
        item_rule=parse_choice(items, ItemRule, "--items"),
        inference=InferenceOptions(alpha=alpha, draws=draws, seed=seed) if draws else None,
    )
    analysis = analyze_store(open_store(store), options)
    if json:
        from pydantic import TypeAdapter

        typer.echo(TypeAdapter(Analysis).dump_json(analysis, indent=1).decode())
    else:
        print_analysis(analysis, pairs=pairs, every_estimand=estimands)
