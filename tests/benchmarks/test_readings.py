"""Answers are read as the defining code reads them; what cannot be read is None with a reason."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import response
from safetyrepro.benchmarks import readings
from safetyrepro.benchmarks.readings import Reading

scores_lists = st.lists(st.floats(-50, 0, allow_nan=False), min_size=1, max_size=6)


def likelihoods(*sums: float):
    return [response(logprobs=[value]) for value in sums]


@given(scores_lists)
def test_the_first_of_the_largest_is_chosen_as_argmax_does(scores: list[float]) -> None:
    reading = readings.largest(scores)
    assert reading.index == int(np.argmax(scores))
    assert reading.tied == (scores.count(max(scores)) > 1)


def test_a_score_that_is_no_number_reads_as_nothing() -> None:
    assert readings.largest([0.0, math.nan]) == Reading(index=None, reason="a score is not a number")


@given(st.lists(st.tuples(st.text(min_size=1, max_size=8), st.lists(st.floats(-9, 0), min_size=1, max_size=5)), min_size=1))
def test_every_rule_over_options_is_its_formula(options: list[tuple[str, list[float]]]) -> None:
    texts = [text for text, _ in options]
    responses = [response(logprobs=logprobs) for _, logprobs in options]
    sums = [math.fsum(logprobs) for _, logprobs in options]
    assert readings.option_scores("sum", texts, responses) == tuple(sums)
    assert readings.option_scores("per_character", texts, responses) == tuple(
        total / len(text) for total, text in zip(sums, texts, strict=True)
    )
    assert readings.option_scores("per_byte", texts, responses) == tuple(
        total / len(text.encode()) for total, text in zip(sums, texts, strict=True)
    )
    assert readings.option_scores("per_token", texts, responses) == tuple(
        total / len(logprobs) for total, (_, logprobs) in zip(sums, options, strict=True)
    )
    alone = likelihoods(*[-1.0] * len(texts))
    assert readings.option_scores("pmi", texts, responses + alone) == tuple(total + 1.0 for total in sums)


def test_normalisation_changes_who_wins() -> None:
    texts = ["No", "Certainly"]
    responses = [response(logprobs=[-4.0]), response(logprobs=[-3.0, -3.0])]
    assert readings.reading_of("sum", texts, responses).index == 0
    assert readings.reading_of("per_token", texts, responses).index == 1
    assert readings.reading_of("per_character", texts, responses).index == 1
    assert readings.reading_of("pmi", texts, responses + likelihoods(-4.0, -9.0)).index == 1


def test_another_number_of_responses_is_a_misuse() -> None:
    with pytest.raises(ValueError, match="asked 4 requests about 2 options, got 2"):
        readings.option_scores("pmi", ["a", "b"], likelihoods(-1, -2))
    with pytest.raises(ValueError, match="divides by the length"):
        readings.option_scores("per_token", ["a"], [response(logprobs=[])])
    with pytest.raises(ValueError, match="no rule 'vibes'"):
        readings.option_scores("vibes", ["a"], likelihoods(-1))


def test_letters_compete_by_their_likelihood() -> None:
    assert readings.reading_of("letter_logprob", ["x", "y", "z"], likelihoods(-3, -1, -2)) == Reading(index=1)


@pytest.mark.parametrize(("text", "index"), [("B", 1), (" C\n", 2), ("A", 0)])
def test_one_token_counts_if_it_is_exactly_a_letter(text: str, index: int) -> None:
    assert readings.reading_of("letter_token", ["x", "y", "z"], [response(text=text)]).index == index


@pytest.mark.parametrize(
    ("text", "reason"), [("", "empty answer"), ("D", "'D' is not one of A to C"), ("b", "not one"), ("A.", "not one")]
)
def test_any_other_token_is_unread_with_its_reason(text: str, reason: str) -> None:
    reading = readings.reading_of("letter_token", ["x", "y", "z"], [response(text=text)])
    assert reading.index is None
    assert reason in reading.reason


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ("ANSWER: B", 1),
        ("answer : c", 2),
        ("Well.\nANSWER: A\nANSWER: B", 0),
        ("ANSWER: B is right", 1),
        ("**ANSWER: D**", 3),
    ],
)
def test_an_answer_line_is_found_as_inspect_finds_it(text: str, index: int) -> None:
    assert readings.parsed_letter(text, 4) == Reading(index=index)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty answer"),
        ("It is B.", "no 'ANSWER: X'"),
        ("ANSWER: A, B", "marks A, B"),
        ("ANSWER: Z", "marks no option"),
        ("ANSWER: $LETTER", "marks no option"),
    ],
)
def test_an_answer_without_exactly_one_option_is_unread(text: str, reason: str) -> None:
    reading = readings.parsed_letter(text, 4)
    assert reading.index is None
    assert reason in reading.reason


def inspect_marks(completion: str, n_options: int) -> list[int]:
    """The solver's own statements, one by one (inspect_ai@0.3.21 solver/_multiple_choice.py:85-108)."""
    match = re.search(r"(?i)ANSWER\s*:\s*([A-Za-z ,]+)(?:[^\w]|\n|$)", completion)
    if not (match and match.group(1)):
        return []
    true_answers = [ord(character.upper()) - ord("A") for character in match.group(1)]
    return [i for i in range(n_options) if i in true_answers]


@given(st.text(alphabet="ABCDZ abz,.:\nANSWER", max_size=30), st.integers(2, 6))
def test_a_parsed_letter_marks_what_the_solver_marks(tail: str, n_options: int) -> None:
    text = f"ANSWER: {tail}"
    marked = inspect_marks(text, n_options)
    assert readings.parsed_letter(text, n_options).index == (marked[0] if len(marked) == 1 else None)


def test_an_unknown_rule_is_a_misuse() -> None:
    with pytest.raises(ValueError, match="no scoring rule 'vibes'"):
        readings.reading_of("vibes", ["a"], [response(text="A")])


def test_a_long_answer_is_quoted_short() -> None:
    reading = readings.letter_token("word " * 30, 3)
    assert len(reading.reason) < 80
