"""A store becomes an analysis: on small grids against plain definitions, on the published studies against their truth."""

from __future__ import annotations

import gzip
import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from builders import REVERSAL, write_table
from safetyrepro.analysis import Analysis, AnalysisOptions, analyze
from safetyrepro.cli import app
from safetyrepro.errors import StoreError
from safetyrepro.ingest import TableOptions, ingest_table
from safetyrepro.scores import FailurePolicy, ItemRule
from safetyrepro.verdicts import Order

HEADER = ("model", "benchmark", "f", "item_id", "score")
RUNNER = CliRunner()


def analyzed(path: Path, folder: Path, options: AnalysisOptions | None = None) -> Analysis:
    return analyze(ingest_table(path, folder), options)


def test_a_reversal_is_shown_with_counts_rates_and_its_witness(tmp_path: Path):
    result = analyzed(write_table(tmp_path / "t.csv", REVERSAL), tmp_path / "store").benchmarks["bench"]

    pair = result.pairs[0]
    assert (pair.a, pair.b, pair.n_plus, pair.n_minus, pair.n_tie, pair.n_missing) == ("a", "b", 1, 1, 0, 0)
    assert pair.reversal
    assert (pair.flip_rate, pair.minority_rate, pair.flip_rate_distinct) == (0.5, 0.5, 1.0)
    assert pair.witness is not None
    assert (pair.witness.plus, pair.witness.minus) == ({"f": "x"}, {"f": "y"})
    assert (pair.witness.margin_plus, pair.witness.margin_minus) == (0.5, -0.5)
    assert pair.witness.items is not None
    assert pair.witness.items.turned == ("i0",)
    assert [(entry.factor, entry.n_pairs, entry.n_opposed) for entry in pair.one_factor_flip_rate] == [("f", 1, 1)]
    assert [(entry.n_configurations, entry.probability) for entry in pair.detection_curve] == [(1, 0.0), (2, 1.0)]


def test_one_model_has_no_pair_and_one_configuration_no_distinct_rate(tmp_path: Path):
    alone = analyzed(write_table(tmp_path / "t.csv", REVERSAL[:2]), tmp_path / "one").benchmarks["bench"]
    single = analyzed(write_table(tmp_path / "u.csv", REVERSAL[:4]), tmp_path / "two").benchmarks["bench"]

    assert alone.pairs == ()
    assert alone.models[0].best_rank == 1
    assert single.pairs[0].flip_rate == 0.0
    assert single.pairs[0].flip_rate_distinct is None
    assert single.pairs[0].witness is None


def test_a_missing_cell_is_no_tie_and_leaves_the_rate_open(tmp_path: Path):
    result = analyzed(write_table(tmp_path / "t.csv", REVERSAL[:6]), tmp_path / "store").benchmarks["bench"]

    pair = result.pairs[0]
    assert (pair.n_plus, pair.n_minus, pair.n_tie, pair.n_missing) == (1, 0, 0, 1)
    assert pair.missing_bounds is not None
    assert (pair.missing_bounds.low, pair.missing_bounds.high) == (0.0, 0.5)
    assert [entry.order for entry in pair.configurations] == [Order.A_AHEAD, Order.MISSING]
    assert pair.configurations[1].difference is None


def test_the_policy_decides_whether_an_unparsed_answer_counts(tmp_path: Path):
    rows = [
        ("a", "bench", "x", "i0", 1, ""),
        ("a", "bench", "x", "i1", "", "unparsed"),
        ("b", "bench", "x", "i0", 0, ""),
        ("b", "bench", "x", "i1", 1, ""),
    ]
    store = ingest_table(write_table(tmp_path / "t.csv", rows, (*HEADER, "status")), tmp_path / "store")

    def scores(policy: FailurePolicy) -> tuple[float | None, float | None]:
        entry = analyze(store, AnalysisOptions(policy=policy)).benchmarks["bench"].pairs[0].configurations[0]
        return entry.score_a, entry.score_b

    assert scores(FailurePolicy.WRONG) == (0.5, 0.5)
    assert scores(FailurePolicy.DROPPED) == (1.0, 0.5)
    assert (
        analyze(store, AnalysisOptions(policy=FailurePolicy.PAIRWISE)).benchmarks["bench"].pairs[0].configurations[0].difference
        == 1.0
    )


def test_conditions_models_and_benchmarks_restrict_what_is_read(tmp_path: Path):
    store = ingest_table(write_table(tmp_path / "t.csv", REVERSAL), tmp_path / "store")

    result = analyze(store, AnalysisOptions(where={"f": ("y",)}, models=("b", "a"))).benchmarks["bench"]

    assert result.configurations == ({"f": "y"},)
    assert (result.pairs[0].a, result.pairs[0].n_plus) == ("b", 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (AnalysisOptions(models=("a", "z")), "holds no model 'z'; expected one of a, b"),
        (AnalysisOptions(benchmarks=("none",)), "holds no benchmark 'none'"),
        (AnalysisOptions(where={"g": ("x",)}), "holds no factor 'g'; expected one of f"),
        (AnalysisOptions(where={"f": ("w",)}), "holds no level of 'f' 'w'; expected one of x, y"),
    ],
)
def test_a_name_that_does_not_occur_is_refused(tmp_path: Path, options: AnalysisOptions, message: str):
    store = ingest_table(write_table(tmp_path / "t.csv", REVERSAL), tmp_path / "store")

    with pytest.raises(StoreError) as caught:
        analyze(store, options)

    assert message in caught.value.sentence


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.lists(st.sampled_from(["", "0", "0.5", "1"]), min_size=3, max_size=3), min_size=1, max_size=9))
def test_counts_follow_the_plain_definition(tmp_path_factory, grid: list[list[str]]):
    folder = tmp_path_factory.mktemp("grid")
    rows = [
        (model, "bench", f"c{c}", "i", score)
        for c, scores in enumerate(grid)
        for model, score in zip("abc", scores, strict=True)
    ]

    options = AnalysisOptions(inference=None)
    result = analyzed(write_table(folder / "t.csv", rows), folder / "store", options).benchmarks["bench"]

    for pair in result.pairs:
        at = {"a": 0, "b": 1, "c": 2}
        known = [(float(s[at[pair.a]]), float(s[at[pair.b]])) for s in grid if s[at[pair.a]] and s[at[pair.b]]]
        opposed = sum(1 for one, other in itertools.product(known, known) if (one[0] - one[1]) * (other[0] - other[1]) < 0)
        assert pair.n_plus == sum(x > y for x, y in known)
        assert pair.n_minus == sum(x < y for x, y in known)
        assert pair.n_tie == sum(x == y for x, y in known)
        assert pair.n_missing == len(grid) - len(known)
        assert pair.reversal == (opposed > 0)
        assert pair.flip_rate == (opposed / len(known) ** 2 if known else None)


TRUTH_FILES = [
    ("truthfulqa_multi/truthfulqa_multi_bleu_acc.truth.json", []),
    ("truthfulqa_multi/truthfulqa_multi_bleu_acc.complete.truth.json", ["--models", "{models}"]),
    ("xstest/xstest_systems.truth.json", []),
    ("xstest/xstest_systems.three_scorers.truth.json", ["--where", "partial_as=refusal,na"]),
    ("xstest/xstest_system_prompt.truth.json", []),
]


@pytest.mark.parametrize(("name", "arguments"), TRUTH_FILES)
@pytest.mark.parametrize("items", ["as-is", "common"])
def test_one_command_agrees_with_a_published_study(tmp_path: Path, shared: Path, name: str, arguments: list[str], items: str):
    truth = json.loads((shared / "studies" / name).read_text())
    table = shared / "studies" / Path(name).parent / truth["table"]
    made = RUNNER.invoke(app, ["ingest", "table", str(table), "-o", str(tmp_path / "store")])
    assert made.exit_code == 0, made.output
    models = ",".join(next(iter(truth["benchmarks"].values()))["models"])
    filled = [argument.format(models=models) for argument in arguments]

    done = RUNNER.invoke(app, ["analyze", str(tmp_path / "store"), "--json", "--draws", "0", "--items", items, *filled])

    assert done.exit_code == 0, done.output
    found = json.loads(done.output)["benchmarks"]
    for benchmark, expected in truth["benchmarks"].items():
        block = expected["as_is"] if items == "as-is" else expected.get("common_items", expected["as_is"])
        check_scores(found[benchmark], expected) if items == "as-is" else None
        check_pairs(found[benchmark], block)
        check_orderings(found[benchmark], block)


def label(chosen: dict[str, str]) -> str:
    return " | ".join(f"{name}={level}" for name, level in chosen.items())


def check_scores(found: dict[str, Any], expected: dict[str, Any]) -> None:
    labels = [label(chosen) for chosen in found["configurations"]]
    for model in found["models"]:
        mine = dict(zip(labels, model["scores"], strict=True))
        theirs = dict(zip(expected["configs"], expected["scores"][model["name"]], strict=True))
        assert {name: score for name, score in mine.items() if score is not None} == pytest.approx(
            {name: score for name, score in theirs.items() if score is not None}, abs=1e-12
        )


def check_pairs(found: dict[str, Any], expected: dict[str, Any]) -> None:
    by_names = {frozenset((pair["a"], pair["b"])): pair for pair in found["pairs"]}
    assert len(by_names) == expected["n_pairs"] == len(expected["pairs"])
    assert sum(pair["reversal"] for pair in found["pairs"]) == expected["n_pairs_that_flip"]
    for theirs in expected["pairs"]:
        mine = by_names[frozenset((theirs["a"], theirs["b"]))]
        turned = mine["a"] != theirs["a"]
        counts = (mine["n_minus"], mine["n_plus"]) if turned else (mine["n_plus"], mine["n_minus"])
        assert counts == (theirs["n_plus"], theirs["n_minus"])
        assert mine["n_tie"] == theirs["n_ties"]
        assert mine["n_plus"] + mine["n_minus"] + mine["n_tie"] == theirs["n_shared"]
        assert mine["reversal"] == theirs["flips"]
        assert mine["flip_rate_distinct"] == pytest.approx(theirs["reversal_rate"], abs=1e-12)
        assert mine["flip_rate"] == pytest.approx(theirs["reversal_rate_with_replacement"], abs=1e-12)
        if theirs["flips"]:
            check_witness(mine["witness"], theirs["widest_witness"], turned=turned)


def check_witness(mine: dict[str, Any], theirs: dict[str, Any], *, turned: bool) -> None:
    plus, minus = (mine["margin_minus"], mine["margin_plus"]) if turned else (mine["margin_plus"], mine["margin_minus"])
    sign = -1 if turned else 1
    assert sign * plus == pytest.approx(theirs["margin"], abs=1e-12)
    assert sign * minus == pytest.approx(theirs["margin_below"], abs=1e-12)


def check_orderings(found: dict[str, Any], expected: dict[str, Any]) -> None:
    orderings, theirs = found["orderings"], expected["orderings"]
    assert orderings["distinct_strict"] == theirs["distinct_strict"]
    assert orderings["distinct_weak"] == theirs["distinct_weak"]
    assert orderings["n_with_ties"] == theirs["configs_with_ties"]
    assert orderings["n_complete"] == expected["complete_configs"]
    assert found["concordance"]["kendall_w"] == pytest.approx(expected["kendall_w"]["tie_corrected"], abs=1e-12)


def test_a_target_reverses_where_the_plain_direction_does_not(tmp_path: Path):
    rows = [
        ("a", "bench", "x", "i0", 60),
        ("b", "bench", "x", "i0", 70),
        ("a", "bench", "y", "i0", 30),
        ("b", "bench", "y", "i0", 45),
    ]
    from safetyrepro.estimands import Orientation

    options = TableOptions(ranges={"": (0, 100)}, orientations={"": Orientation.parse("target(50)")})
    result = analyze(ingest_table(write_table(tmp_path / "t.csv", rows), tmp_path / "s", options=options)).benchmarks["bench"]

    assert [entry.difference for entry in result.pairs[0].configurations] == [10.0, -15.0]
    assert result.models[0].scores == (60.0, 30.0)


def test_the_command_line_refuses_in_one_sentence_with_exit_code_2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    from safetyrepro.cli import main

    monkeypatch.setattr("sys.argv", ["safetyrepro", "analyze", str(tmp_path / "none")])
    with pytest.raises(SystemExit) as caught:
        main()

    assert caught.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("text", ["bench=1", "1,0", "x=a,b"])
def test_a_wrong_range_names_the_option(tmp_path: Path, text: str):
    path = write_table(tmp_path / "t.csv", REVERSAL)

    done = RUNNER.invoke(app, ["ingest", "table", str(path), "-o", str(tmp_path / "s"), "--range", text])

    assert "is no range" in str(done.exception)


@pytest.mark.parametrize("arguments", [["--where", "f"], ["--items", "some"], ["--policy", "kind"]])
def test_a_wrong_option_of_analyze_is_refused(tmp_path: Path, arguments: list[str]):
    ingest_table(write_table(tmp_path / "t.csv", REVERSAL), tmp_path / "s")

    done = RUNNER.invoke(app, ["analyze", str(tmp_path / "s"), *arguments])

    assert done.exit_code != 0
    assert arguments[0] in str(done.exception)


def test_the_terminal_view_shows_counts_and_the_witness_and_no_control_characters(tmp_path: Path):
    rows = [("\x1b[31mevil [bold]" if row[0] == "a" else row[0], *row[1:]) for row in REVERSAL]
    ingest_table(write_table(tmp_path / "t.csv", rows), tmp_path / "s")

    done = RUNNER.invoke(app, ["analyze", str(tmp_path / "s")])

    assert done.exit_code == 0
    assert "\x1b[31m" not in done.output
    assert "[bold]" in done.output
    assert "1 of 1 pairs" in done.output
    assert "f=x" in done.output


def test_a_gzipped_study_table_is_not_unpacked_to_disk(tmp_path: Path):
    path = tmp_path / "t.csv.gz"
    source = write_table(tmp_path / "t.csv", REVERSAL)
    path.write_bytes(gzip.compress(source.read_bytes()))

    ingest_table(path, tmp_path / "s")

    assert not list((tmp_path / "s").rglob("*.csv"))


def test_the_item_rule_is_part_of_the_result(tmp_path: Path):
    store = ingest_table(write_table(tmp_path / "t.csv", REVERSAL), tmp_path / "s")

    assert analyze(store, AnalysisOptions(item_rule=ItemRule.COMMON)).benchmarks["bench"].item_rule is ItemRule.COMMON
