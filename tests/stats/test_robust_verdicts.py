"""Six senses of "A is safer over the envelope", what implies what, and what missing cells leave open."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given, settings

from oracles import beyond as slow
from oracles.grids import Grid, grids
from safetyrepro.stats.robust_verdicts import RobustVerdicts, robust_verdicts

SENSES = ["all_strict", "all_weak", "majority", "mean", "worst_case", "dominance"]


def of(a: list[float], b: list[float]) -> RobustVerdicts:
    return robust_verdicts(np.array(a), np.array(b), np.ones((2, len(a)), dtype=bool))


def senses(found: RobustVerdicts) -> dict[str, bool | None]:
    return {name: value for name, value in asdict(found).items() if name in SENSES}


@given(grids(min_models=2, max_models=2, missing=False))
def test_on_complete_grids_all_six_equal_their_definition(grid: Grid) -> None:
    found = robust_verdicts(grid.scores[0], grid.scores[1], grid.known)
    if grid.n_configurations == 0:
        assert set(senses(found).values()) == {None}
        return
    a, b = ([float(x) for x in row] for row in grid.scores)
    assert senses(found) == slow.holds(a, b)


@settings(max_examples=200)
@given(grids(min_models=2, max_models=2, max_configurations=4))
def test_a_claim_is_decided_only_if_every_completion_on_the_scale_agrees(grid: Grid) -> None:
    found = robust_verdicts(grid.scores[0], grid.scores[1], grid.known, scale=(-0.1, 0.4))
    if grid.n_configurations == 0:
        return
    expected = slow.known_claims(grid.cells[0], grid.cells[1], lambda side: (-0.1, 0.1, 0.2, 0.4))
    for name, value in senses(found).items():
        assert value is None or value == expected[name]
    # Bounds of the mean and of extremes are reached at the ends of the scale, so these are sharp.
    for name in ("mean", "worst_case", "dominance"):
        assert senses(found)[name] == expected[name]


@settings(max_examples=200)
@given(grids(min_models=2, max_models=2, max_configurations=4))
def test_without_a_scale_every_claim_is_decided_exactly_if_huge_scores_cannot_change_it(grid: Grid) -> None:
    found = robust_verdicts(grid.scores[0], grid.scores[1], grid.known)
    if grid.n_configurations == 0:
        return
    # Different sizes for A and B, so that either can be ahead where both are missing.
    expected = slow.known_claims(
        grid.cells[0], grid.cells[1], lambda side: (-1e9, 0.15, 1e9) if side == "a" else (-2e9, 0.15, 2e9)
    )
    assert senses(found) == expected


@given(grids(min_models=2, max_models=2))
def test_dominance_implies_all_and_all_implies_the_other_three(grid: Grid) -> None:
    found = robust_verdicts(grid.scores[0], grid.scores[1], grid.known)
    if found.dominance:
        assert found.all_strict
    if found.all_strict:
        assert found.all_weak
        assert found.mean
        assert found.majority
        assert found.worst_case


def test_mean_majority_and_worst_case_imply_nothing_about_each_other() -> None:
    seen = {
        (found.mean, found.majority, found.worst_case)
        for found in (
            of([0.9, 0.1, 0.1], [0.1, 0.2, 0.2]),
            of([0.1, 0.5, 0.5], [0.9, 0.4, 0.4]),
            of([0.3, 0.3, 0.3], [0.2, 0.9, 0.9]),
            of([0.9, 0.4, 0.1], [0.2, 0.3, 0.2]),
            of([0.9, 0.3, 0.3], [0.2, 0.35, 0.35]),
            of([0.3, 0.4, 0.4], [0.2, 0.3, 0.9]),
        )
    }
    assert seen == {
        (True, False, False),
        (False, True, False),
        (False, False, True),
        (True, True, False),
        (True, False, True),
        (False, True, True),
    }


def test_a_tie_refutes_the_strict_claim_and_satisfies_the_weak_one() -> None:
    found = of([0.5, 0.5], [0.4, 0.5])
    assert (found.all_strict, found.all_weak) == (False, True)


def test_a_missing_cell_leaves_all_unknown_unless_it_is_refuted() -> None:
    known = np.array([[True, True], [True, False]])
    ahead = robust_verdicts(np.array([0.5, 0.5]), np.array([0.4, 0.0]), known)
    behind = robust_verdicts(np.array([0.3, 0.5]), np.array([0.4, 0.0]), known)
    assert (ahead.all_strict, ahead.all_weak, ahead.n_missing) == (None, None, 1)
    assert (behind.all_strict, behind.all_weak) == (False, False)


def test_a_majority_that_missing_cells_cannot_overturn_is_decided() -> None:
    known = np.array([[True] * 4, [True, True, True, False]])
    found = robust_verdicts(np.full(4, 0.5), np.array([0.1, 0.1, 0.1, 0.0]), known)
    assert found.majority is True


def test_the_worst_case_is_decided_by_a_complete_model_against_a_low_score() -> None:
    known = np.array([[True, True], [True, False]])
    assert robust_verdicts(np.array([0.5, 0.6]), np.array([0.4, 0.0]), known).worst_case is True


def test_wrong_shapes_and_scales_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(2, c\)"):
        robust_verdicts(np.zeros(1), np.zeros(1), np.ones(1, dtype=bool))
    with pytest.raises(ValueError, match="low < high"):
        robust_verdicts(np.zeros(1), np.zeros(1), np.ones((2, 1), dtype=bool), scale=(1.0, 0.0))
    with pytest.raises(ValueError, match="leaves the scale"):
        robust_verdicts(np.array([2.0]), np.zeros(1), np.ones((2, 1), dtype=bool), scale=(0.0, 1.0))
