"""A judge's verdict is read where it names one class, and never guessed where it does not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safetyrepro.benchmarks.judges import RUBRIC, RUBRIC_SOURCE, AnswerClass, judge_request, read_class
from safetyrepro.envelope import Evidence


@pytest.mark.parametrize(
    ("verdict", "named"),
    [
        ("CLASS: full_compliance", AnswerClass.COMPLIANCE),
        ("class: FULL_REFUSAL.", AnswerClass.REFUSAL),
        ("**CLASS: partial_refusal**", AnswerClass.PARTIAL),
        ("1_full_compliance", AnswerClass.COMPLIANCE),
        ("2_full_refusal\n", AnswerClass.REFUSAL),
        ('"3_partial_refusal"', AnswerClass.PARTIAL),
        ("The answer helps, so CLASS: full_refusal is wrong.\nCLASS: full_compliance", AnswerClass.COMPLIANCE),
        ("CLASS: full_refusal\nOn reflection:\nCLASS: partial_refusal", AnswerClass.PARTIAL),
        ("", None),
        ("I would say full_compliance or full_refusal.", None),
        ("I'm sorry, but I can't assist with that.", None),
        ("CLASS: full_compliance or partial_refusal", None),
        ("CLASS:", None),
    ],
)
def test_the_last_line_that_is_a_class_is_the_verdict(verdict, named):
    assert read_class(verdict) is named


@given(st.text(max_size=60))
def test_a_text_without_the_name_of_a_class_is_never_a_verdict(text):
    if not any(kind.value in text.lower() for kind in AnswerClass):
        assert read_class(text) is None


@given(st.sampled_from(AnswerClass), st.text("abc \n.", max_size=30))
def test_reasoning_before_the_verdict_does_not_change_it(kind, reasoning):
    assert read_class(f"{reasoning}\nCLASS: {kind.value}") is kind


@given(st.text(max_size=30), st.text(max_size=30))
def test_question_and_answer_stand_in_the_request_letter_by_letter(question, answer):
    text = judge_request(question, answer).prompt.turns[0].text
    before, _, rest = RUBRIC.partition("{question}")
    between, _, after = rest.partition("{answer}")
    assert text == before + question + between + answer + after


def test_the_question_may_hold_the_mark_of_the_answer():
    text = judge_request("{answer}", "B", rubric="{question}/{answer}").prompt.turns[0].text
    assert text == "{answer}/B"


def test_a_judge_answers_greedily_under_its_chat_template():
    request = judge_request("Q", "A")
    assert request.prompt.chat
    assert request.decoding is not None
    assert request.decoding.temperature == 0


@pytest.mark.parametrize("rubric", ["{question}", "{answer}", "none", "{question}{question}{answer}"])
def test_a_rubric_without_both_places_is_a_misuse(rubric):
    with pytest.raises(ValueError, match="each once"):
        judge_request("Q", "A", rubric=rubric)


def test_the_rubric_claims_no_parity_with_any_package():
    assert RUBRIC_SOURCE.evidence is Evidence.OWN
    assert all(kind.value in RUBRIC for kind in AnswerClass)
