"""Every published result file of the reference data is read with the facts that were found in it by hand, or refused rightly."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path

import pytest
from typer.testing import CliRunner

from safetyrepro.cli import app
from safetyrepro.harnesses.base import ForeignItem, ForeignRun
from safetyrepro.harnesses.discovery import Reading, discover
from safetyrepro.records import Status

REFUSED = {
    "every_eval_ever/schema/eval.schema.json": "is a JSON Schema",
    "every_eval_ever/schema/instance_level_eval.schema.json": "is a JSON Schema",
    "every_eval_ever/tests/aggregate.jsonl": "is an index of records",
    "inspect/2025-02-11T15-17-00-05-00_popularity_dPiJifoWeEQBrfWsAopzWr.eval": "answers that nobody scored",
    "inspect/zstd-legacy-retry-2-then-success.eval": "answers that nobody scored",
}
INCOMPLETE = {"data_cyse2", "drop.json", "lab-bench", "no-samples", "mind2web", "ifeval"}


@pytest.fixture(scope="module")
def fixtures(shared: Path) -> Path:
    return shared / "fixtures"


@pytest.fixture(scope="module")
def expected(fixtures: Path) -> dict[str, dict]:
    return json.loads((fixtures / "expected.json").read_text())


def read(path: Path) -> Reading:
    readings = [reading for reading in discover([path]) if reading.part_of is None]
    assert len(readings) == 1, [reading.path for reading in readings]
    return readings[0]


def of_kind(expected: dict[str, dict], *kinds: str) -> dict[str, dict]:
    return {name: facts for name, facts in expected.items() if facts["kind"] in kinds and name not in REFUSED}


def mean(run: ForeignRun, items: list[ForeignItem], metric: str) -> float | None:
    """Mean as the package forms it: an answer that it could not read counts as the worst value."""
    low = next(estimand.low for estimand in run.estimands if estimand.name == metric)
    marks = [item.marks[metric] for item in items if metric in item.marks]
    values = [low if mark.status is Status.UNPARSED else mark.value for mark in marks]
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if known else None


def same_means(run: ForeignRun, items: list[ForeignItem]) -> int:
    compared = 0
    for estimand in run.estimands:
        found, reported = mean(run, items, estimand.name), run.reported.get(estimand.name)
        if found is not None and reported is not None:
            assert found == pytest.approx(reported, abs=1e-9), (run.benchmark, estimand.name)
            compared += 1
    return compared


def test_every_file_is_read_or_refused_with_one_right_sentence(fixtures: Path, expected: dict[str, dict]) -> None:
    counts: Counter[str] = Counter()
    for name in expected:
        reading = read(fixtures / name)
        if name in REFUSED:
            assert REFUSED[name] in str(reading.refusal)
            assert "\n" not in str(reading.refusal)
            counts["refused"] += 1
        else:
            assert reading.refusal is None, str(reading.refusal)
            assert reading.runs
            counts["ingested"] += 1
    assert counts == {"ingested": 109, "refused": 5}


def test_one_walk_over_all_files_reads_each_once(fixtures: Path, expected: dict[str, dict]) -> None:
    readings = list(discover([fixtures]))
    assert len({reading.path for reading in readings}) == len(readings)
    alone = [reading for reading in readings if reading.part_of is None and reading.refusal is None]
    # Samples and details are read with the results they belong to, except the three excerpts and one converted file.
    assert Counter(reading.harness for reading in alone) == {
        "lm-eval": 32,
        "inspect-ai": 23,
        "helm": 14,
        "lighteval": 2,
        "every-eval-ever": 17,
    }


def test_one_command_prints_how_many_files_were_ingested_read_with_another_and_refused(fixtures: Path) -> None:
    printed = CliRunner().invoke(app, ["ingest", "auto", str(fixtures), "--dry-run"], env={"COLUMNS": "200"}).output
    assert printed.splitlines()[-1] == "88 ingested, 113 read with another file, 7 refused"
    assert "scheming_evals_goal_task_output/results.json: lm-eval, 1 run, 170 items, none of them with a score" in printed
    assert "data_cyse2_vuln_exploit_challenges.json: inspect-ai, 1 run, 4 items, 1 of them with a score" in printed
    refused = [line for line in printed.splitlines() if line.startswith("refused ")]
    assert len(refused) == 7
    assert all(any(reason in line for line in refused) for reason in REFUSED.values())


def test_results_of_lm_eval_have_the_facts_found_by_hand(fixtures: Path, expected: dict[str, dict]) -> None:
    wanted = of_kind(expected, "lm-eval results")
    checked = 0
    for name, facts in wanted.items():
        if facts["metrics"] == {}:
            continue  # one record of a samples file, see the excerpts below
        runs = read(fixtures / name).runs
        assert {run.harness_version for run in runs} == {facts["lm_eval_version"]}
        assert all(run.model == facts["model"] or str(run.model) in facts["model"] for run in runs)
        found: dict[str, dict[str, float | None]] = {}
        for run in runs:
            found.setdefault(str(run.provenance["task"]), {}).update(run.reported)
            if run.subtasks:
                continue
            shots = facts["n_shot"][run.provenance["task"]] if facts["n_shot"] else 0
            assert run.settings["shots"] == str(shots)
            turns = facts["chat_template"] or run.settings.get("engine", "").endswith("chat-completions")
            assert run.settings.get("chat_template", "off") == ("on" if turns else "off")
            multiturn = run.settings.get("multiturn_examples")
            assert multiturn == {None: None, True: "on", False: "off"}[facts["fewshot_as_multiturn"]]
            assert run.provenance.get("limit") == facts["limit"]
            if facts["n_samples"]:
                assert run.n_declared == facts["n_samples"][run.provenance["task"]]["effective"]
        for task, metrics in facts["metrics"].items():
            for key, value in metrics.items():
                metric = key.partition(",")[0]
                if metric in ("sample_len", "bypass"):
                    continue
                assert found[task][metric] == value, (name, task, key)
                checked += 1
    assert checked == 273


def test_samples_of_lm_eval_have_the_facts_found_by_hand(fixtures: Path, expected: dict[str, dict]) -> None:
    compared = 0
    for name, facts in of_kind(expected, "lm-eval samples").items():
        (run,) = read(fixtures / name).runs
        items = list(run.items())
        assert len(items) == facts["records"]
        assert len({item.id for item in items}) == facts["distinct_doc_ids"]
        for metric, value in facts["means"].items():
            assert mean(run, items, metric) == pytest.approx(value, abs=1e-9)
        compared += same_means(run, items)
        assert all(item.text for item in items)
    assert compared > 20


def test_an_excerpt_of_one_record_is_a_samples_file(fixtures: Path) -> None:
    for name in (
        "samples_bbq_2026-08-20T12-38-05.598442.first1.jsonl",
        "samples_truthfulqa_mc2_2026-07-09T04-34-56.527828.first1.jsonl",
    ):
        (run,) = read(fixtures / "lm_eval/excerpts" / name).runs
        assert run.model is None
        assert "harness version" in run.undisclosed
        assert len(list(run.items())) == 1


def test_a_metric_that_scores_nothing_has_no_value_and_no_aggregate(fixtures: Path) -> None:
    folder = fixtures / "lm_eval/scheming_evals/scheming_evals_goal_task_output"
    (run,) = (run for reading in discover([folder]) for run in reading.runs)
    items = list(run.items())
    assert run.reported == {"bypass": None}
    assert len(items) == 170
    assert {item.marks["bypass"].status for item in items} == {Status.UNKNOWN}


def test_logs_of_inspect_have_the_facts_found_by_hand(fixtures: Path, expected: dict[str, dict]) -> None:
    for name, facts in of_kind(expected, "Inspect log").items():
        runs = read(fixtures / name).runs
        assert {run.harness_version for run in runs} == {facts["inspect_ai"]}
        assert {run.model for run in runs} == {facts["model"]}
        assert {run.benchmark for run in runs} == {facts["task"].rpartition("/")[2]}
        assert {run.provenance["status"] for run in runs} == {facts["status"]}
        assert {run.provenance["log_version"] for run in runs} == {facts["log_version"]}
        assert len(runs) == max(len(facts["score_values"]), len(facts["reported_metrics"]))
        for run in runs:
            assert run.n_declared == facts["samples_declared"]
            scorer = run.settings["scoring"].partition(":")[0]
            for metric, value in facts["reported_metrics"][scorer].items():
                assert metric in ("stderr", "std") or metric.endswith("stderr") or run.reported[metric] == value
            items = [item for item in run.items() if all(mark.status is not Status.UNKNOWN for mark in item.marks.values())]
            assert len(items) == (facts["samples_in_file"] or 3)
            assert {item.repeat + 1 for item in items} == set(facts["epochs"] or [1])
            if not any(part in name for part in INCOMPLETE) and "sympy" not in name:
                assert same_means(run, items) >= 1


def test_run_folders_of_helm_have_the_facts_found_by_hand(fixtures: Path, expected: dict[str, dict]) -> None:
    compared = 0
    for name, facts in of_kind(expected, "HELM run").items():
        runs = read(fixtures / name).runs
        by_split = {run.benchmark.partition(" [")[2].rstrip("]") or "test": run for run in runs}
        assert {split: len(list(run.items())) for split, run in by_split.items()} == facts["instances_by_split"]
        assert {run.model for run in runs} == {facts["model"]}
        assert {run.provenance["deployment"] for run in runs} == {facts["deployment"]}
        assert {run.provenance["run"] for run in runs} == {facts["name"]}
        assert {run.settings["scoring"] for run in runs} == {facts["method"]}
        for key, value in facts["means"].items():
            metric, _, split = key.partition(":")
            run = by_split[split]
            assert run.reported[metric] == pytest.approx(facts["stats"][key], abs=1e-9)
            assert mean(run, list(run.items()), metric) == pytest.approx(value, abs=1e-9)
            compared += 1
        for run in runs:
            assert all(item.text and item.options and item.gold and item.prompt for item in run.items())
    assert compared == 69


def test_files_of_lighteval_have_the_facts_found_by_hand(fixtures: Path, expected: dict[str, dict]) -> None:
    for name, facts in of_kind(expected, "lighteval results").items():
        runs = read(fixtures / name).runs
        assert {run.model for run in runs} == {facts["model"]}
        for run in runs:
            reported = facts["metrics"][run.provenance["task"]]
            assert run.reported == {metric: value for metric, value in reported.items() if not metric.endswith("_stderr")}
    for name, facts in of_kind(expected, "lighteval details").items():
        (run,) = read(fixtures / name).runs
        items = list(run.items())
        assert len(items) == facts["rows"]
        assert all(item.id.startswith("row ") != facts["has_item_id"] for item in items)
        assert same_means(run, items) == len(facts["means"])
        for metric, value in facts["means"].items():
            assert mean(run, items, metric) == pytest.approx(value, abs=1e-9)


def test_records_of_every_eval_ever_have_the_facts_found_by_hand(fixtures: Path, expected: dict[str, dict]) -> None:
    for name, facts in of_kind(expected, "every_eval_ever record").items():
        runs = read(fixtures / name).runs
        assert {run.model for run in runs} == {facts["model"]}
        assert {run.provenance["schema_version"] for run in runs} == {facts["schema_version"]}
        found = [score for run in runs for score in run.reported.values()]
        assert len(found) == facts["results"]
        known = Counter(score for score in found if score is not None)
        left = Counter(facts["scores"]) - known
        assert known + left == Counter(facts["scores"])
        assert all(score < 0 or score > 1 for score in left), name


def test_instances_of_every_eval_ever_are_read_with_and_without_their_record(fixtures: Path) -> None:
    (alone,) = read(fixtures / "every_eval_ever/converted/None/mmlu/openai/gpt2/None_samples.jsonl").runs
    assert (alone.model, alone.benchmark) == ("openai/gpt2", "mmlu")
    items = list(alone.items())
    assert len(items) == 10
    assert mean(alone, items, "score") == pytest.approx(0.1)
    record = fixtures / "every_eval_ever/tests/f3a1c0de-4b2e-4c1a-9f6d-1b7e5a2c8d40.json"
    (run,) = read(record).runs
    assert [item.marks["accuracy"].value for item in run.items()] == [1.0]
    assert run.reported == {"accuracy": 0.75}


def test_what_the_log_says_was_done_is_believed_over_what_was_asked(fixtures: Path) -> None:
    runs = [run for path in sorted((fixtures / "inspect/tool_run_0.3.21").glob("*truth-mc*.json")) for run in read(path).runs]
    by_prompt = {run.settings["system_prompt"]: run.settings["task_args"] for run in runs}
    assert by_prompt["none"] == '{"safety": "False"}'
    assert len(by_prompt) == 2
