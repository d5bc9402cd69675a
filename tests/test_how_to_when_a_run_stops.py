"""The page on runs that stop: its commands are run in an empty folder, and say what the page says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from test_tutorial import shown_commands

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "how-to" / "when-a-run-stops.md"

pytestmark = [pytest.mark.model, pytest.mark.long]


def test_every_command_of_the_page_says_what_the_page_says(tmp_path: Path):
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "OMP_NUM_THREADS": "1", "COLUMNS": "100"}
    printed = []
    for command in shown_commands(PAGE.read_text(encoding="utf-8")):
        done = subprocess.run(command, shell=True, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        printed.append((done.stdout, done.stderr))
    _, resumed, _, refused, mended, again, repeated, analyzed = printed

    whole = "stopped: 3 models, 864 records"
    assert whole in resumed[0]
    assert refused[0].strip() == "refused"
    assert "safetyrepro mend results/stopped" in refused[1]
    assert "1 part dropped.\nRun the study again into this store; it lost " in mended[0]
    assert whole in again[0]
    assert "2,592 records" in repeated[0]
    assert "placebo flip rate" in " ".join(analyzed[0].split())
