"""The pages on the gate and on publishing run as they stand, and say what they promise."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

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
    """The workflow and the hooks that the page shows."""
    text = (HOW_TO / "gate-in-ci.md").read_text(encoding="utf-8")
    workflow, hooks = (yaml.safe_load(block) for block in re.findall(r"\n\n((?:(?:    .*)?\n)+)", text) if block.strip())
    return workflow, hooks


def action() -> dict:
    return yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))


def hook() -> dict:
    (one,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    return one


def given() -> dict[str, str]:
    """What the workflow of the page gives to the action."""
    (step,) = (step for step in recipes()[0]["jobs"]["gate"]["steps"] if step.get("uses", "").startswith("OWNER/"))
    return step["with"]


def released(folder: Path, claim: str = "a > b on bench somewhere") -> Path:
    """A repository as both recipes expect it: a card of the release, changed results, and claims."""
    from builders import REVERSAL, write_table
    from safetyrepro.cli import app

    write_table(folder / "t.csv", REVERSAL)
    (folder / "claims.yaml").write_text(f"claims: [{{claim: {claim}}}]\n")
    for arguments in ("ingest table t.csv --out changed", "card changed --out release"):
        assert CliRunner().invoke(app, arguments.split()).exit_code == 0
    return folder


def outcome(command: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """A command of a recipe, run as a runner of workflows would."""
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"} | variables
    done = ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", command]
    return subprocess.run(done, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def acted(folder: Path, inputs: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """The step of the action that holds the claims, with its inputs put in as a runner does."""
    known = action()["inputs"]
    assert set(inputs) <= set(known)
    values = {name: inputs.get(name, entry.get("default", "")) for name, entry in known.items()}
    step = action()["runs"]["steps"][1]
    variables = {name: re.sub(r"\$\{\{ inputs\.(\w+) \}\}", lambda m: values[m[1]], text) for name, text in step["env"].items()}
    return outcome(step["run"], folder, **variables, GITHUB_OUTPUT=str(folder / "output"))


@pytest.mark.parametrize(
    ("claim", "code", "kind"),
    [("a > b on bench somewhere", 0, "notice title=HOLDS"), ("a > b on bench", 1, "error title=REFUTED")],
)
def test_both_recipes_pass_and_fail_with_the_claims(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, claim: str, code: int, kind: str
):
    monkeypatch.chdir(tmp_path)
    folder = released(tmp_path, claim)
    (asked,) = recipes()[1]["repos"][0]["hooks"]
    assert asked["id"] == hook()["id"]

    in_workflow = acted(folder, given())
    before_commit = outcome(shlex.join([*hook()["entry"].split(), *asked["args"]]), folder)

    assert (in_workflow.returncode, before_commit.returncode) == (code, code), (in_workflow.stderr, before_commit.stderr)
    assert in_workflow.stdout.startswith(f"::{kind}")
    assert "baseline: as in the baseline" in in_workflow.stdout
    assert (folder / "claims.svg").read_text().startswith("<svg")
    assert ET.fromstring((folder / "claims.xml").read_bytes()).get("failures") == str(code)
    assert (folder / "output").read_text() == f"exit-code={code}\n"


@pytest.mark.parametrize(("asked", "code"), [("fail", 3), ("pass", 0)])
def test_the_action_lets_an_undetermined_claim_pass_only_where_it_is_asked_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: str, code: int
):
    monkeypatch.chdir(tmp_path)

    done = acted(released(tmp_path), {"results": "changed", "level": "supported", "undetermined": asked})

    assert done.returncode == code
    assert done.stdout.startswith("::warning title=UNDETERMINED")
    assert (tmp_path / "output").read_text() == "exit-code=3\n"


def test_an_input_of_the_action_is_never_read_as_a_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    hostile = "$(touch caught) `touch caught`; touch caught #"

    done = acted(released(tmp_path), dict.fromkeys(("results", "claims", "baseline", "level", "junit"), hostile))

    assert done.returncode == 2
    assert not (tmp_path / "caught").exists()
    for step in action()["runs"]["steps"]:
        assert step["shell"] == "bash"
        assert "${{" not in step["run"]


def test_the_action_installs_its_own_revision_unless_another_is_named(tmp_path: Path):
    install = action()["runs"]["steps"][0]["run"].replace("python3 -m pip", "echo")

    own = outcome(install, tmp_path, INSTALL="", GITHUB_ACTION_PATH="/the action")
    other = outcome(install, tmp_path, INSTALL="safetyrepro==0.1.0", GITHUB_ACTION_PATH="/the action")

    assert (own.stdout, other.stdout) == ("install --quiet /the action\n", "install --quiet safetyrepro==0.1.0\n")


def test_the_hook_runs_where_claims_or_a_card_changed_and_nowhere_else():
    names = ("claims.yaml", "release/card.json", "release/rows.jsonl.gz", "a/claims.yaml", "README.md", "discard.json")

    touched = [name for name in names if re.search(hook()["files"], name)]

    assert touched == list(names[:4])
    assert not hook()["pass_filenames"]


@pytest.mark.long
@needs_openssl
def test_the_page_on_publishing_makes_signs_and_verifies_a_card(tmp_path: Path):
    made, verified, carried, signed = printed("publish-a-card.md", tmp_path)

    assert "not stated: models.*.weights" in made
    assert verified.startswith("OK: 1 verdicts")
    assert verified.rstrip().endswith("OK")
    assert "licence" in carried
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
