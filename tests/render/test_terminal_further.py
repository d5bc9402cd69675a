"""What the terminal says beyond counts: briefly by default, everything with --full, facts apart from what is inferred."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from typer.testing import CliRunner

from builders import REVERSAL, write_table
from render.made import random_rows
from safetyrepro.cli import app
from safetyrepro.errors import SafetyReproError

RUNNER = CliRunner()
HEADER = ("model", "benchmark", "f", "g", "item_id", "score")


def shown(folder: Path, rows, *options: str, header=HEADER) -> str:
    """What `analyze` prints about a table, on one line."""
    path = write_table(folder / "t.csv", rows, header)
    assert RUNNER.invoke(app, ["ingest", "table", str(path), "-o", str(folder / "store")]).exit_code == 0
    result = RUNNER.invoke(app, ["analyze", str(folder / "store"), *options], env={"COLUMNS": "120"})
    assert result.exit_code == 0, result.output
    assert max(len(line) for line in result.output.splitlines()) <= 120
    return " ".join(result.output.split())


def grid(scores: dict[str, list[float]], *, n_items: int = 1, benchmark: str = "bench") -> list[tuple[object, ...]]:
    """Scores of each model under x-p, x-q, y-p, y-q."""
    cells = list(itertools.product("xy", "pq"))
    return [
        (model, benchmark, f, g, f"i{i}", score)
        for model, values in scores.items()
        for (f, g), score in zip(cells, values, strict=True)
        for i in range(n_items)
    ]


TURNING = {"a": [1, 1, 0, 0], "b": [0, 0, 1, 1]}


def test_a_reversal_shows_what_turns_it_and_what_moves_it(tmp_path: Path):
    text = shown(tmp_path, grid(TURNING), "--draws", "0")

    assert "from f=x, g=p the order turns by changing f" in text
    assert "factors to change before the other is ahead: 1 in 4 of 4 configurations" in text
    assert "what moves the difference (exact; spread 1.0000): f 100% ████████████████████████ g 0%" in text
    assert "is ahead: everywhere" not in text


def test_without_a_reversal_nothing_more_is_said_unless_all_is_asked_for(tmp_path: Path):
    rows = grid({"a": [1, 1, 0.9, 1], "b": [0, 0, 0, 0.5]})

    brief = shown(tmp_path, rows, "--draws", "0")
    full = shown(tmp_path, rows, "--draws", "0", "--full")

    assert "what moves the difference" not in brief
    assert "what moves the difference" in full


def test_full_shows_six_senses_levels_left_out_and_terms(tmp_path: Path):
    text = shown(tmp_path, grid(TURNING), "--draws", "0", "--full")

    assert "a is ahead: everywhere no, nowhere behind no, mostly no, on average no, in the worst case no, whatever the" in text
    assert (
        "f: 2 of 2 levels oppose the rest (x, y), 2 alone make a reversal; a new level may with a chance of up to 100%" in text
    )
    assert "largest terms: f 100%, g 0%, f x g 0%" in text
    assert "Bradley-Terry log strengths, configurations as voters: a +0.00, b +0.00" in text


def test_three_models_show_what_all_configurations_agree_on_and_a_circle(tmp_path: Path):
    circle = {"a": [3, 1, 2, 2], "b": [2, 3, 1, 2], "c": [1, 2, 3, 2], "d": [0, 0, 0, 0]}
    rows = [(model, bench, f, g, item, score / 4) for model, bench, f, g, item, score in grid(circle)]  # type: ignore[operator]

    brief = shown(tmp_path, rows, "--draws", "0")
    full = shown(tmp_path, rows, "--draws", "0", "--full")

    assert "Agreed by all 4 complete configurations: a > d, b > d, c > d; 3 of 6 pairs undecided" in brief
    assert "The majority goes in a circle: a > b > c > a" in brief
    assert "Kemeny" not in brief
    assert "Places left open: a 1-3, b 1-3, c 1-3, d 4-4" in full
    assert "4 overruled, 3 by any order" in full
    assert "No Bradley-Terry strengths: no chain of wins leads from d to a, b, c" in full


def test_a_cell_that_is_missing_leaves_a_limit_and_type_two(tmp_path: Path):
    text = shown(tmp_path, grid(TURNING)[:-1], "--draws", "0", "--full")

    assert "of 4 cells of the grid have the minority's order (95 %, had the evaluated ones been drawn at random)" in text
    assert "Type II, 1 configurations lack a value" in text
    assert "nowhere behind no, mostly open" in text


def test_an_order_that_hangs_on_unreadable_answers_is_said_twice(tmp_path: Path):
    rows = [("a", "bench", "x", "p", f"i{i}", "" if i < 10 else 1, "unparsed" if i < 10 else "") for i in range(12)]
    rows += [("b", "bench", "x", "p", f"i{i}", 1 if i < 11 else 0, "") for i in range(12)]

    text = shown(tmp_path, rows, "--draws", "200", "--full", header=(*HEADER, "status"))

    assert "10 of 24 answers could not be read, 0 failed: the order of 1 of 1 pairs depends on how they count" in text
    assert "a / b: the order depends on the failure policy: wrong: only B is ahead (A 0, B 1, tie 0); dropped: only A" in text
    assert "in 1 configurations the order could be another one, whatever was observed; widest -0.7500 to +0.0833" in text
    assert "a / b: unresolved: the order depends on the failure policy" in text


def test_a_target_with_failures_has_no_bounds(tmp_path: Path):
    rows = [(model, "bench", "x", "p", "i0", score, "") for model, score in (("a", 1), ("b", 0))]
    rows += [("a", "bench", "x", "p", "i1", "", "unparsed"), ("b", "bench", "x", "p", "i1", 1, "")]
    path = write_table(tmp_path / "t.csv", rows, (*HEADER, "status"))
    made = RUNNER.invoke(app, ["ingest", "table", str(path), "-o", str(tmp_path / "s"), "--orientation", "target(0.5)"])
    assert made.exit_code == 0, made.output

    done = RUNNER.invoke(app, ["analyze", str(tmp_path / "s"), "--draws", "0", "--full"], env={"COLUMNS": "120"})

    assert "no bounds: the distance to a target is not a mean over items" in " ".join(done.output.split())


def test_failures_that_leave_every_score_of_both_in_place_have_nothing_open(tmp_path: Path):
    rows = [(model, "bench", "x", "p", "i0", score, "") for model, score in (("a", 1), ("b", 0))]
    rows += [("a", "bench", "x", "p", "i1", "", "unparsed")]

    text = shown(tmp_path, rows, "--draws", "0", "--full", header=(*HEADER, "status"))

    assert "a / b: every item asked of both has a score" in text


def test_sizes_of_effects_are_shown_below_what_the_items_can_bear(tmp_path: Path):
    text = shown(tmp_path, grid(TURNING, n_items=60), "--draws", "200", "--full")

    assert "a / b: sizes of effects in points, 95% intervals, 60 units f: 1.0000 (1.0000 to 1.0000; less noise 1.0000)" in text
    assert text.index("What the items can bear") < text.index("sizes of effects in points")


def test_why_sizes_are_left_out_is_said(tmp_path: Path):
    text = shown(tmp_path, grid(TURNING, n_items=3)[:-3], "--draws", "200", "--full")
    alone = shown(tmp_path, grid({"a": [1, 1, 1, 1]}), "--draws", "200", "--full")

    assert "what moves the difference (Type II" in text
    assert "Sizes of effects are left out: there is no pair of models." in alone


def test_equivalence_is_shown_only_with_a_margin(tmp_path: Path):
    rows = grid({"a": [1, 1, 1, 1], "b": [1, 1, 1, 1]}, n_items=100)

    without = shown(tmp_path, rows, "--draws", "200")
    within = shown(tmp_path, rows, "--draws", "200", "--margin", "0.1")

    assert "equivalent within" not in without
    assert "a / b: equivalent within 0.1 in 4 of 4 configurations; everywhere p < 0.0001" in within


def test_a_margin_without_tests_is_refused(tmp_path: Path):
    shown(tmp_path, grid(TURNING), "--draws", "0")

    done = RUNNER.invoke(app, ["analyze", str(tmp_path / "store"), "--draws", "0", "--margin", "0.1"])

    assert isinstance(done.exception, SafetyReproError)
    assert "--margin" in str(done.exception)


def test_repeats_show_the_floor_of_the_flip_rate(tmp_path: Path):
    rows = [(*row, repeat) for repeat in (0, 1) for row in grid(TURNING if repeat else {"a": [0, 1, 0, 0], "b": [1, 0, 1, 1]})]

    text = shown(tmp_path, rows, "--draws", "200", header=(*HEADER, "repeat"))

    assert "repeats alone turn the order in 1 of 4 pairs of repeats: placebo flip rate 0.250" in text


def test_benchmarks_with_the_same_factors_are_joined_in_full(tmp_path: Path):
    rows = grid(TURNING) + grid({"a": [0, 0, 1, 1], "b": [1, 1, 0, 0]}, benchmark="other")

    brief = shown(tmp_path, rows, "--draws", "0")
    full = shown(tmp_path, rows, "--draws", "0", "--full")

    assert "4 shared configurations" not in brief
    assert (
        "4 shared configurations: reverses on bench, other; flip rate on some 0.500, on all 0.500, of their average 0.000"
        in full
    )


def test_scorers_that_rate_the_same_items_are_compared_in_full(tmp_path: Path):
    header = ("model", "benchmark", "scorer", "item_id", "score")
    rows = [
        (model, "bench", scorer, f"i{i}", int(i % 2 == 0 or scorer == "kind"))
        for model in "ab"
        for scorer in ("kind", "strict")
        for i in range(20)
    ]

    brief = shown(tmp_path, rows, "--draws", "200", header=header)
    full = shown(tmp_path, rows, "--draws", "200", "--full", header=header)

    assert "least agreement" not in brief
    assert (
        "kind and strict (scorer) on a: least agreement kappa 0.00 (both 10, first only 10, second only 0, neither 0)" in full
    )
    assert "say yes unequally often in 1 of 1 comparisons (McNemar, Holm; smallest p 0.0020)" in full
    assert full.index("least agreement") < full.index("What the items can bear") < full.index("unequally often")


def test_many_edges_and_many_sets_are_cut_by_default(tmp_path: Path):
    rows = random_rows(models=[f"m{i}" for i in range(9)], levels=("x", "y"), n_items=200)
    ordered = [(model, bench, level, item, min(1.0, int(model[1:]) / 9)) for model, bench, level, item, _ in rows]

    text = shown(tmp_path, ordered, "--draws", "0", header=("model", "benchmark", "f", "item_id", "score"))

    assert " and 2 more; 0 of 36 pairs undecided" in text


@pytest.mark.parametrize("hostile", ["\x1b[31mred\x1b[0m", "a\u202eb", "[red]x[/red]"])
def test_no_control_sequence_of_a_name_reaches_the_terminal(tmp_path: Path, hostile: str):
    rows = [(f"{row[0]}{hostile}", row[1], f"{row[2]}{hostile}", *row[3:]) for row in REVERSAL]

    text = shown(tmp_path, rows, "--full", "--draws", "200", header=("model", "benchmark", "f", "item_id", "score"))

    assert not set("\x1b\u202e") & set(text)
