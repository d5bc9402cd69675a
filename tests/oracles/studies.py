"""Published results, read by the standard library alone: outcomes, cell means, and the truth files beside them."""

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
from numpy.typing import NDArray

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
