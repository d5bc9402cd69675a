"""The majority of configurations, its cycles, and Kemeny orders."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracles import deterministic as slow
from safetyrepro.stats.majority import LARGEST_EXACT_GROUP, Majority, majority


def of(rows: list[list[float]]) -> Majority:
    scores = np.array(rows, dtype=float)
    return majority(scores, np.ones(scores.shape, dtype=bool))


def rotations(n: int) -> list[list[float]]:
    """Each of n models in each place once: model k beats model k + 1 in n - 1 of n configurations."""
    return [[float((n - model + shift) % n) for shift in range(n)] for model in range(n)]


def test_condorcets_three_orders_form_a_cycle_that_forces_an_overruled_verdict() -> None:
    found = of(rotations(3))
    assert found.beats == ((0, 1), (1, 2), (2, 0))
    assert found.condorcet_winner is None
    assert found.cyclic_groups == ((0, 1, 2),)
    assert found.cycles == ((0, 1, 2),)
    assert found.smith_set == (0, 1, 2)
    kemeny = found.kemeny
    assert (kemeny.order, kemeny.cost, kemeny.floor, kemeny.excess, kemeny.n_optimal) == ((0, 1, 2), 4, 3, 1, 3)


def test_tennessee_chooses_its_capital_as_printed() -> None:
    # The textbook example: 42 % Memphis, 26 % Nashville, 15 % Chattanooga, 17 % Knoxville voters.
    ballots = [([4, 3, 2, 1], 42), ([1, 4, 3, 2], 26), ([1, 2, 4, 3], 15), ([1, 2, 3, 4], 17)]
    columns = [ballot for ballot, n_voters in ballots for _ in range(n_voters)]
    found = of([list(row) for row in zip(*columns, strict=True)])
    assert found.condorcet_winner == 1
    assert found.kemeny.order == (1, 2, 3, 0)
    # Kemeny score 393 of 600 pairwise preferences kept; the rest are overruled.
    assert found.kemeny.cost == 600 - 393
    assert found.kemeny.excess == 0


def test_a_winner_is_alone_in_the_smith_set() -> None:
    found = of([[3, 3, 1], [2, 1, 3], [1, 2, 2]])
    assert found.condorcet_winner == 0
    assert found.smith_set == (0,)


def test_models_that_tie_in_majority_share_the_smith_set() -> None:
    found = of([[2, 1], [1, 2], [0, 0]])
    assert found.smith_set == (0, 1)
    assert found.cyclic_groups == ()
    assert found.kemeny.n_optimal == 2


def test_a_cycle_below_a_winner_is_reported() -> None:
    found = of([[9.0] * 3, *rotations(3)])
    assert found.condorcet_winner == 0
    assert found.cyclic_groups == ((1, 2, 3),)
    assert found.smith_set == (0,)
    assert found.kemeny.order == (0, 1, 2, 3)


def test_many_models_without_a_large_cycle_are_solved_exactly() -> None:
    n_models = 3 * LARGEST_EXACT_GROUP
    found = of([[float(-model)] for model in range(n_models)])
    assert found.kemeny.order == tuple(range(n_models))
    assert (found.kemeny.cost, found.kemeny.n_optimal) == (0, 1)


def test_a_cycle_that_is_too_large_gives_a_reason_and_no_order() -> None:
    found = of(rotations(LARGEST_EXACT_GROUP + 1))
    assert found.kemeny.order is None
    assert found.kemeny.cost is None
    assert found.kemeny.reason is not None
    assert str(LARGEST_EXACT_GROUP + 1) in found.kemeny.reason
    assert found.kemeny.floor > 0


def test_the_largest_exact_cycle_is_solved() -> None:
    found = of(rotations(LARGEST_EXACT_GROUP))
    assert found.kemeny.order == tuple(range(LARGEST_EXACT_GROUP))


def test_a_missing_cell_takes_no_part_in_the_comparisons_of_its_model() -> None:
    known = np.array([[True, False], [True, True], [True, True]])
    found = majority(np.array([[3.0, 0], [2, 2], [1, 3]]), known)
    assert found.n_ahead == ((0, 1, 1), (0, 0, 1), (0, 1, 0))


def test_one_model_wins_and_no_model_is_refused() -> None:
    found = of([[1.0, 2.0]])
    assert (found.condorcet_winner, found.smith_set, found.kemeny.order) == (0, (0,), (0,))
    with pytest.raises(ValueError, match="at least one model"):
        majority(np.zeros((0, 2)), np.zeros((0, 2), dtype=bool))


@settings(max_examples=60)
@given(st.lists(st.permutations(range(5)), min_size=3, max_size=3))
def test_kemeny_orders_of_cyclic_majorities_are_those_of_full_enumeration(columns: list[list[int]]) -> None:
    rows = [[float(column[model]) for column in columns] for model in range(5)]
    found = of(rows)
    assert (found.kemeny.cost, found.kemeny.order, found.kemeny.n_optimal) == slow.kemeny(rows)
