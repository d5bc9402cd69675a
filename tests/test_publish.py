"""What lies beside a card: a statement about the very bytes, metadata that a hub can read, and results in a notebook."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import jsonschema
import pytest
import yaml

from builders import REVERSAL, write_table
from made_cards import LEAN, made_card
from safetyrepro import frames
from safetyrepro.analysis import AnalysisOptions, analyze
from safetyrepro.errors import CardError, SafetyReproError
from safetyrepro.ingest import ingest_table
from safetyrepro.notebook import notebook_table
from safetyrepro.publish import METADATA, PREDICATE_TYPE, STATEMENT, publish
from safetyrepro.schemas import json_schema
from safetyrepro.scores import FailurePolicy

HOSTILE = "<script>alert(1)</script>"


def test_the_statement_names_the_digests_of_the_files_and_what_the_card_says(tmp_path: Path):
    made = made_card(2, tmp_path)

    stated = json.loads((tmp_path / STATEMENT).read_bytes())

    assert stated["_type"] == "https://in-toto.io/Statement/v1"
    assert stated["predicateType"] == PREDICATE_TYPE
    assert [entry["name"] for entry in stated["subject"]] == ["card.json", "rows.jsonl"]
    for entry in stated["subject"]:
        assert entry["digest"]["sha256"] == hashlib.sha256((tmp_path / entry["name"]).read_bytes()).hexdigest()
    assert stated["predicate"]["card"]["digest"] == made.card.digest
    assert len(stated["predicate"]["decisions"]) == 7


def test_the_metadata_give_each_model_its_range_over_the_envelope(tmp_path: Path):
    store = ingest_table(write_table(tmp_path / "t.csv", REVERSAL), tmp_path / "store")
    publish(store, analyze(store, LEAN), tmp_path / "card", options=LEAN)

    documents = list(yaml.safe_load_all((tmp_path / "card" / METADATA).read_text()))

    assert [document["model-index"][0]["name"] for document in documents] == ["a", "b"]
    metrics = documents[0]["model-index"][0]["results"][0]["metrics"]
    assert [(one["name"].split(":")[0], one["value"]) for one in metrics] == [("mean", 0.5), ("lowest", 0.0), ("highest", 1.0)]
    assert "over 2 configurations" in metrics[0]["name"]
    assert [one["args"]["statistic"] for one in metrics] == ["mean", "lowest", "highest"]


def test_the_metadata_are_read_by_the_library_of_the_hub_as_they_were_written(tmp_path: Path):
    hub = pytest.importorskip("huggingface_hub", reason="huggingface_hub is not installed")
    made_card(4, tmp_path)

    for document in yaml.safe_load_all((tmp_path / METADATA).read_text()):
        read = hub.ModelCardData(**document, ignore_metadata_errors=False)
        stated = document["model-index"][0]
        metrics = [metric for result in stated["results"] for metric in result["metrics"]]
        assert read.model_name == stated["name"]
        assert [(one.metric_name, one.metric_value, one.metric_args) for one in read.eval_results] == [
            (metric["name"], metric["value"], metric["args"]) for metric in metrics
        ]
        assert yaml.safe_load(read.to_yaml())["model-index"][0]["name"] == stated["name"]


def test_a_model_without_a_score_has_no_result_in_the_metadata(tmp_path: Path):
    rows = [row if row[0] == "a" else (*row[:4], "") for row in REVERSAL]
    store = ingest_table(write_table(tmp_path / "t.csv", rows), tmp_path / "store")
    publish(store, analyze(store, LEAN), tmp_path / "card", options=LEAN)

    first, second = yaml.safe_load_all((tmp_path / "card" / METADATA).read_text())

    assert len(first["model-index"][0]["results"]) == 1
    assert second["model-index"][0]["results"] == []


def test_rows_cannot_be_left_out_where_scores_belong_to_pairs(tmp_path: Path):
    store = ingest_table(write_table(tmp_path / "t.csv", REVERSAL), tmp_path / "store")
    options = AnalysisOptions(policy=FailurePolicy.PAIRWISE, inference=None)

    with pytest.raises(CardError, match="Keep the rows"):
        publish(store, analyze(store, options), tmp_path / "card", options=options, rows=False)


VERSION_1 = {
    *("version", "profile", "study", "question", "note", "headline", "source", "complete", "benchmarks", "models", "analysis"),
    *("failure_policy", "provenance", "tokens", "undisclosed", "limits", "recompute", "rows", "decisions", "digest"),
}
"""Fields that version 1 of the card promised; none may ever go."""


@pytest.mark.parametrize("seed", [0, 1, 3])
def test_a_card_fits_the_published_schema_and_keeps_every_promised_field(tmp_path: Path, seed: int):
    made_card(seed, tmp_path)
    document = json.loads((tmp_path / "card.json").read_bytes())

    jsonschema.validate(document, json_schema("card"))

    assert set(document) >= VERSION_1
    assert document["version"] == 1


def hostile_store(folder: Path):
    rows = [(HOSTILE if row[0] == "a" else row[0], *row[1:]) for row in REVERSAL]
    return ingest_table(write_table(folder / "t.csv", rows), folder / "store")


def test_results_show_themselves_in_a_notebook_with_foreign_text_escaped(tmp_path: Path):
    store = hostile_store(tmp_path)
    analysis = analyze(store, LEAN)
    card = publish(store, analysis, tmp_path / "card", options=LEAN).card

    for shown in (analysis._repr_html_(), analysis.benchmarks["bench"].pairs[0]._repr_html_(), card._repr_html_()):
        assert shown.startswith("<table>")
        assert "<script>" not in shown
        assert "&lt;script&gt;" in shown


def test_a_table_shows_what_is_missing_as_a_dash():
    text = notebook_table("c", ("x",), [(None,), (True,), (0.5,), (3,)])

    assert text.count("<tr>") == 5
    for shown in ("–", "yes", "0.500", "3"):
        assert f"<td>{shown}</td>" in text


@pytest.mark.parametrize(
    ("function", "n_rows", "columns"),
    [
        (frames.verdicts, 1, ["benchmark", *frames.VERDICT_FIELDS]),
        (
            frames.configurations,
            2,
            ["benchmark", "a", "b", "f", "core", "score_a", "score_b", "difference", "order", "n_items"],
        ),
        (frames.scores, 4, ["benchmark", "model", "f", "score"]),
    ],
)
def test_results_are_dataframes_of_the_readers_library(tmp_path: Path, function: Callable, n_rows: int, columns: list[str]):
    pandas: ModuleType = pytest.importorskip("pandas")
    store = ingest_table(write_table(tmp_path / "t.csv", REVERSAL), tmp_path / "store")

    frame = function(analyze(store, LEAN), backend="pandas")

    assert isinstance(frame, pandas.DataFrame)
    assert (len(frame), list(frame.columns)) == (n_rows, columns)


def test_a_missing_score_is_null_in_a_frame(tmp_path: Path):
    pytest.importorskip("pandas")
    store = ingest_table(write_table(tmp_path / "t.csv", REVERSAL[:6]), tmp_path / "store")

    frame = frames.configurations(analyze(store, LEAN), backend="pandas")

    assert frame["difference"].isna().tolist() == [False, True]
    assert frame["order"].tolist() == ["+", "?"]


def test_an_unknown_or_absent_library_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    store = ingest_table(write_table(tmp_path / "t.csv", REVERSAL), tmp_path / "store")
    analysis = analyze(store, LEAN)

    with pytest.raises(SafetyReproError, match="none of the dataframe libraries"):
        frames.verdicts(analysis, backend="excel")  # type: ignore[arg-type]
    monkeypatch.setitem(__import__("sys").modules, "narwhals", None)
    with pytest.raises(SafetyReproError, match=r"pip install 'safetyrepro\[frames\]'"):
        frames.verdicts(analysis)
