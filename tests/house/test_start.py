"""The command line answers at once: asking for help loads nothing that only a run or a statistic needs."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "transformers", "scipy.stats", "lightgbm", "pandas", "duckdb", "httpx", "statsmodels", "jinja2", "narwhals")

PROBE = """
import sys
sys.argv = ["safetyrepro", *{arguments!r}]
from safetyrepro.cli import main
try:
    main()
finally:
    print("LOADED", *(name for name in {heavy!r} if name in sys.modules), file=sys.stderr)
"""


def loaded_by(*arguments: str) -> set[str]:
    """Which heavy libraries a command loads in a fresh interpreter."""
    code = PROBE.format(arguments=list(arguments), heavy=HEAVY)
    outcome = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stderr
    return set(outcome.stderr.rsplit("LOADED", 1)[1].split())


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("analyze", "--help"), ("run", "--help")], ids=" ".join)
def test_asking_for_help_loads_no_heavy_library(arguments: tuple[str, ...]) -> None:
    assert loaded_by(*arguments) == set()


def test_importing_the_package_loads_nothing_but_itself() -> None:
    code = "import sys; before = set(sys.modules); import safetyrepro; print(*{n.split('.')[0] for n in set(sys.modules) - before})"
    outcome = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"numpy", "pydantic", "typer", "yaml"} & set(outcome.stdout.split())
