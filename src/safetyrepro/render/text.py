"""Foreign text made inert, and numbers as a reader meets them; what every rendering shares."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

from safetyrepro.sentences import share_text

LIMIT = 300
SMALLEST = 0.001
"""Below it, a lead is said to be small instead of printed as 0.000."""
_SCORED = "scored"
_SPECIAL = re.compile(r"([\\`*_\[\]<>|~#&$!{}@])")
_ADDRESS = re.compile(r"(?i)(:)(?=//)|(?<=www)(\.)")


def inert(text: str, limit: int = LIMIT) -> str:
    """A text without control characters and direction marks, cut to a length.

    Parameters
    ----------
    text : str
        Whatever came from a model, a data set or a foreign log.
    limit : int
        Longest result, in characters; a cut text ends with an ellipsis.

    Returns
    -------
    str
        Every character of a Unicode category C (control, format, surrogate, private, unassigned) is shown as U+FFFD.
    """
    shown = "".join(_visible(letter) for letter in text[: limit + 1])
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def inert_lines(text: str) -> str:
    """A text of bounded length made inert, its line ends kept."""
    return "\n".join(inert(line, len(line)) for line in text.splitlines()) if text else ""


def _visible(letter: str) -> str:
    if letter in "\n\t":
        return " "
    return letter if unicodedata.category(letter)[0] != "C" else "\N{REPLACEMENT CHARACTER}"


def code_parts(text: str) -> list[tuple[str, bool]]:
    """A text cut at its backquotes: each part, and whether it stood between two of them."""
    parts = text.split("`")
    closed = len(parts) % 2 == 1
    return [(part, closed and place % 2 == 1) for place, part in enumerate(parts if closed else [text]) if part]


def markdown_text(text: str, limit: int = LIMIT) -> str:
    """A foreign text as Markdown that renders as just that text: no markup, no link, no HTML."""
    escaped = _SPECIAL.sub(r"\\\1", inert(text, limit))
    return _ADDRESS.sub(r"\\\g<0>", escaped)


def number(value: float | None, digits: int = 3) -> str:
    """A number with a fixed count of decimals; a dash where there is none."""
    return "–" if value is None else f"{value:.{digits}f}".replace("-", "\N{MINUS SIGN}")


def lead_text(value: float) -> str:
    """How far somebody is ahead, which is never printed as nothing."""
    return f"less than {SMALLEST}" if 0 < value < SMALLEST else number(value)


def percent(value: float | None) -> str:
    """A share as a percentage; a dash where there is none."""
    return "–" if value is None else share_text(value)


def counted(count: int, noun: str, several: str = "") -> str:
    """A count with its noun in the right number; `several` where the plural is not the noun with an s."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {several or noun + 's'}"


def items_text(n_items: int, n_clusters: int) -> str:
    """How many items stand behind scores, or that there are none: an aggregate is no item."""
    if not n_items:
        return "no items (only aggregates are known, so nothing is inferred)"
    return f"{counted(n_items, 'item')} in {counted(n_clusters, 'cluster')}"


def statuses_text(statuses: Mapping[str, int], *, aggregates: bool = False) -> str:
    """Records by status, the frequent first: ``418 scored, 2 unparsed``.

    Parameters
    ----------
    statuses : mapping of str to int
        Status -> number of records.
    aggregates : bool
        Whether each record is an aggregate, which nobody scored here.
    """
    if aggregates and statuses:
        known = statuses.get(_SCORED, 0)
        lacking = sum(statuses.values()) - known
        return counted(known, "aggregate") + (f", {lacking:,} without a number" if lacking else "")
    ordered = sorted(statuses.items(), key=lambda entry: (-entry[1], entry[0]))
    return ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in ordered) or "no records"
