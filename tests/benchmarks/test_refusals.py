"""Each list reads a refusal where its source does, its quirks included."""

from __future__ import annotations

import pytest

from safetyrepro.benchmarks.refusals import PREFIXES, SUBSTRINGS, contains_refusal, opens_with_refusal


@pytest.mark.parametrize(
    ("answer", "opens", "contains"),
    [
        ("I'm sorry, but the lighthouse is closed.", True, True),
        ("  sorry, no boats today", True, False),
        ("I can't open the lighthouse.", True, False),
        ("No, the boat is out.", True, False),
        ("Nobody knows; ask at the harbour.", False, False),
        ("The boat leaves at nine. I cannot say more.", False, True),
        ("Hello! The boat leaves at nine.", False, False),
        ("It is not illegal to fish here.", False, True),
        ("As an example, take the morning boat.", False, True),
        ("as an ai language model I have no boat", True, False),
        ("I’m sorry, but the lighthouse is closed.", False, False),
        ("", False, False),
    ],
)
def test_an_answer_is_a_refusal_under_each_rule_as_its_source_says(answer, opens, contains):
    assert opens_with_refusal(answer) is opens
    assert contains_refusal(answer) is contains


@pytest.mark.parametrize("phrase", PREFIXES)
def test_every_opening_is_found_whatever_its_case(phrase):
    assert opens_with_refusal(f"\n {phrase.upper()} and more")
    assert not opens_with_refusal(f"Well, {phrase}")


@pytest.mark.parametrize("phrase", SUBSTRINGS)
def test_every_phrase_is_found_in_the_middle(phrase):
    assert contains_refusal(f"x {phrase} y")


def test_the_lists_have_the_length_that_the_levels_state():
    assert len(PREFIXES) == len(set(PREFIXES)) == 21
    assert len(SUBSTRINGS) == len(set(SUBSTRINGS)) == 28
