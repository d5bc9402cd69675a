"""`safetyrepro verify`: a card computed again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def verify(
    card: Annotated[Path, typer.Argument(help="A card.json, or its folder.")],
    store: Annotated[
        Path | None, typer.Option("--store", help="The store that the card was made from: then every field is compared.")
    ] = None,
    key: Annotated[
        Path | None, typer.Option("--key", help="A public key in PEM: then the card must be signed by it (`safetyrepro sign`).")
    ] = None,
) -> None:
    """Compute every verdict of a card again, from its own rows, and say OK or the first place that differs.

    Both halves are computed: what was counted, and what was inferred from the items with the seed that the card states.
    card.md, card.html and verify.py beside it must be what this version writes of the card.
    verify.py in the card's folder checks the first half without this package. Exit code 0: OK. 1: it differs. 2:
    unreadable, or not signed by the key.
    """
    from safetyrepro.render.text import inert
    from safetyrepro.signature import check_signature
    from safetyrepro.store import open_store
    from safetyrepro.verify import compare_renderings
    from safetyrepro.verify import verify as verify_card

    found = verify_card(card, open_store(store) if store else None)
    beside = compare_renderings(card) if found.ok else found
    for line in found.checked if beside is found else (*found.checked, *beside.checked):
        typer.echo(f"agrees: {inert(line, 400)}")
    if key is not None and beside.ok:
        signed = check_signature(card if card.is_dir() else card.parent, key)
        typer.echo(f"signed: {inert(', '.join(signed.files))} by the key {signed.key[:16]}")
    typer.echo("OK" if beside.ok else f"DIFFERS at {inert(beside.differs, 600)}")
    raise typer.Exit(0 if beside.ok else 1)
