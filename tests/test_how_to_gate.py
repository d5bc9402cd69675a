"""The pages on the gate and on publishing run as they stand, and say what they promise."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

ROOT = Path(__file__).resolve().parents[1]
HOW_TO = ROOT / "docs" / "how-to"
needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="the program openssl is not installed")


def printed(page: str, folder: Path) -> list[str]:
    """What the blocks of commands of a page print, run in order in one shell each, in one folder."""
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "120"}
    blocks = re.findall(r"```\n(.*?)```", (HOW_TO / page).read_text(encoding="utf-8"), re.DOTALL)
    outputs, place = [], folder
    for block in blocks:
        done = subprocess.run(
            ["bash", "-e"], input=block, cwd=place, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, (block, done.stdout, done.stderr)
        outputs.append(done.stdout)
        place = folder / "gate" if (folder / "gate").is_dir() else folder
    return outputs


@pytest.mark.long
def test_the_page_on_the_gate_shows_the_four_ways_in_which_it_ends(tmp_path: Path):
    first, supported, compared, annotated = printed("gate-in-ci.md", tmp_path)

    assert "2 HOLDS; exit code 0" in first
    assert "2 UNDETERMINED; exit code 3" in supported
    assert "HOLDS in the baseline, REFUTED now" in compared
    assert "flip set: quantization" in compared
    assert annotated.startswith("::error title=REFUTED")
    assert (tmp_path / "gate" / "claims.svg").read_text().startswith("<svg")


def recipes() -> tuple[dict, dict]:
    """The workflow and the repository of hooks that the page shows."""
    text = (HOW_TO / "gate-in-ci.md").read_text(encoding="utf-8")
    workflow, hooks = (yaml.safe_load(block) for block in re.findall(r"\n\n((?:(?:    .*)?\n)+)", text) if block.strip())
    return workflow, hooks[0]


def released(folder: Path) -> Path:
    """A repository as both recipes expect it: a card of the release, changed results, and claims that both satisfy."""
    from builders import REVERSAL, write_table
    from safetyrepro.cli import app

    write_table(folder / "t.csv", REVERSAL)
    (folder / "claims.yaml").write_text("claims: [{claim: a > b on bench somewhere}]\n")
    for arguments in ("ingest table t.csv --out changed", "card changed --out release"):
        assert CliRunner().invoke(app, arguments.split()).exit_code == 0
    return folder


def outcome(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """A command of a recipe, run as a runner of workflows would."""
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = ["bash", "-e", "-o", "pipefail", "-c", command]
    return subprocess.run(done, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("claim", "code"), [("a > b on bench somewhere", 0), ("a > b on bench", 1)])
def test_both_recipes_pass_and_fail_with_the_claims(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, claim: str, code: int):
    monkeypatch.chdir(tmp_path)
    folder = released(tmp_path)
    (folder / "claims.yaml").write_text(f"claims: [{{claim: {claim}}}]\n")
    workflow, hooks = recipes()
    steps = workflow["jobs"]["gate"]["steps"]
    (gate,) = (step["run"] for step in steps if "safetyrepro gate" in step.get("run", ""))
    (hook,) = hooks["hooks"]

    in_workflow, before_commit = outcome(gate, folder), outcome(hook["entry"], folder)

    assert (in_workflow.returncode, before_commit.returncode) == (code, code), (in_workflow.stderr, before_commit.stderr)
    assert in_workflow.stdout.startswith("::error title=REFUTED" if code else "::notice title=HOLDS")
    assert (folder / "claims.svg").read_text().startswith("<svg")


def test_the_hook_runs_where_claims_or_the_card_changed_and_nowhere_else():
    (hook,) = recipes()[1]["hooks"]

    touched = [
        name for name in ("claims.yaml", "release/card.json", "src/claims.yaml", "README.md") if re.search(hook["files"], name)
    ]

    assert touched == ["claims.yaml", "release/card.json"]
    assert set(hook) == {"id", "name", "entry", "language", "pass_filenames", "files"}
    assert not hook["pass_filenames"]


@pytest.mark.long
@needs_openssl
def test_the_page_on_publishing_makes_signs_and_verifies_a_card(tmp_path: Path):
    made, verified, signed = printed("publish-a-card.md", tmp_path)

    assert "not stated: models.*.weights" in made
    assert verified.startswith("OK: 1 verdicts")
    assert verified.rstrip().endswith("OK")
    assert "signed: card.json, rows.jsonl by the key" in signed


def test_the_page_on_notebooks_gives_the_tables_that_it_promises(tmp_path: Path):
    pytest.importorskip("pandas")
    text = (HOW_TO / "use-in-a-notebook.md").read_text(encoding="utf-8")
    commands = re.findall(r"```\n(.*?)```", text, re.DOTALL)[0]
    made = outcome("\n".join(line for line in commands.splitlines() if not line.startswith("pip ")), tmp_path)
    assert made.returncode == 0, made.stderr
    three_lines, *_ = blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert sum(bool(line) for line in three_lines.splitlines()) == 3
    shown = "print(orders.shape, len(reversals), by_template.to_dict(), card._repr_html_()[:7])"

    done = subprocess.run(
        [sys.executable, "-c", f"{''.join(blocks)}{shown}"], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert done.stdout == "(2, 10) 1 {'cloze': -0.5, 'question': 0.5} <table>\n", (done.stdout, done.stderr)
