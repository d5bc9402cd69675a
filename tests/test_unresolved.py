"""What files cannot tell apart is named, with the fewest runs that would tell it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safetyrepro.explain import RULE, explain
from safetyrepro.harnesses.base import UNRECORDED
from safetyrepro.harnesses.rules import Answer
from safetyrepro.prompts import Relation
from safetyrepro.records import Status
from safetyrepro.sides import Side, SideItem
from safetyrepro.unresolved import NUMERICS, behind, differing, fewest_runs, open_questions

SAME = Relation.SAME.value
LEVELS = st.dictionaries(
    st.sampled_from(["harness", "dtype", "prefix", "shots", "scoring", "house"]), st.sampled_from(["x", "y", UNRECORDED])
)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ((), SAME),
        ((("prefix", "none", "bos"),), Relation.TOKENS.value),
        ((("dtype", "float32", "bfloat16"), ("shots", "0", "5")), NUMERICS),
        ((("engine", "hf", "vllm"), ("prefix", "none", "bos")), SAME),
        ((("scoring", "sum", "per_character"),), SAME),
    ],
)
def test_answers_to_one_prompt_differ_by_what_is_on_record(settings, expected) -> None:
    assert behind(settings) == expected


def test_a_package_moves_as_one_and_needs_no_run_where_it_comes_last() -> None:
    settings = (
        ("harness", "lm-eval", "helm"),
        ("harness_version", "0.4.5", "0.5.16"),
        ("dtype", "float32", "float16"),
        ("template", "lm-eval:1", "helm:2"),
        ("scoring", "sum", "letters"),
    )
    assert fewest_runs([Relation.WORDING.value], settings) == ("run A with dtype = float16",)
    assert fewest_runs([Relation.WORDING.value], (*settings, ("shots", "0", "5"))) == (
        "run A with dtype = float16",
        "run A with shots = 5",
    )
    versions = (("harness_version", "0.4.5", "0.4.13"), ("dtype", "float32", "float16"))
    assert fewest_runs([SAME], versions) == ("run A with harness_version = 0.4.13",)


def test_a_level_that_nobody_recorded_cannot_be_run_and_is_named() -> None:
    settings = (("dtype", "float32", UNRECORDED), ("shots", "0", "5"))
    assert fewest_runs([NUMERICS], settings) == ()
    assert fewest_runs([SAME], settings[:1]) == ("name files that record the settings of both sides",)
    assert "only one side records dtype" in open_questions([NUMERICS], settings, recognised=True)


def test_without_any_difference_on_record_the_noise_is_asked_for() -> None:
    assert fewest_runs([SAME], ()) == ("run A a second time: the gap between its two runs is the noise",)
    assert fewest_runs([Relation.SPACE.value], ()) == ()
    assert fewest_runs([Relation.UNKNOWN.value], ()) == ("run both sides again with their prompts logged",)


@given(LEVELS, LEVELS)
def test_runs_are_fewer_than_the_settings_that_differ(a, b) -> None:
    settings = differing(a, b)
    assert {name for name, _, _ in settings} == {
        name for name in {*a, *b} if a.get(name, UNRECORDED) != b.get(name, UNRECORDED)
    }
    runs = fewest_runs([Relation.SPACE.value], settings)
    assert len(runs) <= max(len(settings) - 1, 0)
    assert all(UNRECORDED not in run and "scoring" not in run for run in runs)


def item(number: int, value: float, response: str) -> SideItem:
    return SideItem(
        id=str(number), text=f"Question {number} of a list?", answer=Answer(response=response), gold="", value=value,
        status=Status.SCORED, prompt=f"Q: Question {number} of a list?", token_digest="",
    )  # fmt: skip


def test_equal_answers_with_other_values_are_the_reading_even_where_no_rule_is_known() -> None:
    items = [item(number, float(number % 2), f"I will not {number}.") for number in range(10)]
    side = Side(
        name="A", model="m", benchmark="toy", estimand="refusal", worst=0.0, settings={"scoring": "prefix"}, items=tuple(items)
    )
    stricter = [replace(one, value=0.0) for one in items[:5]] + [
        replace(one, answer=Answer(response="No."), value=1.0) for one in items[5:]
    ]
    found = explain(side, replace(side, items=tuple(stricter), settings={"scoring": "substring"}))
    amounts = {part.cause: part.amount for part in found.parts}
    assert amounts == {RULE: pytest.approx(0.2), SAME: pytest.approx(-0.2)}
    assert next(part for part in found.parts if part.cause == RULE).n_items == 2


def test_a_rule_that_asks_for_more_beside_one_answer_is_the_reading_and_no_other_prompt() -> None:
    def cell(scoring: str, likelihoods: tuple[float, ...], value: float) -> Side:
        items = tuple(
            replace(
                item(number, value, ""), answer=Answer(loglikelihoods=likelihoods), first_key=f"key {number}",
                prompt=scoring, token_digest=scoring,
            )
            for number in range(6)
        )  # fmt: skip
        return Side(
            name=scoring, model="m", benchmark="toy", estimand="mc1", worst=0.0, settings={"scoring": scoring}, items=items
        )

    found = explain(cell("sum", (-1.0, -2.0, -3.0), 1.0), cell("per_token", (-1.0, -2.0), 0.0))
    assert [(part.cause, part.amount, part.n_items) for part in found.parts] == [(RULE, 1.0, 6)]
    assert found.example is None
    assert found.runs == ()
