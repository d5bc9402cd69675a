"""What is exported comes back: cell by cell the same scores, statuses and factors, and a foreign hand in the file is no crash."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from safetyrepro.analysis import AnalysisOptions, score_table
from safetyrepro.cli import app
from safetyrepro.errors import SafetyReproError
from safetyrepro.estimands import Aggregation
from safetyrepro.export import export_every_eval_ever
from safetyrepro.export_table import export_table
from safetyrepro.ingest_foreign import ingest_foreign
from safetyrepro.records import AGGREGATE_ITEM
from safetyrepro.run import run
from safetyrepro.scores import FailurePolicy
from safetyrepro.store import Store, open_store
from test_export import made
from test_plan_and_run import TEXT, plan_of, prompts_csv, record


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Results of two packages, with unparsed and failed items and an aggregate."""
    return made(tmp_path_factory.mktemp("foreign") / "made")


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A run of our own, in which one item is asked under two prompts and weighs nothing in some questions."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "xstest").mkdir()
    (folder / "recorded").mkdir()
    (folder / "xstest" / "xstest_prompts.csv").write_text(prompts_csv())
    (folder / "study.yaml").write_text(TEXT)
    record(plan_of(folder / "study.yaml"), folder / "recorded", leave_out=3)
    return run(plan_of(folder / "study.yaml"), folder / "store")


def cells(store: Store) -> dict:
    """Model, benchmark, question and settings -> the records, without what a form has no place for."""
    found: dict = {}
    for entry in store.manifest.benchmarks:
        settings = {member.digest: frozenset(member.settings) for member in entry.envelope}
        for estimand in entry.estimands:
            for row in store.records(entry.name, estimand.name):
                at = (row.cell.model, entry.name, estimand.name, settings[row.cell.configuration])
                # Further runs of one configuration come back as repetitions, and their aggregates as one, whose score is compared.
                repeat = row.repeat // 1000 + row.repeat % 1000 if row.item_id != AGGREGATE_ITEM else 0
                told = (row.item_id, repeat, row.value, row.status, row.cluster, row.stratum, row.weight)
                found.setdefault(at, set()).add(told)
    return found


def scores(store: Store, *, policy: FailurePolicy = FailurePolicy.WRONG, table: bool = False) -> dict:
    """Model, question as a table calls it, and settings -> score, of the questions that are means."""
    found = {}
    for entry in store.manifest.benchmarks:
        for place, estimand in enumerate(entry.estimands):
            if estimand.aggregation is not Aggregation.MEAN:
                continue
            name = f"{entry.name}:{estimand.name}" if place and not table else entry.name
            scored = score_table(store, entry, estimand, AnalysisOptions(policy=policy))
            for model, known, raw in zip(scored.models, scored.scored, scored.raw, strict=True):
                for member, is_known, value in zip(scored.configurations, known, raw, strict=True):
                    if is_known:
                        found[model, name, frozenset(pair for pair in member.settings if pair[1])] = float(value)
    return found


@pytest.mark.parametrize("name", ["foreign", "own"])
def test_records_of_every_eval_ever_bring_every_item_and_factor_back(
    name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    store: Store = request.getfixturevalue(name)
    done = export_every_eval_ever(store, tmp_path / "out")
    back = ingest_foreign([tmp_path / "out"], tmp_path / "back")

    before, after = cells(store), cells(back.store)
    assert len(before) - len(after) == done.n_without_score
    assert {at: before[at] for at in after} == after
    for policy in FailurePolicy:
        assert scores(back.store, policy=policy) == scores(store, policy=policy)
    for entry in back.store.manifest.benchmarks:
        questions = {one.name: one for one in store.manifest.benchmark(entry.name).estimands}
        for one in entry.estimands:
            was = questions[one.name]
            assert (one.low, one.high, one.orientation, one.aggregation) == (
                was.low,
                was.high,
                was.orientation,
                was.aggregation,
            )
    assert not [note for note in back.notes if "declares" in note or "reports" in note]


@pytest.mark.parametrize("ending", ["csv", "csv.gz", "parquet"])
@pytest.mark.parametrize("name", ["foreign", "own"])
def test_a_table_comes_back_by_the_command_that_the_export_names(
    name: str, ending: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    store: Store = request.getfixturevalue(name)
    path = tmp_path / f"it's.{ending}"
    printed = CliRunner().invoke(app, ["export", "table", str(store.folder), "-o", str(path)]).output
    command = next(line for line in printed.splitlines() if line.startswith("Read back with: safetyrepro "))
    words = shlex.split(command.removeprefix("Read back with: safetyrepro "))
    words[words.index("STORE")] = str(tmp_path / "back")
    read = CliRunner().invoke(app, words)
    assert read.exit_code == 0, read.exception

    other = {at[1] for at in scores(open_store(tmp_path / "back"), table=True)} - {at[1] for at in scores(store)}
    back = {at: value for at, value in scores(open_store(tmp_path / "back"), table=True).items() if at[1] not in other}
    assert back == scores(store)
    assert all(question in printed for question in other), "what is no mean of its items is named"


def test_a_table_that_cannot_be_finished_leaves_what_was_there(own: Store, tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "t.parquet"
    path.write_text("precious")
    monkeypatch.setattr("safetyrepro.export_table._as_parquet", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left")))
    with pytest.raises(SafetyReproError, match="No space left"):
        export_table(own, path)
    assert path.read_text() == "precious"
    assert [entry.name for entry in tmp_path.iterdir()] == ["t.parquet"]


EDITS = {
    "orientation": lambda result: result["metric_config"]["additional_details"].update(orientation="target(nan)"),
    "aggregation": lambda result: result["metric_config"]["additional_details"].update(aggregation=["mean"]),
    "range": lambda result: result["metric_config"].update(min_score=float("nan"), max_score="x"),
    "factor": lambda result: result["generation_config"]["additional_details"].update({"factor.": "x", "factor.a=b": [1]}),
    "no factor": lambda result: result["generation_config"].update(additional_details=7),
    "unscored": lambda result: result["score_details"]["details"].update(unscored="[" * 100_000),
    "no item": lambda result: result["score_details"]["details"].update(unscored='[["", 0, "failed", "", "", "", 1], 3, [4]]'),
    "repeat": lambda result: result["score_details"]["details"].update(unscored='[["x", 1e400, "failed", "", "", "", -1]]'),
    "name": lambda result: result.update(evaluation_name=None, evaluation_result_id=5),
}


@pytest.mark.parametrize("edit", EDITS)
def test_a_record_of_ours_that_somebody_edited_is_read_or_refused_and_never_a_traceback(
    edit: str, foreign: Store, tmp_path: Path
) -> None:
    export_every_eval_ever(foreign, tmp_path / "out")
    for path in (tmp_path / "out").rglob("*.json"):
        content = json.loads(path.read_text())
        for result in content["evaluation_results"]:
            EDITS[edit](result)
        path.write_text(json.dumps(content))
    done = CliRunner().invoke(app, ["ingest", "auto", str(tmp_path / "out"), "-o", str(tmp_path / "back")])
    assert done.exception is None or isinstance(done.exception, SafetyReproError)
    if done.exception is None:
        assert CliRunner().invoke(app, ["analyze", str(tmp_path / "back")]).exit_code == 0
