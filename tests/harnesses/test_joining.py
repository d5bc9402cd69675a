"""Items of ours and of a package, joined by what is asked in every form in which packages keep a question."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safetyrepro.harnesses.base import ForeignItem
from safetyrepro.harnesses.joining import LONGEST_CUE, join
from safetyrepro.records import Item

PASSAGE = {"context": "A bell rang.", "question": "Who heard it?", "options": ["The cook", "Nobody", "The smith"]}


def item(name: str, **content: object) -> Item:
    return Item(id=name, cluster=name, content=content)


def foreign(*texts: str) -> list[ForeignItem]:
    return [ForeignItem(id=str(number), text=text) for number, text in enumerate(texts)]


@pytest.mark.parametrize(
    "text",
    [
        "A bell rang.\nWho heard it?",
        "Context: A bell rang.\n\nQuestion: Who heard it?",
        "A bell rang.\nQuestion: Who heard it?",
        "Choose one.\nPassage: A bell rang.\nQuestion: Who heard it?\nA. The cook\nB. Nobody\nC. The smith\nAnswer:",
    ],
)
def test_a_question_about_a_passage_is_found_in_every_form(text: str) -> None:
    joined = join([item("x", **PASSAGE)], foreign(text))
    assert list(joined.found) == ["x"]
    assert joined.n_strange == 0


def test_a_pair_of_sentences_and_a_statement_are_questions_too() -> None:
    items = [item("pair", sent_more="A.", sent_less="B."), item("said", text="It rains")]
    assert set(join(items, foreign("A.\nB.", "Is it so? 'It rains'")).found) == {"pair", "said"}


def test_a_question_with_more_behind_it_than_a_cue_is_a_stranger() -> None:
    items = [item("x", question="Who?")]
    assert join(items, foreign(f"Who?{'.' * LONGEST_CUE}")).n_strange == 0
    assert join(items, foreign(f"Who?{'.' * (LONGEST_CUE + 1)}")).n_strange == 1


def test_of_two_questions_that_a_prompt_ends_with_the_longer_is_meant() -> None:
    items = [item("short", question="heard it?"), item("long", question="Who heard it?")]
    assert list(join(items, foreign("Who heard it? A:")).found) == ["long"]


@given(
    st.lists(st.sampled_from(["a b", "c d", "e f"]), max_size=8),
    st.lists(st.sampled_from(["a b", "c d", "e f", "zz"]), max_size=8),
)
def test_every_item_joins_once_and_strangers_are_the_rest(ours: list[str], theirs: list[str]) -> None:
    joined = join([item(f"i{n}", question=text) for n, text in enumerate(ours)], foreign(*theirs))
    wanted = sum(min(ours.count(text), theirs.count(text)) for text in set(ours))
    assert len(joined.found) == wanted
    assert joined.n_strange == len(theirs) - wanted
    assert len({one.id for one in joined.found.values()}) == wanted
