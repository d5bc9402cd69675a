"""An aggregate is no item: what needs items says that there are none, and nothing counts one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from safetyrepro.analysis import AnalysisOptions, analyze, score_table
from safetyrepro.cli import app
from safetyrepro.design import DesignOptions, plan_sizes
from safetyrepro.envelope import Configuration
from safetyrepro.errors import SafetyReproError
from safetyrepro.estimands import Estimand
from safetyrepro.export_table import export_table
from safetyrepro.ingest import ingest_table
from safetyrepro.ingest_foreign import ingest_foreign
from safetyrepro.publish import publish
from safetyrepro.records import AGGREGATE_ITEM, CellKey, ItemRecord, Status
from safetyrepro.scores import FailurePolicy, ItemRule, ScoreTable, build_table
from safetyrepro.store import Store
from safetyrepro.verify_card import verify

ACCURACY = {("one", 0): 0.5, ("one", 5): 0.75, ("two", 0): 0.6, ("two", 5): 0.7}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Two models that are ordered in two ways, of which files hold no item."""
    logs = tmp_path_factory.mktemp("aggregates") / "logs"
    for (model, shots), value in ACCURACY.items():
        folder = logs / f"{model}-{shots}"
        folder.mkdir(parents=True)
        results = {
            "results": {"toy": {"acc,none": value, "acc_stderr,none": 0.01}},
            "versions": {},
            "configs": {"toy": {"output_type": "multiple_choice", "num_fewshot": shots}},
            "n-shot": {"toy": shots},
            "config": {"model_args": f"pretrained={model}"},
        }
        (folder / "results_2025-01-02T03-04-05.json").write_text(json.dumps(results))
    return ingest_foreign([logs], logs.parent / "store").store


def told(*words: str | Path) -> Result:
    """What the program answers."""
    return CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "200"})


def test_the_orders_are_known_and_no_item_is(store: Store) -> None:
    result = analyze(store).benchmarks["toy"]
    assert (result.n_items, result.n_clusters) == (0, 0)
    verdict = result.pairs[0]
    assert (verdict.n_plus, verdict.n_minus, verdict.reversal) == (1, 1, True)
    assert [entry.n_items for entry in verdict.configurations] == [0, 0]
    assert verdict.witness is not None
    assert verdict.witness.items is None


def test_nothing_is_inferred_from_an_aggregate(store: Store) -> None:
    found = analyze(store)
    assert found.support["toy"].pairs == ()
    assert found.policies == {}
    entry = store.manifest.benchmarks[0]
    table = score_table(store, entry, entry.estimands[0], AnalysisOptions())
    assert table.items == ()
    assert plan_sizes(table, DesignOptions(), name="toy").skipped == "the results hold aggregates and no items"


@pytest.mark.parametrize("policy", list(FailurePolicy))
def test_every_policy_keeps_the_orders_of_aggregates(store: Store, policy: FailurePolicy) -> None:
    verdict = analyze(store, AnalysisOptions(policy=policy)).benchmarks["toy"].pairs[0]
    assert (verdict.n_plus, verdict.n_minus) == (1, 1)


def test_every_command_says_that_there_are_no_items(store: Store, tmp_path: Path) -> None:
    analyzed, designed = told("analyze", store.folder), told("design", store.folder)
    assert "2 models, 2 configurations, no items (only aggregates are known, so nothing is inferred)" in analyzed.output
    assert "2 configurations, no items" in designed.output
    assert "No answer: the results hold aggregates and no items." in designed.output
    assert "aggregates and no items: there is nothing to join" in told("match", store.folder).output
    gated = told("gate", store.folder, "--claim", "one > two on toy somewhere", "--level", "supported")
    assert isinstance(gated.exception, SafetyReproError)
    assert "no item" in gated.exception.sentence
    logs = store.folder.parent / "logs"
    repaired = told("repair", store.folder, "one > two on toy everywhere", "--confirm")
    assert "aggregates and no items, which cannot be split" in str(repaired.exception)
    assert "4 aggregates and no items" in told("ingest", "auto", logs, "-o", tmp_path / "again").output
    located = told("locate", store.folder, "--claim", "one > two on toy everywhere", "--at", "shots=0")
    assert "1 configuration" not in located.output
    for done in (analyzed, designed, located, told("analyze", store.folder, "--full")):
        assert "1 item" not in done.output
        assert "0 items" not in done.output
        assert "MDD" not in done.output
    assert (
        "Sizes of effects are left out: the results hold aggregates and no items."
        in told("analyze", store.folder, "--full").output
    )


def test_the_gap_between_two_aggregates_is_told_and_not_shared_out(store: Store) -> None:
    logs = store.folder.parent / "logs"
    chosen = ("--model", "one", "--where-a", "shots=0", "--where-b", "shots=5")
    for done in (told("explain", store.folder, store.folder, *chosen), told("explain", logs / "one-0", logs / "one-5")):
        assert done.exit_code == 0, done.exception
        assert "gap A - B = -0.2500 between an aggregate of A and an aggregate of B" in done.output
        assert "not shared out                     -0.2500\n" in done.output
        assert "differs: shots: 0 | 5" in done.output
        assert "A and B hold aggregates and no items" in done.output
        assert "would tell: name the samples of A, or run A again with its samples logged" in done.output


def test_two_labs_of_aggregates_are_said_to_be_opposite_and_nothing_is_said_to_turn_them(store: Store) -> None:
    chosen = ("--model", "one", "--versus", "two", "--where-a", "shots=0", "--where-b", "shots=5")
    done = told("explain", store.folder, store.folder, *chosen)
    assert done.exit_code == 0, done.exception
    assert "A: one - two = -0.1000, two is higher" in done.output
    assert "B: one - two = +0.0500, one is higher" in done.output
    assert "what turns the verdict of A around is not known: it takes the items of both models from both labs" in done.output


def test_a_placeholder_is_no_number_to_explain(tmp_path: Path) -> None:
    results = {"results": {"toy": {"acc,none": "N/A"}}, "configs": {"toy": {}}, "config": {"model_args": "pretrained=one"}}
    (tmp_path / "results_2025-01-02T03-04-05.json").write_text(json.dumps(results | {"versions": {}, "n-shot": {"toy": 0}}))
    done = told("explain", tmp_path, tmp_path)
    assert isinstance(done.exception, SafetyReproError)
    assert "\n" not in done.exception.sentence


def test_a_card_of_aggregates_counts_no_item_and_verifies(store: Store, tmp_path: Path) -> None:
    told("card", store.folder, "-o", tmp_path / "card")
    page, text = (tmp_path / "card" / f"card.{kind}" for kind in ("html", "md"))
    for path in (page, text):
        assert "no items (only aggregates are known" in path.read_text(encoding="utf-8")
        assert "1 item" not in path.read_text(encoding="utf-8")
        assert "2 aggregates" in path.read_text(encoding="utf-8")
        assert "2 scored" not in path.read_text(encoding="utf-8")
        assert "it gives aggregates and no items" in path.read_text(encoding="utf-8")
        assert "count as wrong" not in path.read_text(encoding="utf-8")
    card = json.loads((tmp_path / "card" / "card.json").read_text())
    assert card["analysis"]["benchmarks"]["toy"]["n_items"] == 0
    assert verify(tmp_path / "card").startswith("OK: 1 verdicts")
    assert told("verify", tmp_path / "card", "--store", store.folder).exit_code == 0


def test_a_table_of_aggregates_is_read_back_as_aggregates(store: Store, tmp_path: Path) -> None:
    done = export_table(store, tmp_path / "t.csv")
    assert (done.n_results, done.n_aggregates, done.n_without_value) == (4, 4, 0)
    again = ingest_table(tmp_path / "t.csv", tmp_path / "again")
    assert again.manifest.benchmark("toy").data.n_items == 0
    assert analyze(again).benchmarks["toy"].n_items == 0
    assert (
        "4 rows for aggregates of cells without items" in told("export", "table", store.folder, "-o", tmp_path / "u.csv").output
    )


ESTIMAND = Estimand(name="score", about="made")
MEMBERS = (Configuration.of({"f": "x"}), Configuration.of({"f": "y"}))


def row(model: str, member: Configuration, item: str, value: float | None, *, repeat: int = 0) -> ItemRecord:
    """A record of the made-up benchmark."""
    return ItemRecord(
        cell=CellKey(model, "toy", member.digest),
        estimand="score",
        item_id=item,
        cluster=item,
        stratum="",
        repeat=repeat,
        value=value,
        weight=1.0,
        status=Status.SCORED if value is not None else Status.UNKNOWN,
        reason="" if value is not None else "made so",
    )


def made_table(
    rows: list[ItemRecord], *, item_rule: ItemRule = ItemRule.AS_IS, policy: FailurePolicy = FailurePolicy.WRONG
) -> ScoreTable:
    """The table of two models under two configurations."""
    return build_table(
        rows,
        benchmark="toy",
        estimand=ESTIMAND,
        models=("one", "two"),
        configurations=MEMBERS,
        item_rule=item_rule,
        policy=policy,
    )


def test_beside_items_an_aggregate_keeps_its_cell_and_is_no_item() -> None:
    rows = [row("one", MEMBERS[0], item, value) for item, value in (("i", 1.0), ("j", 0.0))]
    table = made_table([*rows, row("two", MEMBERS[0], AGGREGATE_ITEM, 0.25)])
    assert table.items == ("i", "j")
    assert table.raw[:, 0].tolist() == [0.5, 0.25]
    assert table.scored.tolist() == [[True, False], [True, False]]
    assert not table.known[1].any()


def test_where_items_of_a_cell_are_known_its_aggregate_does_not_count_too() -> None:
    rows = [row("one", MEMBERS[0], "i", 1.0), row("one", MEMBERS[0], AGGREGATE_ITEM, 0.0, repeat=1000)]
    assert made_table(rows).raw[0, 0] == 1.0
    unread = [row("one", MEMBERS[0], "i", None), row("one", MEMBERS[0], AGGREGATE_ITEM, 0.25, repeat=1000)]
    assert made_table(unread).raw[0, 0] == 0.25


def test_an_aggregate_shares_no_item_with_items() -> None:
    rows = [row("one", MEMBERS[0], "i", 1.0), row("two", MEMBERS[0], AGGREGATE_ITEM, 0.25)]
    assert not made_table(rows, item_rule=ItemRule.COMMON).scored.any()
    alone = [row(model, MEMBERS[0], AGGREGATE_ITEM, 0.25) for model in ("one", "two")]
    assert made_table(alone, item_rule=ItemRule.COMMON).scored[:, 0].all()


def test_a_card_of_cells_with_and_without_items_verifies(tmp_path: Path) -> None:
    lines = ["model,benchmark,item_id,score,f"]
    lines += [f"one,toy,i{i},{i % 2},{f}" for i in range(4) for f in "xy"]
    lines += [f"two,toy,i{i},{i % 2 if f == 'y' else 1},{f}" for i in range(4) for f in "y"]
    lines += [f"two,toy,{AGGREGATE_ITEM},0.75,x", f"two,toy,{AGGREGATE_ITEM},0.75,y"]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    store = ingest_table(tmp_path / "t.csv", tmp_path / "store")
    found = analyze(store)
    assert found.benchmarks["toy"].n_items == 4
    assert [entry.n_items for entry in found.benchmarks["toy"].pairs[0].configurations] == [0, 4]
    publish(store, found, tmp_path / "card")
    assert verify(tmp_path / "card").startswith("OK: 1 verdicts")
