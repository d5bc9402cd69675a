"""Witnesses are the widest, the first among equals, and name what differs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracles.grids import Grid, grids
from safetyrepro.stats.flips import count_orders
from safetyrepro.stats.witnesses import discordant_items, items_that_turn, widest_witness

ALL = np.ones(4, dtype=bool)
LEVELS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])


def test_the_witness_has_the_largest_margin_on_each_side_and_names_the_factors() -> None:
    witness = widest_witness(np.array([0.1, 0.2, -0.1, -0.3]), ALL, LEVELS)
    assert witness is not None
    assert (witness.plus, witness.minus, witness.factors) == (1, 3, (0,))
    assert (witness.margin_plus, witness.margin_minus) == (0.2, -0.3)


def test_equal_margins_give_the_first_configuration_even_if_the_last_bits_differ() -> None:
    close = 0.3 - 0.2
    assert close < 0.1
    witness = widest_witness(np.array([close, 0.1, -0.1, -close]), ALL, LEVELS)
    assert witness is not None
    assert (witness.plus, witness.minus) == (0, 2)
    assert witness.margin_plus == close


def test_a_missing_configuration_is_no_witness() -> None:
    known = np.array([True, True, True, False])
    witness = widest_witness(np.array([0.1, 0.2, -0.1, np.nan]), known, LEVELS)
    assert witness is not None
    assert witness.minus == 2


@pytest.mark.parametrize("difference", [[0.1, 0.2, 0.0, 0.3], [0.0] * 4, [-0.1, -1e-12, 1e-12, 0.0]])
def test_without_a_reversal_there_is_no_witness(difference: list[float]) -> None:
    assert widest_witness(np.array(difference), ALL, LEVELS) is None


def test_no_known_configuration_has_no_witness() -> None:
    assert widest_witness(np.zeros(4), ~ALL, LEVELS) is None
    assert widest_witness(np.zeros(0), np.zeros(0, dtype=bool), np.zeros((0, 2), dtype=np.int64)) is None


@given(grids(min_models=2, max_models=2))
def test_a_witness_exists_exactly_when_there_is_a_reversal(grid: Grid) -> None:
    known = grid.known.all(axis=0)
    witness = widest_witness(grid.scores[0] - grid.scores[1], known, grid.levels)
    assert (witness is not None) == count_orders(grid.scores[0], grid.scores[1], known).reversal
    if witness is not None:
        differ = [f for f in range(grid.levels.shape[1]) if grid.levels[witness.plus, f] != grid.levels[witness.minus, f]]
        assert witness.factors == tuple(differ)
        assert witness.factors
        assert witness.margin_plus > 0 > witness.margin_minus


@given(st.lists(st.tuples(st.sampled_from([0.0, 0.5, 1.0, None]), st.sampled_from([0.0, 0.5, 1.0, None])), max_size=8))
def test_discordant_items_are_those_with_different_outcomes(outcomes: list[tuple[float | None, float | None]]) -> None:
    a = np.array([np.nan if x is None else x for x, _ in outcomes], dtype=float)
    b = np.array([np.nan if y is None else y for _, y in outcomes], dtype=float)
    known = np.array([x is not None and y is not None for x, y in outcomes], dtype=bool)
    found = discordant_items(a, b, known)
    both = [(i, x, y) for i, (x, y) in enumerate(outcomes) if x is not None and y is not None]
    assert list(found.a_better) == [i for i, x, y in both if x > y]
    assert list(found.b_better) == [i for i, x, y in both if x < y]
    assert found.n_equal == sum(x == y for _, x, y in both)
    assert found.n_missing == len(outcomes) - len(both)


def test_items_that_turn_are_won_by_one_model_here_and_by_the_other_there() -> None:
    known = np.ones(4, dtype=bool)
    plus = discordant_items(np.array([1.0, 1, 0, 1]), np.array([0.0, 0, 1, 1]), known)
    minus = discordant_items(np.array([0.0, 1, 0, 0]), np.array([1.0, 0, 1, 1]), known)
    assert items_that_turn(plus, minus) == (0,)
