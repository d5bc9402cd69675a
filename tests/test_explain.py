"""The parts of a gap add up, planted causes come out on top, and what files cannot tell is named."""

from __future__ import annotations

import itertools
import json
import math
import random
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from harnesses import written
from safetyrepro import explain as module
from safetyrepro.cli import app
from safetyrepro.errors import IngestError, SafetyReproError, StoreError
from safetyrepro.explain import ITEMS, LABELS, POLICY, RULE, Explanation, explain, shapley
from safetyrepro.harnesses import rules
from safetyrepro.harnesses.rules import Answer
from safetyrepro.ingest_foreign import ForeignOptions, ingest_foreign
from safetyrepro.prompts import Relation, first_difference, relation
from safetyrepro.records import Status
from safetyrepro.sides import Choice, Side, SideItem, read_side

WORDS = ["apple", "river", "stone", "cloud", "paper", "horse", "light", "dance", "green", "seven"]


def question(number: int) -> str:
    rng = random.Random(f"question {number}")
    return f"Question {number}: which of these goes with {rng.choice(WORDS)} and {rng.choice(WORDS)}?"


def item(number: int, *, prompt: str, skill: float, seed: str, rule: str = "sum") -> SideItem:
    """An item whose answer depends on the prompt and on the numerics, and is scored by a rule."""
    rng = random.Random(f"{seed} {number} {prompt}")
    options = tuple(
        f"{word} {'very ' * (place * 2)}".strip() for place, word in enumerate(random.Random(number).sample(WORDS, 4))
    )
    gold = number % 4
    scores = tuple(rng.gauss(skill if place == gold else 0.0, 1.0) - 20.0 for place in range(4))
    answer = Answer(options=options, loglikelihoods=scores)
    value = rules.score(rule, answer, options[gold])
    return SideItem(
        id=str(number), text=question(number), answer=answer, gold=options[gold], value=value,
        status=Status.SCORED, prompt=prompt, token_digest="",
    )  # fmt: skip


def prompt_of(number: int, *, special: str = "", before: str = "", space: str = "", word: str = "Q") -> str:
    return f"{special}{before}{word}: {question(number)}\nA:{space}"


def side(items: list[SideItem], **changes: object) -> Side:
    fields = {
        "name": "X",
        "model": "m",
        "benchmark": "toy",
        "estimand": "accuracy",
        "worst": 0.0,
        "settings": {},
        "items": tuple(items),
    }
    return Side(**{**fields, **changes})


def plain(n_items: int, seed: str, *, skill: float = 1.0, **prompt: str) -> list[SideItem]:
    return [item(number, prompt=prompt_of(number, **prompt), skill=skill, seed=seed) for number in range(n_items)]


CAUSES = {
    "space": Relation.SPACE.value,
    "special": Relation.SPECIAL.value,
    "examples": Relation.BEFORE.value,
    "numerics": Relation.SAME.value,
    "rule": RULE,
    "labels": LABELS,
    "items": ITEMS,
}


def planted(items: list[SideItem], cause: str, rng: random.Random, seed: str) -> list[SideItem]:
    """The same run with one thing changed, whose effect is felt."""
    if cause == "rule":
        return [replace(one, value=rules.score("per_character", one.answer, one.gold)) for one in items]
    if cause == "labels":
        moved = {one.id for one in items if rng.random() < 0.35}
        changed = [
            replace(one, gold=one.answer.options[(one.answer.options.index(one.gold) + 1) % 4]) if one.id in moved else one
            for one in items
        ]
        return [replace(one, value=rules.score("sum", one.answer, one.gold)) for one in changed]
    if cause == "items":
        return [one for one in items if one.value == 1.0 or rng.random() < 0.4]
    if cause == "numerics":
        worse = [item(int(one.id), prompt=one.prompt, skill=0.2, seed=f"{seed} half") for one in items]
        return [replace(one, prompt=old.prompt) for one, old in zip(worse, items, strict=True)]
    prompt = {
        "space": {"space": " "},
        "special": {"special": "<|im_start|>user\n"},
        "examples": {"before": "Q: One?\nA: Two.\n\n"},
    }[cause]
    return [item(int(one.id), prompt=prompt_of(int(one.id), **prompt), skill=0.2, seed=seed) for one in items]


def harmless(items: list[SideItem], rng: random.Random) -> list[SideItem]:
    """Another order of items and options, other names, another way to write the same text."""
    changed = []
    for one in items:
        order = rng.sample(range(4), 4)
        answer = Answer(
            options=tuple(one.answer.options[place] for place in order),
            loglikelihoods=tuple(one.answer.loglikelihoods[place] for place in order),
        )
        changed.append(replace(one, id=f"doc-{one.id}", answer=answer, text=f"  {one.text.upper()} "))
    rng.shuffle(changed)
    return changed


def closed(found: Explanation) -> bool:
    return math.isclose(math.fsum(part.amount for part in found.parts), found.gap, abs_tol=1e-12)


@pytest.mark.long
def test_one_planted_cause_is_the_largest_part_in_210_pairs() -> None:
    right = 0
    for number, cause in zip(range(210), itertools.cycle(CAUSES), strict=False):
        rng = random.Random(number)
        base = plain(100, f"run {number}")
        other = planted(base, cause, rng, f"run {number}")
        found = explain(side(base), side(harmless(other, rng) if number % 2 else other))
        assert closed(found)
        right += found.parts[0].cause == CAUSES[cause]
    assert right >= 0.95 * 210, right


@pytest.mark.long
def test_two_planted_causes_are_the_two_largest_parts() -> None:
    right = total = 0
    for number, (first, second) in enumerate(itertools.combinations(CAUSES, 2)):
        prompts = {"space", "special", "examples", "numerics"}
        if {first, second} <= prompts or "numerics" in (first, second):
            continue
        for repeat in range(4):
            rng = random.Random(1000 * number + repeat)
            base = plain(200, f"run {number} {repeat}")
            other = planted(planted(base, first, rng, "x"), second, rng, "x")
            found = explain(side(base), side(harmless(other, rng) if repeat % 2 else other))
            assert closed(found)
            total += 1
            right += {part.cause for part in found.parts[:2]} == {CAUSES[first], CAUSES[second]}
    assert total == 48
    assert right >= 0.9 * total, right


@given(st.integers(0, 10**6), st.integers(1, 25), st.data())
def test_parts_always_add_up(seed, n_items, data) -> None:
    rng = random.Random(seed)
    statuses = st.sampled_from([Status.SCORED, Status.UNPARSED, Status.FAILED, Status.UNKNOWN])

    def drawn(items: list[SideItem]) -> list[SideItem]:
        found = []
        for one in items:
            status = data.draw(statuses)
            found.append(replace(one, status=status, value=one.value if status is Status.SCORED else None))
        return found

    a, b = drawn(plain(n_items, "a")), drawn(planted(plain(n_items + 2, "a"), rng.choice(list(CAUSES)), rng, "a"))
    a[0] = replace(a[0], status=Status.SCORED, value=1.0)
    reported = data.draw(st.none() | st.floats(0, 1))
    try:
        found = explain(side(a, reported=reported), side(b))
    except IngestError:
        return
    assert closed(found)
    assert found.n_shared + found.n_only_a == n_items


@given(st.integers(0, 4), st.data())
def test_shapley_values_are_mean_effects_over_all_orders(n_players, data) -> None:
    coalitions = [frozenset(c) for size in range(n_players + 1) for c in itertools.combinations(range(n_players), size)]
    worth = {coalition: data.draw(st.floats(-1, 1)) for coalition in coalitions}
    slow = [0.0] * n_players
    orders = list(itertools.permutations(range(n_players)))
    for order in orders:
        for place, player in enumerate(order):
            before = frozenset(order[:place])
            slow[player] += (worth[before | {player}] - worth[before]) / len(orders)
    found = shapley(n_players, worth.__getitem__)
    assert found == pytest.approx(slow, abs=1e-12)
    assert math.fsum(found) == pytest.approx(worth[frozenset(range(n_players))] - worth[frozenset()], abs=1e-12)


def test_a_failure_policy_is_told_by_the_number_that_it_gives() -> None:
    items = plain(20, "a")
    unread = [replace(one, status=Status.UNPARSED, value=None) if int(one.id) < 5 else one for one in items]
    known = [one.value for one in unread if one.value is not None]
    wrong, dropped = math.fsum(known) / 20, math.fsum(known) / 15
    found = explain(side(unread, reported=dropped), side(unread, reported=wrong))
    parts = {part.cause: part for part in found.parts}
    assert parts[POLICY].amount == pytest.approx(dropped - wrong)
    assert (parts[POLICY].n_items, parts[POLICY].detail) == (5, "A: dropped, B: wrong")
    assert closed(found)


def test_a_report_that_its_items_do_not_give_is_aggregation() -> None:
    items = plain(10, "a")
    found = explain(side(items, reported=0.9), side(items))
    assert {part.cause for part in found.parts if part.amount} == {module.AGGREGATION}
    assert closed(found)


def test_settings_prompts_and_open_questions_are_named() -> None:
    a = side(plain(20, "a"), settings={"engine": "hf", "shots": "0", "scoring": "sum"})
    b = side(plain(20, "a", space=" "), settings={"engine": "vllm", "shots": "5", "scoring": "letters"})
    found = explain(a, b)
    assert found.settings == (("engine", "hf", "vllm"), ("shots", "0", "5"), ("scoring", "sum", "letters"))
    assert found.example is not None
    assert found.example.difference.b.endswith("A: ")
    assert found.runs == ("run A with engine = vllm",)
    text = "\n".join(found.lines())
    assert "differs: engine: hf | vllm" in text
    assert "white space or delimiter" in text
    assert "would tell: run A with engine = vllm" in text


def test_what_files_cannot_tell_is_said() -> None:
    bare = [replace(one, prompt="", value=0.3) for one in plain(10, "a")]
    found = explain(side(bare), side(bare))
    assert "not recognised" in " ".join(found.open)
    assert "does not hold its prompts" in " ".join(found.open)
    assert found.runs == ("run both sides again with their prompts logged",)
    same = explain(side(plain(10, "a")), side(plain(10, "b")))
    assert same.runs == ("run A a second time: the gap between its two runs is the noise",)


def test_sides_that_share_nothing_or_have_no_value_are_refused() -> None:
    with pytest.raises(IngestError, match="none of 3 items is one of 1"):
        explain(side(plain(3, "a")), side([replace(plain(1, "a")[0], text="Something else?")]))
    empty = [replace(one, status=Status.FAILED, value=None) for one in plain(3, "a")]
    with pytest.raises(IngestError, match="has a value"):
        explain(side(empty), side(plain(3, "a")))


@pytest.mark.parametrize(
    ("a", "b", "tokens", "expected"),
    [
        ("x", "x", ("", ""), Relation.SAME),
        ("x", "x", ("1", "2"), Relation.TOKENS),
        ("", "x", ("", ""), Relation.UNKNOWN),
        ("Q: How are you, dear reader?\nA:", "Q: How are you,  dear reader?\nA: ", ("", ""), Relation.SPACE),
        ("Q: How are you, dear reader?", "<|im_start|>user\nQ: How are you, dear reader?", ("", ""), Relation.SPECIAL),
        ("Q: One?\n\nQ: How are you, dear reader?", "Q: How are you, dear reader?", ("", ""), Relation.BEFORE),
        ("Question: How are you, dear reader?", "Q: How are you, dear reader?", ("", ""), Relation.WORDING),
    ],
)
def test_prompts_differ_in_one_of_seven_ways(a: str, b: str, tokens: tuple[str, str], expected: Relation) -> None:
    assert relation(a, b, question="How are you, dear reader?", tokens=tokens) is expected


@given(st.text(), st.text())
def test_the_first_difference_is_the_first(a, b) -> None:
    at = first_difference(a, b).at
    assert a[:at] == b[:at]
    assert a == b or a[at : at + 1] != b[at : at + 1]


def answer(response: str | None = None, lls: tuple[float, ...] = ()) -> Answer:
    return Answer(options=("Yes", "No way", "Perhaps"), response=response, loglikelihoods=lls)


@pytest.mark.parametrize(
    ("rule", "given_answer", "gold", "value"),
    [
        ("sum", answer(lls=(-3.0, -2.0, -4.0)), "1", 1.0),
        ("per_character", answer(lls=(-3.0, -2.0, -4.0)), "B", 1.0),
        ("sum", answer(lls=(-1.0, -2.0)), "1", None),
        ("only_letter", answer(" B "), "No way", 1.0),
        ("only_letter", answer("B."), "No way", None),
        ("first_letter", answer("(b) because"), "1", 1.0),
        ("first_letter", answer("Zebra"), "1", None),
        ("stated_letter", answer("I think A. ANSWER: C"), "Perhaps", 1.0),
        ("stated_letter", answer("none"), "Perhaps", None),
        ("option_text", answer("no  WAY"), "1", 1.0),
        ("exact_text", answer(" Yes\n"), "Yes", 1.0),
        ("same_text", answer("YES"), "Yes", 1.0),
        ("first_line", answer("Yes\nand more"), "Yes", 1.0),
        ("includes", answer("well, yes!"), "Yes", 1.0),
        ("includes", answer(None), "Yes", None),
        ("only_letter", answer("A"), "no such option", None),
        ("only_letter", answer("A"), "Yes | Perhaps", 1.0),
    ],
)
def test_a_rule_reads_an_answer_or_says_that_it_cannot(rule: str, given_answer: Answer, gold: str, value: float | None) -> None:
    assert rules.score(rule, given_answer, gold) == value


def test_a_rule_is_recognised_by_the_values_that_it_gives_back() -> None:
    items = plain(60, "a")
    answers, golds = [one.answer for one in items], [one.gold for one in items]
    for name in ("sum", "per_character"):
        values = [rules.score(name, answer, gold) for answer, gold in zip(answers, golds, strict=True)]
        assert name in rules.recognised(answers, golds, values)
    assert rules.recognised(answers, golds, [0.5] * 60) == ()
    assert rules.recognised(answers[:2], golds[:2], [1.0, 1.0]) == ()


def two_runs(folder: Path) -> tuple[Path, Path]:
    (folder / "a").mkdir()
    (folder / "b").mkdir()
    written.lm_eval_samples(folder / "a")
    log = written.inspect_log()
    for number, sample in enumerate(log["samples"]):
        sample |= {"id": f"s{number}", "epoch": 1, "input": f"How many is {number} and one?", "choices": ["two", "one"]}
    log["eval"] |= {"task": "toy", "dataset": {}, "config": {}}
    (folder / "b" / "log.json").write_text(json.dumps(log))
    return written.lm_eval_results(folder / "a"), folder / "b" / "log.json"


def test_a_run_of_one_package_is_explained_against_a_run_of_another(tmp_path: Path) -> None:
    a, b = two_runs(tmp_path)
    arguments = [
        "explain",
        str(a),
        str(b),
        "--estimand",
        "accuracy",
        "--benchmark",
        "toy",
        "--where-a",
        "scoring=sum",
        "--where-b",
        "scoring=choice",
    ]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "over 4 shared items" in result.output
    assert "differs: harness: lm-eval | inspect-ai" in result.output


def test_a_cell_of_a_store_is_a_side_too(tmp_path: Path) -> None:
    a, b = two_runs(tmp_path)
    store = ingest_foreign(
        [a, b], tmp_path / "store", options=ForeignOptions(models={"openai/toy": "t", "org/small": "s"})
    ).store
    left = read_side(store.folder, Choice(benchmark="toy", model="s", where={"scoring": ("sum",)}), name="A")
    right = read_side(store.folder, Choice(benchmark="toy", model="t", where={"scoring": ("choice",)}), name="B")
    assert {one.text for one in left.items} == {one.text for one in right.items}
    assert left.items[0].prompt.startswith("Q: ")
    assert closed(explain(left, right))
    with pytest.raises(StoreError, match="one of: "):
        read_side(store.folder, Choice(benchmark="toy"), name="A")
    with pytest.raises(StoreError, match=r"holds no cells that fit.*harness=lm-eval"):
        read_side(store.folder, Choice(benchmark="toy", model="s", where={"scoring": ("other",)}), name="A")


def test_a_choice_that_fits_nothing_or_too_much_lists_what_there_is(tmp_path: Path) -> None:
    a, _ = two_runs(tmp_path)
    with pytest.raises(IngestError, match="holds 2 runs that fit"):
        read_side(a, Choice(), name="A")
    with pytest.raises(IngestError, match=r"holds no runs that fit; expected one of: org/small on toy"):
        read_side(a, Choice(model="other"), name="A")
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(SafetyReproError, match="not a result file"):
        read_side(tmp_path / "x.json", Choice(), name="A")


def test_the_order_in_which_a_log_lists_options_is_no_other_prompt(tmp_path: Path) -> None:
    for name, turned in (("a", False), ("b", True)):
        records = written.lm_eval_records()
        for record in records:
            pairs = [[f"Q: {record['doc_id']}\nA:", " one"], [f"Q: {record['doc_id']}\nA:", " two"]]
            record["arguments"] = pairs
            if turned:
                record["arguments"] = pairs[::-1]
                record["doc"]["choices"].reverse()
                record["resps"].reverse()
                record["filtered_resps"].reverse()
                record["target"] = "0"
        folder = tmp_path / name
        folder.mkdir()
        written.lm_eval_results(folder)
        path = folder / "samples_toy_2025-01-02T03-04-05.678901.jsonl"
        path.write_text("\n".join(json.dumps(record) for record in records))
    choice = Choice(estimand="accuracy", where={"scoring": ("sum",)})
    found = explain(*(read_side(tmp_path / name, choice, name=name) for name in "ab"))
    assert [part.cause for part in found.parts] == [Relation.SAME.value]
    assert found.example is None
