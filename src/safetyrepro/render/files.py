"""A card's folder: card.json, its rows, verify.py, card.md and card.html, each written whole."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import reduce
from importlib import resources
from pathlib import Path

from pydantic import ValidationError

from safetyrepro.canonical import canonical_json
from safetyrepro.card import GridCard
from safetyrepro.errors import CardError
from safetyrepro.parquet import write_whole
from safetyrepro.render.markdown import card_markdown
from safetyrepro.render.page import card_page
from safetyrepro.rows import CardRows

CARD, MARKDOWN, PAGE, VERIFIER = "card.json", "card.md", "card.html", "verify.py"
MAX_CARD_BYTES = 500_000_000
UNKNOWN = ("extra_forbidden", "unexpected_keyword_argument")
"""What the reader calls a field that it does not know."""


@dataclass(frozen=True, slots=True)
class CardPaths:
    """Where the renderings of a card lie."""

    json: Path
    """The document."""
    markdown: Path
    """The rendering for a repository page."""
    html: Path
    """The page."""


def write_card(card: GridCard, folder: Path, *, rows: CardRows | None = None) -> CardPaths:
    """Write a card and every rendering of it below a folder; equal cards give equal bytes.

    Parameters
    ----------
    card : GridCard
        The card.
    folder : Path
        Where; made if absent.
    rows : CardRows, optional
        The rows that the card names, and with them the verifier.

    Raises
    ------
    CardError
        If the folder cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CardError(
            str(folder), found=f"cannot be made a folder ({error.strerror})", remedy="Name another folder."
        ) from error
    document = canonical_json(card.model_dump(mode="json"))
    write_whole(folder / CARD, document)
    for name, content in renderings(GridCard.model_validate_json(document)).items():  # as whoever reads the document sees it
        write_whole(folder / name, content)
    if rows is not None:
        write_whole(folder / rows.entry.file, rows.content)
    return CardPaths(folder / CARD, folder / MARKDOWN, folder / PAGE)


def renderings(card: GridCard) -> dict[str, bytes]:
    """What lies beside card.json and follows from it alone: name of the file, content.

    Parameters
    ----------
    card : GridCard
        The card.
    """
    verifier = (resources.files("safetyrepro") / "verify_card.py").read_bytes()
    return {MARKDOWN: card_markdown(card).encode(), PAGE: card_page(card).encode(), VERIFIER: verifier}


def read_card(path: Path) -> GridCard:
    """Read card.json, of this package's version or of a later one within version 1 of the document.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    GridCard
        Fields that a later package added are passed over, as the specification promises.

    Raises
    ------
    CardError
        If the file is absent, too large, no card, or does not fit its own digest.
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_CARD_BYTES + 1)
        if len(content) > MAX_CARD_BYTES:
            raise CardError(str(path), found="is larger than 500 MB", expected="a card")
        card = _known_fields(content)
    except OSError as error:
        raise CardError(str(path), found=f"cannot be read ({error.strerror})", remedy="Name a card.json.") from error
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise CardError(
            str(path),
            found=f"is no card (field '{field}': {first['msg']})",
            remedy="Make it again with `safetyrepro card STORE`.",
        ) from error
    member = f'"digest":"{card.digest}",'.encode()
    if content.count(member) != 1 or hashlib.sha256(content.replace(member, b"")).hexdigest() != card.digest:
        raise CardError(
            str(path),
            found="was changed after it was made: its content does not have the digest that it states",
            remedy="Ask for the card again, or make it with `safetyrepro card STORE`.",
        )
    return card


def _known_fields(content: bytes) -> GridCard:
    """The card without the fields that are unknown here; whatever else is wrong is raised."""
    try:
        return GridCard.model_validate_json(content)
    except ValidationError as error:
        unknown = [found["loc"] for found in error.errors() if found["type"] in UNKNOWN]
        if len(unknown) < error.error_count():
            raise
    document = json.loads(content)
    for *where, name in unknown:
        reduce(lambda held, part: held[part], where, document).pop(name)
    return GridCard.model_validate_json(json.dumps(document))
