"""The commands that a card prints make the same card again."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from builders import write_table
from safetyrepro.analysis import AnalysisOptions, analyze
from safetyrepro.card import GridCard
from safetyrepro.cli import app
from safetyrepro.ingest import TableOptions, ingest_table
from safetyrepro.manifest import Manifest
from safetyrepro.render.files import read_card
from safetyrepro.render.markdown import card_markdown
from safetyrepro.sentences import recompute_commands
from safetyrepro.store import Store

PERCENT = TableOptions(ranges={"": (0.0, 100.0)})
LEAN = AnalysisOptions(inference=None, further=False, attribution=False, policies=False)
ROWS = [
    (model, "a bench", f, f"i{i}", 30 * i + 9 * (model == "b")) for model in "ab" for f in ("x y", "$(z)", "w") for i in (0, 1)
]


def safetyrepro(command: str) -> int:
    """Exit code of a printed command."""
    program, *arguments = shlex.split(command)
    assert program == "safetyrepro"
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, (command, done.output, done.exception)
    return done.exit_code


@pytest.mark.parametrize("options", ["", "--where 'f=x y,$(z)'", "--no-rows --claims claims.yaml"])
def test_what_a_card_prints_makes_it_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: str):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    write_table(tmp_path / "RESULTS", ROWS).rename("RESULTS.csv")
    (tmp_path / "claims.yaml").write_text('claims: [{claim: a > b on "a bench" somewhere}]\n')
    safetyrepro("safetyrepro ingest table RESULTS.csv -o first --range 0,100 --orientation 'a bench=target(50)'")
    safetyrepro(f"safetyrepro card first -o once {options}")
    card = read_card(tmp_path / "once" / "card.json")

    for command in card.recompute[:3]:
        safetyrepro(command.replace("RESULTS", "RESULTS.csv"))

    assert (tmp_path / "card" / "card.json").read_bytes() == (tmp_path / "once" / "card.json").read_bytes()
    assert [word in " ".join(card.recompute) for word in ("--where", "--no-rows", "--claims")] == [
        word in options for word in ("--where", "--no-rows", "--claims")
    ]


def test_usual_options_are_not_repeated(tmp_path: Path):
    store = ingest_table(write_table(tmp_path / "t.csv", [(*row[:4], row[4] / 100) for row in ROWS]), tmp_path / "store")

    told = recompute_commands(store.manifest, analyze(store, LEAN), rows=True, claims=False)

    assert told[:2] == ("safetyrepro ingest table RESULTS -o STORE", "safetyrepro card STORE -o card")


@pytest.mark.parametrize(
    ("source", "first"), [("run", "safetyrepro run study.yaml"), ("lm-eval + helm", "safetyrepro ingest auto RESULTS -o STORE")]
)
def test_every_source_has_its_command(tmp_path: Path, source: str, first: str):
    store: Store = ingest_table(write_table(tmp_path / "t.csv", ROWS[:4]), tmp_path / "store", options=PERCENT)
    manifest: Manifest = store.manifest.model_copy(update={"source": source})

    assert recompute_commands(manifest, analyze(store, LEAN), rows=True, claims=False)[0] == first


def test_a_condition_cannot_leave_its_block_of_code(tmp_path: Path):
    hostile = "x\n```\n<script>"
    rows = [(model, "bench", hostile, "i0", "1") for model in "ab"]
    store = ingest_table(write_table(tmp_path / "t.csv", rows), tmp_path / "store").folder
    done = CliRunner().invoke(app, ["card", str(store), "--where", f"f={hostile}"])
    assert done.exit_code == 0, done.output
    card: GridCard = read_card(store / "card" / "card.json")

    block = card_markdown(card).split("## How to recompute")[1]

    assert "--where 'f=x ``` <script>'" in block
    assert [line for line in block.splitlines() if line.startswith("```")] == ["```", "```"]
