"""The published schema of a card is a promise: within a version nothing goes, changes its kind, or becomes required."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from builders import REVERSAL, write_table
from made_cards import LEAN, made_card
from safetyrepro.analysis import analyze
from safetyrepro.canonical import canonical_digest, canonical_json
from safetyrepro.errors import CardError
from safetyrepro.ingest import ingest_table
from safetyrepro.publish import publish
from safetyrepro.render.files import read_card
from safetyrepro.schemas import SCHEMAS, json_schema

ROOT = Path(__file__).resolve().parents[1]
PUBLISHED = json.loads((ROOT / "docs" / "reference" / "card-v1.schema.json").read_text(encoding="utf-8"))
PROSE = ("description", "title", "default")
CLOSED = ("Order",)
"""Sets to which no word may be added either."""


def bare(schema: Any) -> Any:
    """A part of a schema without its prose."""
    if isinstance(schema, Mapping):
        return {name: bare(part) for name, part in schema.items() if name not in PROSE}
    return [bare(part) for part in schema] if isinstance(schema, list) else schema


def broken(published: Mapping[str, Any], current: Mapping[str, Any]) -> Iterator[str]:
    """What a later schema took away from whoever reads or wrote cards by the earlier one."""
    for name, old in {**published["$defs"], "GridCard": published}.items():
        new = {**current["$defs"], "GridCard": current}.get(name)
        if new is None:
            yield f"{name} is gone"
            continue
        for field, kind in old.get("properties", {}).items():
            if bare(new.get("properties", {}).get(field)) != bare(kind):
                yield f"{name}.{field} is gone or of another kind"
        yield from (f"{name}.{field} is required now" for field in set(new.get("required", ())) - set(old.get("required", ())))
        words, now = set(old.get("enum", ())), set(new.get("enum", ()))
        if not words <= now or (name in CLOSED and words != now):
            yield f"{name} has other words"


def test_the_schema_of_today_keeps_what_version_1_promised():
    assert list(broken(PUBLISHED, json_schema("card"))) == []
    assert PUBLISHED["$id"] == "urn:safetyrepro:card:v1"


def field_gone(schema: dict[str, Any]) -> None:
    del schema["$defs"]["CellCard"]["properties"]["score"]


def other_kind(schema: dict[str, Any]) -> None:
    schema["$defs"]["CellCard"]["properties"]["n_records"] = {"type": "string"}


def required_now(schema: dict[str, Any]) -> None:
    schema["required"] = [*schema["required"], "rows"]


def word_added(schema: dict[str, Any]) -> None:
    schema["$defs"]["Order"]["enum"] = [*schema["$defs"]["Order"]["enum"], "!"]


def part_gone(schema: dict[str, Any]) -> None:
    del schema["$defs"]["RowsEntry"]


@pytest.mark.parametrize("change", [field_gone, other_kind, required_now, word_added, part_gone])
def test_a_broken_promise_is_seen(change: Callable[[dict[str, Any]], None]):
    changed = copy.deepcopy(json_schema("card"))
    change(changed)

    assert len(list(broken(PUBLISHED, changed))) == 1


@pytest.mark.parametrize("document", list(SCHEMAS))
def test_a_schema_is_named_with_the_version_of_its_document(document: str):
    schema = json_schema(document)

    assert schema["$id"] == f"urn:safetyrepro:{document}:v1"
    assert schema["$schema"].endswith("2020-12/schema")


@pytest.fixture
def later(tmp_path: Path) -> Path:
    """A card as a later package of version 1 might write it: with fields that this one does not know."""
    made_card(3, tmp_path)
    document = json.loads((tmp_path / "card.json").read_bytes())
    document["mood"] = {"of": "the authors"}
    for entry in document["benchmarks"]:
        entry["colour"] = "red"
        for cell in entry["cells"]:
            cell["carbon_grams"] = 1.5
    for result in document["analysis"]["benchmarks"].values():
        for pair in result["pairs"]:
            pair["elegance"] = [1, None]
    document.pop("digest")
    (tmp_path / "card.json").write_bytes(canonical_json(document | {"digest": canonical_digest(document)}))
    return tmp_path


def test_a_card_with_fields_of_a_later_package_fits_the_published_schema_and_is_read(later: Path):
    jsonschema.validate(json.loads((later / "card.json").read_bytes()), PUBLISHED)

    card = read_card(later / "card.json")

    assert not hasattr(card, "mood")
    assert card.benchmarks[0].cells


def test_a_card_of_this_package_fits_the_published_schema(tmp_path: Path):
    store = ingest_table(write_table(tmp_path / "t.csv", REVERSAL), tmp_path / "store")
    publish(store, analyze(store, LEAN), tmp_path / "card", options=LEAN)

    jsonschema.validate(json.loads((tmp_path / "card" / "card.json").read_bytes()), PUBLISHED)


def test_an_unknown_field_excuses_nothing_else(later: Path):
    document = json.loads((later / "card.json").read_bytes())
    document["benchmarks"][0]["cells"][0]["n_records"] = "many"
    (later / "card.json").write_bytes(canonical_json(document))

    with pytest.raises(CardError, match="is no card"):
        read_card(later / "card.json")


def test_a_card_is_not_written_where_a_file_stands(tmp_path: Path):
    (tmp_path / "card").write_text("mine")

    with pytest.raises(CardError, match="cannot be made a folder"):
        made_card(3, tmp_path / "card")


def test_a_card_that_was_changed_is_not_read(tmp_path: Path):
    made_card(3, tmp_path)
    content = (tmp_path / "card.json").read_bytes()
    (tmp_path / "card.json").write_bytes(content.replace(b'"question":"Which?"', b'"question":"Who?"'))

    with pytest.raises(CardError, match="does not have the digest that it states"):
        read_card(tmp_path / "card.json")
