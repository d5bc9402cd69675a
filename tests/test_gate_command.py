"""`safetyrepro gate` end to end: golden exit codes, four formats, a badge, a baseline, and hostile names made inert."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from click.testing import Result
from typer.testing import CliRunner

from builders import REVERSAL, write_table
from safetyrepro.analysis import analyze
from safetyrepro.card import make_card
from safetyrepro.cli import app
from safetyrepro.errors import ClaimError
from safetyrepro.ingest import ingest_table
from safetyrepro.render.files import write_card

RUNNER = CliRunner()
HOSTILE = "\x1b[31mevil\u202e <script>&::error::\n% x"
AHEAD = [(model, "bench", f, f"i{i}", score) for model, score in (("a", 1), ("b", 0)) for f in "xy" for i in range(60)]


def gate(*arguments: object) -> Result:
    return RUNNER.invoke(app, ["gate", *map(str, arguments)])


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A is ahead under x, B under y."""
    return ingest_table(write_table(tmp_path / "t.csv", REVERSAL), tmp_path / "store").folder


@pytest.fixture
def leading(tmp_path: Path) -> Path:
    """A has every item right and B none."""
    return ingest_table(write_table(tmp_path / "lead.csv", AHEAD), tmp_path / "leading").folder


@pytest.mark.parametrize(
    ("sentence", "code", "word"),
    [
        ("a > b on bench somewhere", 0, "HOLDS"),
        ("a > b on bench where f=x", 0, "HOLDS"),
        ("a > b on bench everywhere", 1, "REFUTED"),
        ("b > a on bench for the majority", 1, "REFUTED"),
        ("a >= b on bench on average", 0, "HOLDS"),
        ("a > b on bench on average", 1, "REFUTED"),
    ],
)
def test_the_exit_code_follows_the_decision(store: Path, sentence: str, code: int, word: str):
    done = gate(store, "--claim", sentence)

    assert done.exit_code == code
    assert done.output.startswith(word)


def test_a_missing_cell_is_exit_code_3_and_names_what_to_run(tmp_path: Path):
    store = ingest_table(write_table(tmp_path / "t.csv", REVERSAL[:6]), tmp_path / "store").folder

    done = gate(store, "--claim", "a > b on bench everywhere")

    assert done.exit_code == 3
    assert "not covered: 1 of 2 configurations satisfy it" in done.output
    assert "lacks a score: f=y" in done.output
    assert "safetyrepro ingest" in done.output


def test_too_few_items_is_exit_code_3_with_the_detectable_difference(tmp_path: Path):
    rows = [(m, "bench", "x", f"i{i}", int((m == "a") == (i == 0) and i < 2)) for m in "ab" for i in range(40)]
    store = ingest_table(write_table(tmp_path / "t.csv", rows), tmp_path / "store").folder

    done = gate(store, "--claim", "a > b on bench everywhere", "--level", "supported")

    assert done.exit_code == 3
    assert "not resolved: p " in done.output
    assert "minimum detectable difference 0." in done.output


def test_the_supported_level_is_asked_of_every_claim_and_prints_its_family(leading: Path):
    claims = ["--claim", "a > b on bench everywhere", "--claim", "a > b on bench in the worst case"]

    done = gate(leading, *claims, "--level", "supported", "--alpha", "0.01")

    assert done.exit_code == 0, done.output
    assert done.output.count("Holm over 2") == 2
    assert "alpha 0.01" in done.output


@pytest.mark.parametrize("name", ["card.json", ""])
def test_a_card_answers_as_its_store_does(leading: Path, tmp_path: Path, name: str):
    from safetyrepro.store import open_store

    opened = open_store(leading)
    write_card(make_card(opened, analyze(opened)), tmp_path / "card")

    for level in ("realized", "supported"):
        of_card = gate(tmp_path / "card" / name, "--claim", "a > b on bench everywhere", "--level", level)
        of_store = gate(leading, "--claim", "a > b on bench everywhere", "--level", level)
        assert of_card.output == of_store.output
        assert of_card.exit_code == 0


def test_a_file_of_claims_and_the_option_are_decided_together(store: Path, tmp_path: Path):
    file = tmp_path / "claims.yaml"
    file.write_text("claims:\n- {claim: a > b on bench somewhere, say: A can win}\n")

    done = gate(store, file, "--claim", "a > b on bench", "--format", "json")

    document = json.loads(done.output)
    assert [entry["decision"] for entry in document["results"]] == ["HOLDS", "REFUTED"]
    assert document["results"][0]["claim"]["say"] == "A can win"
    assert document["results"][1]["witness"][0]["settings"] == {"f": "y"}
    assert (document["exit_code"], done.exit_code) == (1, 1)


def test_claims_yaml_is_read_where_nothing_else_is_asked(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "claims.yaml").write_text("claims: [{claim: a > b on bench somewhere}]\n")
    monkeypatch.chdir(tmp_path)

    read = gate(store, "--format", "json")
    asked = gate(store, "--claim", "a > b on bench", "--format", "json")

    assert [entry["decision"] for entry in json.loads(read.output)["results"]] == ["HOLDS"]
    assert [entry["decision"] for entry in json.loads(asked.output)["results"]] == ["REFUTED"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no claim is given"),
        (["--claim", "a over b"], "is not a claim"),
        (["--claim", "a > z on bench"], "there is no model 'z'"),
        (["--claim", "a > b on bench", "--format", "pdf"], "is no format"),
        (["--claim", "a > b on bench", "--level", "hoped"], "--level hoped"),
    ],
)
def test_wrong_usage_is_exit_code_2_in_one_sentence(store: Path, monkeypatch, capsys, arguments: list[str], message: str):
    from safetyrepro.cli import main

    monkeypatch.setattr("sys.argv", ["safetyrepro", "gate", str(store), *arguments])
    with pytest.raises(SystemExit) as caught:
        main()

    assert caught.value.code == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("name", ["none", "broken.json"])
def test_what_is_neither_card_nor_store_is_exit_code_2(tmp_path: Path, monkeypatch, capsys, name: str):
    from safetyrepro.cli import main

    (tmp_path / "broken.json").write_text("{}")
    monkeypatch.setattr("sys.argv", ["safetyrepro", "gate", str(tmp_path / name), "--claim", "a > b on x"])
    with pytest.raises(SystemExit) as caught:
        main()

    assert caught.value.code == 2


def hostile_store(tmp_path: Path) -> Path:
    rows = [(HOSTILE if row[0] == "a" else row[0], "bench", HOSTILE + row[2], *row[3:]) for row in REVERSAL]
    return ingest_table(write_table(tmp_path / "t.csv", rows), tmp_path / "store").folder


def hostile_claims(tmp_path: Path) -> Path:
    file = tmp_path / "claims.yaml"
    claims = [{"claim": f'"{HOSTILE}" > b on bench', "say": HOSTILE}]
    file.write_text(json.dumps({"claims": claims}))
    return file


@pytest.mark.parametrize("form", ["text", "github", "junit", "json"])
def test_hostile_names_are_inert_in_every_format(tmp_path: Path, form: str):
    done = gate(hostile_store(tmp_path), hostile_claims(tmp_path), "--format", form)

    assert done.exit_code == 1, (done.output, done.exception)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e]", done.output)
    assert not any(line.startswith("::error::") for line in done.output.splitlines())


def test_a_github_annotation_is_one_line_whatever_it_holds(tmp_path: Path):
    done = gate(hostile_store(tmp_path), hostile_claims(tmp_path), "--format", "github")

    assert done.output.count("\n") == 1
    command, message = done.output.split("::", 2)[1:]
    assert command.startswith("error title=REFUTED%3A ")
    assert "%0A" in message
    assert "%25" in done.output


def test_the_junit_report_is_xml_with_a_failure(store: Path):
    done = gate(store, "--claim", "a > b on bench", "--claim", "a > b on bench somewhere", "--format", "junit")

    suite = ET.fromstring(done.output)
    assert {child.tag for child in suite.iter()} <= {"testsuite", "testcase", "failure", "error", "system-out"}
    assert all(case.get("name") and case.get("classname") for case in suite.iter("testcase"))
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("2", "1", "0")
    failure = suite.find("testcase/failure")
    assert failure is not None
    assert failure.get("type") == "REFUTED"
    assert "witness: f=y" in (failure.text or "")


def test_the_badge_is_an_svg_with_counts(store: Path, tmp_path: Path):
    gate(store, "--claim", "a > b on bench", "--claim", "a > b on bench somewhere", "--badge", tmp_path / "b.svg")

    image = ET.fromstring((tmp_path / "b.svg").read_text())
    assert image.get("aria-label") == "claims: 1 hold, 1 refuted"


@pytest.mark.parametrize("place", ["none/b.svg", "."])
def test_a_badge_that_cannot_be_written_is_refused_in_one_sentence(store: Path, tmp_path: Path, place: str):
    done = gate(store, "--claim", "a > b on bench", "--badge", tmp_path / place)

    assert isinstance(done.exception, ClaimError)
    assert "cannot be written" in done.exception.sentence


def test_a_baseline_says_what_changed_and_which_factor_turns_it(store: Path, tmp_path: Path):
    before = ingest_table(write_table(tmp_path / "u.csv", REVERSAL[:4]), tmp_path / "before").folder

    done = gate(store, "--claim", "a > b on bench", "--baseline", before)

    assert done.exit_code == 1
    assert "HOLDS in the baseline, REFUTED now; flip set {f}; 1 configuration is new" in done.output
    document = json.loads(gate(store, "--claim", "a > b on bench", "--baseline", before, "--format", "json").output)
    assert document["results"][0]["change"]["before"] == "HOLDS"
