"""Write docs/reference/statistics.md: every statistic with its formula, its references and the tests that hold it.

    python scripts/statistics_reference.py           # write
    python scripts/statistics_reference.py --check   # exit code 1 if the page is not what would be written

The page is read off the docstrings and the test files, so it cannot say anything else than they do.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "reference" / "statistics.md"
BUILDING_BLOCKS = {"__init__", "base", "units", "signflips", "moments", "resampling", "terms"}
"""Modules that statistics share; they hold no statistic of their own."""
SENTENCES = {"p_text", "design_sentence"}
"""Functions that put a number into words; there is no formula to show."""
HEAD = """# Statistics

Written by `scripts/statistics_reference.py` from the docstrings of `safetyrepro.stats`; do not edit. For each function: what it gives, its formula with
every symbol, where it is from, and the first tests that call it.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistic:
    """One public function of a statistic."""

    module: str
    """Module of `safetyrepro.stats`."""
    name: str
    """Name of the function."""
    gives: str
    """First line of the docstring."""
    formula: str
    """Section Notes, on one line; empty if there is none."""
    references: str
    """Section References, on one line; empty if there is none."""
    tests: tuple[str, ...]
    """Names of the tests that call it, with their file."""


def statistics() -> list[Statistic]:
    """All public functions of the statistics, by module and in the order of the source."""
    calls = _tests_by_called_name()
    found = []
    for path in sorted((ROOT / "src" / "safetyrepro" / "stats").glob("*.py")):
        if path.stem in BUILDING_BLOCKS:
            continue
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_") and node.name not in SENTENCES:
                found.append(_statistic(path.stem, node, calls))
    return found


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    module = ""
    for statistic in statistics():
        if statistic.module != module:
            module = statistic.module
            parts.append(f"\n## {module}\n")
        parts.append(_entry(statistic))
    return "".join(parts)


def gaps() -> list[str]:
    """Functions that lack a formula, a reference or a test."""
    lacking = []
    for statistic in statistics():
        parts = {"formula": statistic.formula, "reference": statistic.references, "test": statistic.tests}
        lacking += [f"{statistic.module}.{statistic.name}: no {what}" for what, content in parts.items() if not content]
    return lacking


def _statistic(module: str, node: ast.FunctionDef, calls: dict[str, list[str]]) -> Statistic:
    text = ast.get_docstring(node) or ""
    return Statistic(
        module=module,
        name=node.name,
        gives=text.split("\n", 1)[0],
        formula=_section(text, "Notes"),
        references=_section(text, "References"),
        tests=tuple(calls.get(node.name, ())),
    )


def _section(text: str, title: str) -> str:
    """One section of a docstring, joined to one line."""
    match = re.search(rf"^{title}\n-+\n(.*?)(?=^\w+\n-+\n|\Z)", text, flags=re.MULTILINE | re.DOTALL)
    return " ".join(match.group(1).split()) if match else ""


def _tests_by_called_name() -> dict[str, list[str]]:
    """For each called name the tests in whose body, or in whose fixtures beside them, it is called."""
    calls: dict[str, list[str]] = {}
    for path in sorted((ROOT / "tests" / "stats").glob("test_*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        local = {node.name: _called(node) for node in tree.body if isinstance(node, ast.FunctionDef)}
        for test, names in local.items():
            if not test.startswith("test_"):
                continue
            reached = names.union(*(local[name] for name in names if name in local))
            for name in reached:
                calls.setdefault(name, []).append(f"{path.stem}::{test}")
    return calls


def _called(node: ast.FunctionDef) -> set[str]:
    """Names that are called or passed on in a function."""
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}


def _entry(statistic: Statistic) -> str:
    """One function as a part of the page."""
    listed = "; ".join(f"`{test}`" for test in statistic.tests[:3])
    return (
        f"\n### `{statistic.name}`\n\n{statistic.gives}\n\n"
        f"- Formula: {_escaped(statistic.formula)}\n- From: {_escaped(statistic.references)}\n- Tests: {listed}\n"
    )


def _escaped(text: str) -> str:
    """The text with the signs of a formula kept from being read as markup."""
    return re.sub(r"([*_<>|])", r"\\\1", text.replace("\\", ""))


def main() -> int:
    """Write the page, or check it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    text = page()
    if options.check:
        return 0 if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == text else 1
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
