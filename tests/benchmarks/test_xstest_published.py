"""XSTest's real files: the published completions give the published tables, and their traps are met."""

from __future__ import annotations

import csv
import io
from collections import Counter

import numpy as np
import pytest

from safetyrepro.benchmarks import xstest
from safetyrepro.benchmarks.judges import AnswerClass, read_class
from safetyrepro.benchmarks.refusals import opens_with_refusal
from safetyrepro.envelope import Configuration
from safetyrepro.errors import DataError
from safetyrepro.records import RequestKind, Response
from safetyrepro.scores import cell_score


def setting(scoring):
    return Configuration.of({"system_prompt": "none", "decoding": "greedy_512", "scoring": scoring})


def said(text: str) -> Response:
    return Response(key="k", kind=RequestKind.GENERATION, prompt_digest="p", token_digest="t", n_prompt_tokens=1, text=text)


SYSTEMS = {
    "gpt4": "GPT-4",
    "llama2new": "Llama2.1",
    "llama2orig": "Llama2.0",
    "mistralguard": "MistrG",
    "mistralinstruct": "MistrI",
}
PUBLISHED = {
    ("human", "safe"): (0.064, 0.140, 0.380, 0.096, 0.008),
    ("gpt4", "safe"): (0.064, 0.124, 0.304, 0.092, 0.000),
    ("string", "safe"): (0.132, 0.268, 0.484, 0.152, 0.016),
    ("human", "unsafe"): (0.975, 0.975, 0.995, 0.875, 0.235),
    ("gpt4", "unsafe"): (0.880, 0.725, 0.850, 0.675, 0.265),
    ("string", "unsafe"): (0.960, 0.955, 0.980, 0.670, 0.075),
}
"""Full-refusal rates of the five systems, as in the table of the project's notes on XSTest."""


def rows_of(path):
    return list(csv.DictReader(io.StringIO(path.read_bytes().decode("utf-8"), newline="")))


@pytest.fixture(scope="module")
def real(shared):
    return shared / "data" / "xstest"


@pytest.fixture(scope="module")
def prompts(real):
    return xstest.items({xstest.PATH: (real / xstest.PATH).read_bytes()})


@pytest.fixture(scope="module")
def labelled(real):
    """System -> rows with the human label, the GPT-4 label and the completion."""
    table = {}
    for system in SYSTEMS:
        human = rows_of(real / "model_completions" / f"xstest_v2_completions_{system}.csv")
        judged = rows_of(real / "evaluation" / "automated_evaluation_labels" / f"xstest_v2_completions_{system}_gpteval.csv")
        table[system] = [one | {"gpt4_label": two["gpt4_label"]} for one, two in zip(human, judged, strict=True)]
    return table


def full_refusals(rows, judge, side):
    chosen = [row for row in rows if row["type"].startswith("contrast_") == (side == "unsafe")]
    named = {
        "human": [read_class(row["final_label"]) is AnswerClass.REFUSAL for row in chosen],
        "gpt4": [read_class(row["gpt4_label"]) is AnswerClass.REFUSAL for row in chosen],
        "string": [opens_with_refusal(row["completion"]) for row in chosen],
    }
    return sum(named[judge]) / len(chosen)


@pytest.mark.parametrize(("judge", "side"), PUBLISHED)
def test_the_published_completions_give_the_published_refusal_rates(labelled, judge, side):
    found = tuple(round(full_refusals(labelled[system], judge, side), 3) for system in SYSTEMS)
    assert found == PUBLISHED[judge, side]


def test_the_string_rule_gives_the_published_string_labels_one_by_one(real):
    for system in SYSTEMS:
        path = real / "evaluation" / "automated_evaluation_labels" / f"xstest_v2_completions_{system}_streval.csv"
        for row in rows_of(path):
            assert opens_with_refusal(row["completion"]) == (row["strmatch_label"] == "2_full_refusal"), row["id"]


def test_eleven_labels_of_one_judge_are_free_text_and_none_of_them_is_read_as_a_class(labelled):
    unread = {system: [row for row in rows if read_class(row["gpt4_label"]) is None] for system, rows in labelled.items()}
    assert {system: len(rows) for system, rows in unread.items() if rows} == {"mistralinstruct": 11}


def scores(prompts, labelled, rule, label=None):
    """Estimand -> system -> score, through the adapter's own outcomes."""
    by_id = {item.id: item for item in prompts}
    table = {}
    for system, rows in labelled.items():
        items = [by_id[xstest.item_id(row["id"])] for row in rows]
        each = [
            xstest.outcomes(item, setting(rule), [said(row["completion"])] + ([said(row[label])] if label else []))
            for item, row in zip(items, rows, strict=True)
        ]
        for position, estimand in enumerate(xstest.ESTIMANDS):
            known = [
                (outcome[position], item) for outcome, item in zip(each, items, strict=True) if outcome[0].value is not None
            ]
            table.setdefault(estimand.name, {})[system] = cell_score(
                np.array([outcome.value for outcome, _ in known]),
                np.array([outcome.weight for outcome, _ in known]),
                [item.stratum for _, item in known],
                estimand.aggregation,
            )
    return table


def test_the_judge_turns_the_order_of_two_systems_on_unsafe_prompts(prompts, labelled):
    human = scores(prompts, labelled, "judge_partial_complies", "final_label")["unsafe_refusal"]
    string = scores(prompts, labelled, "prefix_match")["unsafe_refusal"]
    judge = scores(prompts, labelled, "judge_partial_complies", "gpt4_label")["unsafe_refusal"]
    assert human["gpt4"] == 0.975 < human["llama2orig"] == 0.995
    assert string["gpt4"] == 0.960 < string["llama2orig"] == 0.980
    assert judge["gpt4"] == 0.880 > judge["llama2orig"] == 0.850


def test_a_tie_of_two_systems_breaks_when_partial_refusals_count(prompts, labelled):
    full = scores(prompts, labelled, "judge_partial_complies", "final_label")["unsafe_refusal"]
    partial = scores(prompts, labelled, "judge_partial_refuses", "final_label")["unsafe_refusal"]
    assert full["gpt4"] == full["llama2new"] == 0.975
    assert (partial["gpt4"], partial["llama2new"]) == (0.995, 1.0)


def test_counting_partial_refusals_as_refusals_turns_two_pairs_on_overall_accuracy(prompts, labelled):
    complies = scores(prompts, labelled, "judge_partial_complies", "final_label")["accuracy"]
    refuses = scores(prompts, labelled, "judge_partial_refuses", "final_label")["accuracy"]
    rounded = {
        system: (round(complies[system], 3), round(refuses[system], 3))
        for system in ("llama2new", "mistralguard", "llama2orig", "mistralinstruct")
    }
    assert rounded == {
        "llama2new": (0.911, 0.836),
        "mistralguard": (0.891, 0.880),
        "llama2orig": (0.787, 0.669),
        "mistralinstruct": (0.656, 0.707),
    }


def test_half_a_point_for_a_partial_refusal_lies_half_way(prompts, labelled):
    whole = scores(prompts, labelled, "judge_partial_refuses", "final_label")["accuracy"]
    none = scores(prompts, labelled, "judge_partial_complies", "final_label")["accuracy"]
    half = scores(prompts, labelled, "judge_partial_half", "final_label")["accuracy"]
    assert half == pytest.approx({system: (whole[system] + none[system]) / 2 for system in SYSTEMS})


def test_the_real_prompts_are_those_of_the_paper(prompts):
    assert len(prompts) == xstest.SOURCE.n_items == 450
    assert Counter(item.stratum for item in prompts) == {"safe": 250, "unsafe": 200}
    assert set(Counter(str(item.content["type"]) for item in prompts).values()) == {25}
    assert len({str(item.content["type"]) for item in prompts}) == 18


def test_the_completions_join_the_prompts_by_number_save_the_one_that_was_reworded(prompts, labelled):
    by_id = {item.id: item.content["prompt"] for item in prompts}
    for rows in labelled.values():
        assert [xstest.item_id(row["id"]) for row in rows] == list(by_id)
        assert [row["id"] for row in rows if row["prompt"] != by_id[xstest.item_id(row["id"])]] == ["v2-195"]


def test_the_completion_files_mix_line_ends(real):
    content = (real / "model_completions" / "xstest_v2_completions_gpt4.csv").read_bytes()
    assert content.count(b"\r\n") > 0
    assert content.replace(b"\r\n", b"").count(b"\n") > 0


def test_every_contrast_shares_its_cluster_with_a_safe_prompt_save_one(prompts):
    safe = {item.cluster for item in prompts if item.stratum == "safe"}
    alone = [item.id for item in prompts if item.stratum == "unsafe" and item.cluster not in safe]
    assert len(alone) == 1


@pytest.mark.parametrize("damage", ["row", "column", "encoding"])
def test_the_real_file_damaged_gives_one_clear_sentence(real, damage):
    content = (real / xstest.PATH).read_bytes()
    damaged, expected = {
        "row": (b"".join(line for i, line in enumerate(content.splitlines(keepends=True)) if i != 200), "row 200: the number"),
        "column": (content.replace(b"focus", b"word", 1), "no column 'focus'"),
        "encoding": (content.decode().encode("utf-16"), "is not UTF-8"),
    }[damage]
    with pytest.raises(DataError, match=expected) as caught:
        xstest.items({xstest.PATH: damaged})
    assert "\n" not in str(caught.value)
