"""Imports go down the layers of pyproject.toml, never in a circle, and heavy libraries stay out of what must be light."""

from __future__ import annotations

import graphlib
import subprocess
import sys

import grimp
import pytest

from house.source import ROOT, package_modules

LIGHT = ("errors", "envelope", "records", "estimands", "verdicts", "scores", "study")


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    """Which module imports which, lazy imports included."""
    return grimp.build_graph("safetyrepro", include_external_packages=True, cache_dir=None)


def test_every_import_contract_is_kept() -> None:
    command = [
        sys.executable,
        "-c",
        "from importlinter.cli import lint_imports_command; lint_imports_command()",
        "--no-cache",
        "--no-logo",
    ]
    outcome = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


def test_no_module_imports_itself_through_others(graph: grimp.ImportGraph) -> None:
    inside = [name for name in graph.modules if name.split(".")[0] == "safetyrepro"]
    imported = {name: {other for other in graph.find_modules_directly_imported_by(name) if other in inside} for name in inside}
    circle: list[str] = []
    try:
        graphlib.TopologicalSorter(imported).prepare()
    except graphlib.CycleError as error:
        circle = error.args[1]
    assert not circle, " -> ".join(circle)


def test_every_noun_of_the_contract_exists() -> None:
    names = {module.path.stem for module in package_modules()}
    assert set(LIGHT) <= names


def test_another_evaluation_package_is_never_imported(graph: grimp.ImportGraph) -> None:
    foreign = {"lm_eval", "inspect_ai", "helm", "lighteval", "inspect_evals"}
    assert not foreign & graph.modules
