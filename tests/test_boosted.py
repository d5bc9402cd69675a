"""Boosted trees are a second opinion: asked for, withheld where they do not predict, never in place of the exact shares."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from builders import REVERSAL, write_table
from made_tables import Grid, layout_of, made
from safetyrepro import boosted as boosted_module
from safetyrepro.analysis import AnalysisOptions, analyze
from safetyrepro.attribute import attribute
from safetyrepro.boosted import boost
from safetyrepro.cli import app
from safetyrepro.ingest import ingest_table
from safetyrepro.nesting import Design, find_design
from safetyrepro.scores import ScoreTable

GRID: Grid = {"template": ("t", "u", "v", "w"), "shots": ("0", "1"), "scoring": ("sum", "mean", "best")}
RUNNER = CliRunner()


def planned(*, missing: int = 0) -> ScoreTable:
    """B at one half everywhere; A moved by the template, and a little by the number of shots."""
    template = np.repeat([0.2, 0.7, -0.2, 0.45], 6)
    shots = np.tile(np.repeat([0.0, 0.05], 3), 4)
    scores: list[float | None] = [float(value) for value in 0.2 + template + shots]
    for c in range(missing):
        scores[5 * c] = None
    return made({"a": scores, "b": [0.5] * 24}, GRID)


def design_of(table: ScoreTable) -> Design:
    layout = layout_of(table)
    return find_design(layout.levels, layout.factors)


def test_the_factor_that_moves_most_is_the_one_of_the_exact_shares():
    pytest.importorskip("lightgbm")
    table = planned()

    found = boost(table, design_of(table), seed=0, name="bench").pairs[0]
    exact = attribute(table, design_of(table)).pairs[0].difference

    assert found.reason == ""
    assert found.cross_validated_r2 is not None
    assert found.cross_validated_r2 > 0.5
    assert max(found.shares, key=lambda entry: entry.share).factor == "template"
    assert max(exact.factors, key=lambda entry: entry.shapley or 0.0).factor == "template"
    assert sum(entry.share for entry in found.shares) == pytest.approx(1.0)


def test_missing_cells_are_left_out_and_the_same_seed_gives_the_same():
    pytest.importorskip("lightgbm")
    table = planned(missing=3)

    one, again = (boost(table, design_of(table), seed=4, name="bench") for _ in range(2))

    assert one == again
    assert one.pairs[0].n_configurations == 21


def test_noise_is_withheld_with_its_reason():
    pytest.importorskip("lightgbm")
    noise = np.random.default_rng(0).random((2, 24))
    table = made({"a": noise[0].tolist(), "b": noise[1].tolist()}, GRID)

    found = boost(table, design_of(table), seed=0, name="bench").pairs[0]

    assert found.shares == ()
    assert "below 0.5" in found.reason


def test_a_difference_that_does_not_vary_needs_no_library():
    table = made({"a": [0.9] * 24, "b": [0.5] * 24}, GRID)

    assert "does not vary" in boost(table, design_of(table), seed=0, name="bench").pairs[0].reason


def test_why_no_tree_was_grown_is_told(monkeypatch: pytest.MonkeyPatch):
    alone = made({"a": [1], "b": [0]}, {"f": ("x",)})
    table = planned()
    monkeypatch.setattr(boosted_module, "MOST_PAIRS", 0)

    assert boost(alone, design_of(alone), seed=0, name="b").skipped == "no factor has two levels"
    assert "name the models" in boost(table, design_of(table), seed=0, name="b").skipped


def test_it_is_part_of_an_analysis_only_where_it_was_asked_for(tmp_path: Path):
    store = ingest_table(write_table(tmp_path / "t.csv", REVERSAL), tmp_path / "s")

    assert analyze(store, AnalysisOptions(inference=None)).boosted == {}


def test_the_command_shows_what_the_trees_say(tmp_path: Path):
    pytest.importorskip("lightgbm")
    table = planned()
    rows = [
        (model, "bench", *(level for _, level in table.configurations[c].settings), "i0", float(table.raw[m, c]))
        for m, model in enumerate("ab")
        for c in range(24)
    ]
    path = write_table(tmp_path / "t.csv", rows, ("model", "benchmark", *GRID, "item_id", "score"))
    ingest_table(path, tmp_path / "s")

    done = RUNNER.invoke(app, ["analyze", str(tmp_path / "s"), "--draws", "0", "--boosted"], env={"COLUMNS": "120"})

    assert done.exit_code == 0, done.output
    text = " ".join(done.output.split())
    assert "boosted trees (cross-validated R squared" in text
    assert "what moves the difference (exact" in text


def test_the_command_says_why_trees_were_not_grown(tmp_path: Path):
    ingest_table(write_table(tmp_path / "t.csv", REVERSAL[:4]), tmp_path / "s")

    done = RUNNER.invoke(app, ["analyze", str(tmp_path / "s"), "--draws", "0", "--boosted"])

    assert "Boosted trees were not grown: no factor has two levels" in " ".join(done.output.split())
