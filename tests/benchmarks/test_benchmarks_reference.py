"""The page of benchmarks names every level with its source, and its counts are those of the real files."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from safetyrepro.benchmarks import benchmark_modules
from safetyrepro.benchmarks.data import load_data

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    return importlib.import_module("benchmarks_reference")


def test_every_benchmark_has_its_counts(script):
    assert set(script.UNITS) == set(benchmark_modules())
    assert {name: units.items for name, units in script.UNITS.items()} == {
        name: module.SOURCE.n_items for name, module in benchmark_modules().items()
    }


def test_every_level_of_every_factor_stands_on_the_page_with_its_sources(script):
    page = script.benchmarks_page("made so")
    sections = dict(zip(benchmark_modules(), page.split("\n## ")[1:], strict=True))

    for name, module in benchmark_modules().items():
        for factor in module.FACTORS:
            (part,) = [one for one in sections[name].split("\n### ") if one.startswith(f"{factor.name}\n")]
            for level in factor.levels:
                (row,) = [line for line in part.splitlines() if line.startswith((f"| `{level.name}`", f"| **`{level.name}`**"))]
                assert all(f"({source.evidence.value})" in row for source in level.sources)


def test_a_text_cannot_break_its_table(script):
    assert script._cell("a | b\nc <i> *d*") == "a \\| b c &lt;i> \\*d\\*"


@pytest.mark.parametrize("name", ["truthfulqa", "toxigen", "crows_pairs", "xstest", "bbq"])
def test_the_counts_are_those_of_the_real_files(script, shared: Path, name: str):
    module = benchmark_modules()[name]
    items = module.items(load_data(module, shared / "data" / name).files)
    units = script.UNITS[name]

    found = (len(items), len({item.cluster for item in items}), len({item.stratum for item in items}))
    assert found == (units.items, units.clusters, units.strata)
