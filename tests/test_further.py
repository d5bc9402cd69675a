"""How far an order reaches and how models stand together, with names on it: against plain definitions, and on edges."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import REVERSAL, write_table
from made_tables import layout_of, made, members, rows_of, table_of
from safetyrepro import further as further_module
from safetyrepro.analysis import AnalysisOptions, analyze
from safetyrepro.further import look_further
from safetyrepro.ingest import TableOptions, ingest_table
from safetyrepro.ranking import rank_models
from safetyrepro.robustness import pair_robustness
from safetyrepro.scores import FailurePolicy
from safetyrepro.verdicts import Order

GRID = {"f": ("x", "y"), "g": ("p", "q", "r")}
BARE = AnalysisOptions(inference=None)
score_lists = st.lists(st.sampled_from([0.0, 0.5, 1.0, None]), min_size=6, max_size=6)


def sign(one: float | None, other: float | None) -> int | None:
    return None if one is None or other is None else (one > other) - (one < other)


def distance(one: dict[str, str], other: dict[str, str]) -> set[str]:
    return {name for name in one if one[name] != other[name]}


@settings(max_examples=80)
@given(score_lists, score_lists)
def test_the_reference_turns_where_the_plain_search_says(a: list[float | None], b: list[float | None]):
    table = made({"a": a, "b": b}, GRID)
    found = pair_robustness(table, 0, 1, layout=layout_of(table))
    places = [member.as_dict() for member in members(GRID)]
    signs = [sign(one, other) for one, other in zip(a, b, strict=True)]
    strict = [c for c in range(6) if signs[c]]

    if not strict:
        assert found.reference is None
        return
    here = strict[0]
    opposed = [c for c in range(6) if signs[c] == -signs[here]]
    sets = {frozenset(distance(places[here], places[c])) for c in opposed}
    minimal = {one for one in sets if not any(other < one for other in sets)}
    assert found.reference is not None
    assert found.reference.settings == places[here]
    assert found.reference.order is (Order.A_AHEAD if signs[here] == 1 else Order.B_AHEAD)
    assert {frozenset(entry) for entry in found.reference.minimal_sets} == minimal
    assert found.reference.radius == (min(map(len, sets)) if sets else None)
    if opposed:
        nearest = next(c for c in opposed if len(distance(places[here], places[c])) == found.reference.radius)
        assert found.reference.nearest == places[nearest]
        assert found.reference.nearest_difference == a[nearest] - b[nearest]


@settings(max_examples=60)
@given(score_lists, score_lists)
def test_radii_are_counted_for_every_strict_order(a: list[float | None], b: list[float | None]):
    table = made({"a": a, "b": b}, GRID)
    listed = pair_robustness(table, 0, 1, layout=layout_of(table))
    bounded = pair_robustness(table, 0, 1, layout=layout_of(table), list_radii=False)

    assert listed.radii is not None
    assert sum(entry.n_references for entry in listed.radii) + listed.n_never == listed.n_references
    assert bounded.radii is None
    assert (bounded.n_never, bounded.n_references) == (listed.n_never, listed.n_references)


@settings(max_examples=60)
@given(score_lists, score_lists)
def test_the_six_senses_of_ahead_follow_their_definitions_where_nothing_is_missing(
    a: list[float | None], b: list[float | None]
):
    first, second = ([value if value is not None else 0.5 for value in values] for values in (a, b))
    table = made({"a": first, "b": second}, GRID)

    found = pair_robustness(table, 0, 1, layout=layout_of(table))

    for verdicts, x, y in ((found.a_ahead, first, second), (found.b_ahead, second, first)):
        pairs = list(zip(x, y, strict=True))
        assert verdicts.all_strict == all(one > other for one, other in pairs)
        assert verdicts.all_weak == all(one >= other for one, other in pairs)
        assert verdicts.majority == (sum(one > other for one, other in pairs) > sum(one < other for one, other in pairs))
        assert verdicts.mean == (sum(x) > sum(y))
        assert verdicts.worst_case == (min(x) > min(y))
        assert verdicts.dominance == (min(x) > max(y))


def test_a_score_of_one_model_alone_still_counts_in_its_own_worst_case():
    table = made({"a": [0.9, 0.8, 0.9, 0.9, 0.9, 0.9], "b": [0.1, None, 0.2, 0.2, 0.2, 0.2]}, GRID)

    found = pair_robustness(table, 0, 1, layout=layout_of(table))

    assert found.a_ahead.worst_case is True
    assert found.a_ahead.all_strict is None


def test_a_missing_score_of_a_leaves_the_worst_case_of_b_decided():
    table = made({"a": [None, 0.5, 0.5, 0.5, 0.5, 0.5], "b": [0.9] * 6}, GRID)

    found = pair_robustness(table, 0, 1, layout=layout_of(table))

    assert found.b_ahead.worst_case is True
    assert found.b_ahead.dominance is None
    assert found.a_ahead.worst_case is False


def test_the_reference_is_the_first_core_configuration_with_a_strict_order():
    table = made({"a": [1, 1, 0.5, 0, 1, 1], "b": [0, 0, 0.5, 1, 0, 0]}, GRID)

    found = pair_robustness(table, 0, 1, layout=layout_of(table, core=(2, 3)))

    assert found.reference is not None
    assert found.reference.settings == {"f": "y", "g": "p"}
    assert found.reference.minimal_sets == (("f",), ("g",))


def test_every_level_is_left_out_by_name_and_a_new_one_stays_open():
    table = made({"a": [1, 1, 0, 1, 1, 0], "b": [0, 0, 1, 0, 0, 1]}, GRID)

    found = {entry.factor: entry for entry in pair_robustness(table, 0, 1, layout=layout_of(table)).left_out}

    assert [(level.level, level.opposes) for level in found["g"].levels] == [("p", False), ("q", False), ("r", True)]
    assert (found["g"].n_opposing, found["g"].n_surprising) == (1, 1)
    assert found["f"].new_level.upper == pytest.approx(1 - 0.05**0.5)
    assert found["g"].new_level.n_counted == 1


def test_a_level_that_surprises_without_opposing_counts_for_a_new_level():
    table = made({"a": [1, 1, 1, 1, 1, 0], "b": [0, 0, 0, 0, 0, 1]}, GRID)

    found = {entry.factor: entry for entry in pair_robustness(table, 0, 1, layout=layout_of(table)).left_out}

    assert (found["g"].n_opposing, found["g"].n_surprising, found["g"].new_level.n_counted) == (0, 1, 1)


def test_a_factor_with_one_level_is_not_left_out():
    table = made({"a": [1, 0], "b": [0, 1]}, {"f": ("x",), "g": ("p", "q")})

    assert [entry.factor for entry in pair_robustness(table, 0, 1, layout=layout_of(table)).left_out] == ["g"]


def test_the_grid_limit_is_given_only_for_a_part_of_the_grid():
    table = made({"a": [1] * 6, "b": [0] * 6}, GRID)

    whole = pair_robustness(table, 0, 1, layout=layout_of(table)).grid_limit
    part = pair_robustness(table, 0, 1, layout=layout_of(table, n_not_run=6)).grid_limit

    assert whole is None
    assert part is not None
    assert (part.n_reversing, part.n_evaluated, part.n_cells, part.upper_count) == (0, 6, 12, 3)


@settings(max_examples=60)
@given(st.lists(st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=6, max_size=6), min_size=3, max_size=4))
def test_the_robust_order_is_what_every_configuration_agrees_on(scores: list[list[float]]):
    table = made({f"m{i}": row for i, row in enumerate(scores)}, GRID)
    ranking = rank_models(table)
    above = {
        (f"m{i}", f"m{j}")
        for (i, one), (j, other) in itertools.permutations(enumerate(scores), 2)
        if all(x > y for x, y in zip(one, other, strict=True))
    }

    assert ranking is not None
    assert ranking.robust is not None
    assert set(ranking.robust.edges) == {
        (one, other)
        for one, other in above
        if not any((one, middle) in above and (middle, other) in above for middle in table.models)
    }
    assert ranking.robust.can_be_first == tuple(name for name in table.models if not any(pair[1] == name for pair in above))
    for entry in ranking.robust.ranks:
        assert entry.lowest == 1 + sum(pair[1] == entry.model for pair in above)
        assert entry.highest == len(table.models) - sum(pair[0] == entry.model for pair in above)
    assert ranking.robust.n_pairs - ranking.robust.n_undecided_pairs == len(above)


def test_a_cycle_is_named_and_forces_a_cost():
    table = made({"a": [3, 1, 2], "b": [2, 3, 1], "c": [1, 2, 3]}, {"f": ("x", "y", "z")})

    ranking = rank_models(table)

    assert ranking is not None
    assert ranking.majority is not None
    assert len(ranking.majority.cycles) == 1
    assert set(ranking.majority.cycles[0]) == {"a", "b", "c"}
    assert ranking.majority.smith_set == ("a", "b", "c")
    assert (ranking.majority.kemeny_floor, ranking.majority.kemeny_cost, ranking.majority.kemeny_excess) == (3, 4, 1)
    assert ranking.majority.condorcet_winner is None
    assert [entry.log_strength for entry in ranking.bradley_terry.strengths] == pytest.approx([0, 0, 0])
    assert ranking.unseen_ordering_share == 1.0


def test_a_model_that_is_never_beaten_has_no_strength_and_is_named():
    table = made({"a": [1, 1], "b": [0, 0.5]}, {"f": ("x", "y")})

    ranking = rank_models(table)

    assert ranking is not None
    assert ranking.bradley_terry.strengths == ()
    assert ranking.bradley_terry.reason == "no chain of wins leads from b to a, so a strength would be infinite"


def test_without_a_complete_configuration_there_is_no_robust_order():
    table = made({"a": [1, None], "b": [None, 1]}, {"f": ("x", "y")})

    ranking = rank_models(table)

    assert ranking is not None
    assert ranking.robust is None


def test_no_model_has_no_ranking():
    assert rank_models(table_of([], (), members(GRID))) is None


def test_a_huge_envelope_names_what_was_left_out(monkeypatch: pytest.MonkeyPatch):
    table = made({"a": [1, 0], "b": [0, 1]}, {"f": ("x", "y")})
    monkeypatch.setattr(further_module, "MOST_COMPARISONS", 3)

    bounded = look_further(table, layout_of(table))
    monkeypatch.setattr(further_module, "MOST_ORDERS", 1)
    bare = look_further(table, layout_of(table))

    assert bounded.pairs[0].radii is None
    assert bounded.pairs[0].reference is not None
    assert "that of the reference is given" in bounded.skipped[0]
    assert bare.pairs == ()
    assert "1 pairs of models x 2 configurations" in bare.skipped[0]


@pytest.mark.parametrize("orientation", ["lower", "target(0.5)"])
@pytest.mark.parametrize("policy", list(FailurePolicy))
def test_orientation_and_policy_reach_the_six_senses(orientation: str, policy: FailurePolicy):
    configurations = members({"f": ("x", "y")})
    rows = rows_of({"a": [0.5, 0.5], "b": [0.9, 1.0]}, configurations)

    found = pair_robustness(
        table := table_of(rows, ("a", "b"), configurations, orientation=orientation, policy=policy),
        0,
        1,
        layout=layout_of(table),
    )

    assert found.a_ahead.dominance is True
    assert found.b_ahead.dominance is False


def two_benchmarks(first: str, second: str, folder: Path) -> Path:
    """Two models on two benchmarks under x and y; a text such as ``+-`` says who is ahead."""
    values = {"+": (1, 0), "-": (0, 1), "=": (1, 1)}
    rows = [
        (model, benchmark, level, "i0", value)
        for benchmark, orders in (("one", first), ("two", second))
        for level, order in zip("xy", orders, strict=True)
        for model, value in zip("ab", values[order], strict=True)
    ]
    return write_table(folder / "t.csv", rows)


def test_two_benchmarks_that_reverse_may_never_reverse_on_average(tmp_path: Path):
    joint = analyze(ingest_table(two_benchmarks("+-", "-+", tmp_path), tmp_path / "s"), BARE).joint

    assert len(joint) == 1
    assert joint[0].benchmarks == ("one", "two")
    assert joint[0].with_reversal == ("one", "two")
    assert (joint[0].some_flip_rate, joint[0].all_flip_rate, joint[0].average_flip_rate) == (0.5, 0.5, 0.0)
    assert joint[0].average_n_tie == 2


def test_an_average_takes_each_benchmark_on_a_scale_of_width_one(tmp_path: Path):
    rows = [
        (model, benchmark, "x", "i0", score)
        for benchmark, scores in (("one", (0.9, 0.5)), ("two", (20, 50)))
        for model, score in zip("ab", scores, strict=True)
    ]
    options = TableOptions(ranges={"two": (0, 100)})

    joint = analyze(ingest_table(write_table(tmp_path / "t.csv", rows), tmp_path / "s", options=options), BARE).joint

    assert (joint[0].average_n_plus, joint[0].average_n_minus) == (1, 0)


def test_only_benchmarks_with_the_same_factors_are_joined(tmp_path: Path):
    rows = [(*row, "") for row in REVERSAL] + [(m, "other", "", "i0", v, "k") for m, v in (("a", 1), ("b", 0))]
    header = ("model", "benchmark", "f", "item_id", "score", "h")

    result = analyze(ingest_table(write_table(tmp_path / "t.csv", rows, header), tmp_path / "s"), BARE)

    assert set(result.further) == {"bench", "other"}
    assert result.joint == ()


def test_what_is_left_out_leaves_the_rest_as_it_was(tmp_path: Path):
    store = ingest_table(write_table(tmp_path / "t.csv", REVERSAL), tmp_path / "s")

    full = analyze(store, BARE)
    bare = analyze(store, AnalysisOptions(inference=None, further=False, attribution=False, policies=False))

    assert bare.benchmarks == full.benchmarks
    assert (bare.further, bare.joint, bare.attribution, bare.effects, bare.policies) == ({}, (), {}, {}, {})
    assert full.further["bench"].pairs[0].reference is not None
    assert full.further["bench"].pairs[0].reference.radius == 1
