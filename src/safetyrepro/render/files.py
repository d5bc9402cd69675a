"""A card's folder: card.json, its rows, verify.py, card.md and card.html, each written whole."""

from __future__ import annotations

from dataclasses import dataclass
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

CARD, VERIFIER = "card.json", "verify.py"
MAX_CARD_BYTES = 500_000_000


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
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = CardPaths(folder / CARD, folder / "card.md", folder / "card.html")
    write_whole(paths.json, canonical_json(card.model_dump(mode="json")))
    write_whole(paths.markdown, card_markdown(card).encode())
    write_whole(paths.html, card_page(card).encode())
    if rows is not None:
        write_whole(folder / rows.entry.file, rows.content)
    write_whole(folder / VERIFIER, (resources.files("safetyrepro") / "verify_card.py").read_bytes())
    return paths


def read_card(path: Path) -> GridCard:
    """Read card.json.

    Raises
    ------
    CardError
        If the file is absent, too large, or no card.
    """
    try:
        if path.stat().st_size > MAX_CARD_BYTES:
            raise CardError(str(path), found="is larger than 500 MB", expected="a card")
        return GridCard.model_validate_json(path.read_bytes())
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
