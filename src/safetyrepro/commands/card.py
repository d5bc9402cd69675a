"""`safetyrepro card`: a store as a GRIDcard."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from safetyrepro.profiles import ProfileCheck
    from safetyrepro.publish import Published


TextsOption = Annotated[
    int,
    typer.Option("--texts", min=0, help="Carry what the models were asked about this many items of each witness, up to 50."),
]
TextsOfOption = Annotated[
    list[str] | None,
    typer.Option("--texts-of", help="Carry texts of this benchmark although its licence is not recorded. Repeatable."),
]


def card(
    store: Annotated[Path, typer.Argument(help="A store made by run or ingest.")],
    *,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder of the card. Default: STORE/card.")] = None,
    where: Annotated[
        list[str] | None, typer.Option("--where", help="FACTOR=LEVEL[,LEVEL]: read only these configurations. Repeatable.")
    ] = None,
    claims: Annotated[Path | None, typer.Option("--claims", help="A claims.yaml whose decisions the card carries.")] = None,
    rows: Annotated[
        bool, typer.Option("--rows/--no-rows", help="Whether ids and values of items lie beside the card, or scores only.")
    ] = True,
    texts: TextsOption = 0,
    texts_of: TextsOfOption = None,
    profile: Annotated[
        str | None, typer.Option("--profile", help="gridcard, model-card, or a file: name what the card does not state.")
    ] = None,
) -> None:
    """Write a card: the verdicts, their witnesses, the envelope, its item rows, and a program that recomputes it.

    The page is one file, makes no network request, and reads without script. A card holds ids, digests and values of items. With
    --texts it also holds, side by side, what the models were asked under the two configurations of each reversal, where the licence
    of the data is known to permit it; texts that deride groups of people are never carried. With a profile the exit code is 1 if
    the card does not state all that it asks for.
    """
    from safetyrepro.analysis import AnalysisOptions, analyze
    from safetyrepro.card_texts import carried_texts
    from safetyrepro.claims import read_claims
    from safetyrepro.options import parse_conditions
    from safetyrepro.profiles import check_profile, read_profile
    from safetyrepro.publish import publish
    from safetyrepro.store import open_store

    opened = open_store(store)
    options = AnalysisOptions(where=parse_conditions(where or []))
    wanted = read_claims(claims) if claims else ()
    asked = read_profile(profile) if profile else None
    analysis = analyze(opened, options)
    carried = carried_texts(opened, analysis, n_items=texts, named=texts_of or ()) if texts or texts_of else None
    made = publish(opened, analysis, out or store / "card", options=options, claims=wanted, rows=rows, texts=carried)
    typer.echo("\n".join(_told(made)))
    if asked is not None:
        found = check_profile(made.card, asked)
        typer.echo("\n".join(_lines(found)))
        raise typer.Exit(1 if found.absent else 0)


def _told(made: Published) -> list[str]:
    from safetyrepro.render.carried import texts_sentence
    from safetyrepro.render.text import inert

    carried = made.card.texts.benchmarks if made.card.texts else ()
    places = [f"The card: {made.paths.html}", f"          {made.paths.markdown}", f"          {made.paths.json}"]
    return places + [f"Texts of {inert(one.benchmark)}: {inert(texts_sentence(one), 600)}" for one in carried]


def _lines(found: ProfileCheck) -> list[str]:
    from safetyrepro.render.text import inert

    lines = [f"profile {inert(found.profile)}: {found.n_stated} of {found.n_fields} fields are stated"]
    for one in found.absent:
        where = f"{one.n_absent} of {one.n_places} places, first {inert(one.places[0], 120)}" if one.places else "nowhere"
        lines.append(f"  not stated: {inert(one.field)} ({inert(one.about)}), {where}")
    return lines
