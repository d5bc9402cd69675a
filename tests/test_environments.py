"""Environments of other packages: made from the pinned set, left alone where complete, and one sentence where a step fails."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from safetyrepro import environments
from safetyrepro.benchmarks.fetch import cache_folder
from safetyrepro.cli import app
from safetyrepro.environments import VARIABLE, environments_folder, find_python, install
from safetyrepro.errors import SafetyReproError
from safetyrepro.harnesses.program import Release, constraints

HELM = Release("helm", "0.5.16")


@pytest.fixture
def steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Every command that would have been run; nothing is installed."""
    taken: list[list[str]] = []

    def run(words: list[str], **options: object) -> subprocess.CompletedProcess[str]:
        taken.append(words)
        if words[1:3] == ["-m", "venv"]:
            (Path(words[3]) / "bin").mkdir(parents=True)
            (Path(words[3]) / "lib" / "python3.11" / "site-packages" / "lighteval" / "tasks" / "tasks").mkdir(parents=True)
        return subprocess.CompletedProcess(words, returncode=0, stdout="", stderr="")

    monkeypatch.setenv(VARIABLE, str(tmp_path / "environments"))
    monkeypatch.setattr(environments.subprocess, "run", run)
    return taken


def test_environments_lie_in_the_named_folder_or_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    assert environments_folder() == tmp_path
    monkeypatch.delenv(VARIABLE)
    assert environments_folder() == cache_folder() / "environments"


def test_an_environment_is_made_from_the_set_that_ships(steps: list[list[str]]) -> None:
    said: list[str] = []
    folder = install(HELM, said.append)
    assert [step[1:4] for step in steps] == [["-m", "venv", str(folder)], ["-m", "pip", "install"], ["-m", "pip", "uninstall"]]
    assert steps[1][-2:] == ["-r", str(constraints(HELM))]
    assert steps[2][-1] == "torchvision"
    assert len(said) == 3


def test_a_complete_environment_is_left_alone(steps: list[list[str]]) -> None:
    install(HELM, lambda _: None)
    n_steps = len(steps)
    install(HELM, lambda _: None)
    assert len(steps) == n_steps


def test_a_file_that_lighteval_would_download_while_it_starts_is_there(steps: list[list[str]]) -> None:
    folder = install(Release("lighteval", "0.13.0"), lambda _: None)
    assert len(list(folder.rglob("tinyBenchmarks.pkl"))) == 1


def test_a_step_that_fails_is_one_sentence(steps: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    def run(words: list[str], **options: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(words, returncode=1, stdout="", stderr="a\nno such pin\n")

    monkeypatch.setattr(environments.subprocess, "run", run)
    with pytest.raises(SafetyReproError, match=r"ended with 1: no such pin\. Look at what pip needs"):
        install(HELM, lambda _: None)


def test_an_environment_that_somebody_made_is_used_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    python = tmp_path / "helm-0.5.16" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    assert find_python(HELM) == python


def test_the_command_lists_what_can_be_run_and_installs_what_is_named(steps: list[list[str]]) -> None:
    listed = CliRunner().invoke(app, ["harness", "list"]).output
    assert "absent: safetyrepro harness install lm-eval==0.4.13" in listed
    assert [line for line in listed.splitlines() if line.startswith("inspect==0.3.21") and " truthfulqa " in line]
    assert (
        "not: inspect 0.3.21 is older than every inspect_evals that installs, and its repository had no task for bbq" in listed
    )
    assert "not: lm-eval 0.4.5 has no task for bbq; name lm-eval==0.4.13" in listed
    assert "not: helm grades answers to xstest by models behind a network" in listed
    assert "is not known to run" not in listed
    made = CliRunner().invoke(app, ["harness", "install", "lm-eval==0.4.13"])
    assert made.exit_code == 0
    assert "lm-eval==0.4.13 is at " in made.output
