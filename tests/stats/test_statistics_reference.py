"""Every statistic shows its formula and its source, is tested, and stands on the generated page."""

import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    return importlib.import_module("statistics_reference")


def test_every_statistic_has_a_formula_a_reference_and_a_test(script):
    assert script.gaps() == []


def test_the_page_of_statistics_is_what_the_source_says(script):
    """After a change of a statistic or its tests: python scripts/statistics_reference.py."""
    assert script.PAGE.read_text(encoding="utf-8") == script.page()


def test_a_statistic_without_a_formula_would_be_named(script, monkeypatch):
    bare = script.Statistic(module="flips", name="bare", gives="Nothing.", formula="", references="", tests=())
    monkeypatch.setattr(script, "statistics", lambda: [bare])
    assert script.gaps() == ["flips.bare: no formula", "flips.bare: no reference", "flips.bare: no test"]
