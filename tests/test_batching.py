"""Groups of a run hold each request once; a repeat gives every request other company and its answer another key."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from safetyrepro.backends.base import Encoded
from safetyrepro.batching import ask_groups, repeat_key
from safetyrepro.records import Prompt, Request


def encoded(number: int) -> Encoded:
    request = Request(prompt=Prompt.plain(f"text {number}"), continuation="yes")
    return Encoded(
        request=request,
        text=f"text {number}",
        context_ids=(number // 7, number),
        continuation_ids=(1,),
        truncated=0,
        key=f"key{number}",
    )


@given(st.integers(0, 60), st.integers(1, 20), st.integers(0, 5))
def test_every_request_stands_in_exactly_one_group_of_at_most_the_size(n_requests: int, size: int, repeat: int):
    asked = [encoded(number) for number in range(n_requests)]
    groups = list(ask_groups(asked, size=size, repeat=repeat))
    assert sorted(one.key for group in groups for one in group) == sorted(one.key for one in asked)
    assert all(0 < len(group) <= size for group in groups)


@given(st.permutations(range(30)), st.integers(0, 3))
def test_groups_do_not_depend_on_the_order_in_which_requests_come(order: list[int], repeat: int):
    ordered = list(ask_groups([encoded(number) for number in range(30)], size=8, repeat=repeat))
    assert list(ask_groups([encoded(number) for number in order], size=8, repeat=repeat)) == ordered


def test_the_first_time_neighbours_stand_together():
    groups = list(ask_groups([encoded(number) for number in reversed(range(20))], size=8))
    assert [[one.context_ids[1] for one in group] for group in groups] == [
        list(range(8)),
        list(range(8, 16)),
        list(range(16, 20)),
    ]


def test_a_repeat_mixes_inside_a_stretch_of_neighbours_and_gives_other_company():
    asked = [encoded(number) for number in range(64)]
    seen = []
    for repeat in range(4):
        company = {
            one.key: frozenset(other.key for other in group)
            for group in ask_groups(asked, size=32, repeat=repeat)
            for one in group
        }
        seen.append(company)
    for one in range(4):
        for other in range(one):
            assert all(seen[one][entry.key] != seen[other][entry.key] for entry in asked)
    halves = list(ask_groups(asked, size=32, repeat=1))
    assert [len(group) for group in halves] == [16, 16, 16, 16]
    assert {one.context_ids[1] < 32 for one in halves[0] + halves[1]} == {True}


def test_an_answer_keeps_its_key_the_first_time_and_has_another_in_each_repeat():
    keys = [repeat_key("0123456789abcdef0123456789abcdef", repeat) for repeat in range(5)]
    assert keys[0] == "0123456789abcdef0123456789abcdef"
    assert len(set(keys)) == 5
    assert {len(key) for key in keys} == {32}
