"""How large the next study has to be: agreement by plain resampling, the sentence, and what is left out and said."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from builders import record, write_table
from made_tables import members, table_of
from safetyrepro.cli import app
from safetyrepro.design import BenchmarkDesign, DesignOptions, plan_sizes
from safetyrepro.errors import StoreError
from safetyrepro.ingest import ingest_table
from safetyrepro.scores import ScoreTable

GRID = {"template": ("t0", "t1", "t2"), "g": ("p", "q")}
OPTIONS = DesignOptions(draws=200)
RUNNER = CliRunner()


def item_table(
    values: np.ndarray, *, orientation: str = "higher", grid: dict[str, tuple[str, ...]] | None = None
) -> ScoreTable:
    """A table of (models, configurations, items) values; NaN makes no record."""
    configurations = members(grid or GRID)
    rows = [
        record(model=f"m{m}", settings=configurations[c].as_dict(), item=f"i{i}", value=float(values[m, c, i]))
        for m, c, i in itertools.product(*map(range, values.shape))
        if not np.isnan(values[m, c, i])
    ]
    return table_of(rows, tuple(f"m{m}" for m in range(values.shape[0])), configurations, orientation=orientation)


def ahead(n_items: int, rate: float = 0.9) -> np.ndarray:
    """The first model right on a share of the items, the second on one minus it, alike in every configuration."""
    values = np.zeros((2, 6, n_items))
    values[0, :, : round(rate * n_items)] = 1
    values[1, :, : round((1 - rate) * n_items)] = 1
    return values


def planned(table: ScoreTable, options: DesignOptions = OPTIONS) -> BenchmarkDesign:
    return plan_sizes(table, options, name="bench")


def test_a_wide_gap_needs_one_template_and_few_items():
    found = planned(item_table(ahead(60)))

    assert (found.group, found.n_groups, found.n_configurations, found.n_items) == ("template", 3, 6, 60)
    assert found.cheapest is not None
    assert (found.cheapest.n_groups, found.cheapest.n_items) == (1, 10)
    assert found.sentence == "sign agrees with the full grid in 100 % of draws at 1 templates x 10 items"


def test_agreement_is_that_of_plain_resampling():
    rng = np.random.default_rng(0)
    values = rng.integers(0, 2, size=(2, 6, 30)).astype(float)

    found = planned(item_table(values), DesignOptions(draws=4_000))

    difference = values[0] - values[1]
    full = np.sign(difference.sum())
    agreeing = 0
    for _ in range(4_000):
        template = int(rng.integers(3))
        chosen = rng.permutation(30)[:10]
        agreeing += np.sign(difference[2 * template : 2 * template + 2][:, chosen].sum()) == full
    assert found.study is not None
    point = next(point for point in found.study.points if (point.n_groups, point.n_items) == (1, 10))
    assert point.agreement == pytest.approx(agreeing / 4_000, abs=0.05)


def test_where_only_the_full_grid_agrees_the_best_smaller_one_is_told():
    values = np.zeros((2, 6, 12))
    values[0, :2, :7] = 1
    values[1, 2:4, :6] = 1

    found = planned(item_table(values))

    assert found.cheapest is not None
    assert (found.cheapest.n_groups, found.cheapest.n_items) == (3, 12)
    assert found.sentence.startswith(
        "no smaller design that was tried agrees with the full grid in 95% of draws; the best smaller one:"
    )


def test_two_models_that_tie_have_no_sign_to_agree_with():
    found = planned(item_table(np.ones((2, 6, 12))))

    assert (found.cheapest, found.sentence) == (None, "no pair of models has a sign on the full grid")


def test_items_and_configurations_that_are_not_complete_are_left_out_and_counted():
    values = ahead(20)
    values[0, 0, :] = np.nan
    values[1, 3, 5] = np.nan

    found = planned(item_table(values))

    assert (found.n_configurations, found.n_configurations_left_out) == (5, 1)
    assert (found.n_items, found.n_items_left_out) == (19, 1)


def test_what_is_left_out_has_no_part_in_the_answer():
    whole = np.random.default_rng(6).random((2, 6, 24))
    values = np.concatenate([whole, np.full((2, 6, 1), [[[1.0]], [[0.0]]])], axis=2)
    values[1, 3, 24] = np.nan

    found, alone = planned(item_table(values)), planned(item_table(whole))

    assert found.n_items_left_out == 1
    assert (found.study, found.components) == (alone.study, alone.components)


def test_the_error_of_a_difference_shrinks_when_configurations_are_fixed():
    values = (
        np.random.default_rng(1).random((3, 6, 40)) + np.arange(6)[None, :, None] * np.array([0, 1, -1])[:, None, None] / 10
    )

    found = planned(item_table(values))

    assert found.sampled is not None
    assert found.fixed is not None
    assert found.fixed.sd_of_difference < found.sampled.sd_of_difference
    assert found.sampled.generalizability is None
    assert [entry.gap for entry in found.gaps] == [0.01, 0.02, 0.05, 0.10]
    assert found.gaps[0].n_items is None or found.gaps[0].n_items > (found.gaps[3].n_items or 0)


def test_one_configuration_has_agreement_and_no_components():
    found = planned(item_table(ahead(20)[:, :1], grid={"f": ("x",)}))

    assert found.components is None
    assert found.sampled is None
    assert found.cheapest is not None
    assert found.group == "configuration"


@pytest.mark.parametrize(
    ("grid", "asked", "expected"),
    [
        ({"f": ("x", "y"), "g": ("p", "q", "r")}, None, ("configuration", 6)),
        ({"f": ("x", "y"), "g": ("p", "q", "r")}, "g", ("g", 3)),
        ({"f": ("x",), "g": ("p", "q", "r", "s", "t", "u")}, None, ("g", 6)),
        ({"f": ("x",), "g": ("p", "q", "r", "s", "t", "u")}, "f", ("configuration", 6)),
    ],
)
def test_what_is_drawn_whole_is_the_named_factor_or_the_only_one(
    grid: dict[str, tuple[str, ...]], asked: str | None, expected: tuple[str, int]
):
    found = planned(item_table(ahead(12), grid=grid), DesignOptions(draws=10, group=asked))

    assert (found.group, found.n_groups) == expected


def test_why_there_is_no_answer_is_told():
    assert "one model" in planned(item_table(ahead(5)[:1])).skipped
    assert "target" in planned(item_table(ahead(5), orientation="target(0.5)")).skipped
    assert "aggregates" in planned(table_of([], ("a", "b"), members(GRID))).skipped
    apart = ahead(4)
    apart[0, :, :2], apart[1, :, 2:] = np.nan, np.nan
    assert "no item" in planned(item_table(apart)).skipped
    alone = ahead(4)
    alone[0, :3], alone[1, 3:] = np.nan, np.nan
    assert "no configuration" in planned(item_table(alone)).skipped


def test_a_lower_orientation_keeps_the_agreement():
    higher, lower = (planned(item_table(ahead(30, 0.6), orientation=word)) for word in ("higher", "lower"))

    assert higher.study == lower.study


def table(folder: Path) -> Path:
    """Three models under six templates on forty items of two benchmarks."""
    rng = np.random.default_rng(2)
    rows = [
        (model, benchmark, f"t{t}", f"i{i}", int(rng.random() < rate))
        for model, rate in (("a", 0.8), ("b", 0.4), ("c", 0.1))
        for benchmark in ("one", "two")
        for t in range(6)
        for i in range(40)
    ]
    return write_table(folder / "t.csv", rows, ("model", "benchmark", "template", "item_id", "score"))


def test_the_command_says_the_sentence_and_what_stands_behind_it(tmp_path: Path):
    ingest_table(table(tmp_path), tmp_path / "s")

    done = RUNNER.invoke(app, ["design", str(tmp_path / "s"), "--draws", "100"], env={"COLUMNS": "120"})

    assert done.exit_code == 0, done.output
    text = " ".join(done.output.split())
    assert "one: 3 models, 6 templates" in text
    assert "Sign agrees with the full grid in" in text
    assert "templates x 10 items." in text
    assert "Standard deviation of a difference at this size:" in text
    assert "no generalizability coefficient: 3 models" in text
    assert "0.1 needs" in text


def test_the_command_restricts_to_a_benchmark_and_a_pair_and_prints_json(tmp_path: Path):
    ingest_table(table(tmp_path), tmp_path / "s")

    done = RUNNER.invoke(app, ["design", str(tmp_path / "s"), "--benchmark", "two", "--pair", "c,a", "--draws", "20", "--json"])

    found = json.loads(done.output)
    assert [entry["name"] for entry in found] == ["two"]
    assert found[0]["models"] == ["c", "a"]
    assert found[0]["study"]["n_pairs"] == 1


@pytest.mark.parametrize("arguments", [["--benchmark", "none"], ["--pair", "a,z"], ["--group", "none"]])
def test_a_name_that_is_not_there_is_refused(tmp_path: Path, arguments: list[str]):
    ingest_table(table(tmp_path), tmp_path / "s")

    done = RUNNER.invoke(app, ["design", str(tmp_path / "s"), *arguments])

    assert isinstance(done.exception, StoreError)
    assert arguments[1].split(",")[-1] in str(done.exception)


def test_the_command_says_why_there_is_no_answer(tmp_path: Path):
    rows = [("a", "one", "t0", "i0", 1)]
    ingest_table(write_table(tmp_path / "t.csv", rows, ("model", "benchmark", "template", "item_id", "score")), tmp_path / "s")

    done = RUNNER.invoke(app, ["design", str(tmp_path / "s")])

    assert done.exit_code == 0
    assert "No answer: there is one model and nothing to compare." in done.output
