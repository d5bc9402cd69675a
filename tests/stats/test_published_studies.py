"""Published results against their truth files: counts and orderings exactly, rates and W to 1e-12."""

from __future__ import annotations

import csv
import gzip
import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from math import fsum
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from safetyrepro.stats.concordance import concordance
from safetyrepro.stats.flips import count_orders, flip_rates
from safetyrepro.stats.rank import orderings_reached
from safetyrepro.stats.witnesses import widest_witness

TRUTHS = [
    "xstest/xstest_systems.truth.json",
    "xstest/xstest_systems.three_scorers.truth.json",
    "xstest/xstest_system_prompt.truth.json",
    "truthfulqa_multi/truthfulqa_multi_bleu_acc.truth.json",
    "truthfulqa_multi/truthfulqa_multi_bleu_acc.complete.truth.json",
]
VIEWS = ["as_is", "common_items"]
Outcomes = dict[tuple[str, str], dict[str, float]]


@dataclass(frozen=True)
class Table:
    models: list[str]
    configs: list[str]
    scores: NDArray[np.float64]
    known: NDArray[np.bool_]


def outcomes_by_benchmark(table: Path, factors: list[str], dropped: list[str]) -> dict[str, Outcomes]:
    """Outcome of every item by benchmark and cell; empty scores and dropped rows left out."""
    opener = gzip.open if table.suffix == ".gz" else open
    found: dict[str, Outcomes] = defaultdict(lambda: defaultdict(dict))
    with opener(table, "rt", newline="", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            if row["score"] == "" or any(row[key] == value for key, value in (rule.split("=", 1) for rule in dropped)):
                continue
            configuration = " | ".join(f"{factor}={row[factor]}" for factor in factors)
            found[row["benchmark"]][row["model"], configuration][row["item_id"]] = float(row["score"])
    return found


def cell_means(outcomes: Outcomes, truth: dict[str, Any], view: str) -> Table:
    """Means over the items of each cell, or over those that all models of the configuration have."""
    models, configs = truth["models"], truth["configs"]
    scores, known = np.zeros((len(models), len(configs))), np.zeros((len(models), len(configs)), dtype=bool)
    for column, configuration in enumerate(configs):
        cells = {model: outcomes.get((model, configuration)) for model in models}
        held = [set(cell) for cell in cells.values() if cell]
        common = set.intersection(*held)
        for row, model in enumerate(models):
            cell = cells[model]
            if not cell:
                continue
            values = [value for item, value in cell.items() if view == "as_is" or item in common]
            scores[row, column], known[row, column] = fsum(values) / len(values), True
    return Table(models, configs, scores, known)


def tables(shared: Path, name: str) -> Iterator[tuple[Table, dict[str, Any], dict[str, Any], str]]:
    path = shared / "studies" / name
    truth = json.loads(path.read_text(encoding="utf-8"))
    by_benchmark = outcomes_by_benchmark(path.parent / truth["table"], truth["factors"], truth["rows_dropped_where"])
    for benchmark, expected in truth["benchmarks"].items():
        for view in VIEWS:
            if view in expected:
                yield cell_means(by_benchmark[benchmark], expected, view), expected, expected[view], view


def check_pair(table: Table, expected: dict[str, Any]) -> bool:
    a, b = (table.models.index(expected[side]) for side in "ab")
    known = table.known[a] & table.known[b]
    counts = count_orders(table.scores[a], table.scores[b], known)
    assert (counts.n_plus, counts.n_minus, counts.n_tie) == (expected["n_plus"], expected["n_minus"], expected["n_ties"])
    assert counts.n_compared == expected["n_shared"]
    assert counts.n_plus * counts.n_minus == expected["n_reversing"]
    rates = flip_rates(counts)
    assert rates.flip_rate_distinct == pytest.approx(expected["reversal_rate"], abs=1e-12)
    assert rates.flip_rate == pytest.approx(expected["reversal_rate_with_replacement"], abs=1e-12)
    assert counts.reversal == expected["flips"]
    check_witness(table, (a, b), expected)
    return counts.reversal


def check_witness(table: Table, pair: tuple[int, int], expected: dict[str, Any]) -> None:
    a, b = pair
    levels = np.arange(len(table.configs))[:, None]
    witness = widest_witness(table.scores[a] - table.scores[b], table.known[a] & table.known[b], levels)
    if not expected["flips"]:
        assert witness is None
        return
    assert witness is not None
    widest = expected["widest_witness"]
    assert witness.margin_plus == pytest.approx(widest["margin"], abs=1e-12)
    assert witness.margin_minus == pytest.approx(widest["margin_below"], abs=1e-12)
    assert (table.configs[witness.plus], table.configs[witness.minus]) == (widest["a_above_b"], widest["b_above_a"])


def check_orderings(table: Table, expected: dict[str, Any]) -> None:
    found = orderings_reached(table.scores, table.known)
    assert found.n_configurations == expected["complete_configs"]
    truth = expected["orderings"]
    assert (found.distinct_strict, found.distinct_weak) == (truth["distinct_strict"], truth["distinct_weak"])
    assert found.n_with_ties == truth["configs_with_ties"]
    strict = {
        tuple(table.models[model] for (model,) in entry.tiers): entry.n_configurations
        for entry in found.counts
        if len(entry.tiers) == len(table.models)
    }
    assert strict == {tuple(entry["order"]): entry["configs"] for entry in truth["most_common"]}


@pytest.mark.parametrize("name", TRUTHS)
def test_a_published_table_gives_the_counts_orderings_and_rates_of_its_truth_file(shared: Path, name: str) -> None:
    for table, benchmark, expected, view in tables(shared, name):
        if view == "as_is":
            for model, row, flags in zip(table.models, table.scores, table.known, strict=True):
                truth = benchmark["scores"][model]
                assert flags.tolist() == [score is not None for score in truth]
                assert row[flags].tolist() == pytest.approx([score for score in truth if score is not None], abs=1e-12)
        flips = [check_pair(table, pair) for pair in expected["pairs"]]
        assert (len(flips), sum(flips)) == (expected["n_pairs"], expected["n_pairs_that_flip"])
        check_orderings(table, expected)
        found = concordance(table.scores, table.known)
        assert (found.n_configurations, found.n_models) == (expected["kendall_w"]["raters"], expected["kendall_w"]["objects"])
        assert found.kendall_w == pytest.approx(expected["kendall_w"]["tie_corrected"], abs=1e-12)


def test_every_truth_file_is_checked(shared: Path) -> None:
    folder = shared / "studies"
    assert {str(path.relative_to(folder)) for path in folder.rglob("*.truth.json")} == set(TRUTHS)
