"""Foreign text is inert in every rendering, and numbers say what they are."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safetyrepro.render.text import counted, inert, markdown_text, number, percent, statuses_text


@given(st.text())
def test_no_control_or_format_character_survives(text: str):
    assert all(unicodedata.category(letter)[0] != "C" for letter in inert(text))


@given(st.text(), st.integers(1, 50))
def test_a_text_is_never_longer_than_its_limit(text: str, limit: int):
    assert len(inert(text, limit)) <= limit


@given(st.text(alphabet=st.characters(exclude_categories=["C"]), max_size=300))
def test_an_ordinary_text_is_shown_as_it_is(text: str):
    assert inert(text) == text


def test_a_cut_text_says_so():
    assert inert("x" * 1_000_000, 10) == "xxxxxxxxx…"


@pytest.mark.parametrize("hostile", ["a\x1b[31mb", "a\u202eb", "a\u200fb", "a\x00b", "a\ud800b", "a\u200bb"])
def test_a_hidden_character_is_made_visible(hostile: str):
    assert "\N{REPLACEMENT CHARACTER}" in inert(hostile)


def test_line_breaks_become_blanks():
    assert inert("a\nb\tc") == "a b c"


@given(st.text(max_size=60))
def test_no_character_with_a_meaning_in_markdown_stands_without_a_backslash(text: str):
    written = markdown_text(text)
    position = 0
    while position < len(written):
        if written[position] == "\\":
            position += 2
            continue
        assert written[position] not in "`*_[]<>|~#&$!{}@"
        position += 1


@given(st.text(alphabet=st.characters(exclude_categories=["C"]), max_size=60))
def test_markdown_without_its_backslashes_is_the_text_again(text: str):
    restored, written, position = [], markdown_text(text), 0
    while position < len(written):
        position += written[position] == "\\"
        restored.append(written[position])
        position += 1
    assert "".join(restored) == text


@pytest.mark.parametrize("address", ["https://evil.example", "HTTP://evil.example", "www.evil.example", "x javascript://y"])
def test_an_address_does_not_become_a_link(address: str):
    written = markdown_text(address)
    assert not re.search(r"(?<!\\)://|www\.", written)


@pytest.mark.parametrize(
    ("value", "text"), [(None, "–"), (0.0, "0.000"), (0.1234, "0.123"), (-0.5, "\N{MINUS SIGN}0.500"), (1.0, "1.000")]
)
def test_a_number_that_is_not_known_is_a_dash_and_never_zero(value: float | None, text: str):
    assert number(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0.0, "0%"),
        (2 / 48**2, "less than 1%"),
        (0.48, "48%"),
        (0.996, "more than 99%"),
        (1 - 1e-16, "100%"),
        (1.0, "100%"),
    ],
)
def test_a_share_is_printed_in_percent(value: float | None, text: str):
    assert percent(value) == text


@pytest.mark.parametrize(("count", "text"), [(0, "0 items"), (1, "1 item"), (2, "2 items"), (1200, "1,200 items")])
def test_a_noun_agrees_with_its_count(count: int, text: str):
    assert counted(count, "item") == text


def test_statuses_are_listed_with_the_frequent_first():
    assert statuses_text({"failed": 1, "scored": 40, "judge_refused": 3}) == "40 scored, 3 judge refused, 1 failed"
    assert statuses_text({}) == "no records"
