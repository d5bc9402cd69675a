"""`safetyrepro locate`: where a published configuration stands in an envelope."""

from __future__ import annotations

import json as json_text
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from safetyrepro.verdicts import Settings


def locate(
    source: Annotated[Path, typer.Argument(help="A store, a card.json, or a card's folder.")],
    *,
    claim: Annotated[str, typer.Option("--claim", help="A sentence such as 'A > B on bbq'.")],
    at: Annotated[
        list[str], typer.Option("--at", help="FACTOR=LEVEL[,FACTOR=LEVEL]: the published configuration. Repeatable.")
    ],
    json: Annotated[bool, typer.Option("--json", help="Print the standings as JSON.")] = False,
) -> None:
    """Say how favourable a published configuration is to the model that it puts ahead, among all those that were run.

    Factors that --at does not name may have any level; each configuration that meets it is listed, the most favourable first.
    """
    from dataclasses import asdict

    from safetyrepro.atlas import standings
    from safetyrepro.claims import parse_claim
    from safetyrepro.opened import open_results
    from safetyrepro.options import parse_settings
    from safetyrepro.render.grid import print_grid
    from safetyrepro.render.text import counted
    from safetyrepro.scope import claim_scope

    wanted = parse_claim(claim, where="--claim")
    scope = claim_scope(wanted, open_results(source).analysis)
    found = standings(wanted, scope, parse_settings(at))
    if json:
        typer.echo(json_text.dumps([{**asdict(one), "sentence": one.sentence} for one in found], indent=1, ensure_ascii=False))
        return
    varied, constant = _apart([entry.settings for entry in scope.entries])
    print_grid(
        f"{wanted.sentence}  [{scope.result.estimand.name}]",
        ("configuration", "standing"),
        [
            (
                " ".join(f"{name}={level}" for name, level in one.settings.items() if name in varied) or "the only one",
                one.sentence,
            )
            for one in found
        ],
        notes=_notes(f"A is {wanted.a}, B is {wanted.b}. In scope: {counted(len(scope.entries), 'configuration')}.", constant),
    )


def _notes(about: str, constant: Sequence[str]) -> tuple[str, ...]:
    return (about, f"The same in all of them: {' '.join(constant)}.") if constant else (about,)


def _apart(configurations: Sequence[Settings]) -> tuple[frozenset[str], tuple[str, ...]]:
    """Names of the factors that tell configurations apart, and the settings that all of them share."""
    shared = set.intersection(*(set(settings.items()) for settings in configurations)) if configurations else set()
    names = {name for settings in configurations for name in settings}
    constant = tuple(f"{name}={level}" for name, level in sorted(shared))
    return frozenset(names - {name for name, _ in shared}), constant
