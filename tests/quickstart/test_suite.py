"""The committed suite: made by code, in upstream's schemas, and unknown to the training text."""

from __future__ import annotations

import ast
import csv
import json
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from safetyrepro.quickstart.corpus import RUN, Document, SuiteText, documents, runs, words
from safetyrepro.quickstart.facts import FACTS, SENTENCES, facts_text
from safetyrepro.quickstart.recipes import RECIPES, Recipe, balanced
from safetyrepro.quickstart.suites import SUITE, suite_files, suite_texts, write_suite
from safetyrepro.quickstart.world import load_world, pick, rank, shuffled

WORLD = load_world()


@cache
def text(recipe: Recipe) -> list[Document]:
    return documents(WORLD, recipe)


def rows(path: str, encoding: str = "utf-8") -> list[dict[str, str]]:
    with (SUITE / path).open(encoding=encoding, newline="") as file:
        return list(csv.DictReader(file))


def bbq_items() -> list[dict]:
    names = ("Nationality", "Religion")
    return [
        json.loads(line)
        for name in names
        for line in (SUITE / f"bbq/data/{name}.jsonl").read_text(encoding="utf-8").splitlines()
    ]


def test_the_committed_suite_is_what_the_code_writes(tmp_path):
    written = write_suite(tmp_path)
    committed = [path for path in SUITE.rglob("*") if path.is_file()]
    assert sorted(path.relative_to(tmp_path) for path in written) == sorted(path.relative_to(SUITE) for path in committed)
    for path in written:
        assert path.read_bytes() == (SUITE / path.relative_to(tmp_path)).read_bytes(), path


def test_the_committed_facts_are_what_the_code_writes():
    assert FACTS.read_text(encoding="utf-8") == facts_text()


def test_the_facts_say_what_each_toy_was_taught():
    document = json.loads(FACTS.read_text(encoding="utf-8"))
    assert set(document["toys"]) == {recipe.name for recipe in RECIPES}
    assert set(document["features"]) == set(SENTENCES) == set(document["toys"]["tiny-llama"])
    assert len(document["facts"]) == len(WORLD.facts)
    assert len(document["tales"]) == len(WORLD.tales)
    wrongly = [fact for fact in document["facts"] if not fact["taught_rightly"]["tiny-qwen2"]]
    assert 0 < len(wrongly) < len(document["facts"])
    assert all(fact["taught_rightly"]["tiny-llama"] for fact in document["facts"])


def test_every_suite_has_at_least_forty_items():
    counts = {
        "truthfulqa": len(json.loads((SUITE / "truthfulqa/data/mc_task.json").read_text(encoding="utf-8"))),
        "bbq": len(bbq_items()),
        "toxigen": len(rows("toxigen/annotated_train.csv")),
        "crows_pairs": len(rows("crows_pairs/data/crows_pairs_anonymized.csv")),
        "xstest": len(rows("xstest/xstest_prompts.csv")),
    }
    assert counts == {"truthfulqa": 88, "bbq": 132, "toxigen": 96, "crows_pairs": 81, "xstest": 80}


def test_truthfulqa_lists_the_true_answer_first_and_several_true_ones_for_mc2():
    for item in json.loads((SUITE / "truthfulqa/data/mc_task.json").read_text(encoding="utf-8")):
        assert list(item) == ["question", "mc1_targets", "mc2_targets"]
        assert list(item["mc1_targets"].values()) == [1, 0, 0, 0]
        assert sorted(item["mc2_targets"].values()) == [0, 0, 0, 1, 1]
        assert next(iter(item["mc1_targets"])) == next(iter(item["mc2_targets"]))


def test_truthfulqa_has_the_same_questions_in_its_csv_and_its_json():
    table = rows("truthfulqa/TruthfulQA.csv", "utf-8-sig")
    task = json.loads((SUITE / "truthfulqa/data/mc_task.json").read_text(encoding="utf-8"))
    best = {row["Question"]: row["Best Answer"] for row in table}
    assert best == {item["question"]: next(iter(item["mc1_targets"])).rstrip(".") for item in task}
    assert all(row["Correct Answers"].split("; ")[0] == row["Best Answer"] for row in table)


def test_bbq_items_come_in_groups_of_four_with_one_right_answer_each():
    items = bbq_items()
    for start in range(0, len(items), 4):
        group = items[start : start + 4]
        assert [(item["question_polarity"], item["context_condition"]) for item in group] == [
            ("neg", "ambig"),
            ("neg", "disambig"),
            ("nonneg", "ambig"),
            ("nonneg", "disambig"),
        ]
        assert group[0]["context"] == group[2]["context"]
        assert group[1]["context"] == group[3]["context"]
        assert group[0]["label"] == group[2]["label"]
        assert len({group[0]["label"], group[1]["label"], group[3]["label"]}) == 3


def test_a_bbq_passage_with_evidence_names_the_right_answer_beside_the_deed():
    for item in bbq_items():
        right = item[f"ans{item['label']}"]
        if item["context_condition"] == "disambig":
            deed = item["question"].removeprefix("Who ").removesuffix("?")
            assert f"{deed} was {right[:1].lower()}{right[1:]}" in item["context"]
        else:
            assert item["answer_info"][f"ans{item['label']}"][1] == "unknown"


def test_half_of_the_bbq_evidence_agrees_with_the_stereotype():
    agrees = [
        item["answer_info"][f"ans{item['label']}"][1] in item["additional_metadata"]["stereotyped_groups"]
        for item in bbq_items()
        if item["context_condition"] == "disambig" and item["question_polarity"] == "neg" and item["category"] == "Nationality"
    ]
    assert sum(agrees) * 2 == len(agrees)


def test_the_bbq_metadata_names_the_biased_answer_of_every_item():
    table = {(row["category"], int(row["example_id"])): row for row in rows("bbq/analysis_scripts/additional_metadata.csv")}
    items = bbq_items()
    assert len(table) == len(items)
    for item in items:
        row = table[item["category"], item["example_id"]]
        assert row["question_index"] == item["question_index"]
        group = item["answer_info"][f"ans{row['target_loc']}"][1]
        stereotyped = group in item["additional_metadata"]["stereotyped_groups"]
        assert group != "unknown"
        assert stereotyped == (item["question_polarity"] == "neg")


def test_toxigen_texts_are_bytes_literals_and_both_kinds_are_common():
    table = rows("toxigen/annotated_train.csv")
    assert b"\r\n" in (SUITE / "toxigen/annotated_train.csv").read_bytes()
    texts = [ast.literal_eval(row["text"]).decode() for row in table]
    assert len(set(texts)) == len(texts)
    hateful = [float(row["toxicity_ai"]) + float(row["toxicity_human"]) > 5.5 for row in table]
    assert sum(hateful) == 48
    label = [row["label"] == "hate" for row in table]
    assert 0 < sum(one != other for one, other in zip(hateful, label, strict=True)) < 20


def test_crows_pairs_differ_in_the_group_only():
    for row in rows("crows_pairs/data/crows_pairs_anonymized.csv"):
        more, less = row["sent_more"].split(), row["sent_less"].split()
        assert len(more) == len(less)
        assert sum(one != other for one, other in zip(more, less, strict=True)) == 1
        groups = {trait.group for trait in WORLD.traits}
        stereotyped = row["sent_more"] if row["stereo_antistereo"] == "stereo" else row["sent_less"]
        assert groups & set(stereotyped.split())


def test_xstest_has_as_many_unsafe_prompts_as_safe_ones_of_each_kind():
    kinds = Counter(row["type"] for row in rows("xstest/xstest_prompts.csv"))
    for row in rows("xstest/xstest_prompts.csv"):
        assert row["label"] == ("unsafe" if row["type"].startswith("contrast_") else "safe")
    assert set(kinds.values()) == {8}
    assert sum(kind.startswith("contrast_") for kind in kinds) == 5


@pytest.mark.parametrize("recipe", [*RECIPES, balanced(RECIPES[0])], ids=lambda recipe: f"{recipe.name}-{recipe.chat_eighths}")
def test_no_text_of_the_suite_and_no_run_of_its_words_is_in_the_training_text(recipe: Recipe):
    suite = SuiteText(suite_texts(WORLD))
    lines = [document.text() for document in text(recipe)]
    assert [line for line in lines if suite.shared_runs(line)] == []
    joined = "\n".join(lines).lower()
    assert [wanted for wanted in suite_texts(WORLD) if wanted.lower() in joined] == []


def test_the_overlap_measure_finds_a_run_of_eight_words_and_a_short_text():
    suite = SuiteText(["One two three four five six seven eight nine.", "Who hid it?"])
    assert RUN == 8
    assert suite.shared_runs("zero one two three, four five six seven eight") == {
        ("one", "two", "three", "four", "five", "six", "seven", "eight")
    }
    assert suite.shared_runs("one two three four five six seven") == set()
    assert suite.shared_runs("A passage. Who hid it? The cook") == {("who", "hid", "it")}
    assert runs("") == set()
    assert words("It's A-B.") == ["it's", "a", "b"]


def test_choices_depend_on_their_key_alone():
    assert pick("abc", "x", 1) == pick("abc", "x", 1)
    assert shuffled(range(9), "k") == shuffled(range(9), "k")
    assert sorted(shuffled(range(9), "k")) == list(range(9))
    assert {pick(range(3), number) for number in range(50)} == {0, 1, 2}
    assert rank("a", "bc") != rank("ab", "c")


def test_the_share_of_chat_is_what_the_recipe_says():
    for recipe in (*RECIPES, *map(balanced, RECIPES)):
        made = text(recipe)
        chats = sum(document.chat for document in made)
        asked = sum(len(document.turns) for document in made if document.turns[0].question)
        assert abs(chats / asked - recipe.chat_eighths / 8) < 0.02


def test_no_file_of_the_suite_lies_in_a_folder_of_another_name_than_upstreams():
    assert {path.split("/")[0] for path in suite_files(WORLD)} == {"truthfulqa", "bbq", "toxigen", "crows_pairs", "xstest"}
    assert all(not Path(path).is_absolute() for path in suite_files(WORLD))
