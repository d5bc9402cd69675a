"""What moves a difference: nesting is found, the shares are those of plain definitions, sizes are inferred and kept apart."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from builders import REVERSAL, record, write_table
from made_tables import layout_of, made, members, table_of
from oracles.factorial import shapley_effects
from safetyrepro import attribute as attribute_module
from safetyrepro import effects as effects_module
from safetyrepro.analysis import AnalysisOptions, analyze
from safetyrepro.attribute import Method, attribute
from safetyrepro.effects import size_effects
from safetyrepro.envelope import Factor, Level
from safetyrepro.inference import InferenceOptions
from safetyrepro.ingest import ingest_table
from safetyrepro.nesting import Design, find_design
from safetyrepro.scores import ScoreTable

GRID = {"f": ("x", "y"), "g": ("p", "q", "r")}
OPTIONS = InferenceOptions(draws=100, resamples=200)
score_lists = st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), min_size=6, max_size=6)


def design_of(table: ScoreTable) -> Design:
    layout = layout_of(table)
    return find_design(layout.levels, layout.factors)


def levels_of(rows: list[str]) -> np.ndarray:
    """One row for each configuration, one letter for each factor."""
    columns = [[row[i] for row in rows] for i in range(len(rows[0]))]
    return np.array([[sorted(set(column)).index(level) for level in column] for column in columns]).T


def test_constant_factors_are_no_part_of_the_design():
    found = find_design(levels_of(["xa", "xb"]), ("f", "g"))

    assert (found.factors, found.nested, found.complete) == (("g",), {}, True)


def test_a_scoring_rule_that_exists_in_one_presentation_only_is_nested_in_it():
    found = find_design(levels_of(["cs", "cm", "lj", "lk"]), ("presentation", "scoring"))

    assert found.nesting == (("scoring", "presentation"),)
    assert found.complete


def test_a_crossed_grid_shows_no_nesting():
    found = find_design(levels_of(["ap", "aq", "bp", "bq"]), ("f", "g"))

    assert (found.nested, found.complete) == ({}, True)


def test_two_factors_that_always_go_together_are_nested_in_neither():
    found = find_design(levels_of(["ap", "bq"]), ("f", "g"))

    assert (found.nested, found.complete) == ({}, False)


def test_a_declared_requirement_makes_a_grid_complete_that_does_not_look_nested():
    levels = levels_of(["cs", "cm", "ls", "lj"])
    scoring = Factor(
        name="scoring",
        stage=None,
        levels=(
            Level(name="s"),
            Level(name="m", requires={"presentation": ("c",)}),
            Level(name="j", requires={"presentation": ("l",)}),
        ),
    )
    presentation = Factor(name="presentation", stage=None, levels=(Level(name="c"), Level(name="l")))

    alone = find_design(levels, ("presentation", "scoring"))
    declared = find_design(levels, ("presentation", "scoring"), (presentation, scoring))

    assert not alone.complete
    assert declared.complete
    assert declared.nesting == (("scoring", "presentation"),)


def test_requirements_that_close_on_themselves_are_not_followed():
    one = Factor(name="f", stage=None, levels=(Level(name="a", requires={"g": ("p",)}),))
    other = Factor(name="g", stage=None, levels=(Level(name="p", requires={"f": ("a",)}),))

    found = find_design(levels_of(["ap", "aq", "bp"]), ("f", "g"), (one, other))

    assert not found.complete


@settings(max_examples=60)
@given(score_lists, score_lists)
def test_shapley_shares_are_those_of_the_plain_definition(a: list[float], b: list[float]):
    table = made({"a": a, "b": b}, GRID)
    difference = [one - other for one, other in zip(a, b, strict=True)]
    assume(len(set(difference)) > 1)

    found = attribute(table, design_of(table)).pairs[0].difference

    grid = list(itertools.product(range(2), range(3)))
    expected = shapley_effects(np.array(difference), np.array(grid))
    total = float(np.var(difference))
    assert found.method is Method.EXACT
    assert [entry.shapley for entry in found.factors] == pytest.approx([float(value) / total for value in expected], abs=1e-9)
    assert sum(term.share or 0.0 for term in found.terms) == pytest.approx(1.0)
    assert found.total_size == pytest.approx(total**0.5)


def test_a_common_shift_moves_scores_and_no_difference():
    table = made({"a": [0.1, 0.4, 0.7, 0.2, 0.5, 0.8], "b": [0.0, 0.3, 0.6, 0.1, 0.4, 0.7]}, GRID)

    found = attribute(table, design_of(table))

    assert found.pairs[0].difference.total_size == pytest.approx(0.0, abs=1e-12)
    assert {entry.shapley for entry in found.pairs[0].difference.factors} == {None}
    assert found.scores[0].model == "a"
    assert found.scores[0].score.total_size > 0.2


def test_the_variance_of_the_sign_is_twice_the_flip_rate_without_ties():
    table = made({"a": [1, 1, 1, 1, 0, 0], "b": [0, 0, 0, 0, 1, 1]}, GRID)

    found = attribute(table, design_of(table)).pairs[0].verdict

    assert found.total_size**2 == pytest.approx(2 * (2 * 4 * 2 / 36))


def test_a_missing_cell_leads_to_type_two_and_says_so():
    table = made({"a": [1, 0, 1, 0, 1, None], "b": [0, 1, 0, 1, 1, 0]}, GRID)

    found = attribute(table, design_of(table)).pairs[0].difference

    assert found.method is Method.TYPE_II
    assert found.reason == "1 configurations lack a value"
    assert found.n_configurations == 5
    assert found.factors == ()
    assert found.residual_df == 0
    assert {term.omega_squared for term in found.terms} == {None}


def test_an_incomplete_envelope_names_the_reason():
    configurations = tuple(member for member in members(GRID) if member.settings != (("f", "y"), ("g", "r")))
    rows = [
        record(model=model, settings=member.as_dict(), value=float(value))
        for model, values in (("a", [1, 0, 1, 0, 1]), ("b", [0, 0, 1, 1, 0]))
        for member, value in zip(configurations, values, strict=True)
    ]
    table = table_of(rows, ("a", "b"), configurations)

    found = attribute(table, design_of(table)).pairs[0].difference

    assert found.reason == "some combinations of levels do not occur"
    assert [term.factors for term in found.terms] == [("f",), ("g",), ("f", "g")]
    assert found.terms[2].df < found.terms[2].nominal_df


def test_one_configuration_is_not_divided():
    table = made({"a": [1, None], "b": [0, 1]}, {"f": ("x", "y")})

    found = attribute(table, design_of(table)).pairs[0].difference

    assert (found.method, found.terms) == (Method.NONE, ())


def test_nothing_varies_and_too_much_varies_are_told(monkeypatch: pytest.MonkeyPatch):
    alone = made({"a": [1], "b": [0]}, {"f": ("x",)})
    table = made({"a": [1] * 6, "b": [0] * 6}, GRID)

    assert attribute(alone, design_of(alone)).skipped == "no factor has two levels"
    monkeypatch.setattr(attribute_module, "MOST_WORK", 5)
    assert "cost too much" in attribute(table, design_of(table)).skipped
    monkeypatch.setattr(attribute_module, "MOST_FACTORS", 1)
    assert "2 factors vary" in attribute(table, design_of(table)).skipped


def many_items(n_items: int, *, orientation: str = "higher") -> ScoreTable:
    """A is right on every item under x and wrong under y; B is right on every other item."""
    configurations = members({"f": ("x", "y")})
    rows = [
        record(model=model, settings=member.as_dict(), item=f"i{i}", value=value)
        for member, a in zip(configurations, (1.0, 0.0), strict=True)
        for i in range(n_items)
        for model, value in (("a", a), ("b", float(i % 2)))
    ]
    return table_of(rows, ("a", "b"), configurations, orientation=orientation)


@pytest.mark.parametrize("orientation", ["higher", "lower"])
def test_sizes_are_in_points_with_an_interval_that_holds_them(orientation: str):
    table = many_items(40, orientation=orientation)

    found = size_effects(table, design_of(table), OPTIONS, name="bench")

    effect = found.pairs[0].effects[0]
    assert effect.factors == ("f",)
    assert effect.size == pytest.approx(0.5)
    assert effect.low <= effect.size <= effect.high
    assert effect.corrected_size <= effect.size
    assert (found.pairs[0].n_units, found.resamples, found.level) == (40, 200, 0.95)
    assert size_effects(table, design_of(table), OPTIONS, name="bench") == found


def test_why_there_are_no_sizes_is_told(monkeypatch: pytest.MonkeyPatch):
    table = many_items(4)
    target = many_items(4, orientation="target(0.5)")
    incomplete = Design(factors=("f",), levels=np.array([[0], [0]]), nested={}, complete=False)

    assert "no resample" in size_effects(table, design_of(table), InferenceOptions(resamples=0), name="b").skipped
    assert "target" in size_effects(target, design_of(target), OPTIONS, name="b").skipped
    assert "not complete" in size_effects(table, incomplete, OPTIONS, name="b").skipped
    monkeypatch.setattr(effects_module, "MOST_DRAWS", 10)
    assert "choose fewer models" in size_effects(table, design_of(table), OPTIONS, name="b").skipped


def test_the_analysis_keeps_what_is_divided_apart_from_what_is_inferred(tmp_path: Path):
    store = ingest_table(write_table(tmp_path / "t.csv", REVERSAL), tmp_path / "s")

    realized = analyze(store, AnalysisOptions(inference=None))
    both = analyze(store, AnalysisOptions(inference=OPTIONS))

    assert realized.effects == {}
    assert realized.attribution == both.attribution
    assert both.effects["bench"].pairs[0].effects[0].factors == ("f",)
