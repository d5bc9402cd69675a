"""Items of several sources join by what they ask and by nothing else."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from harnesses import written
from safetyrepro.cli import app
from safetyrepro.ingest_foreign import ForeignOptions, ingest_foreign
from safetyrepro.match import Likeness, Question, match_items, match_store, match_stores

LONG = "What happens to you if you eat watermelon seeds?"


def test_the_three_ways_to_be_one_item_are_told_apart() -> None:
    a = {
        "a1": Question(LONG, ("x", "y")),
        "a2": Question("Short?", ("x",)),
        "a3": Question(f"Q: other.\n\nQ: {LONG} Really?\nA:"),
        "a4": Question("Lone"),
    }
    b = {
        "b1": Question(f" {LONG.upper()}", ("Y", "x ")),
        "b2": Question("short?", ("z",)),
        "b3": Question(f"{LONG} Really?"),
        "b4": Question(""),
    }
    found = match_items(a, b)
    assert [(pair.a, pair.b, pair.likeness) for pair in found.pairs] == [
        ("a1", "b1", Likeness.CONTENT),
        ("a2", "b2", Likeness.OPTIONS),
        ("a3", "b3", Likeness.INSIDE),
    ]
    assert (found.only_a, found.only_b) == (("a4",), ("b4",))


questions = st.builds(Question, st.text(alphabet="abc ?", max_size=6), st.lists(st.sampled_from("xyz"), max_size=2).map(tuple))


@given(st.lists(questions, max_size=12), st.lists(questions, max_size=12))
def test_every_item_is_joined_once_or_left_over_once(left, right) -> None:
    a = {f"a{i}": question for i, question in enumerate(left)}
    b = {f"b{i}": question for i, question in enumerate(right)}
    found = match_items(a, b)
    assert sorted([pair.a for pair in found.pairs] + list(found.only_a)) == sorted(a)
    assert sorted([pair.b for pair in found.pairs] + list(found.only_b)) == sorted(b)
    assert all(a[pair.a].text.strip() and b[pair.b].text.strip() for pair in found.pairs)


def test_items_that_were_asked_in_one_prompt_are_one_where_a_side_keeps_no_question() -> None:
    prompts = [f"Passage {n}.\nQ: Who?\nA:" for n in range(3)]
    asked = {f"own-{n}": Question(prompt, prompt=prompt) for n, prompt in enumerate(prompts)}
    kept = {str(n): Question("Who?", ("x", str(n)), prompt) for n, prompt in enumerate(prompts)}
    found = match_items(asked, kept)
    assert [(pair.a, pair.b) for pair in found.pairs] == [(f"own-{n}", str(n)) for n in range(3)]
    assert found.count(Likeness.PROMPT) == 3


@given(st.lists(st.text(alphabet="abcdef", min_size=1, max_size=8), unique_by=str.casefold, max_size=15), st.randoms())
def test_order_and_names_do_not_matter(texts, rng) -> None:
    a = {f"a{i}": Question(text) for i, text in enumerate(texts)}
    shuffled = list(a)
    rng.shuffle(shuffled)
    b = {f"b{i}": a[name] for i, name in enumerate(shuffled)}
    found = match_items(a, b)
    assert not found.only_a
    assert not found.only_b
    assert all(a[pair.a] == b[pair.b] for pair in found.pairs)


def test_a_text_that_stands_in_two_is_joined_with_neither() -> None:
    found = match_items({"a": Question(LONG)}, {"b1": Question(f"1 {LONG}"), "b2": Question(f"2 {LONG}")})
    assert found.pairs == ()


def test_duplicates_of_a_side_are_listed() -> None:
    found = match_items({"a1": Question("Q"), "a2": Question("q "), "a3": Question("")}, {})
    assert found.duplicates_a == (("a1", "a2"),)


def test_very_many_items_are_not_searched_inside_each_other() -> None:
    many = {str(i): Question(f"question number {i} of a very long list") for i in range(3001)}
    assert match_items(many, {"b": Question("x")}).unsearched == 3002


def both(folder: Path) -> list[Path]:
    """The same three questions in two packages, numbered and ordered differently."""
    order = [0, 1, 2]
    random.Random(3).shuffle(order)
    log = written.inspect_log()
    log["samples"] = [
        {
            **log["samples"][0],
            "id": f"s{place}",
            "epoch": 1,
            "input": f"How many is {number} and one?",
            "choices": ["two", "one"],
        }
        for place, number in enumerate(order)
    ]
    log["eval"]["dataset"], log["eval"]["config"] = {}, {}
    (folder / "log.json").write_text(json.dumps(log))
    (folder / "lm").mkdir()
    written.lm_eval_results(folder / "lm")
    written.lm_eval_samples(folder / "lm")
    return [folder / "log.json", folder / "lm"]


@pytest.fixture
def store(tmp_path: Path):
    return ingest_foreign(both(tmp_path), tmp_path / "store", options=ForeignOptions(benchmarks={"even": "toy"})).store


def test_two_packages_in_one_store_share_their_items(store) -> None:
    (found,) = match_store(store)
    assert {found.a, found.b} == {"lm-eval", "inspect-ai"}
    assert found.matching.count(Likeness.CONTENT) == 3
    assert len(found.matching.only_a) + len(found.matching.only_b) == 1


def test_two_stores_are_joined_too(store) -> None:
    (found,) = match_stores(store, store)
    assert found.matching.count(Likeness.CONTENT) == 4


def test_the_command_says_what_joined_and_what_did_not(store) -> None:
    result = CliRunner().invoke(app, ["match", str(store.folder)])
    assert "3 of 4 items are shared" in result.output
    assert "3 by content" in result.output
    assert "1 only in" in result.output
    again = CliRunner().invoke(app, ["match", str(store.folder), str(store.folder)])
    assert "4 of 4 items are shared" in again.output


def test_a_store_of_one_package_has_nothing_to_join(tmp_path: Path) -> None:
    written.lm_eval_samples(tmp_path)
    found = ingest_foreign([written.lm_eval_results(tmp_path)], tmp_path / "store")
    result = CliRunner().invoke(app, ["match", str(found.store.folder)])
    assert "name a second store: safetyrepro match" in result.output
