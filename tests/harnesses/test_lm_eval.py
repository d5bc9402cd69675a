"""lm-evaluation-harness: layouts, filters, groups, renamed files, and answers that were not read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harnesses import written
from safetyrepro.errors import IngestError
from safetyrepro.harnesses import lm_eval
from safetyrepro.harnesses.base import ForeignRun
from safetyrepro.records import Status


def runs_of(path: Path) -> dict[tuple[str, str], ForeignRun]:
    return {(str(run.provenance["task"]), run.settings.get("extraction", "")): run for run in lm_eval.read(path)}


def test_settings_are_what_the_file_states(tmp_path: Path) -> None:
    written.lm_eval_samples(tmp_path)
    runs = runs_of(written.lm_eval_results(tmp_path))
    toy = runs["toy", ""]
    assert toy.settings["shots"] == "2"
    assert toy.settings["dtype"] == "float16"
    assert toy.settings["chat_template"] == "off"
    assert toy.settings["system_prompt"] == "none"
    assert toy.settings["scoring"] == "multiple_choice"
    assert toy.settings["template"].startswith("lm-eval:")
    assert toy.model == "org/small"
    assert toy.harness_version == "0.4.9"
    assert toy.n_declared == 4
    assert toy.notes == ("The run was limited to 4 of 9 items.",)
    assert toy.reported == {"acc": 0.5, "acc_norm": 0.75}
    assert "few-shot examples" in toy.undisclosed
    assert "few-shot seed" not in toy.undisclosed
    assert runs["toy_gen", "strict"].settings["decoding"] == "greedy"


def test_every_filter_is_a_run_of_its_own(tmp_path: Path) -> None:
    runs = runs_of(written.lm_eval_results(tmp_path))
    assert {filter_name for task, filter_name in runs if task == "toy_gen"} == {"strict", "loose"}
    assert runs["toy_gen", "loose"].reported == {"exact_match": 1.0}


def test_a_group_is_marked_and_its_examples_are_not_believed(tmp_path: Path) -> None:
    group = runs_of(written.lm_eval_results(tmp_path))["toy_group", ""]
    assert group.subtasks == ("toy", "toy_gen")
    assert "shots" not in group.settings
    assert group.aggregates_only


def test_samples_belong_to_the_results_of_the_same_stamp(tmp_path: Path) -> None:
    samples = written.lm_eval_samples(tmp_path)
    written.lm_eval_results(tmp_path, stamp="2024-01-01T00-00-00.000000")
    results = written.lm_eval_results(tmp_path)
    (run,) = lm_eval.read(samples)
    assert run.files == (results, samples)
    items = list(run.items())
    assert [item.marks["acc"].value for item in items] == [0.0, 1.0, 0.0, 1.0]
    assert items[0].options == ("one", "two")
    assert items[0].loglikelihoods == (-1.5, -0.5)
    assert items[0].response is None
    assert items[0].prompt == "Q: 0\nA:"
    assert runs_of(tmp_path / "results_2024-01-01T00-00-00.000000.json")["toy", ""].aggregates_only


def test_samples_alone_name_no_model(tmp_path: Path) -> None:
    (run,) = lm_eval.read(written.lm_eval_samples(tmp_path))
    assert (run.benchmark, run.model, run.harness_version) == ("toy", None, None)
    assert "model" in run.undisclosed
    assert "No results file" in run.notes[0]


def test_the_longest_task_that_ends_the_name_is_meant(tmp_path: Path) -> None:
    results = tmp_path / "results.json"
    results.write_text(json.dumps({"results": {"qa": {"acc": 0.5}, "open_qa": {"acc": 0.5}}, "versions": {}, "config": {}}))
    (tmp_path / "model__x_open_qa.jsonl").write_text(json.dumps(written.lm_eval_records()))
    runs = runs_of(results)
    assert runs["qa", ""].aggregates_only
    assert len(list(runs["open_qa", ""].items())) == 4


def test_records_that_name_no_filter_belong_to_the_filters_in_turn(tmp_path: Path) -> None:
    written.lm_eval_results(tmp_path)
    path = tmp_path / "samples_toy_gen_2025-01-02T03-04-05.678901.jsonl"
    rows = [
        {"doc_id": 7, "doc": {"question": "Q"}, "resps": [["x"]], "filtered_resps": ["x"], "exact_match": value}
        for value in (0.0, 1.0)
    ]
    path.write_text("\n".join(map(json.dumps, rows)))
    runs = {run.settings["extraction"]: run for run in lm_eval.read(path)}
    assert [item.marks["exact_match"].value for item in runs["strict"].items()] == [0.0]
    assert [item.marks["exact_match"].value for item in runs["loose"].items()] == [1.0]


def test_an_answer_that_the_filter_did_not_find_is_unparsed_and_not_wrong(tmp_path: Path) -> None:
    record = {
        "doc_id": 1,
        "doc": {"question": "Q"},
        "resps": [["hm"]],
        "filtered_resps": ["[invalid]"],
        "exact_match": 0.0,
        "note": "x",
    }
    path = tmp_path / "samples_toy.jsonl"
    path.write_text(json.dumps(record))
    (run,) = lm_eval.read(path)
    (item,) = run.items()
    assert item.marks["exact_match"].status is Status.UNPARSED
    assert item.marks["note"].status is Status.UNKNOWN


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1, 1.0),
        (True, 1.0),
        ("False", 0.0),
        ("0.25", 0.25),
        (float("nan"), None),
        (float("inf"), None),
        ("N/A", None),
        (None, None),
        ([1.0, "False"], None),
        ({"a": 1}, None),
    ],
)
def test_a_metric_of_any_kind_has_a_value_or_a_reason(tmp_path: Path, value: object, expected: float | None) -> None:
    path = tmp_path / "samples_toy.jsonl"
    path.write_text(json.dumps({"doc_id": 1, "doc": {"question": "Q"}, "resps": [], "acc": value}))
    (run,) = lm_eval.read(path)
    (item,) = run.items()
    assert item.marks["acc"].value == expected
    assert bool(item.marks["acc"].reason) == (expected is None)


def test_prompt_variants_of_a_task_are_templates_of_one_benchmark(tmp_path: Path) -> None:
    content = {
        "results": {f"toy_prompt_{n}": {"acc,none": 0.5} for n in (1, 2)},
        "versions": {},
        "config": {"model_args": "model=m"},
    }
    path = tmp_path / "results.json"
    path.write_text(json.dumps(content))
    runs = list(lm_eval.read(path))
    assert {run.benchmark for run in runs} == {"toy"}
    assert [run.settings["template"] for run in runs] == ["prompt_1", "prompt_2"]


def test_the_layout_of_version_0_3_is_read(tmp_path: Path) -> None:
    content = {
        "results": {"toxigen": {"acc": 0.43, "acc_stderr": 0.01}},
        "versions": {"toxigen": 0},
        "config": {"model": "hf-causal", "model_args": "pretrained=/models/x,use_accelerate=True", "num_fewshot": 0},
    }
    path = tmp_path / "x.json"
    path.write_text(json.dumps(content))
    (run,) = lm_eval.read(path)
    assert (run.model, run.reported, run.settings["shots"]) == ("/models/x", {"acc": 0.43}, "0")
    assert "chat_template" not in run.settings
    assert "chat template" in run.undisclosed


def test_a_quantized_model_is_another_configuration(tmp_path: Path) -> None:
    path = written.lm_eval_results(
        tmp_path, config={"model": "hf", "model_args": "pretrained=m,load_in_4bit=True,autogptq=False"}
    )
    assert runs_of(path)["toy", ""].settings["quantization"] == "load_in_4bit=True"


def test_a_sampled_run_states_its_temperature(tmp_path: Path) -> None:
    path = written.lm_eval_results(
        tmp_path, config={"model_args": "pretrained=m", "gen_kwargs": "temperature=0.7,do_sample=True"}
    )
    assert "sampled(temperature=0.7)" in {run.settings.get("decoding") for run in lm_eval.read(path)}


def test_a_file_without_results_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_text('{"results": {}, "versions": {}}')
    with pytest.raises(IngestError, match="names no task"):
        list(lm_eval.read(path))


def test_a_record_without_a_document_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "samples_toy.jsonl"
    path.write_text(json.dumps({"doc_id": 1, "doc": {}, "resps": [], "acc": 1}) + "\n[3]\n")
    (run,) = lm_eval.read(path)
    with pytest.raises(IngestError, match=r"not JSON|record 2"):
        list(run.items())


@pytest.mark.parametrize(
    ("arguments", "prefix"),
    [
        ("pretrained=m,add_bos_token=True", "bos"),
        ({"pretrained": "m", "add_bos_token": False}, "none"),
        ("pretrained=m", None),
        ("pretrained=m,add_bos_token=perhaps", None),
    ],
)
def test_the_first_token_and_the_seed_of_the_examples_are_factors_where_they_are_stated(
    tmp_path: Path, arguments: object, prefix: str | None
) -> None:
    path = written.lm_eval_results(tmp_path, config={"model_args": arguments, "fewshot_seed": 77})
    runs = runs_of(path)
    assert runs["toy", ""].settings.get("prefix") == prefix
    assert runs["toy", ""].settings["fewshot_seed"] == "77"
    assert "fewshot_seed" not in runs["toy_gen", "strict"].settings, "a run without examples has no seed of examples"


def test_the_response_is_what_the_model_said_and_not_what_a_filter_left_of_it(tmp_path: Path) -> None:
    record = {"doc_id": 0, "doc": {"question": "How many?"}, "filter": "strict", "metrics": ["exact_match"], "exact_match": 0.0}
    said = {"resps": [["I think that it is B."]], "filtered_resps": ["[invalid]"], "arguments": [["How many?", {}]]}
    samples = tmp_path / "samples_toy_gen_2025-01-02T03-04-05.678901.jsonl"
    samples.write_text(json.dumps(record | said))
    written.lm_eval_results(tmp_path)
    runs = {run.settings.get("extraction"): run for run in lm_eval.read(samples)}
    (item,) = runs["strict"].items()
    assert item.response == "I think that it is B."
    assert item.marks["exact_match"].status is Status.UNPARSED
