"""A card's folder: card.json, card.md and card.html, each written whole."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from safetyrepro.card import GridCard
from safetyrepro.errors import CardError
from safetyrepro.parquet import write_whole
from safetyrepro.render.markdown import card_markdown
from safetyrepro.render.page import card_page

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


def write_card(card: GridCard, folder: Path) -> CardPaths:
    """Write every rendering of a card below a folder; equal cards give equal bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = CardPaths(folder / "card.json", folder / "card.md", folder / "card.html")
    document = json.dumps(card.model_dump(mode="json"), indent=1, sort_keys=True, ensure_ascii=False)
    write_whole(paths.json, (document + "\n").encode())
    write_whole(paths.markdown, card_markdown(card).encode())
    write_whole(paths.html, card_page(card).encode())
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
