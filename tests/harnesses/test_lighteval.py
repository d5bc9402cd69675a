"""lighteval: results, both shapes of the details, and what belongs to what."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest

from harnesses import written
from safetyrepro.errors import IngestError
from safetyrepro.harnesses import lighteval
from safetyrepro.harnesses.base import Part
from safetyrepro.harnesses.bounded import sniff


def table(path: Path, query: str) -> Path:
    with duckdb.connect() as connection:
        connection.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet)")
    return path


def test_results_find_their_details_and_the_details_their_results(tmp_path: Path) -> None:
    results = written.lighteval_run(tmp_path)
    (run,) = lighteval.read(results)
    assert (run.benchmark, run.model, run.settings["shots"]) == ("toy", "org/small", "3")
    assert run.settings["template"] == "lighteval:toy_prompt"
    assert run.settings["decoding"] == "greedy"
    assert run.reported == {"acc": 0.5}
    assert run.files[0] == results
    (same,) = lighteval.read(run.files[1])
    assert same.settings == run.settings
    items = list(run.items())
    assert [item.marks["acc"].value for item in items] == [0.0, 1.0]
    assert (items[0].id, items[0].gold, items[0].response) == ("i0", "yes", "yes")
    assert items[0].loglikelihoods == (-1.0, -2.0)


def test_the_older_table_has_no_ids_and_its_rows_are_numbered(tmp_path: Path) -> None:
    path = table(
        tmp_path / "details_suite|toy|0_2025-05-05T05-05-05.000001.parquet",
        "SELECT 'Q?' AS example, 'Q? A:' AS full_prompt, [' yes', ' no'] AS choices, [1] AS gold_index, "
        "{'acc': true} AS metrics, [[-5e-1, 0e0], [-15e-1, 1e0]] AS predictions",
    )
    assert lighteval.recognises(sniff(path)) is Part.ITEMS
    (run,) = lighteval.read(path)
    (item,) = run.items()
    assert (run.benchmark, run.settings["shots"], run.model) == ("toy", "0", None)
    assert (item.id, item.gold, item.options) == ("row 0", "no", ("yes", "no"))
    assert item.marks["acc"].value == 1.0
    assert item.loglikelihoods == (-0.5, -1.5)
    assert "model" in run.undisclosed


def test_the_average_over_tasks_is_no_task(tmp_path: Path) -> None:
    assert [run.benchmark for run in lighteval.read(written.lighteval_run(tmp_path))] == ["toy"]
    path = tmp_path / "results.json"
    path.write_text(json.dumps({"config_general": {}, "results": {"all": {"acc": 1}}}))
    with pytest.raises(IngestError, match="names no task"):
        list(lighteval.read(path))


def test_another_table_is_not_taken_for_details(tmp_path: Path) -> None:
    assert lighteval.recognises(sniff(table(tmp_path / "x.parquet", "SELECT 1 AS a"))) is None


def test_a_table_that_is_cut_is_refused_by_name(tmp_path: Path) -> None:
    path = table(tmp_path / "details_toy|0_2025-05-05T05-05-05.parquet", "SELECT 1 AS a")
    path.write_bytes(path.read_bytes()[:-8])
    assert lighteval.recognises(sniff(path)) is Part.ITEMS
    with pytest.raises(IngestError, match="not a whole Parquet table"):
        list(lighteval.read(path))


def test_a_name_with_the_signs_of_a_pattern_is_one_file(tmp_path: Path) -> None:
    folder = tmp_path / "[a]*"
    folder.mkdir()
    path = table(tmp_path / "plain.parquet", "SELECT {'acc': 1} AS metrics, 'p' AS full_prompt")
    path = path.rename(folder / "details_toy|0_2025-05-05T05-05-05.parquet")
    (run,) = lighteval.read(path)
    assert len(list(run.items())) == 1


def test_several_metrics_of_one_function_have_their_own_directions(tmp_path: Path) -> None:
    metric = {"metric_name": ["good", "bad"], "higher_is_better": {"good": True, "bad": False}}
    content = {
        "config_general": {"model_name": "m"},
        "results": {"suite|toy|0": {"good": 1.0, "bad": 0.0}},
        "config_tasks": {"suite|toy": {"metric": [metric]}},
    }
    path = tmp_path / "results.json"
    path.write_text(json.dumps(content))
    (run,) = lighteval.read(path)
    assert {estimand.name: str(estimand.orientation) for estimand in run.estimands} == {"good": "higher", "bad": "lower"}
    assert not [field for field in run.undisclosed if field.startswith("direction")]
