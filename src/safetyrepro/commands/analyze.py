"""`safetyrepro analyze`: what a store shows, in counts before rates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from safetyrepro.parameters import Alpha, Draws, ItemChoice, Models, Policy, Seed, StoreArgument, Where

if TYPE_CHECKING:
    from safetyrepro.analysis import Analysis

Full = Annotated[
    bool, typer.Option("--full", help="Print all that was found, such as six senses of ahead and sizes of effects.")
]
Boosted = Annotated[bool, typer.Option("--boosted", help="Ask boosted trees too what moves a difference (needs LightGBM).")]
Margin = Annotated[
    float | None, typer.Option("--margin", min=1e-9, help="Largest difference that does not matter: test equivalence.")
]


def analyze(
    store: StoreArgument,
    *,
    json: Annotated[bool, typer.Option("--json", help="Print JSON (`safetyrepro schema analysis` describes it).")] = False,
    where: Where = None,
    models: Models = None,
    items: ItemChoice = "as-is",
    policy: Policy = None,
    draws: Draws = 10_000,
    alpha: Alpha = 0.05,
    seed: Seed = 0,
    estimands: Annotated[bool, typer.Option("--estimands", help="Print every estimand, not only the primary ones.")] = False,
    pairs: Annotated[int, typer.Option("--pairs", help="Witnesses to print for each benchmark.")] = 6,
    full: Full = False,
    margin: Margin = None,
    boosted: Boosted = False,
) -> None:
    """Say for every benchmark and pair of models in how many configurations each is ahead, and show the witness of a reversal.

    A reversal is two configurations that put the models in strictly opposite order. It is a fact about these scores; whether
    the items can bear it is said apart from it.
    """
    from safetyrepro.analysis import AnalysisOptions
    from safetyrepro.analysis import analyze as analyze_store
    from safetyrepro.inference import InferenceOptions
    from safetyrepro.options import parse_choice, parse_conditions, parse_names
    from safetyrepro.scores import FailurePolicy, ItemRule
    from safetyrepro.store import open_store

    _check_margin(margin, draws)
    options = AnalysisOptions(
        where=parse_conditions(where or []),
        models=parse_names(models),
        policy=parse_choice(policy, FailurePolicy, "--policy") if policy else None,
        item_rule=parse_choice(items, ItemRule, "--items"),
        boosted=boosted,
        inference=InferenceOptions(alpha=alpha, draws=draws, seed=seed, margin=margin) if draws else None,
    )
    analysis = analyze_store(open_store(store), options)
    if json:
        _print_json(analysis)
    else:
        from safetyrepro.render.terminal import print_analysis

        print_analysis(analysis, pairs=pairs, every_estimand=estimands, full=full)


def _check_margin(margin: float | None, draws: int) -> None:
    """A margin beside no test would be accepted and ignored."""
    from safetyrepro.errors import SafetyReproError

    if margin is not None and not draws:
        raise SafetyReproError(
            "--margin", found="stands beside --draws 0, which leaves tests out", remedy="Leave one of the two out."
        )


def _print_json(analysis: Analysis) -> None:
    from pydantic import TypeAdapter

    from safetyrepro.analysis import Analysis

    typer.echo(TypeAdapter(Analysis).dump_json(analysis, indent=1).decode())
