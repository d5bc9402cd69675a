"""Kendall's W and tau: identities, an independent library, a published example, the edges."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from numpy.typing import NDArray
from scipy.stats import friedmanchisquare, kendalltau

from oracles.grids import Grid, grids
from safetyrepro.stats.concordance import concordance
from safetyrepro.stats.flips import count_orders, flip_rates


def everywhere(scores: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.ones(scores.shape, dtype=bool)


def of(rows: list[list[float]]) -> NDArray[np.float64]:
    return np.array(rows, dtype=np.float64)


@given(grids(min_models=2, missing=False))
def test_mean_discordance_is_the_mean_rate_of_distinct_pairs_over_models(grid: Grid) -> None:
    found = concordance(grid.scores, grid.known)
    if found.mean_discordance is None or found.mean_tau_a is None:
        assert grid.n_configurations < 2
        return
    pairs = list(combinations(range(len(grid.cells)), 2))
    counts = [count_orders(grid.scores[a], grid.scores[b], grid.known[0]) for a, b in pairs]
    rates = [flip_rates(count).flip_rate_distinct for count in counts]
    assert found.mean_discordance == pytest.approx(np.mean([rate for rate in rates if rate is not None]), abs=1e-12)
    tied = [
        count.signs[c] == 0 or count.signs[d] == 0 for count in counts for c, d in combinations(range(grid.n_configurations), 2)
    ]
    assert found.mean_tau_a == pytest.approx(1 - 2 * found.mean_discordance - np.mean(tied), abs=1e-12)


@given(grids(min_models=2, max_models=2, missing=False))
def test_for_two_models_without_ties_w_is_one_less_twice_the_flip_rate(grid: Grid) -> None:
    counts = count_orders(grid.scores[0], grid.scores[1], grid.known[0])
    rate = flip_rates(counts).flip_rate
    if counts.n_tie == 0 and rate is not None:
        assert concordance(grid.scores, grid.known).kendall_w == pytest.approx(1 - 2 * rate, abs=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_w_and_tau_b_equal_those_of_scipy_with_ties(seed: int) -> None:
    scores = np.random.default_rng(seed).integers(0, 4, size=(5, 6)).astype(float)
    found = concordance(scores, everywhere(scores))
    chi_square = friedmanchisquare(*scores).statistic
    assert found.kendall_w == pytest.approx(chi_square / (6 * 4), abs=1e-12)
    taus = np.array([kendalltau(x, y).statistic for x, y in combinations(scores.T, 2)])
    assert found.mean_tau_b == pytest.approx(np.nanmean(taus), abs=1e-12)
    assert found.n_undefined_tau_b == np.isnan(taus).sum()


def test_w_of_a_textbook_example_equals_the_printed_number() -> None:
    # Siegel 1956, Nonparametric Statistics, chapter 9: three executives rank six applicants; W = .16.
    ranks = [[1, 6, 3, 2, 5, 4], [1, 5, 6, 4, 2, 3], [6, 3, 2, 5, 4, 1]]
    scores = -of([list(row) for row in ranks]).T
    assert concordance(scores, everywhere(scores)).kendall_w == pytest.approx(0.16, abs=0.005)


def test_full_agreement_is_one_and_opposite_orders_are_none() -> None:
    agree, oppose = of([[3, 3], [2, 2], [1, 1]]), of([[3, 1], [2, 2], [1, 3]])
    same, other = concordance(agree, everywhere(agree)), concordance(oppose, everywhere(oppose))
    assert (same.kendall_w, same.mean_tau_a, same.mean_discordance) == (1, 1, 0)
    assert (other.kendall_w, other.mean_tau_a, other.mean_discordance) == (0, -1, 1)


def test_a_chain_of_ties_is_one_group_for_w() -> None:
    scores = of([[0.0, 0.0], [0.8e-12, 0.8e-12], [1.6e-12, 1.6e-12]])
    assert concordance(scores, everywhere(scores)).kendall_w is None


def test_configurations_that_tie_all_models_have_no_w_and_no_tau_b_but_a_tau_a() -> None:
    scores = of([[1, 1], [1, 1]])
    found = concordance(scores, everywhere(scores))
    assert (found.kendall_w, found.mean_tau_b, found.n_undefined_tau_b) == (None, None, 1)
    assert (found.mean_tau_a, found.mean_discordance) == (0, 0)


def test_one_tied_configuration_leaves_its_pairs_without_tau_b() -> None:
    scores = of([[1, 2, 2], [1, 1, 1]])
    found = concordance(scores, everywhere(scores))
    assert (found.mean_tau_b, found.n_undefined_tau_b, found.n_configuration_pairs) == (1, 2, 3)


def test_an_incomplete_configuration_is_left_out_and_counted() -> None:
    scores, known = of([[3, 1, 3], [2, 2, 2]]), np.ones((2, 3), dtype=bool)
    known[0, 1] = False
    found = concordance(scores, known)
    assert (found.n_configurations, found.n_left_out, found.kendall_w) == (2, 1, 1)


@pytest.mark.parametrize("shape", [(0, 3), (1, 3), (3, 0)])
def test_too_few_models_or_configurations_have_no_concordance(shape: tuple[int, int]) -> None:
    found = concordance(np.zeros(shape), np.ones(shape, dtype=bool))
    assert (found.kendall_w, found.mean_tau_b) == (None, None)
    assert found.mean_tau_a is None


def test_one_configuration_agrees_with_itself() -> None:
    found = concordance(of([[2], [1]]), np.ones((2, 1), dtype=bool))
    assert (found.kendall_w, found.mean_tau_a, found.n_configuration_pairs) == (1, None, 0)
