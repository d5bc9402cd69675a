"""The tutorial's commands run, one after the other, in an empty folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from safetyrepro.errors import StudyError
from safetyrepro.selection import copy_study, find_study, narrowed, shipped_studies
from safetyrepro.study import read_study

ROOT = Path(__file__).resolve().parents[1]
TUTORIAL = ROOT / "docs" / "tutorial" / "first-study.md"


def shown_commands(text: str) -> list[str]:
    """Lines that begin with a prompt, inside blocks of console."""
    lines, inside = [], False
    for line in text.splitlines():
        if line.startswith("```"):
            inside = line == "```console"
        elif inside and line.startswith("$ "):
            lines.append(line[2:])
    return lines


@pytest.mark.model
@pytest.mark.long
def test_every_command_of_the_tutorial_runs_in_an_empty_folder(tmp_path: Path):
    commands = shown_commands(TUTORIAL.read_text(encoding="utf-8"))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "OMP_NUM_THREADS": "1", "COLUMNS": "100"}

    outputs = {}
    for command in commands:
        done = subprocess.run(command, shell=True, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        outputs[command] = done.stdout

    assert len(commands) >= 9
    assert (tmp_path / "results" / "first-card" / "card.html").is_file()
    assert any("HOLDS" in output for output in outputs.values())
    assert "1 of 1 pairs" in outputs["safetyrepro analyze results/mine"]


def test_a_study_that_ships_can_be_copied_once_and_still_names_its_folders(tmp_path: Path):
    study = copy_study("quickstart", tmp_path / "sub" / "study.yaml")

    assert all(Path(model.path or "").is_dir() for model in study.models)
    assert all(Path(spec.data or "").is_dir() for spec in study.benchmarks)
    with pytest.raises(StudyError, match="exists"):
        copy_study("quickstart", tmp_path / "sub" / "study.yaml")


def test_the_paper_study_is_copied_as_its_authors_wrote_it(tmp_path: Path):
    copy_study("paper", tmp_path / "study.yaml")

    assert (tmp_path / "study.yaml").read_text() == shipped_studies()["paper"].read_text()


def test_a_study_that_is_neither_a_file_nor_shipped_is_refused_with_the_list():
    with pytest.raises(
        StudyError, match=r"neither a file nor a study that ships.*quickstart, cross-package, paper, paper-extended"
    ):
        find_study("nonsense")


def test_a_part_of_a_study_is_selected_by_name(tmp_path: Path):
    study = read_study(find_study("paper"))

    part = narrowed(study, only=["bbq"], models=["Yi-1.5-9B-Chat"], items=7, data=tmp_path)

    assert [spec.name for spec in part.benchmarks] == ["bbq"]
    assert [model.name for model in part.models] == ["Yi-1.5-9B-Chat"]
    assert part.benchmarks[0].items == 7
    assert part.benchmarks[0].data == str(tmp_path / "bbq")
    assert narrowed(study) == study


@pytest.mark.parametrize(
    ("option", "message"), [({"only": ["bbc"]}, "no benchmark 'bbc'"), ({"models": ["GPT"]}, "no model 'GPT'")]
)
def test_an_unknown_part_is_refused(option: dict[str, list[str]], message: str):
    with pytest.raises(StudyError, match=message):
        narrowed(read_study(find_study("paper")), **option)
