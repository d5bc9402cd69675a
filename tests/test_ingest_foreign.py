"""Runs of other packages become a store: items by content, unknown kept unknown, nothing half-written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harnesses import written
from safetyrepro.analysis import analyze
from safetyrepro.cli import app
from safetyrepro.errors import IngestError, StoreError
from safetyrepro.estimands import Orientation
from safetyrepro.ingest_foreign import ForeignOptions, ingest_foreign
from safetyrepro.records import AGGREGATE_ITEM, Status
from safetyrepro.store import open_store


def samples(folder: Path, name: str, values: list[float], *, start: int = 0, **config: object) -> Path:
    """Results and samples of one model on one task."""
    folder.mkdir(parents=True)
    results = {
        "results": {"toy": {"acc,none": sum(values) / len(values)}},
        "versions": {},
        "configs": {"toy": {"output_type": "multiple_choice"}},
        "n-shot": {"toy": 0},
        "config": {"model_args": f"pretrained={name}", **config},
    }
    (folder / "results_2025-01-02T03-04-05.json").write_text(json.dumps(results))
    records = [
        {
            "doc_id": start + place,
            "doc": {"question": f"Question {place}?"},
            "resps": [],
            "arguments": [["prompt " + str(place), " x"]],
            "acc": value,
        }
        for place, value in enumerate(values)
    ]
    (folder / "samples_toy_2025-01-02T03-04-05.jsonl").write_text("\n".join(map(json.dumps, records)))
    return folder


def test_the_same_question_of_two_runs_is_one_item_whatever_its_number(tmp_path: Path) -> None:
    a = samples(tmp_path / "a", "one", [1.0, 0.0])
    b = samples(tmp_path / "b", "two", [0.0, 0.0], start=50)
    found = ingest_foreign([a, b], tmp_path / "store")
    entry = found.store.manifest.benchmark("toy")
    records = found.store.records("toy", "accuracy")
    assert entry.data.n_items == 2
    assert len({record.item_id for record in records}) == 2
    assert found.store.manifest.models == ("one", "two")
    assert found.store.manifest.complete
    assert sorted(found.store.prompts({record.prompt_digest for record in records}).values()) == ["prompt 0", "prompt 1"]
    verdict = analyze(found.store).benchmarks["toy"].pairs[0]
    assert (verdict.n_plus, verdict.n_minus) == (1, 0)


def test_what_one_file_states_and_another_does_not_is_a_level_of_its_own(tmp_path: Path) -> None:
    a = samples(tmp_path / "a", "one", [1.0], model="hf")
    b = samples(tmp_path / "b", "two", [1.0])
    envelope = ingest_foreign([a, b], tmp_path / "store").store.manifest.benchmark("toy").envelope
    assert {configuration["engine"] for configuration in envelope} == {"hf", "not recorded"}
    stages = {factor.name: factor.stage.name for factor in envelope.factors if factor.stage is not None}
    assert stages["engine"] == "LOAD"
    assert stages["scoring"] == "SCORE"


def test_a_run_of_the_same_configuration_is_a_repetition_and_said_to_be_one(tmp_path: Path) -> None:
    a, b = samples(tmp_path / "a", "one", [1.0]), samples(tmp_path / "b", "one", [0.0])
    found = ingest_foreign([a, b], tmp_path / "store")
    assert {record.repeat for record in found.store.records("toy", "accuracy")} == {0, 1000}
    assert any("counts as a repetition" in note for note in found.notes)


def test_a_question_asked_under_two_numbers_is_two_items(tmp_path: Path) -> None:
    folder = samples(tmp_path / "a", "one", [1.0])
    path = folder / "samples_toy_2025-01-02T03-04-05.jsonl"
    record = json.loads(path.read_text())
    path.write_text("\n".join(json.dumps({**record, "doc_id": number}) for number in (3, 4, 4)))
    records = ingest_foreign([folder], tmp_path / "store").store.records("toy", "accuracy")
    names = [(record.item_id.partition("~")[2], record.repeat) for record in records]
    assert names == [("", 0), ("2", 0), ("2", 1)]


def test_an_aggregate_is_a_cell_without_items(tmp_path: Path) -> None:
    path = written.lm_eval_results(tmp_path)
    store = ingest_foreign([path], tmp_path / "store").store
    records = store.records("toy", "accuracy")
    assert {(record.item_id, record.cluster) for record in records} == {(AGGREGATE_ITEM, AGGREGATE_ITEM)}
    assert sorted(record.value for record in records) == [0.5, 0.75]
    assert store.manifest.benchmark("toy").data.n_items == 0
    assert "toy_group" not in [entry.name for entry in store.manifest.benchmarks]


def test_a_placeholder_is_an_unknown_cell(tmp_path: Path) -> None:
    store = ingest_foreign([written.eee_record(tmp_path).parent], tmp_path / "out" / "store").store
    failed = [record.status for record in store.records("toy", "accuracy")]
    assert failed == [Status.SCORED, Status.SCORED, Status.FAILED]


def test_ranges_and_directions_hold_what_was_seen_unless_somebody_states_them(tmp_path: Path) -> None:
    content = {
        "results": {"t": {"perplexity,none": 33.0, "own,none": -2.0}},
        "versions": {},
        "config": {"model_args": "model=m"},
    }
    path = tmp_path / "results.json"
    path.write_text(json.dumps(content))
    plain = ingest_foreign([path], tmp_path / "plain").store.manifest
    assert [(e.name, e.low, e.high) for e in plain.benchmark("t").estimands] == [("perplexity", 0.0, 33.0), ("own", -2.0, 1.0)]
    assert any("direction of 'perplexity'" in field for field in plain.undisclosed)
    options = ForeignOptions(ranges={"own": (-5.0, 5.0)}, orientations={"perplexity": Orientation.parse("lower")})
    stated = ingest_foreign([path], tmp_path / "stated", options=options).store.manifest
    assert [(e.low, e.high, str(e.orientation)) for e in stated.benchmark("t").estimands] == [
        (0.0, 33.0, "lower"),
        (-5.0, 5.0, "higher"),
    ]


def test_a_file_that_disagrees_with_its_own_items_is_said_to(tmp_path: Path) -> None:
    folder = samples(tmp_path / "a", "one", [1.0, 0.0])
    path = folder / "results_2025-01-02T03-04-05.json"
    content = json.loads(path.read_text())
    content["results"]["toy"]["acc,none"] = 0.9
    content["n-samples"] = {"toy": {"original": 7, "effective": 7}}
    path.write_text(json.dumps(content))
    notes = " ".join(ingest_foreign([folder], tmp_path / "store").notes)
    assert "reports accuracy 0.9, its items give 0.5" in notes
    assert "holds 2 of the 7 items" in notes


def test_names_can_be_given_and_one_model_can_have_two(tmp_path: Path) -> None:
    a, b = samples(tmp_path / "a", "host1/x", [1.0], model="hf"), samples(tmp_path / "b", "host2/x", [1.0], model="vllm")
    options = ForeignOptions(models={"host1/x": "x", "host2/x": "x"}, benchmarks={"toy": "renamed"})
    manifest = ingest_foreign([a, b], tmp_path / "store", options=options).store.manifest
    assert manifest.models == ("x",)
    assert len(manifest.benchmark("renamed").envelope) == 2


def test_a_model_that_no_file_names_must_be_named(tmp_path: Path) -> None:
    path = written.lm_eval_samples(tmp_path)
    with pytest.raises(IngestError, match="no file names the model"):
        ingest_foreign([path], tmp_path / "store")
    assert not (tmp_path / "store").exists()
    store = ingest_foreign([path], tmp_path / "store", options=ForeignOptions(models={"": "mine"})).store
    assert store.manifest.models == ("mine",)


def test_a_refusal_leaves_nothing_behind(tmp_path: Path) -> None:
    folder = samples(tmp_path / "a", "one", [1.0])
    path = folder / "samples_toy_2025-01-02T03-04-05.jsonl"
    path.write_text(path.read_text() + '\n{"doc_id": 9, "acc"')
    with pytest.raises(IngestError, match="not JSON"):
        ingest_foreign([folder], tmp_path / "out" / "store")
    assert [entry.name for entry in tmp_path.iterdir()] == ["a"]


def test_a_damaged_file_does_not_keep_the_others_out(tmp_path: Path) -> None:
    good, bad = samples(tmp_path / "a", "one", [1.0]), samples(tmp_path / "b", "two", [1.0])
    path = bad / "samples_toy_2025-01-02T03-04-05.jsonl"
    path.write_text(path.read_text() + "\n{")
    found = ingest_foreign([good, bad], tmp_path / "store")
    assert found.store.manifest.models == ("one",)
    assert ["not JSON" in str(reading.refusal) for reading in found.readings if reading.refusal] == [True]


def test_an_occupied_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "mine.txt").write_text("x")
    with pytest.raises(StoreError, match="occupied"):
        ingest_foreign([samples(tmp_path / "a", "one", [1.0])], tmp_path / "store")
    assert (tmp_path / "store" / "mine.txt").read_text() == "x"


def test_what_holds_no_result_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(IngestError, match="holds no result file"):
        ingest_foreign([tmp_path / "empty"], tmp_path / "store")
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(IngestError, match="not a result file that is known"):
        ingest_foreign([tmp_path / "x.json"], tmp_path / "store")


def test_samples_without_a_question_get_the_name_their_id_has_elsewhere(tmp_path: Path) -> None:
    whole = tmp_path / "whole.json"
    whole.write_text(json.dumps(written.inspect_log()))
    reductions = [{"scorer": "choice", "samples": [{"sample_id": 1, "value": 1.0}]}]
    bare = tmp_path / "zbare.json"
    bare.write_text(json.dumps(written.inspect_log(samples=None, reductions=reductions)))
    store = ingest_foreign([whole, bare], tmp_path / "store", package="inspect-ai").store
    assert store.manifest.benchmark("even").data.n_items == 2


def run(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result.output


def test_a_dry_run_says_what_each_file_gave_and_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    samples(tmp_path / "a", "one", [1.0, 0.0])
    (tmp_path / "a" / "bad.json").write_text('{"results": {"t": ')
    output = run("ingest", "auto", "--dry-run", tmp_path / "a")
    assert "lm-eval, 1 run, 2 items" in output
    assert "1 ingested, 1 read with another file, 1 refused" in output
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("command", ["auto", "lm-eval"])
def test_the_command_makes_a_store_that_analyze_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    monkeypatch.chdir(tmp_path)
    a, b = samples(tmp_path / "a", "one", [1.0, 0.0]), samples(tmp_path / "b", "two", [0.0, 0.0])
    output = run(
        "ingest", command, a, b, "-o", tmp_path / "store", "--model", "one=A", "--benchmark", "toy=quiz", "--range", "0,1"
    )
    assert "2 models" in output
    assert open_store(tmp_path / "store").manifest.models == ("A", "two")
    assert "quiz" in run("analyze", tmp_path / "store")


def test_a_rename_without_a_name_is_refused(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["ingest", "auto", str(tmp_path), "--model", "x="])
    assert "gives no name" in str(result.exception)


@pytest.mark.parametrize("command", ["inspect", "helm", "lighteval", "every-eval-ever"])
def test_every_package_has_its_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    monkeypatch.chdir(tmp_path)
    source = tmp_path / "in"
    source.mkdir()
    if command == "inspect":
        (source / "log.json").write_text(json.dumps(written.inspect_log()))
    elif command == "helm":
        written.helm_run(source / "run")
    else:
        {"lighteval": written.lighteval_run, "every-eval-ever": written.eee_record}[command](source)
    assert "1 model, " in run("ingest", command, source, "-o", tmp_path / "store")


def test_a_pattern_names_files_and_the_store_is_called_after_the_folder_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples(tmp_path / "runs" / "one", "a", [1.0, 0.0])
    samples(tmp_path / "runs" / "two", "b", [1.0, 1.0])
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["ingest", "auto", "runs/*/results_*.json"])
    assert result.exit_code == 0, result.output
    assert open_store(tmp_path / "results" / "runs").manifest.models == ("a", "b")
    result = CliRunner().invoke(app, ["ingest", "auto", "runs/*/nothing_*.json", "--dry-run"])
    assert isinstance(result.exception, IngestError)
    assert "a file, a folder or a pattern" in str(result.exception)


def test_a_file_whose_name_is_a_pattern_is_itself(tmp_path: Path) -> None:
    folder = tmp_path / "run[1]"
    samples(folder, "a", [1.0, 0.0])
    store = ingest_foreign([folder], tmp_path / "store").store
    assert store.manifest.models == ("a",)
