"""What is exported is valid in the other tool's form, says what it leaves out, and comes back as it was."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harnesses import written
from safetyrepro.analysis import analyze
from safetyrepro.cli import app
from safetyrepro.errors import SafetyReproError, StoreError
from safetyrepro.export import EverySource, export_every_eval_ever
from safetyrepro.export_table import export_table
from safetyrepro.ingest import TableOptions, ingest_table
from safetyrepro.ingest_foreign import ForeignOptions, ingest_foreign
from safetyrepro.store import Store


def made(folder: Path) -> Store:
    """Two models under two packages, with unparsed and failed items and an aggregate."""
    folder.mkdir()
    paths = []
    for name in ("a", "b"):
        (folder / name).mkdir()
        log = written.inspect_log()
        log["eval"]["model"] = f"org/{name}"
        log["samples"][0]["scores"]["choice"] = {"value": "N" if name == "a" else "C"}
        log["samples"][2] |= {"scores": None, "error": {"message": "late"}}
        (folder / name / "log.json").write_text(json.dumps(log))
        written.lm_eval_results(folder / name)
        paths.append(folder / name)
    return ingest_foreign(paths, folder / "store", options=ForeignOptions(models={"org/small": "../org/../a"})).store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return made(tmp_path / "made")


def records(folder: Path) -> list[dict]:
    return [json.loads(path.read_text()) for path in sorted(folder.rglob("*.json"))]


def test_records_and_instances_are_valid_in_the_published_schema(store: Store, tmp_path: Path, shared: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    schemas = shared / "fixtures/every_eval_ever/schema"
    whole, single = (
        json.loads((schemas / name).read_text()) for name in ("eval.schema.json", "instance_level_eval.schema.json")
    )
    done = export_every_eval_ever(store, tmp_path / "out")
    for path in done.paths:
        if path.suffix == ".json":
            jsonschema.validate(json.loads(path.read_text()), whole)
        else:
            for line in path.read_text().splitlines():
                jsonschema.validate(json.loads(line), single)


def test_every_cell_has_a_result_with_its_factors_and_scores(store: Store, tmp_path: Path) -> None:
    export_every_eval_ever(store, tmp_path / "out")
    found = {
        (record["model_info"]["id"], result["evaluation_result_id"]): result
        for record in records(tmp_path / "out")
        for result in record["evaluation_results"]
    }
    even = [key for key in found if key[1].startswith("even.accuracy")]
    assert {key[0] for key in even} == {"org/a", "org/b"}
    result = found[even[0]]
    details = result["generation_config"]["additional_details"]
    assert details["factor.scoring"] == "choice"
    assert details["factor.decoding"] == "sampled(temperature=0.5)"
    counts = result["score_details"]["details"]
    assert [(told[2], told[3]) for told in json.loads(counts.pop("unscored"))] == [
        ("unparsed", "the scorer wrote N: there was no answer"),
        ("failed", "late"),
    ]
    assert counts == {"items_failed": "1", "items_scored": "2", "items_unparsed": "1"}
    assert result["metric_config"]["min_score"] == 0.0
    assert len({record["eval_library"]["name"] for record in records(tmp_path / "out")}) == 2


def test_an_item_without_a_value_has_no_line_and_is_counted(store: Store, tmp_path: Path) -> None:
    done = export_every_eval_ever(store, tmp_path / "out")
    (path,) = [path for path in done.paths if path.suffix == ".jsonl" and "/org/a/" in path.as_posix()]
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    choice = [line for line in lines if line["evaluation_result_id"].startswith("even.accuracy")]
    assert [line["evaluation"]["score"] for line in choice] == [0.0, 1.0]
    assert choice[0]["input"]["raw"] == "Is 0 even?"
    record = json.loads(path.with_name(path.name.replace("_samples.jsonl", ".json")).read_text())
    assert record["detailed_evaluation_results"]["additional_details"] == {"items_without_a_value": "4"}
    assert record["detailed_evaluation_results"]["checksum"] == hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_same_store_gives_the_same_bytes_and_no_name_leads_out(store: Store, tmp_path: Path) -> None:
    first, second = (export_every_eval_ever(store, tmp_path / name) for name in ("one", "two"))
    assert [path.read_bytes() for path in first.paths] == [path.read_bytes() for path in second.paths]
    assert all(path.resolve().is_relative_to(tmp_path / "one") for path in first.paths)


def test_an_export_is_read_back_with_the_same_scores(store: Store, tmp_path: Path) -> None:
    export_every_eval_ever(store, tmp_path / "out")
    back = ingest_foreign([tmp_path / "out"], tmp_path / "back").store
    assert set(back.manifest.models) == set(store.manifest.models)
    assert {entry.name for entry in back.manifest.benchmarks} == {entry.name for entry in store.manifest.benchmarks}


def ahead(pairs) -> dict[tuple[str, str], int]:
    """Pair of models -> configurations in which the first is ahead, whatever order the models were read in."""
    return {key: n for pair in pairs for key, n in (((pair.a, pair.b), pair.n_plus), ((pair.b, pair.a), pair.n_minus))}


def test_a_table_comes_back_with_the_same_verdicts(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "all.csv.gz"
    done = export_table(store, path)
    ranges = {
        entry.name if place == 0 else f"{entry.name}:{estimand.name}": (estimand.low, estimand.high)
        for entry in store.manifest.benchmarks
        for place, estimand in enumerate(entry.estimands)
    }
    back = analyze(ingest_table(path, tmp_path / "back", options=TableOptions(ranges=ranges)))
    before = analyze(store)
    assert done.n_without_value > 0
    assert set(back.benchmarks) == set(before.benchmarks)
    for name, benchmark in before.benchmarks.items():
        assert ahead(back.benchmarks[name].pairs) == ahead(benchmark.pairs)


def test_a_row_says_what_became_of_an_item(store: Store, tmp_path: Path) -> None:
    export_table(store, tmp_path / "all.csv")
    with (tmp_path / "all.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["model"] == "org/a" and row["scoring"] == "choice"]
    assert sorted((row["score"], row["status"]) for row in rows) == [("", "failed"), ("", "unparsed"), ("0.0", ""), ("1.0", "")]


def test_what_cannot_be_written_or_said_is_refused(store: Store, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="cannot be written"):
        export_table(store, tmp_path / "file" / "all.csv")
    with pytest.raises(StoreError, match="cannot be written"):
        export_every_eval_ever(store, tmp_path / "file")
    with pytest.raises(SafetyReproError, match="is no relationship"):
        export_every_eval_ever(store, tmp_path, source=EverySource(relationship="cousin"))


def test_the_commands_name_what_they_wrote(store: Store, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["export", "table", str(store.folder), "-o", str(tmp_path / "t.csv")])
    assert "rows; " in result.output
    result = CliRunner().invoke(
        app, ["export", "every-eval-ever", str(store.folder), "-o", str(tmp_path / "e"), "--organization", "Me"]
    )
    assert "results" in result.output
    assert records(tmp_path / "e")[0]["source_metadata"]["source_organization_name"] == "Me"
