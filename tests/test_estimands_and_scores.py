"""Orientation, aggregation, failure policies: how records become scores."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import configuration, estimand, record
from safetyrepro.estimands import Aggregation, Direction, Estimand, Orientation
from safetyrepro.records import ItemRecord, Status
from safetyrepro.scores import FailurePolicy, ItemRule, build_table, cell_score, paired_differences

X, Y = configuration(f="x"), configuration(f="y")

values = st.lists(st.integers(0, 4).map(lambda number: number / 4), min_size=1, max_size=12)


def table(records: list[ItemRecord], **options):
    return build_table(
        records,
        benchmark="bench",
        estimand=options.pop("estimand", estimand()),
        models=("a", "b"),
        configurations=(X, Y),
        **options,
    )


@pytest.mark.parametrize("text", ["higher", "lower", "target(50)", "target(0.5)"])
def test_an_orientation_is_read_back_from_its_own_text(text: str):
    assert str(Orientation.parse(text)) == text


@pytest.mark.parametrize("text", ["up", "", "target", "target()", "target(x)"])
def test_an_unknown_orientation_is_refused(text: str):
    with pytest.raises(ValueError):
        Orientation.parse(text)


def test_an_orientation_has_a_target_exactly_when_it_is_one():
    with pytest.raises(ValueError, match="target"):
        Orientation(Direction.TARGET)
    with pytest.raises(ValueError, match="target"):
        Orientation(Direction.HIGHER, 3.0)


@pytest.mark.parametrize(
    ("text", "score", "expected"),
    [("higher", 0.3, 0.3), ("lower", 0.3, -0.3), ("target(50)", 47.0, -3.0), ("target(50)", 53.0, -3.0)],
)
def test_an_oriented_score_is_higher_where_it_is_safer(text: str, score: float, expected: float):
    assert Orientation.parse(text).oriented(score) == expected


@pytest.mark.parametrize(
    ("text", "worst"), [("higher", 0.0), ("lower", 100.0), ("target(30)", 100.0), ("target(70)", 0.0), ("target(50)", 0.0)]
)
def test_the_worst_value_is_the_end_farthest_from_safe(text: str, worst: float):
    assert estimand(high=100.0, orientation=text).worst == worst


@given(values, st.randoms(use_true_random=False))
def test_a_mean_does_not_depend_on_the_order_of_items(numbers: list[float], random):
    shuffled = list(numbers)
    random.shuffle(shuffled)
    ones = np.ones(len(numbers))

    first = cell_score(np.array(numbers), ones, [""] * len(numbers), Aggregation.MEAN)

    assert first == cell_score(np.array(shuffled), ones, [""] * len(numbers), Aggregation.MEAN)
    assert first == float(sum(map(Fraction, numbers)) / len(numbers))


def test_balanced_is_the_mean_of_the_strata_means_and_undefined_when_one_is_empty():
    numbers, ones = np.array([1.0, 1.0, 1.0, 0.0]), np.ones(4)

    assert cell_score(numbers, ones, ["safe", "safe", "safe", "unsafe"], Aggregation.BALANCED) == 0.5
    assert cell_score(numbers, np.array([1, 1, 1, 0.0]), ["safe", "safe", "safe", "unsafe"], Aggregation.BALANCED) is None
    assert cell_score(np.array([]), np.array([]), [], Aggregation.BALANCED) is None


def test_a_net_score_of_answers_that_never_commit_is_undefined_not_zero():
    ones = np.ones(3)

    assert cell_score(np.zeros(3), ones, [""] * 3, Aggregation.NET) is None
    assert cell_score(np.array([1.0, -1.0, 0.0]), ones, [""] * 3, Aggregation.NET) == 0.0


def test_no_item_gives_no_score():
    assert cell_score(np.array([]), np.array([]), [], Aggregation.MEAN) is None
    assert cell_score(np.array([1.0]), np.array([0.0]), [""], Aggregation.MEAN) is None


def test_an_unparsed_answer_counts_as_worst_or_leaves_the_denominator_and_the_record_stays():
    rows = [record(item="i0", value=1.0), record(item="i1", value=None, status=Status.UNPARSED)]

    wrong = table(rows, policy=FailurePolicy.WRONG)
    dropped = table(rows, policy=FailurePolicy.DROPPED)

    assert wrong.raw[0, 0] == 0.5
    assert dropped.raw[0, 0] == 1.0
    assert rows[1].value is None


@pytest.mark.parametrize("status", [Status.FAILED, Status.JUDGE_REFUSED, Status.NOT_RUN, Status.UNKNOWN])
@pytest.mark.parametrize("policy", list(FailurePolicy))
def test_what_the_model_did_not_answer_never_becomes_a_score(status: Status, policy: FailurePolicy):
    rows = [record(item="i0", value=0.5), record(item="i1", value=None, status=status)]

    made = table(rows, policy=policy)

    assert made.raw[0, 0] == 0.5
    assert not made.known[0, 0, 1]


def test_a_cell_without_records_has_no_score_and_is_not_a_tie():
    made = table([record(model="a", value=0.0)])

    assert made.scored.tolist() == [[True, False], [False, False]]


def test_common_items_are_those_that_every_model_has_in_that_configuration():
    rows = [
        record(model="a", item="i0", value=1.0),
        record(model="a", item="i1", value=0.0),
        record(model="b", item="i1", value=1.0),
    ]

    assert table(rows).raw[0, 0] == 0.5
    assert table(rows, item_rule=ItemRule.COMMON).raw[0, 0] == 0.0


def test_repeats_are_averaged_within_their_item():
    rows = [record(item="i0", value=1.0), record(item="i0", value=0.0, repeat=1), record(item="i1", value=1.0)]

    assert table(rows).raw[0, 0] == 0.75


def test_a_target_scores_the_distance_of_the_mean_not_the_mean_of_distances():
    rows = [record(item="i0", value=100.0), record(item="i1", value=0.0)]

    made = table(rows, estimand=estimand(high=100.0, orientation="target(50)"))

    assert made.scores[0, 0] == 0.0
    assert made.raw[0, 0] == 50.0


def test_weights_take_items_out_of_the_denominator():
    rows = [record(item="i0", value=1.0), record(item="i1", value=0.0, weight=0.0)]

    assert table(rows).raw[0, 0] == 1.0


def test_paired_differences_point_where_higher_is_safer():
    rows = [record(model="a", value=1.0), record(model="b", value=0.0), record(model="a", item="i1", value=1.0)]

    up, known = paired_differences(table(rows), 0, 1)
    down, _ = paired_differences(table(rows, estimand=estimand(orientation="lower")), 0, 1)

    assert up[:, 0].tolist() == [1.0, 0.0]
    assert down[:, 0].tolist() == [-1.0, 0.0]
    assert known[:, 0].tolist() == [True, False]


def test_clusters_are_numbered_in_order_of_first_occurrence():
    rows = [record(item="i0", cluster="q"), record(item="i1", cluster="p"), record(item="i2", cluster="q")]

    assert table(rows).cluster_index.tolist() == [0, 1, 0]


@given(st.lists(st.sampled_from([None, 0.0, 0.5, 1.0]), min_size=1, max_size=8))
def test_a_table_equals_the_plain_definition_under_every_policy(numbers: list[float | None]):
    rows = [record(item=f"i{i}", value=number) for i, number in enumerate(numbers)]
    present = [number for number in numbers if number is not None]

    wrong = table(rows, policy=FailurePolicy.WRONG)
    dropped = table(rows, policy=FailurePolicy.DROPPED)

    assert math.isclose(wrong.raw[0, 0], sum(present) / len(numbers))
    assert dropped.scored[0, 0] == bool(present)
    if present:
        assert math.isclose(dropped.raw[0, 0], sum(present) / len(present))


def test_an_estimand_keeps_its_reference_and_its_scale():
    made = Estimand(name="mc1", about="share", reference="Lin et al. 2022")

    assert (made.low, made.high, made.aggregation) == (0.0, 1.0, Aggregation.MEAN)
