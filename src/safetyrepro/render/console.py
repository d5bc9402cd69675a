"""Foreign texts as a terminal may print them: without control characters, and with markup escaped."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from safetyrepro.verdicts import Settings

MAX_TEXT = 120
"""Longest foreign text, in characters, unless a caller allows more."""


def clean(text: str, limit: int = MAX_TEXT) -> str:
    """A foreign text without control characters and direction marks, cut to a length; rich markup is escaped."""
    from rich.markup import escape

    kept = "".join(letter if unicodedata.category(letter)[0] != "C" else "\N{REPLACEMENT CHARACTER}" for letter in text)
    return escape(kept if len(kept) <= limit else kept[: limit - 1] + "…")


def settings_text(settings: Settings, factors: Sequence[str] = ()) -> str:
    """A configuration in words; only the named factors where some are named."""
    chosen = {name: level for name, level in settings.items() if not factors or name in factors}
    return ", ".join(f"{clean(name)}={clean(level)}" for name, level in chosen.items()) or "(no factor)"
