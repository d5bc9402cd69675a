"""Spread of scores and margins, their extremes and what they imply about reversals."""

from __future__ import annotations

import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracles.grids import Grid, grids
from safetyrepro.stats.dispersion import margin_index, score_dispersion
from safetyrepro.stats.flips import count_orders


def known(n: int) -> np.ndarray:
    return np.ones(n, dtype=bool)


@given(grids(max_models=1))
def test_dispersion_equals_the_standard_library(grid: Grid) -> None:
    found = score_dispersion(grid.scores[0], grid.known[0], low=-0.1, high=0.9)
    values = [cell for cell in grid.cells[0] if cell is not None]
    if not values:
        assert found is None
        return
    assert found is not None
    deviation = statistics.pstdev(values)
    assert found.standard_deviation == pytest.approx(deviation, abs=1e-12)
    assert found.sdi == pytest.approx(deviation / 0.5, abs=1e-12)
    assert (found.minimum, found.maximum, found.range) == (min(values), max(values), max(values) - min(values))
    assert found.mean == pytest.approx(statistics.fmean(values))
    assert found.n_configurations + found.n_missing == grid.n_configurations


def test_half_the_configurations_at_each_end_have_the_largest_index() -> None:
    found = score_dispersion(np.array([0.0, 1.0, 0.0, 1.0]), known(4))
    assert found is not None
    assert found.sdi == 1


def test_the_divisor_is_the_number_of_configurations() -> None:
    found = score_dispersion(np.array([0.0, 1.0]), known(2))
    assert found is not None
    assert found.standard_deviation == 0.5


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_the_index_lies_between_nought_and_one(values: list[float]) -> None:
    found = score_dispersion(np.array(values), known(len(values)))
    assert found is not None
    assert found.sdi is not None
    assert 0 <= found.sdi <= 1


def test_one_configuration_has_no_spread() -> None:
    found = score_dispersion(np.array([0.4]), known(1))
    assert found is not None
    assert (found.range, found.standard_deviation, found.sdi) == (0, 0, 0)


def test_no_score_has_no_dispersion() -> None:
    assert score_dispersion(np.zeros(2), ~known(2)) is None
    assert margin_index(np.zeros(2), ~known(2)) is None


def test_a_scale_without_an_end_has_no_index() -> None:
    found = score_dispersion(np.array([-3.0, -1.0]), known(2), low=None, high=0.0)
    assert found is not None
    assert (found.range, found.sdi) == (2, None)


def test_scores_off_the_scale_and_a_scale_upside_down_are_refused() -> None:
    with pytest.raises(ValueError, match="leave the scale"):
        score_dispersion(np.array([1.5]), known(1))
    with pytest.raises(ValueError, match="low < high"):
        score_dispersion(np.array([0.5]), known(1), low=1.0, high=0.0)


@given(grids(min_models=2, max_models=2))
def test_the_margin_index_bounds_the_share_that_is_not_with_the_mean(grid: Grid) -> None:
    both = grid.known.all(axis=0)
    difference = grid.scores[0] - grid.scores[1]
    found = margin_index(difference, both)
    counts = count_orders(grid.scores[0], grid.scores[1], both)
    if found is None:
        assert counts.n_compared == 0
        return
    if found.rules_out_reversal:
        assert not counts.reversal
    if found.kappa is None:
        assert counts.n_strict == 0
        return
    assert 0 <= found.kappa <= 1
    with_mean = counts.n_plus if found.mean > 0 else counts.n_minus
    assert 1 - with_mean / counts.n_compared <= found.kappa + 1e-9


def test_a_constant_margin_has_index_nought_and_a_balanced_one_has_one() -> None:
    constant, balanced = margin_index(np.full(3, 0.1), known(3)), margin_index(np.array([0.1, -0.1]), known(2))
    assert constant is not None
    assert balanced is not None
    assert constant.kappa == pytest.approx(0, abs=1e-20)
    assert constant.rules_out_reversal
    assert balanced.kappa == 1
    assert not balanced.rules_out_reversal


def test_all_ties_have_no_index_and_no_reversal() -> None:
    found = margin_index(np.array([1e-13, -1e-13]), known(2))
    assert found is not None
    assert found.kappa is None
    assert found.rules_out_reversal


def test_a_shift_of_all_models_moves_scores_and_no_verdict() -> None:
    shift = np.array([0.0, 0.3, 0.6])
    a, b = 0.3 + shift, 0.2 + shift
    spread, margin = score_dispersion(a, known(3)), margin_index(a - b, known(3))
    assert spread is not None
    assert margin is not None
    assert spread.range == pytest.approx(0.6)
    assert margin.kappa == pytest.approx(0, abs=1e-20)


def test_the_exclusion_of_a_reversal_is_sharp() -> None:
    # d = (m - 1) equal margins and one just above or below nought reaches Samuelson's bound.
    for last, excluded in [(0.01, True), (-0.01, False)]:
        found = margin_index(np.array([0.5, 0.5, 0.5, last]), known(4))
        assert found is not None
        assert found.rules_out_reversal == excluded
