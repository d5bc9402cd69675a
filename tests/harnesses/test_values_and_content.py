"""Numbers, words, questions and names: what a foreign value means, and when two items ask the same."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safetyrepro.estimands import Estimand
from safetyrepro.harnesses.base import (
    ForeignRun,
    Mark,
    at,
    finite_or_none,
    list_at,
    mark_of,
    not_stated,
    number_of,
    object_at,
    text_at,
    word,
)
from safetyrepro.harnesses.content import (
    cluster_of,
    content_digest,
    normalised,
    options_of,
    question_of,
    stratum_of,
    text_digest,
    tokens_digest,
)
from safetyrepro.harnesses.mapping import cells_of
from safetyrepro.harnesses.metrics import METRICS, direction_known, estimand_of
from safetyrepro.records import Status

foreign = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
)


@given(foreign)
def test_any_value_has_a_finite_number_or_a_reason(value) -> None:
    mark = mark_of(value)
    assert (mark.status is Status.SCORED) == (mark.value is not None)
    assert mark.value is None or math.isfinite(mark.value)
    assert bool(mark.reason) == (mark.value is None)
    assert finite_or_none(value) == mark.value


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_and_its_text_are_the_same_number(value: float) -> None:
    assert number_of(value) == number_of(repr(value)) == value


@pytest.mark.parametrize(
    ("value", "number"), [("True", 1.0), ("false", 0.0), ("1_000", None), ("", None), ("12 apples", None), (10**400, math.inf)]
)
def test_texts_that_mean_a_number_are_few(value: object, number: float | None) -> None:
    assert number_of(value) == number


def test_a_mark_with_a_value_is_scored_and_nothing_else_is() -> None:
    with pytest.raises(ValueError, match="exactly when"):
        Mark(value=None, status=Status.SCORED)
    with pytest.raises(ValueError, match="exactly when"):
        Mark(value=1.0, status=Status.UNPARSED)


@given(foreign, st.lists(st.text(max_size=3), max_size=3))
def test_walking_into_any_value_never_fails(value, path) -> None:
    assert isinstance(text_at(value, *path), str)
    assert isinstance(object_at(value, *path), dict)
    assert isinstance(list_at(value, *path), list)
    at(value, *path)
    assert "\n" not in word(value)


def test_undisclosed_fields_are_listed_in_one_order_and_a_false_name_is_refused() -> None:
    assert not_stated({"model": "m", "seed": 0, "dtype": ""})[:2] == ("harness version", "model revision")
    assert "seed" not in not_stated({"seed": 0})
    with pytest.raises(ValueError, match="no disclosures"):
        not_stated({"colour": "red"})


def test_two_ways_to_write_a_question_are_one_question() -> None:
    assert normalised("  It’s\nFINE\u00a0– ok ") == "it's fine - ok"
    assert content_digest("It’s fine?", ["Yes", "no "]) == content_digest("it's  fine?", ["No", "yes"])
    assert content_digest("It is fine?", ["yes"]) != content_digest("It is fine?", ["no"])
    assert content_digest("  ", ["yes"]) == ""


@given(st.text(alphabet=st.characters(max_codepoint=127)))
def test_plain_text_is_normalised_as_any_other(text) -> None:
    assert normalised(text) == normalised(text + " é").removesuffix(" é").removesuffix("é")


@given(st.text(), st.lists(st.text(), max_size=4))
def test_the_order_of_options_does_not_tell_items_apart(text, options) -> None:
    assert content_digest(text, options) == content_digest(text, options[::-1])


def test_digests_of_texts_are_of_the_texts_as_they_stand() -> None:
    assert text_digest("a") != text_digest("a ")
    assert text_digest("") == tokens_digest(()) == ""
    assert tokens_digest((1, 23)) != tokens_digest((12, 3))


@pytest.mark.parametrize(
    ("record", "question", "options"),
    [
        ({"sent_more": "A", "sent_less": "B"}, "A\nB", ()),
        ({"context": "C", "question": "Q", "ans0": "x", "ans1": "y"}, "C\nQ", ("x", "y")),
        ({"question": "Q", "mc1_targets": {"choices": ["x", "y"]}}, "Q", ("x", "y")),
        ({"question": "Q", "choices": {"text": ["x"], "label": ["A"]}}, "Q", ("x",)),
        ({"premise": "P", "hypothesis": "H"}, "P\nH", ()),
        ({"foo": "short", "bar": "the longest text"}, "the longest text", ()),
        ({"n": 3}, "", ()),
        ({"question": ["a", "b"]}, "a\nb", ()),
    ],
)
def test_the_question_of_a_row_is_found_by_its_field_names(record: dict, question: str, options: tuple[str, ...]) -> None:
    assert question_of(record) == question
    assert options_of(record) == options


def test_rows_of_one_template_share_a_cluster() -> None:
    assert cluster_of({"question_index": "3", "category": "Age"}) == "Age/3"
    assert cluster_of({"passage": "Some text"}) == cluster_of({"passage": "some  TEXT"}) != ""
    assert cluster_of({"question": "Q"}) == ""
    assert stratum_of({"bias_type": "age", "category": "x"}) == "age"
    assert stratum_of({"category": 3}) == ""


def test_the_table_of_metrics_holds_ranges_and_directions() -> None:
    assert all(low < high for low, high, _ in METRICS.values())
    assert str(estimand_of("pct_stereotype", higher_is_better=True).orientation) == "target(0.5)"
    assert str(estimand_of("loss", higher_is_better=False).orientation) == "lower"
    assert estimand_of("exact_match@5").high == 1.0
    assert estimand_of("own", bounds=(0.0, 5.0)).high == 5.0
    assert estimand_of("own").high == math.inf
    assert direction_known("exact_match:test", higher_is_better=None)
    assert not direction_known("own", higher_is_better=None)
    assert direction_known("own", higher_is_better=False)


def run(benchmark: str, scoring: str, *metrics: str) -> ForeignRun:
    estimands = tuple(Estimand(name=metric, about="") for metric in metrics)
    settings = {"harness": "x", "scoring": scoring} if scoring else {"harness": "x"}
    return ForeignRun(
        harness="lm-eval", harness_version=None, benchmark=benchmark, model="m", settings=settings, estimands=estimands
    )


def test_two_metrics_that_differ_in_their_rule_are_one_question_under_two_rules() -> None:
    cells = cells_of(run("arc", "multiple_choice", "acc", "acc_norm", "f1"))
    assert [(cell.settings["scoring"], [e.name for e in cell.estimands.values()]) for cell in cells] == [
        ("sum", ["accuracy", "f1"]),
        ("per_character", ["accuracy"]),
    ]


def test_two_tasks_that_differ_in_their_question_are_two_questions_of_one_benchmark() -> None:
    cells = [cell for task in ("truthfulqa_mc1", "truthfulqa_mc2") for cell in cells_of(run(task, "multiple_choice", "acc"))]
    assert [(cell.benchmark, [e.name for e in cell.estimands.values()]) for cell in cells] == [
        ("truthfulqa", ["mc1"]),
        ("truthfulqa", ["mc2"]),
    ]


def test_what_means_nothing_here_keeps_its_own_words() -> None:
    (cell,) = cells_of(run("own_task", "generate_until", "own_metric", "acc"))
    assert cell.benchmark == "own_task"
    assert [estimand.name for estimand in cell.estimands.values()] == ["own_metric", "accuracy"]
    assert cell.settings["scoring"] == "generate_until"
    (letters,) = cells_of(run("mmlu", "multiple_choice_joint", "exact_match"))
    assert [estimand.name for estimand in letters.estimands.values()] == ["accuracy"]
