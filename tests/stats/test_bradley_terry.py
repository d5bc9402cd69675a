"""Bradley-Terry strengths exist only where the wins are strongly connected."""

from __future__ import annotations

from itertools import product
from math import log

import choix
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.csgraph import connected_components

from oracles import beyond as slow
from oracles import deterministic
from oracles.grids import Grid, grids
from safetyrepro.stats.bradley_terry import BradleyTerry, bradley_terry


def of(rows: list[list[float]]) -> BradleyTerry:
    scores = np.array(rows, dtype=float)
    return bradley_terry(scores, np.ones(scores.shape, dtype=bool))


@given(grids())
def test_strengths_exist_exactly_if_the_wins_are_strongly_connected(grid: Grid) -> None:
    found = bradley_terry(grid.scores, grid.known)
    ahead = deterministic.wins(grid.cells)
    n_models = len(grid.cells)
    for (a, b), n_wins in ahead.items():
        ties = deterministic.signs(grid.cells[a], grid.cells[b]).count(0)
        assert found.wins[a][b] == n_wins + ties / 2
    n_groups, _ = connected_components(np.array(found.wins) > 0, connection="strong")
    assert (found.log_strengths is not None) == (n_groups == 1)
    assert (found.reason is None) == (n_groups == 1)
    if found.log_strengths is not None:
        assert sum(found.log_strengths) == pytest.approx(0, abs=1e-9)
        assert len(found.log_strengths) == n_models


@settings(max_examples=40)
@given(grids(min_models=2), st.integers(0, 4), st.sampled_from([-1e-3, 1e-3]))
def test_no_move_of_a_strength_raises_the_likelihood(grid: Grid, model: int, move: float) -> None:
    found = bradley_terry(grid.scores, grid.known)
    if found.log_strengths is None:
        return
    best = list(found.log_strengths)
    moved = [value + move * (place == model % len(best)) for place, value in enumerate(best)]
    assert slow.log_likelihood(found.wins, moved) <= slow.log_likelihood(found.wins, best) + 1e-12


@pytest.mark.parametrize("seed", range(5))
def test_strengths_equal_those_of_an_independent_library(seed: int) -> None:
    scores = np.random.default_rng(seed).normal(size=(5, 60)) + np.linspace(0, 1, 5)[:, None]
    found = bradley_terry(scores, np.ones(scores.shape, dtype=bool))
    expected = choix.ilsr_pairwise_dense(np.array(found.wins), tol=1e-12)
    assert found.log_strengths == pytest.approx(expected - expected.mean(), abs=1e-8)


def test_the_american_league_of_1987_has_the_strengths_that_are_printed_for_it() -> None:
    # Data: Agresti 2002, Categorical Data Analysis, table 10.10, wins of row over column.
    # Estimates relative to the last team, as R prints them (Firth's BradleyTerry, data set `baseball`).
    wins = [
        [0, 7, 9, 7, 7, 9, 11],
        [6, 0, 7, 5, 11, 9, 9],
        [4, 6, 0, 7, 7, 8, 12],
        [6, 8, 6, 0, 6, 7, 10],
        [6, 2, 6, 7, 0, 7, 12],
        [4, 4, 5, 6, 6, 0, 6],
        [2, 4, 1, 3, 1, 7, 0],
    ]
    games = [(a, b) for a, b in product(range(7), repeat=2) for _ in range(wins[a][b])]
    scores, known = np.zeros((7, len(games))), np.zeros((7, len(games)), dtype=bool)
    for game, (winner, loser) in enumerate(games):
        scores[winner, game], known[[winner, loser], game] = 1.0, True
    found = bradley_terry(scores, known)
    assert found.log_strengths is not None
    to_baltimore = [value - found.log_strengths[6] for value in found.log_strengths[:6]]
    assert to_baltimore == pytest.approx([1.5814, 1.4364, 1.2945, 1.2476, 1.1077, 0.6839], abs=0.00005)


def test_for_two_models_the_gap_is_the_logarithm_of_the_odds() -> None:
    found = of([[1, 1, 1, 0], [0, 0, 0, 1]])
    assert found.log_strengths is not None
    assert found.log_strengths[0] - found.log_strengths[1] == pytest.approx(log(3), abs=1e-12)


def test_a_tie_is_half_a_win_for_each() -> None:
    found = of([[1, 1], [0, 1]])
    assert found.wins == ((0, 1.5), (0.5, 0))
    assert found.log_strengths is not None
    assert found.log_strengths[0] - found.log_strengths[1] == pytest.approx(log(3), abs=1e-12)


def test_a_model_that_is_never_beaten_gives_a_reason_and_no_number() -> None:
    found = of([[9, 9, 9], [1, 2, 1], [2, 1, 2]])
    assert found.log_strengths is None
    assert found.reason == "no chain of wins leads from model 1 to model(s) 0"


def test_models_that_were_never_compared_have_no_strengths() -> None:
    found = bradley_terry(np.zeros((2, 2)), np.array([[True, False], [False, True]]))
    assert found.log_strengths is None


def test_a_chain_of_lopsided_wins_still_converges() -> None:
    rows = [[float((m + shift) % 3) for shift in range(3)] for m in range(3)]
    lopsided = [row + [float(2 - m)] * 300 for m, row in enumerate(rows)]
    found = of(lopsided)
    assert found.log_strengths is not None
    expected = choix.ilsr_pairwise_dense(np.array(found.wins), tol=1e-12, max_iter=10_000)
    assert found.log_strengths == pytest.approx(expected - expected.mean(), abs=1e-6)


def test_one_model_has_the_strength_of_the_mean_and_none_is_refused() -> None:
    assert of([[0.5, 0.4]]).log_strengths == (0,)
    with pytest.raises(ValueError, match="at least one model"):
        bradley_terry(np.zeros((0, 1)), np.zeros((0, 1), dtype=bool))


def test_too_few_steps_give_a_reason_and_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("safetyrepro.stats.bradley_terry.MOST_ITERATIONS", 1)
    found = of([[1, 1, 1, 0], [0, 0, 0, 1]])
    assert found.log_strengths is None
    assert found.reason == "no convergence after 1 steps"
