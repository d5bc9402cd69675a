"""Every Eval Ever: records of several versions, placeholders, names of benchmarks and metrics, instances."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harnesses import written
from safetyrepro.errors import IngestError
from safetyrepro.harnesses import every_eval_ever
from safetyrepro.records import Status


def result(name: str, score: float, **changes: object) -> dict:
    return {
        "evaluation_name": name,
        "metric_config": {"lower_is_better": False, "score_type": "continuous", "min_score": 0, "max_score": 1},
        "score_details": {"score": score},
        **changes,
    }


def record(folder: Path, results: list[dict], **changes: object) -> Path:
    path = folder / "record.json"
    content = {"schema_version": "0.1.0", "evaluation_id": "e", "model_info": {"id": "m"}, "evaluation_results": results}
    path.write_text(json.dumps({**content, **changes}))
    return path


def test_a_record_and_its_instances_are_one_run(tmp_path: Path) -> None:
    (run,) = every_eval_ever.read(written.eee_record(tmp_path))
    assert (run.model, run.harness_version) == ("org/small", "0.4.9")
    assert run.settings == {"harness": "lm_eval", "harness_version": "0.4.9", "dtype": "float16", "source": "Org"}
    assert run.reported == {"accuracy": 0.5, "f1": None}
    assert "1 of 2 scores are placeholders" in run.notes[0]
    items = list(run.items())
    assert [item.marks["accuracy"].value for item in items] == [0.0, 1.0, None]
    assert items[2].marks["accuracy"].status is Status.FAILED
    assert (items[0].text, items[0].options, items[0].gold, items[0].response) == ("Q0?", ("yes", "no"), "yes", "yes")


def test_instances_lead_to_their_record(tmp_path: Path) -> None:
    path = written.eee_record(tmp_path)
    samples = path.with_name(f"{path.stem}_samples.jsonl")
    (run,) = every_eval_ever.read(samples)
    assert run.files == (path, samples)
    path.unlink()
    (alone,) = every_eval_ever.read(samples)
    assert (alone.model, alone.benchmark) == ("org/small", "toy")
    assert [estimand.name for estimand in alone.estimands] == ["score"]


def test_a_name_with_a_metric_behind_a_dash_is_taken_apart(tmp_path: Path) -> None:
    runs = list(
        every_eval_ever.read(record(tmp_path, [result("MMLU - EM", 0.5), result("MMLU - f1", 0.25), result("BoolQ - EM", 1)]))
    )
    assert [(run.benchmark, run.reported) for run in runs] == [("MMLU", {"EM": 0.5, "f1": 0.25}), ("BoolQ", {"EM": 1.0})]


def test_results_of_one_data_set_keep_their_own_names(tmp_path: Path) -> None:
    source = {"source_data": {"dataset_name": "RewardBench 2"}}
    runs = every_eval_ever.read(record(tmp_path, [result("Factuality", 0.5, **source), result("Safety", 0.25, **source)]))
    assert [run.benchmark for run in runs] == ["RewardBench 2/Factuality", "RewardBench 2/Safety"]


def test_a_converted_record_keeps_split_and_perturbation_in_its_metrics(tmp_path: Path) -> None:
    metric = {"evaluation_description": "exact_match", "lower_is_better": False, "min_score": 0, "max_score": 1}

    def entry(split: str, perturbation: dict | None) -> dict:
        return result(
            "multiple_choice_joint",
            0.5,
            metric_config=metric,
            score_details={"score": 0.5, "details": {"split": split, "perturbation": perturbation}},
        )

    results = [entry("test", None), entry("test", None), entry("valid", {"name": "typos", "computed_on": "worst"})]
    (run,) = every_eval_ever.read(record(tmp_path, results, source_data={"dataset_name": "mmlu", "sample_ids": ["a", "b"]}))
    assert run.benchmark == "mmlu"
    assert list(run.reported) == ["exact_match:test", "exact_match:test #2", "exact_match:valid[typos,worst]"]
    assert run.n_declared == 2


@pytest.mark.parametrize(
    ("score", "config", "expected"),
    [
        (0.5, {}, 0.5),
        (-1.0, {}, None),
        (1.5, {}, None),
        (-1.0, {"min_score": -1, "has_unknown_level": True}, None),
        (-1.0, {"min_score": -1}, -1.0),
        (1200.0, {"min_score": 0, "max_score": "Infinity"}, 1200.0),
        (7.0, {"min_score": None, "max_score": None}, 7.0),
        (float("nan"), {}, None),
    ],
)
def test_a_placeholder_is_not_a_score(tmp_path: Path, score: float, config: dict, expected: float | None) -> None:
    base = {"lower_is_better": False, "score_type": "continuous", "min_score": 0, "max_score": 1}
    (run,) = every_eval_ever.read(record(tmp_path, [result("toy", score, metric_config={**base, **config})]))
    assert run.reported == {"score": expected}


def test_a_lower_score_can_be_better(tmp_path: Path) -> None:
    (run,) = every_eval_ever.read(record(tmp_path, [result("toy", 0.5, metric_config={"lower_is_better": True})]))
    assert str(run.estimands[0].orientation) == "lower"


def test_an_unknown_package_is_not_named(tmp_path: Path) -> None:
    path = record(tmp_path, [result("toy", 0.5)], eval_library={"name": "unknown", "version": "unknown"})
    (run,) = every_eval_ever.read(path)
    assert run.harness_version is None
    assert run.settings["harness"] == "every-eval-ever"


def test_a_record_without_results_is_refused(tmp_path: Path) -> None:
    with pytest.raises(IngestError, match="no evaluation result"):
        list(every_eval_ever.read(record(tmp_path, [])))


def test_an_empty_or_nameless_instance_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x_samples.jsonl"
    line = {"schema_version": "0.2.0", "evaluation_id": "e", "sample_id": "s", "evaluation": {"score": 1}}
    path.write_text(json.dumps(line) + "\n" + json.dumps({"evaluation": {}}))
    (run,) = every_eval_ever.read(path)
    with pytest.raises(IngestError, match="line 2 names no sample"):
        list(run.items())
