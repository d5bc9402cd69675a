"""Requests, responses, outcomes and the four-part error sentence."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import response
from safetyrepro import errors
from safetyrepro.errors import MissingDependency, SafetyReproError
from safetyrepro.records import Decoding, Item, Outcome, Prompt, Request, RequestKind, Role, Status, digest_of


def test_a_request_asks_exactly_one_of_the_two_questions():
    prompt = Prompt.plain("Q")

    assert Request(prompt=prompt, continuation=" A").kind is RequestKind.LOGLIKELIHOOD
    assert Request(prompt=prompt, decoding=Decoding(max_tokens=1)).kind is RequestKind.GENERATION
    with pytest.raises(ValueError, match="either"):
        Request(prompt=prompt)
    with pytest.raises(ValueError, match="either"):
        Request(prompt=prompt, continuation="a", decoding=Decoding(max_tokens=1))


def test_equal_requests_are_one_request():
    one = Request(prompt=Prompt.plain("Q"), continuation=" A")

    assert len({one, Request(prompt=Prompt.plain("Q"), continuation=" A")}) == 1
    assert one.prompt.turns[0].role is Role.USER


def test_a_loglikelihood_is_the_correctly_rounded_sum_of_its_tokens():
    assert response(logprobs=[-0.1] * 10).loglikelihood == -1.0


@pytest.mark.parametrize("status", [status for status in Status if status is not Status.SCORED])
def test_only_a_scored_outcome_has_a_value(status: Status):
    Outcome(estimand="e", value=None, status=status)
    with pytest.raises(ValueError, match="exactly when"):
        Outcome(estimand="e", value=0.0, status=status)
    with pytest.raises(ValueError, match="exactly when"):
        Outcome(estimand="e", value=None, status=Status.SCORED)


@given(st.dictionaries(st.text(max_size=5), st.one_of(st.none(), st.integers(), st.text(max_size=5)), max_size=4))
def test_the_digest_of_an_item_follows_its_content_and_nothing_else(content: dict[str, str]):
    backwards = dict(reversed(list(content.items())))

    assert Item(id="1", cluster="c", content=content).digest == Item(id="2", cluster="d", content=backwards).digest
    assert digest_of({**content, "more": 1}) != digest_of({**content, "more": 2})


def test_an_error_says_where_what_was_found_what_was_expected_and_what_to_do():
    error = SafetyReproError(
        "file.csv, row 3", found="score 'x' is not a number", expected="a number", remedy="Correct the row."
    )

    assert error.sentence == "file.csv, row 3: score 'x' is not a number; expected a number. Correct the row."
    assert str(error) == error.sentence


def test_a_missing_library_is_reported_with_the_command_that_installs_it():
    assert "pip install 'safetyrepro[hf]'" in MissingDependency("torch", purpose="backend hf", extra="hf").sentence


def test_the_tree_of_errors_is_drawn_whole():
    named = [value.__name__ for value in vars(errors).values() if isinstance(value, type)]

    assert all(name in (errors.__doc__ or "") for name in named)
