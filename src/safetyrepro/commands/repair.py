"""`safetyrepro repair`: where a refuted claim is true, and whether other items confirm it."""

from __future__ import annotations

from typing import Annotated

import typer

from safetyrepro.parameters import StoreArgument


def repair(
    store: StoreArgument,
    claim: Annotated[str, typer.Argument(help="A sentence such as 'A > B on bbq everywhere'; see safetyrepro gate --help.")],
    *,
    confirm: Annotated[
        bool, typer.Option("--confirm", help="Look for parts on half of the items, by seed, and test them on the other half.")
    ] = False,
    alpha: Annotated[float, typer.Option("--alpha", min=0.0001, max=0.5, help="Level of the limits and of the test.")] = 0.05,
    draws: Annotated[int, typer.Option("--draws", min=100, help="Sign vectors of the limits and of the test.")] = 10_000,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the draws and of the split.")] = 0,
    most: Annotated[int, typer.Option("--most", min=1, help="Parts to list.")] = 10,
    tested: Annotated[
        int, typer.Option("--tested", min=1, help="Parts that --confirm tests; each costs the others evidence.")
    ] = 3,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Find the largest parts of the envelope, written as conditions on factors, in which a claim is true.

    What is found by looking is labelled so: its limits hold for every part at once, and --confirm tests on other items.
    """
    from safetyrepro.analysis import AnalysisOptions, analyze, score_table
    from safetyrepro.claims import parse_claim
    from safetyrepro.confirmation import confirm as confirm_parts
    from safetyrepro.inference import InferenceOptions
    from safetyrepro.render.repaired import print_repair, repair_json
    from safetyrepro.repair import repair as repair_claim
    from safetyrepro.scope import claim_scope
    from safetyrepro.store import open_store

    opened = open_store(store)
    wanted, options = parse_claim(claim), InferenceOptions(alpha=alpha, draws=draws, seed=seed)
    reading = AnalysisOptions(inference=None, further=False, attribution=False, policies=False)
    scope = claim_scope(wanted, analyze(opened, reading))
    estimand = scope.result.estimand
    table = score_table(opened, opened.manifest.benchmark(scope.result.benchmark), estimand, reading)
    found = repair_claim(wanted, scope, table, options, most=most)
    confirmed = None
    if confirm:
        records = opened.records(scope.result.benchmark, estimand.name)
        confirmed = confirm_parts(wanted, scope, table, records, options=options, most=tested)
    if json:
        typer.echo(repair_json(found, confirmed))
    else:
        print_repair(found, confirmed)
