"""A clean run does not pass by skipping: with CI=true a skipped model or browser test is an error that names it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from house.source import ROOT

TESTS = """
import pytest

@pytest.mark.{marker}
def test_that_needs_something():
    pytest.skip("not here")

def test_that_passes():
    pass
"""
SKIPPED_WHOLE = "import pytest\npytest.importorskip('a_library_that_nobody_wrote')\n\ndef test_nothing():\n    pass\n"


def outcome(folder: Path, text: str, *, ci: str, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Run a small test file under the project's own conftest.py and markers."""
    (folder / "test_small.py").write_text(text, encoding="utf-8")
    (folder / "conftest.py").write_text((ROOT / "tests" / "conftest.py").read_text(encoding="utf-8"), encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\nmarkers =\n  model: x\n  browser: x\n  long: x\n", encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")} | {"CI": ci}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, str(folder)]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("marker", ["model", "browser"])
def test_a_skipped_marked_test_fails_a_clean_run_by_name(tmp_path: Path, marker: str) -> None:
    result = outcome(tmp_path, TESTS.format(marker=marker), ci="true")
    assert result.returncode == 1
    assert "skipped although CI=true: test_small.py::test_that_needs_something" in result.stdout


def test_it_does_so_with_several_processes_too(tmp_path: Path) -> None:
    result = outcome(tmp_path, TESTS.format(marker="model"), ci="true", options=("-n", "1"))
    assert result.returncode == 1
    assert "test_that_needs_something" in result.stdout


def test_a_module_that_is_skipped_whole_fails_a_clean_run(tmp_path: Path) -> None:
    result = outcome(tmp_path, SKIPPED_WHOLE, ci="true")
    assert result.returncode == 1
    assert "skipped although CI=true: test_small.py" in result.stdout


def test_a_skipped_marked_test_passes_on_a_developers_machine(tmp_path: Path) -> None:
    assert outcome(tmp_path, TESTS.format(marker="browser"), ci="").returncode == 0


def test_other_skips_pass_everywhere(tmp_path: Path) -> None:
    assert outcome(tmp_path, TESTS.format(marker="long"), ci="true").returncode == 0
