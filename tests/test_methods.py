"""Packages and scorers are compared item by item, where nothing else differs: against plain counting, and on edges."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import record, write_table
from made_tables import Grid, layout_of, members, table_of
from safetyrepro import methods as methods_module
from safetyrepro.analysis import AnalysisOptions, analyze
from safetyrepro.envelope import Factor, Level, Stage
from safetyrepro.inference import InferenceOptions
from safetyrepro.ingest import ingest_table
from safetyrepro.methods import compare_methods, method_columns, methods_tested
from safetyrepro.records import ItemRecord
from safetyrepro.scores import ScoreTable

GRID: Grid = {"template": ("t", "u"), "scorer": ("one", "two", "three")}
Ratings = list[list[float | None]]
"""Rating of each item in each of the six configurations."""


def rated(ratings: Ratings, grid: Grid = GRID, *, cluster: str = "") -> ScoreTable:
    configurations = members(grid)
    rows = [
        record(model="a", settings=member.as_dict(), item=f"i{i}", value=value, cluster=cluster)
        for member, values in zip(configurations, ratings, strict=True)
        for i, value in enumerate(values)
        if value is not None
    ]
    return table_of(rows, ("a",), configurations)


def kappa(pairs: list[tuple[float, float]]) -> float | None:
    """Cohen's kappa from its definition."""
    n = len(pairs)
    observed = sum(one == other for one, other in pairs) / n
    yes = [sum(rating == 1 for rating in side) / n for side in zip(*pairs, strict=True)]
    expected = yes[0] * yes[1] + (1 - yes[0]) * (1 - yes[1])
    return None if expected == 1 else (observed - expected) / (1 - expected)


items = st.lists(st.sampled_from([0.0, 1.0, None]), min_size=5, max_size=5)


@settings(max_examples=80)
@given(st.lists(items, min_size=6, max_size=6))
def test_the_least_agreement_is_that_of_plain_counting(ratings: Ratings):
    table = rated(ratings)
    found = {(entry.first, entry.second): entry for entry in compare_methods(table, layout_of(table), ()).agreements}
    places = [member.as_dict() for member in members(GRID)]

    for one, other in itertools.combinations(GRID["scorer"], 2):
        kappas, shares = [], []
        for template in GRID["template"]:
            rows = [ratings[places.index({"template": template, "scorer": scorer})] for scorer in (one, other)]
            pairs = [(x, y) for x, y in zip(*rows, strict=True) if x is not None and y is not None]
            if pairs:
                kappas.append(kappa(pairs))
                shares.append(sum(x == y for x, y in pairs) / len(pairs))
        entry = found.get((one, other))
        assert (entry is None) == (not shares)
        if entry is not None:
            defined = [value for value in kappas if value is not None]
            assert entry.n_configurations == len(shares)
            assert entry.least.kappa == (pytest.approx(min(defined)) if defined else None)
            if not defined:
                assert entry.least.share_equal == pytest.approx(min(shares))


@settings(max_examples=40)
@given(st.lists(items, min_size=6, max_size=6))
def test_the_tests_are_exact_binomials_adjusted_over_the_comparisons(ratings: Ratings):
    table = rated(ratings)
    tests = {(entry.first, entry.second): entry for entry in methods_tested(table, layout_of(table), (), alpha=0.05)}
    places = [member.as_dict() for member in members(GRID)]

    for (one, other), test in tests.items():
        values = []
        for template in GRID["template"]:
            rows = [ratings[places.index({"template": template, "scorer": scorer})] for scorer in (one, other)]
            pairs = [(x, y) for x, y in zip(*rows, strict=True) if x is not None and y is not None]
            b, c = pairs.count((1.0, 0.0)), pairs.count((0.0, 1.0))
            if pairs:
                tail = sum(math.comb(b + c, k) for k in range(min(b, c) + 1)) / 2 ** (b + c)
                values.append(min(1.0, 2 * tail))
        assert test.n_configurations == len(values)
        assert test.p_least == pytest.approx(min(1.0, len(values) * min(values)))
        assert test.n_differing == sum(min(1.0, len(values) * value) <= 0.05 for value in [min(values)])


def test_methods_are_factors_of_the_scoring_stage_or_with_a_methods_name():
    table = rated([[1.0]] * 6)
    layout = layout_of(table)
    shots = Factor(name="template", stage=Stage.SCORE, levels=(Level(name="t"), Level(name="u")))

    assert method_columns(layout, ()) == [1]
    assert method_columns(layout, (shots,)) == [0, 1]


def test_a_method_with_one_level_is_not_compared():
    table = rated([[1.0], [0.0]], {"template": ("t", "u"), "scorer": ("one",)})

    found = compare_methods(table, layout_of(table), ())

    assert (found.agreements, found.skipped) == ((), "")


def test_the_rest_of_the_configuration_is_named():
    ratings: Ratings = [[1.0, 0.0]] * 3 + [[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]
    table = rated(ratings)

    found = compare_methods(table, layout_of(table), ()).agreements[0]

    assert (found.factor, found.first, found.second, found.model) == ("scorer", "one", "two", "a")
    assert found.settings == {"template": "u"}
    assert (found.least.kappa, found.kappa_median) == (-1.0, 0.0)


def test_values_between_no_and_yes_are_not_compared():
    table = rated([[0.5]] * 6)

    assert "as a yes or a no is" in compare_methods(table, layout_of(table), ()).skipped


def test_without_items_and_beyond_the_limit_the_reason_is_told(monkeypatch: pytest.MonkeyPatch):
    empty: list[ItemRecord] = []
    nothing = table_of(empty, ("a",), members(GRID))
    table = rated([[1.0]] * 6)

    assert compare_methods(nothing, layout_of(nothing), ()).skipped == "there are no items"
    monkeypatch.setattr(methods_module, "MOST_COMPARISONS", 5)
    assert "6 pairs of cells" in compare_methods(table, layout_of(table), ()).skipped
    assert methods_tested(table, layout_of(table), (), alpha=0.05) == ()


def test_items_of_one_cluster_are_described_and_not_tested():
    table = rated([[1.0, 0.0]] * 6, cluster="c")

    assert len(compare_methods(table, layout_of(table), ()).agreements) == 3
    assert methods_tested(table, layout_of(table), (), alpha=0.05) == ()


def test_the_analysis_keeps_agreement_apart_from_tests(tmp_path: Path):
    rows = [(model, "bench", scorer, f"i{i}", int(i % 2 == 0)) for model in "ab" for scorer in ("one", "two") for i in range(6)]
    path = write_table(tmp_path / "t.csv", rows, ("model", "benchmark", "scorer", "item_id", "score"))
    store = ingest_table(path, tmp_path / "s")

    realized = analyze(store, AnalysisOptions(inference=None))
    both = analyze(store, AnalysisOptions(inference=InferenceOptions(draws=100, resamples=0)))

    assert realized.method_tests == {}
    assert realized.methods == both.methods
    assert [entry.least.kappa for entry in realized.methods["bench"].agreements] == [1.0, 1.0]
    assert [entry.p_least for entry in both.method_tests["bench"]] == [1.0, 1.0]
