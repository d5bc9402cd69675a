"""Published results: what pairs, partial orders, majorities and radii say must fit together."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from oracles.studies import TRUTHS, Table, tables
from safetyrepro.stats.bradley_terry import bradley_terry
from safetyrepro.stats.extrapolation import leave_one_level_out
from safetyrepro.stats.flips import count_orders, one_factor_flip_rate
from safetyrepro.stats.majority import majority
from safetyrepro.stats.minimal_flips import robustness_radii
from safetyrepro.stats.partial import detection_curve
from safetyrepro.stats.partial_order import robust_order
from safetyrepro.stats.rank import orderings_reached


def levels_of(table: Table) -> np.ndarray:
    """Levels of the configurations, read from their names, as numbers."""
    settings = [[part.split("=", 1)[1] for part in name.split(" | ")] for name in table.configs]
    columns = [np.unique(column, return_inverse=True)[1] for column in np.array(settings).T]
    return np.column_stack(columns).astype(np.int64)


@pytest.mark.parametrize("name", TRUTHS)
def test_models_are_robustly_ordered_exactly_if_the_truth_counts_no_other_verdict(shared: Path, name: str) -> None:
    for table, _, expected, _ in tables(shared, name):
        complete = table.known.all(axis=0)
        found = robust_order(table.scores, table.known)
        assert found is not None
        above = set(found.above)
        for pair in expected["pairs"]:
            a, b = table.models.index(pair["a"]), table.models.index(pair["b"])
            if pair["n_shared"] == complete.sum():
                assert ((a, b) in above) == (pair["n_plus"] == pair["n_shared"])
                assert ((b, a) in above) == (pair["n_minus"] == pair["n_shared"])


@pytest.mark.parametrize("name", TRUTHS)
def test_places_reached_lie_inside_the_places_that_the_robust_order_leaves_open(shared: Path, name: str) -> None:
    for table, *_ in tables(shared, name):
        order, reached = robust_order(table.scores, table.known), orderings_reached(table.scores, table.known)
        assert order is not None
        assert reached.ranks is not None
        for open_places, taken in zip(order.rank_intervals, reached.ranks, strict=True):
            assert open_places.lowest <= taken.best <= taken.worst <= open_places.highest
        assert set(reached.first_somewhere) <= set(order.can_be_first)


@pytest.mark.parametrize("name", TRUTHS)
def test_every_reversing_pair_has_a_radius_and_no_other_pair_has_one(shared: Path, name: str) -> None:
    for table, _, expected, _ in tables(shared, name):
        levels = levels_of(table)
        for pair in expected["pairs"]:
            a, b = table.models.index(pair["a"]), table.models.index(pair["b"])
            counts = count_orders(table.scores[a], table.scores[b], table.known[a] & table.known[b])
            radii = robustness_radii(counts.signs, levels)
            assert bool(radii.histogram) == pair["flips"]
            if pair["flips"] and levels.shape[1] == 1:
                assert [entry.radius for entry in radii.histogram] == [1]
            (whole,) = detection_curve(counts, [counts.n_compared])
            assert whole.probability == pair["flips"]


def test_the_system_prompt_alone_turns_two_models_around_on_xstest(shared: Path) -> None:
    table, _, expected, _ = next(iter(tables(shared, "xstest/xstest_system_prompt.truth.json")))
    (pair,) = expected["pairs"]
    assert (pair["n_plus"], pair["n_minus"]) == (5, 5)
    counts = count_orders(table.scores[0], table.scores[1], table.known.all(axis=0))
    levels = levels_of(table)
    prompt, *others = one_factor_flip_rate(counts.signs, levels)
    assert (prompt.n_pairs, prompt.rate) == (5, 1)
    assert all(not factor.n_opposed for factor in others)
    left_out = leave_one_level_out(counts.signs, levels)
    assert (left_out[0].n_levels, left_out[0].n_opposing, left_out[0].n_surprising) == (2, 2, 2)
    assert [entry.radius for entry in robustness_radii(counts.signs, levels).histogram] == [1]


def test_languages_reverse_fifty_nine_pairs_of_truthfulqa(shared: Path) -> None:
    ((table, *_),) = tables(shared, "truthfulqa_multi/truthfulqa_multi_bleu_acc.truth.json")
    pairs = list(combinations(range(len(table.models)), 2))
    counts = [count_orders(table.scores[a], table.scores[b], table.known[a] & table.known[b]) for a, b in pairs]
    assert (len(pairs), sum(count.reversal for count in counts)) == (105, 59)


@pytest.mark.parametrize("name", TRUTHS)
def test_a_majority_of_published_configurations_is_ordered_by_the_fewest_overruled_verdicts(shared: Path, name: str) -> None:
    for table, _, expected, _ in tables(shared, name):
        found = majority(table.scores, table.known)
        floor = sum(min(pair["n_plus"], pair["n_minus"]) for pair in expected["pairs"])
        assert found.kemeny.floor == floor
        assert found.kemeny.order is not None
        assert found.kemeny.cost is not None
        place = {model: index for index, model in enumerate(found.kemeny.order)}
        overruled = sum(
            pair["n_minus"] if place[table.models.index(pair["a"])] < place[table.models.index(pair["b"])] else pair["n_plus"]
            for pair in expected["pairs"]
        )
        assert found.kemeny.cost == overruled >= floor
        assert set(found.kemeny.order[: len(found.smith_set)]) == set(found.smith_set)
        strengths = bradley_terry(table.scores, table.known)
        assert (strengths.log_strengths is None) == (strengths.reason is not None)
