"""What a reader opens beside card.json must say what card.json says, or verification tells the file."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from made_cards import made_card
from safetyrepro.canonical import canonical_digest, canonical_json
from safetyrepro.cli import app
from safetyrepro.render.files import CARD, read_card
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
