"""What a tie, a tier and a missing cell are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracles import deterministic as slow
from safetyrepro.stats.base import checked_levels, complete_configurations, sign_arrays, signs_of, tier_numbers


def test_a_difference_within_the_tolerance_is_a_tie_and_one_beyond_is_not() -> None:
    difference = np.array([1e-12, -1e-12, 2e-12, -2e-12, 0.0])
    assert signs_of(difference, np.ones(5, dtype=bool)) == (0, 0, 1, -1, 0)


def test_sums_in_another_order_do_not_make_a_strict_verdict() -> None:
    difference = np.array([(0.1 + 0.2) - 0.3])
    assert difference[0] != 0
    assert signs_of(difference, np.array([True])) == (0,)


def test_what_stands_in_a_missing_cell_is_never_read() -> None:
    difference = np.array([np.nan, np.inf, 0.5])
    assert signs_of(difference, np.array([False, False, True])) == (None, None, 1)


def test_a_known_value_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="not finite"):
        signs_of(np.array([np.nan]), np.array([True]))


def test_arrays_of_different_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(2,\) and \(3,\)"):
        signs_of(np.zeros(2), np.ones(3, dtype=bool))


@pytest.mark.parametrize("tolerance", [-1.0, float("nan"), float("inf")])
def test_a_tolerance_that_is_no_length_is_refused(tolerance: float) -> None:
    with pytest.raises(ValueError, match="tolerance"):
        signs_of(np.zeros(1), np.array([True]), tolerance=tolerance)


def test_signs_other_than_the_three_are_refused() -> None:
    with pytest.raises(ValueError, match="sign"):
        sign_arrays([1, 2])


def test_signs_come_back_with_missing_marked_apart() -> None:
    numbers, known = sign_arrays([1, None, 0, -1])
    assert numbers.tolist() == [1, 0, 0, -1]
    assert known.tolist() == [True, False, True, True]


def test_a_table_of_levels_needs_a_row_for_every_configuration() -> None:
    with pytest.raises(ValueError, match="3 rows"):
        checked_levels(np.zeros((2, 1), dtype=np.int64), n_configurations=3)
    with pytest.raises(ValueError, match="integers"):
        checked_levels(np.zeros((2, 1)), n_configurations=2)  # type: ignore[arg-type] # the wrong type is the point


def test_a_configuration_is_complete_if_no_model_is_missing() -> None:
    known = np.array([[True, True, False], [True, False, True]])
    assert complete_configurations(known).tolist() == [True, False, False]
    with pytest.raises(ValueError, match="2 dimensions"):
        complete_configurations(known[0])


def test_a_chain_within_the_tolerance_is_one_tier() -> None:
    scores = np.array([[0.0], [0.8e-12], [1.6e-12], [0.5]])
    assert tier_numbers(scores).tolist() == [[1, 1, 1, 0]]


def test_no_model_and_no_configuration_have_no_tiers() -> None:
    assert tier_numbers(np.zeros((0, 3))).shape == (3, 0)
    assert tier_numbers(np.zeros((3, 0))).shape == (0, 3)


@given(st.lists(st.integers(0, 6).map(lambda step: step * 0.6e-12), min_size=1, max_size=6))
def test_tiers_are_the_transitive_closure_of_ties(column: list[float]) -> None:
    numbers = tier_numbers(np.array(column)[:, None])[0].tolist()
    expected = {model: tier for tier, group in enumerate(slow.tiers(column)) for model in group}
    assert numbers == [expected[model] for model in range(len(column))]
