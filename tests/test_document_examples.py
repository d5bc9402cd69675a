"""The example of the how-to on analyses runs, and shows what the page says that one reads."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "how-to" / "read-an-analysis.md"


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What each block of commands prints, on one line, run in order in one folder."""
    folder = tmp_path_factory.mktemp("example")
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "120"}
    printed = []
    for block in re.findall(r"```\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL):
        done = subprocess.run(
            ["bash", "-e"], input=block, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        printed.append(" ".join(done.stdout.split()))
    return printed


def test_the_analysis_shows_what_the_page_explains(outputs: list[str]):
    text = outputs[0]
    for shown in (
        "A / B 3 1 0 0 0.375 0.250 -+++",
        "the widest witness",
        "changing one factor alone reverses",
        "the order turns by changing template or scoring",
        "factors to change before the other is ahead: 1 in 3, 2 in 1",
        "what moves the difference (exact",
        "What the items can bear",
    ):
        assert shown in text


def test_the_repair_finds_the_two_parts_that_the_page_names(outputs: list[str]):
    assert "Found after looking" in outputs[1]
    assert "1. scoring=sum" in outputs[1]
    assert "2. template=question" in outputs[1]


def test_the_design_gives_its_sentence(outputs: list[str]):
    assert "sign agrees with the full grid in" in outputs[2]


def test_the_chance_of_a_new_level_is_the_one_that_the_explanation_gives():
    from safetyrepro.stats.extrapolation import new_level_limit

    text = (ROOT / "docs" / "explanation" / "what-the-items-can-bear.md").read_text(encoding="utf-8")
    assert f"up to {100 * new_level_limit(n_counted=0, n_levels=4).upper:.0f} %" in text


def test_the_six_answers_are_those_of_the_analysis():
    from safetyrepro.stats.support import SupportWord

    text = (ROOT / "docs" / "explanation" / "what-the-items-can-bear.md").read_text(encoding="utf-8")
    for word in (
        SupportWord.REVERSAL_SUPPORTED,
        SupportWord.A_AHEAD_EVERYWHERE,
        SupportWord.A_AHEAD_SOMEWHERE,
        SupportWord.UNRESOLVED,
    ):
        assert f"*{word.value}*" in text
