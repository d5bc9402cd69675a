"""What vLLM is asked so that few tokens are computed, held against a memory of blocks written slowly."""

from __future__ import annotations

import types

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fake_vllm import Logprob
from safetyrepro.backends.vllm_requests import Question, Sequenced, fed, in_context_order, questions, read, stepwise, whole
from safetyrepro.errors import RequestFailed

tokens = st.integers(0, 2)
sequences = st.lists(
    st.builds(
        Sequenced, st.lists(tokens, min_size=1, max_size=14).map(tuple), st.lists(tokens, min_size=1, max_size=5).map(tuple)
    ),
    min_size=1,
    max_size=6,
)


def computed(asked: list[Question], block: int) -> int:
    """Tokens that an engine computes which remembers every whole block, and reads none where it lists a prompt."""
    known: set[tuple[int, ...]] = set()
    total = 0
    for question in asked:
        ids = question.prompt
        ends = [end for end in range(block, len(ids), block) if ids[:end] in known and not question.listed]
        total += len(ids) - max(ends, default=0)
        known |= {ids[:end] for end in range(block, len(ids) + 1, block)}
    return total


def flat(wanted: list[list[Question]]) -> list[Question]:
    return [question for some in wanted for question in some]


@given(sequences, st.integers(1, 6))
def test_every_scored_token_is_asked_for_exactly_once_and_behind_what_precedes_it(found, block):
    for some, one in zip(questions(found, block=block), found, strict=True):
        ids = one.context + one.continuation
        asked = []
        for question in some:
            assert ids[: len(question.prompt)] == question.prompt
            assert ids[len(question.prompt)] == question.token
            asked += list(range(len(question.prompt) - question.listed, len(question.prompt) + 1))
        assert asked == list(range(len(one.context), len(ids)))


@given(sequences, st.integers(1, 6))
def test_no_more_tokens_are_computed_than_by_listing_every_prompt_whole(found, block):
    ordered = [found[place] for place in in_context_order(found)]
    chosen = computed(flat(questions(ordered, block=block)), block)
    assert chosen <= sum(len(one.context + one.continuation) - 1 for one in ordered)


@given(st.lists(tokens, min_size=1, max_size=14).map(tuple), st.integers(1, 6), st.data())
def test_the_count_for_one_context_is_what_an_engine_computes_at_most(context, block, data):
    continuations = data.draw(
        st.lists(st.lists(tokens, min_size=1, max_size=5).map(tuple), min_size=1, max_size=4, unique=True)
    )
    group = [Sequenced(context, one) for one in continuations]
    for way in (stepwise, whole):
        asked = [way(one) for one in group]
        counted = fed(asked, first=len(context), block=block)
        assert computed(flat(asked), block) <= counted
        distinct = {question.prompt for some in asked for question in some}
        if len(distinct) == sum(map(len, asked)) and len({one[0] for one in continuations}) == len(continuations):
            assert counted - computed(flat(asked), block) <= block * len(distinct)


def test_a_long_context_with_short_continuations_is_asked_in_steps_and_a_short_one_with_a_long_one_whole():
    long = [Sequenced(tuple(range(500)), (700 + number, 800)) for number in range(4)]
    short = [Sequenced((1, 2, 3), tuple(range(50)))]
    assert [len(some) for some in questions(long, block=16)] == [2, 2, 2, 2]
    assert [len(some) for some in questions(short, block=16)] == [1]
    assert [len(some) for some in questions(long, block=None)] == [1, 1, 1, 1]
    assert computed(flat(questions(long, block=16)), 16) < 600 < 2000 < computed(flat([whole(one) for one in long]), 16)


def said(**values: object) -> types.SimpleNamespace:
    entries = [None, {5: Logprob(-1.0), 9: Logprob(-0.5)}, {6: Logprob(-0.25)}]
    drawn = types.SimpleNamespace(token_ids=[7], finish_reason="length", logprobs=[{7: Logprob(-2.0), 8: Logprob(-1.0)}])
    return types.SimpleNamespace(**{"prompt_logprobs": entries, "outputs": [drawn], "num_cached_tokens": 0, **values})


def test_a_reading_is_of_the_tokens_at_the_end_and_of_the_drawn_one():
    found = read(Question((4, 5, 6), 7, 2), said())
    assert [(one.logprob, one.likeliest) for one in found] == [(-1.0, False), (-0.25, True), (-2.0, False)]
    assert [one.logprob for one in read(Question((4, 5, 6), 7, 0), said(prompt_logprobs=None))] == [-2.0]


@pytest.mark.parametrize(
    ("question", "part"),
    [
        (Question((4, 5, 6), 8, 0), "drew token 7; expected 8"),
        (Question((4, 5, 6, 6), 7, 1), "lists 3 log-probabilities for a prompt of 4 tokens"),
        (Question((4, 5, 3), 7, 1), "says nothing of token 3"),
    ],
)
def test_what_stands_in_another_place_is_no_reading(question, part):
    with pytest.raises(RequestFailed, match=part):
        read(question, said())
