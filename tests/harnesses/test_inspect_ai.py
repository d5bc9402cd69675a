"""Inspect: scorers, letters, epochs, what was done, what is missing, and answers or grades that were not read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harnesses import written
from safetyrepro.errors import IngestError
from safetyrepro.harnesses import inspect_ai
from safetyrepro.harnesses.base import ForeignRun
from safetyrepro.records import Status


def logged(folder: Path, **changes: object) -> Path:
    path = folder / "log.json"
    path.write_text(json.dumps(written.inspect_log(**changes)))
    return path


def runs_of(path: Path) -> dict[str, ForeignRun]:
    return {run.settings["scoring"]: run for run in inspect_ai.read(path)}


def test_every_scorer_is_a_scoring_rule(tmp_path: Path) -> None:
    runs = runs_of(logged(tmp_path))
    assert [estimand.name for estimand in runs["choice"].estimands] == ["accuracy"]
    assert [estimand.name for estimand in runs["parts"].estimands] == ["x", "y"]
    assert runs["choice"].reported == {"accuracy": 0.5}
    assert {run.benchmark for run in runs.values()} == {"even"}


def test_the_archive_and_the_json_log_say_the_same(tmp_path: Path) -> None:
    plain = runs_of(logged(tmp_path))
    packed = runs_of(written.inspect_archive(tmp_path / "log.eval", written.inspect_log()))
    for name, run in plain.items():
        assert list(run.items()) == list(packed[name].items())
        assert run.settings == packed[name].settings


def test_an_archive_that_was_never_closed_is_read_from_its_journal(tmp_path: Path) -> None:
    import zipfile

    log = written.inspect_log()
    path = tmp_path / "log.eval"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("_journal/start.json", json.dumps({"version": 2, "eval": log["eval"], "plan": log["plan"]}))
        archive.writestr("samples/0_epoch_1.json", json.dumps(log["samples"][0]))
    run = runs_of(path)["choice"]
    statuses = [item.marks["accuracy"].status for item in run.items()]
    assert statuses.count(Status.SCORED) == 1
    assert len(statuses) == 4


def test_what_was_done_is_read_from_the_steps_and_messages(tmp_path: Path) -> None:
    run = runs_of(logged(tmp_path))["choice"]
    assert run.settings["template"].startswith("multiple_choice:")
    assert run.settings["system_prompt"].startswith("sha256:")
    assert run.settings["decoding"] == "sampled(temperature=0.5)"
    assert run.settings["max_tokens"] == "7"
    bare = runs_of(logged(tmp_path, plan={"steps": [{"solver": "generate", "params": {}}]}))["choice"]
    assert bare.settings["template"] == "generate"
    assert "decoding" in bare.undisclosed


def test_epochs_are_repetitions_and_items_carry_the_question(tmp_path: Path) -> None:
    items = list(runs_of(logged(tmp_path))["choice"].items())
    assert [(item.id, item.repeat) for item in items] == [("0", 0), ("0", 1), ("1", 0), ("1", 1)]
    assert items[0].text == "Is 0 even?"
    assert items[0].options == ("yes", "no")
    assert items[0].response == "A"
    assert items[0].prompt == "system: Be brief.\n\nuser: Is 0 even?"


@pytest.mark.parametrize(
    ("score", "value", "status"),
    [
        ({"value": "C"}, 1.0, Status.SCORED),
        ({"value": "P"}, 0.5, Status.SCORED),
        ({"value": "I"}, 0.0, Status.SCORED),
        ({"value": "N"}, None, Status.UNPARSED),
        ({"value": True}, 1.0, Status.SCORED),
        ({"value": "yes"}, 1.0, Status.SCORED),
        ({"value": "0.65"}, 0.65, Status.SCORED),
        ({"value": float("nan")}, None, Status.UNKNOWN),
        ({"value": None}, None, Status.UNKNOWN),
        ({"value": [1, 2]}, None, Status.UNKNOWN),
        ({"value": "I", "answer": ""}, None, Status.UNPARSED),
        ({"value": "I", "explanation": "Grade not found in model output: hm"}, None, Status.JUDGE_REFUSED),
        ({"value": "I", "explanation": "Scoring pattern not matched in output: hm"}, None, Status.UNPARSED),
        ({"value": "C", "explanation": "Grade not found in model output is what it said"}, 1.0, Status.SCORED),
    ],
)
def test_a_score_is_read_as_the_package_means_it(tmp_path: Path, score: dict, value: float | None, status: Status) -> None:
    samples = written.inspect_log()["samples"][:1]
    samples[0]["scores"] = {"choice": score}
    run = runs_of(logged(tmp_path, samples=samples))["choice"]
    mark = next(run.items()).marks["accuracy"]
    assert (mark.value, mark.status) == (value, status)


def test_a_sample_that_failed_is_failed_with_its_reason(tmp_path: Path) -> None:
    samples = written.inspect_log()["samples"]
    samples[1] = {**samples[1], "scores": None, "error": {"message": "out of memory"}}
    marks = [item.marks["accuracy"] for item in runs_of(logged(tmp_path, samples=samples))["choice"].items()]
    assert (marks[1].status, marks[1].reason) == (Status.FAILED, "out of memory")


@pytest.mark.parametrize(("status", "expected"), [("cancelled", Status.NOT_RUN), ("success", Status.UNKNOWN)])
def test_listed_samples_that_the_log_does_not_hold_are_counted(tmp_path: Path, status: str, expected: Status) -> None:
    samples = written.inspect_log()["samples"][:1]
    run = runs_of(logged(tmp_path, status=status, samples=samples))["choice"]
    statuses = [item.marks["accuracy"].status for item in run.items()]
    assert statuses == [Status.SCORED, expected, expected, expected]
    assert ("cancelled" in " ".join(run.notes)) == (status == "cancelled")


def test_a_log_without_samples_gives_its_reductions(tmp_path: Path) -> None:
    reductions = [{"scorer": "choice", "samples": [{"sample_id": 0, "value": 1.0}, {"sample_id": 1, "value": "I"}]}]
    run = runs_of(logged(tmp_path, samples=None, reductions=reductions))["choice"]
    assert [item.marks["accuracy"].value for item in run.items()] == [1.0, 0.0]
    assert "no samples" in " ".join(run.notes)


def test_a_log_with_results_only_gives_aggregates(tmp_path: Path) -> None:
    run = runs_of(logged(tmp_path, samples=[]))["choice"]
    assert run.aggregates_only
    assert list(run.items()) == []
    assert run.reported == {"accuracy": 0.5}


def test_a_log_that_nobody_scored_is_refused(tmp_path: Path) -> None:
    samples = [{"id": 1, "epoch": 1, "input": "x", "scores": {}}]
    with pytest.raises(IngestError, match="answers that nobody scored"):
        runs_of(logged(tmp_path, samples=samples, results={}))
    with pytest.raises(IngestError, match="neither samples nor scores"):
        runs_of(logged(tmp_path, samples=None, results=None, status="error"))


def test_a_scorer_that_clusters_its_error_names_the_cluster(tmp_path: Path) -> None:
    log = written.inspect_log()
    log["results"]["scores"][0]["metrics"]["stderr"] = {"value": 0.1, "params": {"cluster": "passage"}}
    for sample in log["samples"]:
        sample["metadata"] = {"passage": "p1"}
    path = tmp_path / "log.json"
    path.write_text(json.dumps(log))
    assert {item.cluster for item in runs_of(path)["choice"].items()} == {"p1"}


def test_an_attachment_is_put_back_in_its_place(tmp_path: Path) -> None:
    samples = written.inspect_log()["samples"][:1]
    samples[0] |= {"input": "attachment://abc", "attachments": {"abc": "The long question?"}}
    assert next(runs_of(logged(tmp_path, samples=samples))["choice"].items()).text == "The long question?"


def test_a_conversation_asks_its_last_question(tmp_path: Path) -> None:
    samples = written.inspect_log()["samples"][:1]
    samples[0]["input"] = [
        {"role": "user", "content": "First?"},
        {"role": "assistant", "content": "Yes."},
        {"role": "user", "content": [{"type": "text", "text": "Second?"}, {"type": "image"}]},
    ]
    assert next(runs_of(logged(tmp_path, samples=samples))["choice"].items()).text == "Second?"


def test_an_object_without_a_header_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.json"
    path.write_text('{"version": 2, "samples": []}')
    with pytest.raises(IngestError, match="has no header"):
        list(inspect_ai.read(path))


def test_an_object_among_the_settings_is_the_same_setting_in_every_run(tmp_path: Path) -> None:
    def template(place: str, shuffle: str = "random.Random") -> str:
        params = {"multiple_correct": "False", "shuffle": f"<{shuffle} object at {place}>"}
        plan = {"steps": [{"solver": "multiple_choice", "params": params}], "config": {"top_k": 1, "max_tokens": 64}}
        return runs_of(logged(tmp_path, plan=plan))["choice"].settings["template"]

    assert template("0x55646be8cf70") == template("0x7f00DEADbeef")
    assert template("0x1") != template("0x1", shuffle="other.Random")


def test_one_candidate_token_is_greedy_whatever_the_temperature(tmp_path: Path) -> None:
    for config, decoding in (({"top_k": 1}, "greedy"), ({"top_k": 5}, None), ({"top_k": 1, "temperature": 0.7}, "greedy")):
        run = runs_of(logged(tmp_path, plan={"steps": [], "config": config}))["choice"]
        assert run.settings.get("decoding") == decoding
