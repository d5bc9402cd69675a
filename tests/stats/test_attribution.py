"""Functional ANOVA, Shapley effects and terms equal their definitions, nesting included."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from oracles import factorial as slow
from safetyrepro.stats.attribution import functional_anova
from safetyrepro.stats.terms import all_terms, closure, complete_grid, component, degrees_of_freedom, outer_factors, own_factors

NESTED = {2: 0}
"""Factor 2 (scoring) is nested in factor 0 (presentation)."""


def scoring_in_presentation():
    """3 presentations x 2 contexts x 2 scorings; each presentation has scorings of its own, but for one shared number."""
    rules = {0: (0, 1), 1: (0, 5), 2: (7, 8)}
    return np.array([(p, c, rule) for p in range(3) for c in range(2) for rule in rules[p]])


@st.composite
def responses(draw):
    n_levels = draw(st.lists(st.integers(1, 3), min_size=1, max_size=3))
    levels = slow.grid(*n_levels)
    response = draw(hnp.arrays(np.float64, len(levels), elements=st.sampled_from([-1.0, -0.25, 0.0, 0.5, 1.0])))
    order = draw(st.permutations(range(len(levels))))
    return response[list(order)], levels[list(order)]


@given(responses())
def test_the_variance_of_each_effect_is_that_of_inclusion_and_exclusion(case):
    response, levels = case
    anova = functional_anova(response, levels)
    for effect in anova.effects:
        assert effect.variance == pytest.approx(slow.effect_variance(response, levels, effect.factors), abs=1e-12)
        assert effect.size**2 == pytest.approx(effect.variance)
    assert sum(effect.variance for effect in anova.effects) == pytest.approx(np.var(response), abs=1e-12)
    assert sum(effect.df for effect in anova.effects) == len(response) - 1
    assert len(anova.effects) == 2 ** levels.shape[1] - 1


@given(responses())
def test_shapley_effects_are_the_mean_over_all_orders_of_the_factors(case):
    response, levels = case
    anova = functional_anova(response, levels)
    assert anova.shapley == pytest.approx(slow.shapley_effects(response, levels), abs=1e-12)
    if anova.shapley_share is not None:
        assert sum(anova.shapley_share) == pytest.approx(1.0)


def test_the_variance_of_a_verdict_without_ties_is_twice_its_flip_rate():
    verdict = np.array([1.0] * 9 + [-1.0] * 3)
    anova = functional_anova(verdict, slow.grid(3, 4))
    assert anova.total_variance == pytest.approx(2 * (2 * 9 * 3 / 144))


def test_a_difference_that_depends_on_one_factor_is_attributed_to_it_alone():
    levels = slow.grid(2, 3, 2)
    anova = functional_anova(0.1 * levels[:, 1], levels)
    assert anova.shapley_share == pytest.approx((0.0, 1.0, 0.0))
    assert [effect.share for effect in anova.effects if effect.factors == (1,)] == [pytest.approx(1.0)]


def test_ishigami_like_products_share_their_interaction_equally():
    levels = slow.grid(2, 2)
    anova = functional_anova(np.array([1.0, -1.0, -1.0, 1.0]), levels)
    assert anova.shapley == (0.5, 0.5)


def test_a_constant_response_has_no_shares():
    anova = functional_anova(np.full(4, 0.3), slow.grid(2, 2))
    assert anova.shapley_share is None
    assert {effect.share for effect in anova.effects} == {None}


def test_one_configuration_has_only_empty_effects():
    anova = functional_anova(np.array([0.2]), np.array([[3, 1]]))
    assert anova.total_variance == 0.0
    assert [effect.df for effect in anova.effects] == [0, 0, 0]


@pytest.mark.parametrize("rows", [[0, 1, 2], [0, 1, 2, 3, 3]])
def test_a_grid_with_a_missing_or_repeated_cell_is_refused(rows):
    levels = slow.grid(2, 2)[rows]
    assert functional_anova(np.arange(len(rows), dtype=float), levels) is None


@pytest.mark.parametrize(("response", "levels"), [(np.zeros(3), slow.grid(2, 2)), (np.array([0.0, np.nan]), slow.grid(2))])
def test_responses_must_be_finite_and_fit(response, levels):
    with pytest.raises(ValueError, match="response"):
        functional_anova(response, levels)


def test_levels_must_be_a_table():
    with pytest.raises(ValueError, match="dimensions"):
        complete_grid(np.arange(3))
    assert complete_grid(np.zeros((0, 2), dtype=int)) is None


def test_a_nested_factor_brings_its_outer_factor_into_every_term():
    assert all_terms(3, NESTED) == ((0,), (1,), (0, 2), (0, 1), (0, 1, 2))
    assert all_terms(3, NESTED, order=1) == ((0,), (1,), (0, 2))
    assert own_factors((0, 2), NESTED) == (2,)
    assert own_factors((0, 1, 2), NESTED) == (1, 2)
    assert closure((2,), {2: 1, 1: 0}) == (0, 1, 2)
    assert outer_factors(2, {2: 1, 1: 0}) == (1, 0)
    with pytest.raises(ValueError, match="nested in itself"):
        outer_factors(0, {0: 1, 1: 0})


def test_scoring_within_presentation_is_the_spread_of_scorings_around_their_presentation():
    levels = scoring_in_presentation()
    response = np.random.default_rng(3).normal(size=len(levels))
    anova = functional_anova(response, levels, nested=NESTED)
    variance = {effect.factors: effect.variance for effect in anova.effects}
    cell = {
        key: response[[tuple(row) == key for row in levels[:, [0, 2]].tolist()]].mean()
        for key in set(map(tuple, levels[:, [0, 2]].tolist()))
    }
    inside = [np.var([mean for (p, _), mean in cell.items() if p == presentation]) for presentation in range(3)]
    assert variance[0, 2] == pytest.approx(np.mean(inside))
    assert variance[0,] == pytest.approx(slow.conditional_variance(response, levels, (0,)))
    assert sum(variance.values()) == pytest.approx(np.var(response))


def test_the_variance_within_presentations_belongs_to_scoring_and_not_half_to_presentation():
    levels = scoring_in_presentation()
    response = np.array([1.0 if rule in (0, 7) else -1.0 for rule in levels[:, 2]])
    anova = functional_anova(response, levels, nested=NESTED)
    assert anova.shapley_share == pytest.approx((0.0, 0.0, 1.0))


def test_the_names_of_nested_levels_do_not_matter():
    levels = scoring_in_presentation()
    response = np.random.default_rng(4).normal(size=len(levels))
    renamed = levels.copy()
    renamed[levels[:, 0] == 1, 2] = 9 - levels[levels[:, 0] == 1, 2]
    one = functional_anova(response, levels, nested=NESTED)
    other = functional_anova(response, renamed, nested=NESTED)
    assert [effect.variance for effect in one.effects] == pytest.approx([effect.variance for effect in other.effects])


def test_a_nested_grid_that_is_not_complete_as_crossed_is_complete_as_nested():
    levels = scoring_in_presentation()
    assert complete_grid(levels) is None
    assert complete_grid(levels, nested=NESTED).shape == (3, 2, 2)


def test_components_are_orthogonal_and_have_the_stated_dimension():
    levels = scoring_in_presentation()
    grid = complete_grid(levels, nested=NESTED)
    terms = all_terms(3, NESTED)
    parts = {term: component(np.eye(len(levels)), grid, term) for term in terms}
    for term, part in parts.items():
        assert np.linalg.matrix_rank(part) == degrees_of_freedom(grid, term)
        for other in terms:
            if other != term:
                assert np.abs(part @ parts[other].T).max() < 1e-12
