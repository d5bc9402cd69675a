"""The pages on the gate and on publishing run as they stand, and say what they promise."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
HOW_TO = ROOT / "docs" / "how-to"


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


def test_the_recipes_for_workflow_and_pre_commit_are_yaml():
    text = (HOW_TO / "gate-in-ci.md").read_text(encoding="utf-8")
    recipes = [yaml.safe_load(block) for block in re.findall(r"\n\n((?:    .*\n)+)", text)]

    assert [set(recipe[0]) for recipe in recipes] == [{"run"}, {"repo", "hooks"}]


@pytest.mark.long
def test_the_page_on_publishing_makes_and_verifies_a_card(tmp_path: Path):
    made, verified = printed("publish-a-card.md", tmp_path)

    assert "not stated: models.*.weights" in made
    assert verified.startswith("OK: 1 verdicts")
    assert verified.rstrip().endswith("OK")
    python = re.findall(r"```python\n(.*?)```", (HOW_TO / "publish-a-card.md").read_text(), re.DOTALL)[0]
    done = subprocess.run(
        [sys.executable, "-c", f"{python}print(len(orders))"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stdout == "2\n", done.stderr
