"""Failure bounds contain every completion of the missing answers, and both ends are reached."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from oracles import factorial as slow
from safetyrepro.stats.bounds import failure_bounds


@st.composite
def answers(draw):
    shape = draw(st.tuples(st.integers(1, 4), st.integers(1, 2)))
    tables = [draw(hnp.arrays(np.float64, shape, elements=st.sampled_from([0.0, 0.5, 1.0]))) for _ in range(2)]
    masks = [draw(hnp.arrays(np.bool_, shape)) for _ in range(2)]
    for mask in masks:
        mask.ravel()[3:] = True
    return tables, masks


@given(answers())
def test_the_bounds_are_the_extremes_over_all_completions(case):
    (a, b), (known_a, known_b) = case
    result = failure_bounds(a, b, known_a=known_a, known_b=known_b)
    means = np.array(
        [
            (one - other).mean(axis=0)
            for one in slow.completions(a, known_a, (0.0, 1.0))
            for other in slow.completions(b, known_b, (0.0, 1.0))
        ]
    )
    assert result.low == pytest.approx(means.min(axis=0))
    assert result.high == pytest.approx(means.max(axis=0))
    for column, sign in enumerate(result.sign):
        signs = set(np.sign(means[:, column]).astype(int).tolist())
        assert sign == (signs.pop() if len(signs) == 1 else None)


def test_without_missing_answers_the_bounds_are_the_difference():
    a, b = np.array([[1.0], [1.0], [0.0]]), np.array([[0.0], [1.0], [0.0]])
    everything = np.ones((3, 1), dtype=bool)
    result = failure_bounds(a, b, known_a=everything, known_b=everything)
    assert (result.low, result.high, result.sign) == ((1 / 3,), (1 / 3,), (1,))
    assert failure_bounds(a, a, known_a=everything, known_b=everything).sign == (0,)


def test_by_hand_two_of_ten_missing_leave_the_sign_open():
    a, b = np.array([[1.0]] * 6 + [[0.0]] * 4), np.array([[1.0]] * 5 + [[0.0]] * 5)
    known_a, known_b = np.ones((10, 1), dtype=bool), np.ones((10, 1), dtype=bool)
    known_a[0], known_b[9] = False, False
    result = failure_bounds(a, b, known_a=known_a, known_b=known_b)
    assert result.low == (pytest.approx(-0.1),)
    assert result.high == (pytest.approx(0.1),)
    assert (result.sign, result.missing_a, result.missing_b) == ((None,), (1,), (1,))


def test_all_missing_is_everything_possible_and_no_items_is_unknown():
    nothing = np.zeros((2, 1), dtype=bool)
    result = failure_bounds(np.full((2, 1), np.nan), np.zeros((2, 1)), known_a=nothing, known_b=nothing)
    assert (result.low, result.high, result.sign) == ((-1.0,), (1.0,), (None,))
    empty = failure_bounds(
        np.zeros((0, 2)), np.zeros((0, 2)), known_a=np.zeros((0, 2), dtype=bool), known_b=np.zeros((0, 2), dtype=bool)
    )
    assert (empty.low, empty.high, empty.sign) == ((None, None), (None, None), (None, None))


def test_another_range_of_the_score_widens_the_bounds():
    known = np.array([[True], [False]])
    result = failure_bounds(
        np.array([[3.0], [0.0]]), np.array([[1.0], [1.0]]), known_a=known, known_b=~known | known, low=-1.0, high=4.0
    )
    assert (result.low, result.high) == ((0.0,), (2.5,))


def test_impossible_inputs_are_refused():
    everything = np.ones((1, 1), dtype=bool)
    with pytest.raises(ValueError, match="outside the range"):
        failure_bounds(np.array([[1.5]]), np.zeros((1, 1)), known_a=everything, known_b=everything)
    with pytest.raises(ValueError, match="outside the range"):
        failure_bounds(np.array([[np.nan]]), np.zeros((1, 1)), known_a=everything, known_b=everything)
    with pytest.raises(ValueError, match="ascending"):
        failure_bounds(np.zeros((1, 1)), np.zeros((1, 1)), known_a=everything, known_b=everything, low=1.0)
    with pytest.raises(ValueError, match="items by configurations"):
        failure_bounds(np.zeros(1), np.zeros(1), known_a=everything, known_b=everything)
