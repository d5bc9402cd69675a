"""What may be said beyond the tested configurations."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from oracles import beyond as slow
from oracles import deterministic
from oracles.grids import Grid, grids
from safetyrepro.stats.extrapolation import grid_limit, leave_one_level_out, new_level_limit, unseen_ordering_share


@pytest.mark.parametrize(("cells", "drawn"), [(6, 3), (8, 4), (9, 2), (7, 7), (5, 0)])
def test_the_limit_is_the_largest_number_that_is_not_refuted(cells: int, drawn: int) -> None:
    for k in range(drawn + 1):
        possible = range(k, cells - drawn + k + 1)
        kept = [n for n in possible if slow.chance_of_at_most(k, reversing=n, cells=cells, drawn=drawn) > 0.05]
        found = grid_limit(n_reversing=k, n_evaluated=drawn, n_cells=cells)
        assert found.upper_count == max(kept)
        assert found.upper_share == max(kept) / cells


@pytest.mark.parametrize(("cells", "drawn", "alpha"), [(48, 12, 0.05), (48, 24, 0.1), (20, 5, 0.01), (30, 29, 0.05)])
def test_the_limit_covers_every_true_number_often_enough(cells: int, drawn: int, alpha: float) -> None:
    upper = [grid_limit(n_reversing=k, n_evaluated=drawn, n_cells=cells, alpha=alpha).upper_count for k in range(drawn + 1)]
    for true in range(cells + 1):
        missed = sum(
            Fraction(comb(true, k) * comb(cells - true, drawn - k), comb(cells, drawn))
            for k in range(drawn + 1)
            if upper[k] < true
        )
        assert missed <= Fraction(repr(alpha))


def test_a_whole_grid_leaves_no_room_and_an_unseen_one_leaves_all() -> None:
    assert grid_limit(n_reversing=3, n_evaluated=12, n_cells=12).upper_count == 3
    assert grid_limit(n_reversing=0, n_evaluated=0, n_cells=12).upper_share == 1


def test_the_next_cell_is_estimated_as_printed() -> None:
    assert grid_limit(n_reversing=0, n_evaluated=48, n_cells=96).next_cell == 0.5 / 49


@pytest.mark.parametrize("counts", [(1, 0, 5), (2, 6, 5), (-1, 2, 5), (0, 0, 0)])
def test_counts_that_do_not_fit_are_refused(counts: tuple[int, int, int]) -> None:
    k, m, cells = counts
    with pytest.raises(ValueError, match="expected"):
        grid_limit(n_reversing=k, n_evaluated=m, n_cells=cells)


@pytest.mark.parametrize("alpha", [0.0, 1.0, float("nan")])
def test_an_alpha_that_is_no_chance_of_error_is_refused(alpha: float) -> None:
    with pytest.raises(ValueError, match="alpha"):
        grid_limit(n_reversing=0, n_evaluated=1, n_cells=2, alpha=alpha)
    with pytest.raises(ValueError, match="alpha"):
        new_level_limit(n_counted=0, n_levels=1, alpha=alpha)


def test_none_of_four_templates_leaves_fifty_three_percent() -> None:
    assert new_level_limit(n_counted=0, n_levels=4).upper == pytest.approx(0.53, abs=0.005)


@given(st.integers(1, 40).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.sampled_from([0.01, 0.05, 0.2]))
def test_the_limit_for_a_new_level_equals_statsmodels_and_solves_its_equation(counts: tuple[int, int], alpha: float) -> None:
    k, n = counts
    found = new_level_limit(n_counted=k, n_levels=n, alpha=alpha)
    assert found.upper == pytest.approx(proportion_confint(k, n, alpha=2 * alpha, method="beta")[1], abs=1e-12)
    if k < n:
        assert slow.binomial_tail(k, n, found.upper) == pytest.approx(alpha, abs=1e-9)


def test_levels_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="n_levels"):
        new_level_limit(n_counted=0, n_levels=0)


@given(grids(min_models=2, max_models=2))
def test_levels_left_out_are_counted_as_the_definition_says(grid: Grid) -> None:
    signs, levels = deterministic.signs(*grid.cells), grid.levels.tolist()
    held = [(sign, row) for sign, row in zip(signs, levels, strict=True) if sign is not None]
    for factor, found in enumerate(leave_one_level_out(signs, grid.levels)):
        names = sorted({row[factor] for _, row in held})
        assert [level.level for level in found.levels] == names
        for level in found.levels:
            inside = [sign for sign, row in held if row[factor] == level.level]
            outside = [sign for sign, row in held if row[factor] != level.level]
            assert (level.n_plus, level.n_minus, level.n_tie) == (inside.count(1), inside.count(-1), inside.count(0))
            assert (level.rest_plus, level.rest_minus) == (outside.count(1), outside.count(-1))
            assert level.opposes == (sum(inside) * sum(outside) < 0)
            one_sided = len(set(deterministic.strict(outside))) == 1
            assert level.surprises == (one_sided and any(x * y == -1 for x in inside for y in outside))
        assert (found.n_levels, found.n_opposing) == (len(names), sum(level.opposes for level in found.levels))
        assert found.n_surprising == sum(level.surprises for level in found.levels)


def test_one_template_that_turns_everything_opposes_the_rest_and_no_other_factor_does() -> None:
    levels = np.array(list(product(range(4), range(3))))
    signs = [-1 if template == 2 else 1 for template, _ in levels.tolist()]
    template, scoring = leave_one_level_out(signs, levels)
    assert (template.n_levels, template.n_opposing, template.n_surprising) == (4, 1, 1)
    assert template.levels[2].opposes
    assert (scoring.n_opposing, scoring.n_surprising) == (0, 0)


def test_a_single_level_has_no_rest_to_oppose() -> None:
    (factor,) = leave_one_level_out([1, -1], np.array([[0], [0]]))
    assert (factor.n_levels, factor.n_opposing, factor.n_surprising) == (1, 0, 0)


def test_unseen_orderings_are_estimated_by_those_seen_once() -> None:
    assert unseen_ordering_share([5, 1, 1, 3]) == 0.2
    assert unseen_ordering_share([4]) == 0
    assert unseen_ordering_share([]) is None
    with pytest.raises(ValueError, match="at least 1"):
        unseen_ordering_share([0, 2])
