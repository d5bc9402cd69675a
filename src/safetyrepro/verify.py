"""Card (+ store) -> the same verdicts again, or the first place that differs: both halves, the counted and the inferred."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from safetyrepro import __version__, verify_card
from safetyrepro.analysis import Analysis, analyze
from safetyrepro.canonical import canonical_json
from safetyrepro.card import GridCard, make_card
from safetyrepro.card_store import card_options, card_store
from safetyrepro.card_texts import carried_texts
from safetyrepro.errors import CardError, ClaimError
from safetyrepro.gate import decide
from safetyrepro.gate_supported import store_tester
from safetyrepro.render.files import CARD, read_card, renderings
from safetyrepro.rows import make_rows
from safetyrepro.store import Store

CLOSE = 1e-9
"""Largest relative difference of two numbers that were computed on different machines."""

WORDED = {"headline", "limits", "recompute"}
"""Fields of a card that are sentences of the package that made it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What verification found."""

    differs: str
    """The first place that differs, with both values; empty where none does."""
    checked: tuple[str, ...]
    """What was computed again and agrees, in order."""

    @property
    def ok(self) -> bool:
        """Whether nothing differs."""
        return not self.differs


class _DiffersError(Exception):
    """The first place that differs."""


def verify(path: Path, store: Store | None = None) -> Verification:
    """Compute a card's verdicts again.

    Parameters
    ----------
    path : Path
        card.json, or its folder.
    store : Store, optional
        The store that the card was made from; then every field is compared, also those that no row can prove.

    Returns
    -------
    Verification

    Raises
    ------
    CardError
        If the card or its rows cannot be read at all.
    """
    folder = path if path.is_dir() else path.parent
    checked: list[str] = []
    try:
        checked.append(_standalone(folder))
        card = read_card(folder / CARD)
        _compare_bytes(folder / CARD)
        checked.append("the bytes are canonical")
        _compare_names(card)
        if card.rows is not None:
            _compare_analysis(card, folder)
            checked.append("everything counted, everything inferred and every decision follows from the rows")
        if store is not None:
            _compare_store(card, store)
            checked.append(f"every field follows from the store {store.folder}")
    except _DiffersError as error:
        return Verification(differs=str(error), checked=tuple(checked))
    return Verification(differs="", checked=tuple(checked))


def compare_renderings(path: Path) -> Verification:
    """Whether card.md, card.html and verify.py are what this version of the package writes of a card.

    Parameters
    ----------
    path : Path
        card.json, or its folder.

    Returns
    -------
    Verification
        A file that is absent says nothing false. A card of another version of the package is not compared, and nothing is checked.

    Raises
    ------
    CardError
        If the card cannot be read.
    """
    folder = path if path.is_dir() else path.parent
    card = read_card(folder / CARD)
    if card.provenance.package_version != __version__:
        return Verification(differs="", checked=())
    made = {name: content for name, content in renderings(card).items() if (folder / name).is_file()}
    for name, content in made.items():
        if (folder / name).stat().st_size != len(content) or (folder / name).read_bytes() != content:
            told = f"{name}: is not what safetyrepro {__version__} writes of this card.json, which alone was computed again"
            return Verification(differs=told, checked=())
    told = f"what safetyrepro {__version__} writes of card.json lies beside it: {', '.join(made)}"
    return Verification(differs="", checked=(told,) if made else ())


def _standalone(folder: Path) -> str:
    """What the verifier of the card folder says, run from this package."""
    try:
        return verify_card.verify(folder).removeprefix("OK: ")
    except verify_card.DiffersError as error:
        raise _DiffersError(str(error)) from error
    except verify_card.UNREADABLE as error:
        raise CardError(
            str(folder / CARD), found=f"cannot be read ({error})", remedy="Name a folder made by `safetyrepro card`."
        ) from error
    except verify_card.MALFORMED as error:
        raise _DiffersError(f"a field is absent or of another kind: {type(error).__name__} {error}") from error


def _compare_bytes(path: Path) -> None:
    content = path.read_bytes()
    if canonical_json(json.loads(content)) != content:
        raise _DiffersError("card.json: its bytes are not the canonical form of its content")


def _compare_names(card: GridCard) -> None:
    """Whatever is measured was declared: levels by the factors, models by their entries."""
    entries = {entry.name for entry in card.models}
    for benchmark in card.benchmarks:
        levels = {(factor.name, level.name) for factor in benchmark.factors for level in factor.levels}
        used = [pair for settings in benchmark.configurations for pair in settings.items()]
        for what, names in (("level", set(used) - levels), ("model", {cell.model for cell in benchmark.cells} - entries)):
            if names:
                raise _DiffersError(f"{benchmark.name}: the {what} {_short(sorted(names)[0])} is measured and not declared")


def _compare_analysis(card: GridCard, folder: Path) -> None:
    assert card.rows is not None
    store, options = card_store(card, folder, card.rows), card_options(card)
    try:
        again = analyze(store, options)
        decisions = decide([result.claim for result in card.decisions], again, store_tester(store, options))
    except (ValueError, ClaimError) as error:
        # What no pure function takes, and a claim about what is not there, can only have been written by hand.
        raise _DiffersError(f"analysis: cannot be computed again ({error})") from error
    adapter = TypeAdapter(Analysis)
    difference = first_difference(
        adapter.dump_python(card.analysis, mode="json"), adapter.dump_python(again, mode="json"), "analysis"
    )
    if difference:
        raise _DiffersError(difference)
    made = make_card(store, again, rows=card.rows, decisions=decisions, texts=card.texts)
    difference = first_difference(_told_by_rows(card), _told_by_rows(made), "card")
    if difference:
        raise _DiffersError(difference)


def _told_by_rows(card: GridCard) -> dict[str, Any]:  # Any: whatever JSON holds
    """What follows from the rows beside the analysis: decisions, the verdicts in words, envelopes, scores of cells.

    Sentences are those of a version of the package, so that another version compares none.
    """
    same = card.provenance.package_version == __version__
    document = card.model_dump(mode="json", exclude={"digest", "analysis"} | (set() if same else WORDED))
    for decision in [] if same else document["decisions"]:
        decision["reason"] = decision["remedy"] = ""
    for entry in document["benchmarks"]:
        entry["n_distinct_runs"] = None
        for cell in entry["cells"]:
            cell["prompts_digest"] = cell["tokens_digest"] = ""
        for level in [level for factor in entry["factors"] for level in factor["levels"]]:
            level["sources"] = []
    return document


def _compare_store(card: GridCard, store: Store) -> None:
    options = card_options(card)
    analysis = analyze(store, options)
    claims = [result.claim for result in card.decisions]
    decisions = decide(claims, analysis, store_tester(store, options))
    rows = make_rows(store, analysis).entry if card.rows is not None else None
    asked = card.texts
    texts = carried_texts(store, analysis, n_items=asked.n_items, named=asked.named) if asked is not None else None
    again = make_card(store, analysis, rows=rows, decisions=decisions, texts=texts)
    difference = first_difference(card.model_dump(mode="json"), again.model_dump(mode="json"), "card")
    if difference:
        raise _DiffersError(difference)


def first_difference(found: object, expected: object, place: str) -> str:
    """The first place at which two values of JSON differ, with both; empty where they do not.

    Numbers agree within `CLOSE` of their size.
    """
    if isinstance(found, Mapping) and isinstance(expected, Mapping):
        names = dict.fromkeys([*found, *expected])
        pairs = [(f"{place}.{name}", found.get(name), expected.get(name)) for name in names]
    elif isinstance(found, list) and isinstance(expected, list) and len(found) == len(expected):
        pairs = [(f"{place}[{i}]", one, other) for i, (one, other) in enumerate(zip(found, expected, strict=True))]
    else:
        return "" if _same(found, expected) else f"{place}: the card says {_short(found)}, again it is {_short(expected)}"
    return _first(pairs)


def _first(pairs: Sequence[tuple[str, object, object]]) -> str:
    for place, found, expected in pairs:
        difference = first_difference(found, expected, place)
        if difference:
            return difference
    return ""


def _same(found: object, expected: object) -> bool:
    if isinstance(found, bool) or isinstance(expected, bool):
        return found is expected
    if isinstance(found, int | float) and isinstance(expected, int | float):
        return abs(found - expected) <= CLOSE * max(1.0, abs(expected))
    return found == expected


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=True)
    return text if len(text) <= 100 else f"{text[:99]}…"
