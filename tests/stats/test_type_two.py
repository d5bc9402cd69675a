"""Type II analysis of variance: least squares with rank, statsmodels where it is right, an empty cell where it is not."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracles import factorial as slow
from safetyrepro.stats.type_two import type_two_anova

CROSSED = ((0,), (1,), (0, 1))


@st.composite
def designs(draw):
    n_levels = draw(st.lists(st.integers(2, 3), min_size=2, max_size=3))
    full = slow.grid(*n_levels)
    rows = draw(st.lists(st.integers(0, len(full) - 1), min_size=2, max_size=14))
    seed = draw(st.integers(0, 1000))
    return np.random.default_rng(seed).normal(size=len(rows)), full[rows]


@given(designs())
def test_every_line_is_a_difference_of_two_least_squares_fits(case):
    response, levels = case
    result = type_two_anova(response, levels)
    terms = [effect.factors for effect in result.effects]
    for effect, (squares, df, omega, partial) in zip(result.effects, slow.type_two(response, levels, terms), strict=True):
        assert effect.sum_of_squares == pytest.approx(squares, abs=1e-9)
        assert effect.df == df
        assert (effect.omega_squared is None) == (omega is None)
        if omega is not None and result.residual_sum_of_squares > 1e-9:
            assert effect.omega_squared == pytest.approx(omega, abs=1e-8)
            assert effect.partial_omega_squared == pytest.approx(partial, abs=1e-7)


def frame(response, levels):
    pandas = pytest.importorskip("pandas")
    return pandas.DataFrame({"y": response, **{f"f{j}": levels[:, j].astype(str) for j in range(levels.shape[1])}})


def test_full_rank_unbalanced_designs_agree_with_statsmodels():
    formula = pytest.importorskip("statsmodels.formula.api")
    anova = pytest.importorskip("statsmodels.stats.anova")
    levels = np.vstack([slow.grid(2, 3, 2), slow.grid(2, 3, 2)[[0, 3, 4, 9]]])
    response = np.random.default_rng(1).normal(size=len(levels)) + levels[:, 1]
    fit = formula.ols("y ~ (f0 + f1 + f2)**2", data=frame(response, levels)).fit()
    table = anova.anova_lm(fit, typ=2)
    result = type_two_anova(response, levels)
    names = {(0,): "f0", (1,): "f1", (2,): "f2", (0, 1): "f0:f1", (0, 2): "f0:f2", (1, 2): "f1:f2"}
    for effect in result.effects:
        line = table.loc[names[effect.factors]]
        assert effect.sum_of_squares == pytest.approx(float(line["sum_sq"]))
        assert effect.df == effect.nominal_df == int(line["df"])
    assert result.mean_square_error == pytest.approx(float(table.loc["Residual", "sum_sq"] / table.loc["Residual", "df"]))


def test_an_empty_cell_costs_a_degree_of_freedom_and_moves_no_other_sum():
    """2 x 2 with a repeated row and the cell (1, 1) empty, by hand: nothing of an interaction is left to estimate."""
    levels = np.array([[0, 0], [0, 0], [0, 1], [1, 0]])
    response = np.array([1.0, 3.0, 5.0, 8.0])
    first, second, interaction = type_two_anova(response, levels, terms=CROSSED).effects
    assert (interaction.df, interaction.nominal_df) == (0, 1)
    assert interaction.sum_of_squares == pytest.approx(0.0, abs=1e-12)
    assert first.sum_of_squares == pytest.approx(24.0)  # (8 - 2)**2 / (1 + 1/2)
    assert second.sum_of_squares == pytest.approx(6.0)  # (5 - 2)**2 / (1 + 1/2)
    assert (first.df, second.df) == (1, 1)


def test_with_an_empty_cell_least_squares_with_rank_is_right_where_statsmodels_is_not():
    formula = pytest.importorskip("statsmodels.formula.api")
    anova = pytest.importorskip("statsmodels.stats.anova")
    levels = np.vstack([np.delete(slow.grid(3, 2), 4, axis=0)] * 2)
    response = np.random.default_rng(3).normal(size=len(levels))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table = anova.anova_lm(formula.ols("y ~ f0 * f1", data=frame(response, levels)).fit(), typ=2)
    first = type_two_anova(response, levels, terms=CROSSED).effects[0]
    additive = slow.residual(response, levels, [(1,)])[0] - slow.residual(response, levels, [(0,), (1,)])[0]
    assert first.sum_of_squares == pytest.approx(additive)
    assert abs(float(table.loc["f0", "sum_sq"]) - additive) > 0.5 * additive
    assert (first.df, type_two_anova(response, levels, terms=CROSSED).effects[2].df) == (2, 1)


def test_an_empty_cell_among_three_factors_leaves_the_lines_of_least_squares():
    levels = np.delete(slow.grid(3, 2, 3), 4, axis=0)
    response = np.random.default_rng(2).normal(size=len(levels))
    result = type_two_anova(response, levels)
    expected = slow.type_two(response, levels, [effect.factors for effect in result.effects])
    assert [effect.sum_of_squares for effect in result.effects] == pytest.approx([line[0] for line in expected])
    assert result.residual_df == len(levels) - slow.residual(response, levels, [effect.factors for effect in result.effects])[1]


def test_sums_of_squares_need_not_add_up_to_the_total():
    levels = slow.grid(2, 3)[[0, 1, 2, 3, 4, 4, 5, 5]]
    response = np.random.default_rng(5).normal(size=8)
    result = type_two_anova(response, levels, terms=((0,), (1,)))
    table = sum(effect.sum_of_squares for effect in result.effects) + result.residual_sum_of_squares
    assert abs(table - result.total_sum_of_squares) > 1e-3
    assert result.total_sum_of_squares == pytest.approx(float(np.sum((response - response.mean()) ** 2)))


def test_on_a_balanced_grid_sums_of_squares_are_those_of_the_functional_anova():
    levels = slow.grid(3, 2, 2)
    response = np.random.default_rng(6).normal(size=12)
    for effect in type_two_anova(response, levels).effects:
        assert effect.sum_of_squares == pytest.approx(12 * slow.effect_variance(response, levels, effect.factors))


def test_a_saturated_design_has_no_error_and_no_omega():
    result = type_two_anova(np.array([1.0, 2.0, 4.0, 8.0]), slow.grid(2, 2), terms=CROSSED)
    assert result.residual_df == 0
    assert result.mean_square_error is None
    assert {effect.omega_squared for effect in result.effects} == {None}
    assert {effect.partial_omega_squared for effect in result.effects} == {None}


def test_negative_omega_is_kept():
    levels = slow.grid(2, 4)
    response = np.array([0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 0.1])
    assert min(effect.omega_squared for effect in type_two_anova(response, levels, terms=((0,), (1,))).effects) < 0


def test_a_constant_response_has_undefined_shares():
    result = type_two_anova(np.full(6, 0.5), slow.grid(3, 2), terms=((0,), (1,)))
    assert [effect.sum_of_squares for effect in result.effects] == pytest.approx([0.0, 0.0])


def test_scoring_within_presentation_is_one_line():
    levels = np.array([(p, c, rule) for p in range(3) for c in range(2) for rule in ((0, 1), (0, 5), (7, 8))[p]])
    response = np.random.default_rng(7).normal(size=12)
    result = type_two_anova(response, levels, nested={2: 0})
    lines = {effect.factors: effect for effect in result.effects}
    assert set(lines) == {(0,), (1,), (0, 2), (0, 1), (0, 1, 2)}
    assert {term: line.df for term, line in lines.items()} == {(0,): 2, (1,): 1, (0, 2): 3, (0, 1): 2, (0, 1, 2): 3}
    assert {term: line.nominal_df for term, line in lines.items()} == {(0,): 2, (1,): 1, (0, 2): 3, (0, 1): 2, (0, 1, 2): 3}
    means = response.reshape(3, 2, 2).mean(axis=1)
    assert lines[0, 2].sum_of_squares == pytest.approx(2 * np.sum((means - means.mean(axis=1, keepdims=True)) ** 2))


def test_one_configuration_is_saturated():
    result = type_two_anova(np.array([0.4]), np.array([[0, 0]]))
    assert (result.residual_df, result.total_sum_of_squares) == (0, 0.0)


@pytest.mark.parametrize("response", [np.zeros(3), np.array([0.0, np.inf, 0.0, 0.0])])
def test_responses_must_be_finite_and_fit(response):
    with pytest.raises(ValueError, match="response"):
        type_two_anova(response, slow.grid(2, 2))


def test_no_configuration_is_refused():
    with pytest.raises(ValueError, match="no configuration"):
        type_two_anova(np.zeros(0), np.zeros((0, 2), dtype=int))
