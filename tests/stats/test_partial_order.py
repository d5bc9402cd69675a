"""The order on which every configuration agrees."""

from __future__ import annotations

import numpy as np
from hypothesis import given

from oracles.grids import Grid, grids
from safetyrepro.stats.partial_order import RobustOrder, robust_order


def order(rows: list[list[float]]) -> RobustOrder:
    scores = np.array(rows, dtype=float)
    found = robust_order(scores, np.ones(scores.shape, dtype=bool))
    assert found is not None
    return found


def test_a_chain_has_edges_between_neighbours_only() -> None:
    found = order([[3, 5], [2, 4], [1, 0]])
    assert found.above == ((0, 1), (0, 2), (1, 2))
    assert found.hasse_edges == ((0, 1), (1, 2))
    assert [(place.lowest, place.highest) for place in found.rank_intervals] == [(1, 1), (2, 2), (3, 3)]
    assert found.n_undecided_pairs == 0


def test_models_that_change_places_stay_unordered_and_can_both_be_first() -> None:
    found = order([[3, 2], [2, 3], [1, 1]])
    assert found.above == ((0, 2), (1, 2))
    assert found.can_be_first == (0, 1)
    assert [(place.lowest, place.highest) for place in found.rank_intervals] == [(1, 2), (1, 2), (3, 3)]
    assert found.n_undecided_pairs == 1


def test_models_that_tie_everywhere_form_a_group_and_those_that_tie_once_do_not() -> None:
    found = order([[1, 2], [1, 2], [1, 3]])
    assert found.tie_groups == ((0, 1),)
    assert found.above == ()


def test_one_tie_is_enough_to_break_an_order() -> None:
    assert order([[2, 2, 1], [1, 1, 1]]).above == ()


def test_no_complete_configuration_has_no_order() -> None:
    assert robust_order(np.zeros((2, 1)), np.array([[True], [False]])) is None
    assert robust_order(np.zeros((2, 0)), np.zeros((2, 0), dtype=bool)) is None


def test_one_model_is_first_whatever_happens() -> None:
    found = order([[0.5]])
    assert (found.above, found.can_be_first) == ((), (0,))


@given(grids(min_models=2))
def test_the_order_is_transitive_and_irreflexive_and_shrinks_as_the_envelope_grows(grid: Grid) -> None:
    whole = robust_order(grid.scores, grid.known)
    part = robust_order(grid.scores[:, :-1], grid.known[:, :-1])
    if whole is None:
        return
    above = set(whole.above)
    assert all((a, d) in above for a, b in above for c, d in above if b == c)
    assert all(a != b for a, b in above)
    if part is not None:
        assert above <= set(part.above)
