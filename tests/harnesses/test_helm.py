"""HELM: splits, perturbations, hosts, failed requests, and letters that were not offered."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harnesses import written
from safetyrepro.errors import IngestError
from safetyrepro.harnesses import helm
from safetyrepro.harnesses.base import ForeignRun, Part
from safetyrepro.harnesses.bounded import sniff
from safetyrepro.records import Status


def runs_of(folder: Path) -> dict[str, ForeignRun]:
    return {run.benchmark: run for run in helm.read(folder)}


def changed(folder: Path, name: str, change) -> None:
    path = folder / name
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_splits_are_never_mixed(tmp_path: Path) -> None:
    runs = runs_of(written.helm_run(tmp_path / "run", n_items=4))
    assert {name: len(list(run.items())) for name, run in runs.items()} == {"toy:subject=x": 3, "toy:subject=x [valid]": 1}
    assert "kept apart" in runs["toy:subject=x [valid]"].notes[0]


def test_what_was_done_is_believed_and_bookkeeping_is_no_metric(tmp_path: Path) -> None:
    run = runs_of(written.helm_run(tmp_path / "run"))["toy:subject=x"]
    assert run.settings["shots"] == "3"
    assert run.provenance["examples_asked"] == 5
    assert run.settings["engine"] == "together"
    assert run.settings["decoding"] == "greedy"
    assert [estimand.name for estimand in run.estimands] == ["exact_match"]
    assert run.harness_version is None
    assert {"harness version", "chat template"} <= set(run.undisclosed)


def test_an_item_carries_question_options_answer_and_prompt(tmp_path: Path) -> None:
    items = list(runs_of(written.helm_run(tmp_path / "run"))["toy:subject=x"].items())
    assert (items[0].text, items[0].options, items[0].gold) == ("Question 1?", ("yes", "no"), "yes")
    assert (items[0].prompt, items[0].response) == ("Q1", " A")


def test_an_answer_that_is_no_offered_letter_is_unparsed(tmp_path: Path) -> None:
    items = list(runs_of(written.helm_run(tmp_path / "run"))["toy:subject=x"].items())
    assert [item.marks["exact_match"].status for item in items] == [Status.SCORED, Status.UNPARSED]
    assert "Well" in items[1].marks["exact_match"].reason


def test_a_failed_request_is_failed_and_not_wrong(tmp_path: Path) -> None:
    folder = written.helm_run(tmp_path / "run")

    def fail(state: dict) -> None:
        state["request_states"][1]["result"] = {"success": False, "error": "filtered", "completions": []}

    changed(folder, "scenario_state.json", fail)
    marks = [item.marks["exact_match"] for item in runs_of(folder)["toy:subject=x"].items()]
    assert (marks[0].status, marks[0].reason) == (Status.FAILED, "filtered")


def test_requests_in_another_order_still_find_their_instances(tmp_path: Path) -> None:
    folder = written.helm_run(tmp_path / "run", n_items=6)
    wanted = {item.id: item.text for item in runs_of(folder)["toy:subject=x"].items()}
    changed(folder, "scenario_state.json", lambda state: state["request_states"].reverse())
    assert {item.id: item.text for item in runs_of(folder)["toy:subject=x"].items()} == wanted


def test_without_requests_the_scores_are_kept_without_text(tmp_path: Path) -> None:
    folder = written.helm_run(tmp_path / "run")
    (folder / "scenario_state.json").unlink()
    run = runs_of(folder)["toy:subject=x"]
    assert [item.text for item in run.items()] == ["", ""]
    assert "shots" in run.undisclosed


def test_without_stats_the_scores_of_the_instances_are_enough(tmp_path: Path) -> None:
    folder = written.helm_run(tmp_path / "run")
    (folder / "stats.json").unlink()
    runs = runs_of(folder)
    assert set(runs) == {"toy:subject=x", "toy:subject=x [valid]"}
    assert runs["toy:subject=x"].reported == {"exact_match": None}


def test_without_instances_there_are_aggregates_only(tmp_path: Path) -> None:
    folder = written.helm_run(tmp_path / "run")
    (folder / "per_instance_stats.json").unlink()
    assert all(run.aggregates_only for run in runs_of(folder).values())


def test_a_perturbation_is_a_configuration_and_the_worst_of_several_is_none(tmp_path: Path) -> None:
    folder = written.helm_run(tmp_path / "run")

    def perturb(stats: list) -> None:
        for computed_on in ("perturbed", "worst", "original"):
            name = {"name": "exact_match", "split": "test", "perturbation": {"name": "typos", "computed_on": computed_on}}
            stats.append({"name": name, "count": 1, "mean": 0.25})

    changed(folder, "stats.json", perturb)
    runs = [run for run in helm.read(folder) if run.benchmark == "toy:subject=x"]
    assert [run.settings.get("perturbation") for run in runs] == [None, "typos"]
    assert runs[1].reported == {"exact_match": 0.25}
    assert list(runs[1].items()) == []


def test_any_file_of_the_folder_leads_to_the_run(tmp_path: Path) -> None:
    folder = written.helm_run(tmp_path / "run")
    assert helm.recognises(sniff(folder / "stats.json")) is Part.ITEMS
    assert [run.benchmark for run in helm.read(folder / "stats.json")] == [run.benchmark for run in helm.read(folder)]


def test_a_folder_without_its_specification_is_refused(tmp_path: Path) -> None:
    folder = written.helm_run(tmp_path / "run")
    (folder / "run_spec.json").unlink()
    assert helm.recognises(sniff(folder / "per_instance_stats.json")) is Part.ITEMS
    with pytest.raises(IngestError, match=r"holds no run_spec\.json"):
        list(helm.read(folder / "per_instance_stats.json"))


def test_a_folder_without_any_score_is_refused(tmp_path: Path) -> None:
    folder = written.helm_run(tmp_path / "run")
    (folder / "per_instance_stats.json").unlink()
    (folder / "stats.json").write_text("[]")
    with pytest.raises(IngestError, match="holds a score"):
        list(helm.read(folder))


def test_a_row_without_an_instance_is_refused(tmp_path: Path) -> None:
    folder = written.helm_run(tmp_path / "run")
    changed(folder, "per_instance_stats.json", lambda rows: rows.append({"stats": []}))
    with pytest.raises(IngestError, match="row 4 names no instance"):
        [list(run.items()) for run in helm.read(folder)]
