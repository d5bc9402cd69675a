"""The page on a benchmark of one's own is followed to the letter, in a copy of the package."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "how-to" / "write-a-benchmark.md"

pytestmark = [pytest.mark.model, pytest.mark.long]


def blocks(text: str, language: str) -> list[str]:
    """Contents of the page's blocks of one language."""
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def ran(command: str, folder: Path) -> str:
    """What a command printed, with the copy of the package in front of the installed one."""
    environment = {**os.environ, "PYTHONPATH": str(folder / "src"), "OMP_NUM_THREADS": "1", "COLUMNS": "100"}
    line = (
        command.replace("safetyrepro ", f"{sys.executable} -m safetyrepro ", 1)
        if command.startswith("safetyrepro ")
        else command
    )
    done = subprocess.run(line, shell=True, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_a_benchmark_of_ones_own_is_planned_run_and_analyzed_as_the_page_says(tmp_path: Path):
    text = PAGE.read_text(encoding="utf-8")
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    (source,), (study,) = blocks(text, "python"), blocks(text, "yaml")
    (tmp_path / "src/safetyrepro/benchmarks/calm_replies.py").write_text(source, encoding="utf-8")
    (tmp_path / "study.yaml").write_text(study, encoding="utf-8")

    commands = [line[2:] for block in blocks(text, "console") for line in block.splitlines() if line.startswith("$ ")]
    printed = {command.split()[1]: ran(command, tmp_path) for command in commands}

    assert "asked" in printed["defaults"]
    assert "8 cells" in " ".join(printed["plan"].split())
    assert "2 models, 4 configurations, 4 items" in " ".join(printed["analyze"].split())
