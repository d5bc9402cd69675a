"""Published results against their truth files: counts and orderings exactly, rates and W to 1e-12."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from oracles.studies import TRUTHS, Table, tables
from safetyrepro.stats.concordance import concordance
from safetyrepro.stats.flips import count_orders, flip_rates
from safetyrepro.stats.rank import orderings_reached
from safetyrepro.stats.witnesses import widest_witness


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
