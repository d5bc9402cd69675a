"""Tests under one configuration equal their definitions and published numbers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracles import inferential as slow
from safetyrepro.stats.paired import (
    bootstrap_t_test,
    cluster_t_test,
    mcnemar,
    sign_flip_test,
)
from safetyrepro.stats.units import discordant_counts, fair_tail, unit_sums


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_equals_the_sum_of_binomial_terms(b, c):
    result = mcnemar(a_only=b, b_only=c)
    exact = (result.p_exact, result.p_mid, result.p_a_ahead, result.p_b_ahead)
    assert exact == pytest.approx(slow.mcnemar_p_values(b, c), rel=1e-12)


def test_mcnemar_gives_the_published_values_of_the_airway_study():
    """Fagerland, Lydersen and Laake 2013, table 1: 1 and 7 discordant pairs, exact .070, mid-p .039."""
    result = mcnemar(a_only=1, b_only=7)
    assert round(result.p_exact, 4) == 0.0703
    assert round(result.p_mid, 4) == 0.0391


@pytest.mark.parametrize(("b", "c"), [(0, 0), (1, 1), (13, 13)])
def test_equal_discordant_counts_give_p_one_and_never_a_not_a_number(b, c):
    result = mcnemar(a_only=b, b_only=c)
    assert (result.p_exact, result.p_mid) == (1.0, 1.0)


def test_mcnemar_agrees_with_statsmodels():
    tables = pytest.importorskip("statsmodels.stats.contingency_tables")
    for b, c in ((3, 9), (20, 41), (150, 86)):
        expected = tables.mcnemar([[10, b], [c, 5]], exact=True).pvalue
        assert mcnemar(a_only=b, b_only=c).p_exact == pytest.approx(expected, rel=1e-10)


def test_negative_counts_are_refused():
    with pytest.raises(ValueError, match="below 0"):
        mcnemar(a_only=-1, b_only=3)


@given(st.integers(-2, 30), st.integers(0, 25))
def test_the_fair_tail_is_the_sum_of_binomial_terms_also_outside_the_range(count, total):
    assert fair_tail(np.array([count]), np.array([total]))[0] == pytest.approx(
        float(slow.binomial_tail(count, total)), rel=1e-12
    )


def test_counts_are_binomial_only_for_independent_right_or_wrong_items():
    ones = np.array([[1.0], [1.0], [-1.0]])
    counts = discordant_counts(unit_sums(ones))
    assert counts is not None
    assert (counts[0].tolist(), counts[1].tolist()) == ([2], [1])
    assert discordant_counts(unit_sums(ones / 2)) is None
    assert discordant_counts(unit_sums(2 * ones)) is None
    assert discordant_counts(unit_sums(ones, cluster=np.array([0, 0, 1]))) is None


@given(st.lists(st.sampled_from([-1.0, -0.5, 0.0, 0.25, 1.0]), min_size=1, max_size=8))
def test_the_sign_flip_test_counts_all_sign_vectors(values):
    difference = np.array(values)
    result = sign_flip_test(difference, rng=np.random.default_rng(0))
    signs = slow.listed_signs(len(values))
    plus, minus = slow.single_p_values(difference[:, None], None, None, signs)
    two_sided = slow.reversal_p_values(difference[:, None], None, None, signs)[2]
    assert (result.p_a_ahead, result.p_b_ahead, result.p_two_sided) == (plus[0], minus[0], two_sided[0])


def test_the_sign_flip_statistic_of_right_or_wrong_items_is_mcnemars_z():
    difference = np.array([1.0] * 9 + [-1.0] * 4 + [0.0] * 20)
    result = sign_flip_test(difference, rng=np.random.default_rng(0), draws=50)
    assert result.statistic == pytest.approx((9 - 4) / np.sqrt(13))
    assert result.draws == 50


def test_the_sign_flip_test_equals_scipys_permutation_of_one_sample():
    stats = pytest.importorskip("scipy.stats")
    values = np.random.default_rng(5).normal(0.4, 1, size=10)
    expected = stats.permutation_test(
        (values,), lambda x, axis: x.sum(axis=axis), permutation_type="samples", vectorized=True, n_resamples=np.inf
    )
    assert sign_flip_test(values, rng=np.random.default_rng(0)).p_two_sided == pytest.approx(expected.pvalue)


def test_clusters_are_flipped_as_wholes():
    difference = np.array([1.0, 1.0, 1.0, 1.0, -1.0, 1.0])
    result = sign_flip_test(difference, cluster=np.array([0, 0, 0, 1, 1, 2]), rng=np.random.default_rng(0))
    assert result.n_units == 3
    assert result.p_a_ahead == 2 / 8
    assert result.exhaustive


@given(st.lists(st.floats(-1, 1), min_size=3, max_size=20).filter(lambda x: np.std(x) > 1e-3))
def test_without_clusters_the_clustered_t_test_is_the_paired_t_test(values):
    stats = pytest.importorskip("scipy.stats")
    result = cluster_t_test(np.array(values))
    expected = stats.ttest_1samp(values, 0.0)
    assert result.statistic == pytest.approx(expected.statistic, rel=1e-9, abs=1e-9)
    assert result.p_two_sided == pytest.approx(expected.pvalue, rel=1e-7)


def test_the_clustered_standard_error_agrees_with_a_regression_on_a_constant():
    api = pytest.importorskip("statsmodels.api")
    rng = np.random.default_rng(3)
    cluster = rng.integers(0, 12, size=80)
    difference = rng.normal(size=80) + rng.normal(size=12)[cluster]
    fit = api.OLS(difference, np.ones((80, 1))).fit(cov_type="cluster", cov_kwds={"groups": cluster})
    result = cluster_t_test(difference, cluster=cluster)
    assert result.estimate == pytest.approx(float(fit.params[0]))
    assert result.standard_error == pytest.approx(float(fit.bse[0]), rel=1e-9)


def test_equal_clusters_leave_the_t_statistic_undefined():
    result = cluster_t_test(np.array([1.0, 1.0, 1.0]))
    assert result.estimate == 1.0
    assert (result.statistic, result.p_two_sided) == (None, None)
    assert cluster_t_test(np.array([1.0, 0.0]), cluster=np.array([4, 4])) is None


def test_the_bootstrap_t_test_equals_its_definition_for_the_same_resamples():
    values = np.random.default_rng(2).exponential(size=25) - 0.6
    result = bootstrap_t_test(values, rng=np.random.default_rng(9), resamples=199)
    error = np.std(values, ddof=1) / 5
    extreme = 1
    for row in np.random.default_rng(9).integers(0, 25, size=(199, 25)):
        drawn = values[row]
        extreme += abs(drawn.mean() - values.mean()) / (np.std(drawn, ddof=1) / 5) >= abs(values.mean()) / error
    assert result.statistic == pytest.approx(values.mean() / error)
    assert result.p_two_sided == extreme / 200


def test_the_bootstrap_t_test_says_none_where_nothing_varies():
    rng = np.random.default_rng(0)
    assert bootstrap_t_test(np.array([0.5]), rng=rng) is None
    assert bootstrap_t_test(np.array([0.5, 0.5]), rng=rng).p_two_sided is None
    tiny = bootstrap_t_test(np.array([0.0, 1.0, 1.0]), rng=rng, resamples=99)
    assert tiny.p_two_sided > 0.1
