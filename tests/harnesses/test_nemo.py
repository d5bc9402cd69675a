"""NeMo Evaluator: its own files as 0.2.8 wrote them here, the documented form of a job's results, groups, repeats, and what was left out."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from safetyrepro.cli import app
from safetyrepro.errors import IngestError
from safetyrepro.harnesses import nemo
from safetyrepro.harnesses.base import ForeignRun
from safetyrepro.harnesses.discovery import check, discover
from safetyrepro.ingest_foreign import ForeignOptions, ingest_foreign
from safetyrepro.records import Status

DATA = Path(__file__).resolve().parents[1] / "data" / "nemo"


def results(folder: Path, scores: dict, **changes: object) -> Path:
    """A results.yml of the package's form around tasks and groups."""
    content = {
        "command": "simple_evals --model m",
        "config": {"type": "toy", "params": {"temperature": 0.5, "top_p": 0.9, "extra": {"num_fewshot": 3}}},
        "git_hash": "",
        "results": scores,
        "target": {"api_endpoint": {"model_id": "org/m", "type": "completions", "url": "http://localhost/v1"}},
    }
    path = folder / "results.yml"
    path.write_text(yaml.dump({**content, **changes}))
    return path


def metric(value: object, *, name: str = "score", score: str = "micro") -> dict:
    return {"metrics": {name: {"scores": {score: {"value": value, "stats": {"stderr": 0.1}}}}}}


def one(path: Path) -> ForeignRun:
    (run,) = nemo.read(path)
    return run


def test_a_benchmark_of_ones_own_has_its_items() -> None:
    run = one(DATA / "letters" / "results.yml")
    items = list(run.items())
    assert (run.model, run.benchmark, len(items)) == ("tiny-llama", "sky_letters", 8)
    assert run.settings == {
        "harness": "nemo:byob",
        "engine": "endpoint:chat",
        "shots": "0",
        "chat_template": "on",
        "decoding": "greedy",
        "max_tokens": "4",
    }
    assert [item.marks["correct"].value for item in items] == [0.0, 1.0, 0.0, 1.0, 0.0, None, 0.0, 1.0]
    assert items[0].text == "What is a lake of Ostrevane made of?"
    assert items[0].prompt == "Q: What is a lake of Ostrevane made of?\nA. Wool.\nB. Tin.\nAnswer:"
    assert (items[0].gold, items[0].response) == ("A", "Bone combs")


def test_an_item_that_was_left_out_says_why_and_is_in_no_mean() -> None:
    run = one(DATA / "letters" / "results.yml")
    left_out = list(run.items())[5]
    assert {mark.status for mark in left_out.marks.values()} == {Status.NOT_RUN}
    assert left_out.marks["parsed"].reason == "skipped_missing_field: 'b'"
    assert run.reported["correct"] == pytest.approx(3 / 7, abs=run.reported_within)


def test_choices_have_their_log_likelihoods_and_no_text_of_the_models() -> None:
    run = one(DATA / "choices" / "results.yml")
    items = list(run.items())
    assert items[0].options == items[0].continuations == (" Of wool.", " Of tin.")
    assert items[0].loglikelihoods == pytest.approx((-104.20912851579487, -96.04665664769709))
    assert {item.response for item in items} == {None}
    assert run.settings["scoring"] == "loglikelihood"
    likeliest = [max(zip(item.loglikelihoods, item.options, strict=True))[1] == item.gold for item in items]
    assert [item.marks["acc"].value for item in items] == [float(right) for right in likeliest]


def test_rounded_means_are_no_disagreement(tmp_path: Path) -> None:
    found = ingest_foreign([DATA / "letters", DATA / "choices"], tmp_path / "store", package="nemo")
    assert not [note for note in found.notes if "its items give" in note]
    records = found.store.records("sky_letters", "correct")
    assert [record.status for record in records].count(Status.SCORED) == 7


@pytest.mark.parametrize("name", ["byob_results.json", "byob_predictions.jsonl"])
def test_scores_of_ones_own_are_read_where_the_package_failed_to_write_its_results(name: str, tmp_path: Path) -> None:
    folder = shutil.copytree(DATA / "letters", tmp_path / "run")
    (folder / "results.yml").unlink()
    run = one(folder / "sky_letters" / name)
    whole = one(DATA / "letters" / "results.yml")
    assert (run.model, run.settings, run.reported) == (whole.model, whole.settings, whole.reported)
    assert list(run.items()) == list(whole.items())
    (reading,) = [reading for reading in discover([folder]) if reading.runs]
    assert check(reading).n_items == 8


def test_predictions_alone_name_no_model(tmp_path: Path) -> None:
    source = DATA / "letters" / "sky_letters" / "byob_predictions.jsonl"
    path = Path(shutil.copy(source, tmp_path))
    run = one(path)
    assert run.model is None
    assert [estimand.name for estimand in run.estimands] == ["correct", "parsed"]
    assert "model and settings are not recorded" in run.notes[0]
    assert len(list(run.items())) == 8


def test_scores_of_ones_own_without_a_configuration_name_no_model(tmp_path: Path) -> None:
    run = one(Path(shutil.copy(DATA / "letters" / "sky_letters" / "byob_results.json", tmp_path)))
    assert run.model is None
    assert "No run_config.yml belongs to it" in run.notes[-1]
    assert "shots" in run.undisclosed


def test_repeats_of_a_row_are_one_item(tmp_path: Path) -> None:
    folder = shutil.copytree(DATA / "letters", tmp_path / "run")
    path = folder / "sky_letters" / "byob_predictions.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()[:3]]
    again = [
        {**line, "sample_id": line["sample_id"] + 3 * r, "metadata": {**line["metadata"], "_repeat": r}}
        for r in range(3)
        for line in lines
    ]
    path.write_text("".join(f"{json.dumps(line)}\n" for line in again))
    items = list(one(folder / "results.yml").items())
    assert [(item.id, item.repeat) for item in items] == [(str(row), repeat) for repeat in range(3) for row in range(3)]


def test_a_run_of_a_wrapped_package_is_read_once_and_from_the_file_that_holds_more(tmp_path: Path) -> None:
    found = ingest_foreign([DATA / "lm_eval"], tmp_path / "both")
    assert found.store.manifest.source == "lm-eval"
    assert len(found.store.records("sky", "exact_match")) == 8
    alone = ingest_foreign([DATA / "lm_eval"], tmp_path / "alone", package="nemo")
    (record,) = alone.store.records("sky", "exact_match")
    assert record.value == 0.0
    assert "It holds scores of whole tasks and no items" in alone.store.manifest.note
    assert "results_2026-11-26T06-53-38.639019.json, which the wrapped package wrote" in alone.store.manifest.note


def test_lm_eval_below_it_says_that_turns_were_sent_and_that_it_does_not_know_its_version() -> None:
    (run,) = [run for reading in discover([DATA / "lm_eval"]) for run in reading.runs]
    assert run.harness_version is None
    assert "harness version" in run.undisclosed
    assert run.settings["chat_template"] == "on"


def test_a_score_is_named_by_its_metric_where_the_two_differ(tmp_path: Path) -> None:
    run = one(results(tmp_path, {"tasks": {"toy": metric(0.4)}}))
    assert run.reported == {"score:micro": 0.4}
    assert run.settings["decoding"] == "sampled(temperature=0.5,top_p=0.9)"
    assert (run.settings["shots"], run.settings["chat_template"], run.settings["harness"]) == ("3", "off", "nemo")
    assert run.notes == ("It holds scores of whole tasks and no items, so nothing that compares items can be said of it.",)
    same = one(results(tmp_path, {"tasks": {"toy": metric(0.4, name="accuracy", score="accuracy")}}))
    assert same.reported == {"accuracy": 0.4}


def test_a_group_is_told_from_a_task_and_one_that_repeats_its_task_is_left_out(tmp_path: Path) -> None:
    scores = {
        "tasks": {"a": metric(0.25), "b": metric(0.75)},
        "groups": {"a": metric(0.25), "all": {**metric(0.5), "groups": {"inner": metric(0.1)}}},
    }
    runs = list(nemo.read(results(tmp_path, scores)))
    assert [(run.benchmark, run.subtasks) for run in runs] == [
        ("a", ()),
        ("b", ()),
        ("all", ("a", "b")),
        ("all/inner", ("a", "b")),
    ]


def test_groups_without_tasks_are_what_was_measured(tmp_path: Path) -> None:
    assert one(results(tmp_path, {"groups": {"all": metric(0.5)}})).subtasks == ()


@pytest.mark.parametrize("value", [None, "N/A", ".nan", [], {}])
def test_what_is_no_number_is_unknown(value: object, tmp_path: Path) -> None:
    assert one(results(tmp_path, {"tasks": {"toy": metric(value)}})).reported == {"score:micro": None}


def test_versions_that_the_run_was_given_are_its_own(tmp_path: Path) -> None:
    path = results(tmp_path, {"tasks": {"toy": metric(0.5)}}, metadata={"versioning": {"nemo_evaluator": "0.2.8"}})
    assert one(path).harness_version == "0.2.8"
    assert "harness version" not in one(path).undisclosed


def test_results_of_a_job_are_read_as_they_are_documented(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    job = {"created_at": "2025-03-19T22:53:43", "id": "evaluation_result-1", "job": "eval-2"}
    path.write_text(json.dumps({**job, "tasks": {"toy": metric(0.5)}, "groups": {}}))
    (reading,) = discover([path])
    assert reading.harness == "nemo"
    (run,) = reading.runs
    assert (run.model, run.provenance["job"]) == (None, "eval-2")
    options = ForeignOptions(models={"": "named"})
    assert ingest_foreign([path], tmp_path / "store", options=options).store.manifest.models == ("named",)


@pytest.mark.parametrize("scores", [{}, {"tasks": {}}, {"tasks": None, "groups": []}])
def test_a_file_without_scores_is_refused(scores: dict, tmp_path: Path) -> None:
    with pytest.raises(IngestError, match="holds no score"):
        list(nemo.read(results(tmp_path, scores)))


def test_objects_of_others_that_have_tasks_are_not_taken(tmp_path: Path) -> None:
    path = tmp_path / "tasks.json"
    for content in ({"tasks": ["a"]}, {"tasks": {"a": {"metrics": {"acc": 0.5}}}}, {"groups": {}}, {"tasks": {"a": 1}}):
        path.write_text(json.dumps(content))
        (reading,) = discover([path])
        assert reading.harness is None


def test_only_its_own_yaml_is_looked_at_in_a_folder(tmp_path: Path) -> None:
    shutil.copytree(DATA / "letters", tmp_path / "run")
    (tmp_path / "run" / "other.yml").write_text("a: 1\n")
    assert not [reading for reading in discover([tmp_path]) if reading.refusal is not None]


def test_the_command_reads_a_folder_and_the_help_names_the_package(tmp_path: Path) -> None:
    shown = CliRunner().invoke(app, ["ingest", "nemo", str(DATA / "choices"), "-o", str(tmp_path / "store")])
    assert shown.exit_code == 0, shown.output
    assert "nemo: 1 ingested" in shown.output
    help_text = CliRunner().invoke(app, ["ingest", "--help"], env={"COLUMNS": "400"}).output
    assert "Read results.yml of NVIDIA NeMo Evaluator" in " ".join(help_text.split())
