"""Cards and pages made from small tables, and a page read back as a browser would."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from html.parser import HTMLParser
from pathlib import Path

from builders import REVERSAL, write_table
from safetyrepro.analysis import AnalysisOptions, analyze
from safetyrepro.card import GridCard, make_card
from safetyrepro.inference import InferenceOptions
from safetyrepro.ingest import ingest_table

HEADER = ("model", "benchmark", "f", "item_id", "score")
VOID = {"meta", "link", "br", "img", "input", "hr", "wbr", "col"}


def card_of(
    folder: Path, rows: Iterable[Sequence[object]] = REVERSAL, *, header: Sequence[str] = HEADER, draws: int = 0
) -> GridCard:
    """The card of a table; without inference unless sign vectors are asked for."""
    store = ingest_table(write_table(folder / "t.csv", rows, header), folder / "store")
    inference = InferenceOptions(draws=draws) if draws else None
    return make_card(store, analyze(store, AnalysisOptions(inference=inference)))


def random_rows(
    *, models: Sequence[str], levels: Sequence[str], n_items: int, seed: int = 0, missing: float = 0.0
) -> list[tuple[str, ...]]:
    """A table of random right and wrong answers, some of them missing."""
    draw = random.Random(seed)
    rows = []
    for model in models:
        for level in levels:
            share = draw.uniform(0.3, 0.7)
            for item in range(n_items):
                score = "" if draw.random() < missing else str(int(draw.random() < share))
                rows.append((model, "bench", level, f"i{item}", score))
    return rows


class ReadPage(HTMLParser):
    """Tags, attributes and text of a page; an unbalanced tag is remembered as a fault."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.faults: list[str] = []
        self.texts: list[tuple[str, str]] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        self.faults += [f"<{tag}> is never closed" for tag in self._open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            self.faults.append(f"</{tag}> closes nothing")

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append((self._open[-1] if self._open else "", data))

    def named(self, tag: str) -> list[dict[str, str]]:
        """Attributes of every element of a name, in order."""
        return [attributes for name, attributes in self.tags if name == tag]

    def text(self) -> str:
        """Everything that is read, styles and scripts left out, with single blanks."""
        return " ".join(" ".join(data for tag, data in self.texts if tag not in ("style", "script")).split())
