"""What a reader opens beside card.json must say what card.json says, or verification tells the file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from made_cards import made_card
from safetyrepro.canonical import canonical_digest, canonical_json
from safetyrepro.card import GridCard
from safetyrepro.cli import app
from safetyrepro.render.files import CARD, read_card, renderings, write_card
from safetyrepro.verify import compare_renderings


@pytest.fixture(autouse=True)
def version_of_the_made_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cards of another version are not compared, and made cards are of version 0."""
    monkeypatch.setattr("safetyrepro.verify.__version__", "0")


@pytest.mark.parametrize("seed", [*range(6), 9, 30])
def test_what_was_written_beside_a_card_is_what_its_document_says(tmp_path: Path, seed: int):
    made_card(seed, tmp_path)

    found = compare_renderings(tmp_path)

    assert found.ok
    assert found.checked[0].endswith("lies beside it: card.md, card.html, verify.py")


def turned_round(value: object) -> object:
    """A document with the keys of every mapping in the opposite order."""
    if isinstance(value, dict):
        return {key: turned_round(held) for key, held in reversed(value.items())}
    return [turned_round(held) for held in value] if isinstance(value, list) else value


@pytest.mark.parametrize("seed", [1, 9])
def test_no_rendering_depends_on_the_order_in_which_a_mapping_was_filled(tmp_path: Path, seed: int):
    made_card(seed, tmp_path)
    document = json.loads((tmp_path / CARD).read_bytes())
    for entry in document["benchmarks"]:
        entry["data"]["files"] = {"a/one.csv": "1" * 64, "B.csv": "2" * 64, "c.json": "3" * 64}

    cards = [GridCard.model_validate(changed) for changed in (document, turned_round(document))]

    first, second = (renderings(card) for card in cards)
    assert first == second
    assert "2222222222222222, 1111111111111111, 3333333333333333" in first["card.html"].decode()
    for place, card in enumerate(cards):
        write_card(card, tmp_path / str(place))
    assert (tmp_path / "0" / "card.html").read_bytes() == (tmp_path / "1" / "card.html").read_bytes()


@pytest.mark.parametrize("name", ["card.md", "card.html", "verify.py"])
@pytest.mark.parametrize("longer", [False, True])
def test_an_altered_page_or_verifier_is_told_although_the_document_is_right(tmp_path: Path, name: str, longer: bool):
    made_card(1, tmp_path)
    content = bytearray((tmp_path / name).read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / name).write_bytes(content + b"\n" * longer)

    done = CliRunner().invoke(app, ["verify", str(tmp_path)])

    assert done.exit_code == 1
    assert done.output.splitlines()[-1].startswith(f"DIFFERS at {name}: is not what safetyrepro")


def test_a_file_that_is_absent_says_nothing_false(tmp_path: Path):
    made_card(1, tmp_path)
    for name in ("card.md", "card.html", "verify.py"):
        (tmp_path / name).unlink()

    done = CliRunner().invoke(app, ["verify", str(tmp_path / CARD)])

    assert done.exit_code == 0
    assert "beside it" not in done.output


def test_the_page_of_another_version_of_the_package_is_not_compared(tmp_path: Path):
    made_card(1, tmp_path)
    document = read_card(tmp_path / CARD).model_dump(mode="json", exclude={"digest"})
    document["provenance"]["package_version"] = "99.0"
    (tmp_path / CARD).write_bytes(canonical_json({**document, "digest": canonical_digest(document)}))

    found = compare_renderings(tmp_path)

    assert (found.ok, found.checked) == (True, ())
