"""Equivalence needs its margin, and power its formula."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from safetyrepro.stats.equivalence import equivalence_test, noninferiority_test
from safetyrepro.stats.intervals import paired_interval
from safetyrepro.stats.power import TYPICAL_CRITICAL, minimum_detectable_difference, observed_discordance, required_items


@given(st.integers(0, 40), st.integers(0, 40), st.sampled_from([0.02, 0.05, 0.1]), st.sampled_from([0.01, 0.05, 0.1]))
def test_equivalent_means_that_the_interval_of_level_1_minus_2_alpha_lies_within_the_margin(wins, losses, margin, alpha):
    difference = np.array([1.0] * wins + [-1.0] * losses + [0.0] * 120)
    result = equivalence_test(difference[:, None], margin=margin)
    interval = paired_interval(difference, level=1 - 2 * alpha)
    assert (result.p[0] <= alpha) == (-margin <= interval.low and interval.high <= margin)


@given(st.integers(0, 40), st.integers(0, 40), st.sampled_from([0.02, 0.1]))
def test_not_worse_by_the_margin_means_that_the_lower_end_lies_above_it(wins, losses, margin):
    difference = np.array([1.0] * wins + [-1.0] * losses + [0.0] * 120)
    result = noninferiority_test(difference[:, None], margin=margin)
    interval = paired_interval(difference, level=0.9)
    assert (result.p[0] <= 0.05) == (interval.low >= -margin)


def test_everywhere_takes_the_largest_p_value_without_correction():
    difference = np.column_stack([np.zeros(900), np.array([1.0] * 60 + [0.0] * 840)])
    result = equivalence_test(difference, margin=0.05)
    assert result.p_everywhere == max(result.p)
    assert result.p[0] < 1e-6 < 0.5 < result.p[1]
    better = noninferiority_test(difference, margin=0.05)
    assert better.p_everywhere == max(better.p)
    assert better.p_everywhere < 1e-6


def test_equivalence_agrees_with_statsmodels_when_the_smoothing_is_undone():
    weights = pytest.importorskip("statsmodels.stats.weightstats")
    rng = np.random.default_rng(0)
    values = rng.integers(-1, 2, size=3000).astype(float)
    expected = weights.DescrStatsW(values).ttost_mean(-0.04, 0.04)[0]
    assert equivalence_test(values[:, None], margin=0.04).p[0] == pytest.approx(expected, rel=0.02)


def test_a_missing_configuration_leaves_equivalence_everywhere_unproved():
    difference = np.zeros((300, 2))
    known = np.ones((300, 2), dtype=bool)
    known[:, 1] = False
    result = equivalence_test(difference, margin=0.1, known=known)
    assert result.p[1] is None
    assert result.p_everywhere is None
    assert noninferiority_test(difference, margin=0.1, known=known).p_everywhere is None


def test_clusters_count_as_units():
    difference = np.repeat(np.random.default_rng(1).integers(-1, 2, size=60), 5).astype(float)
    honest = equivalence_test(difference[:, None], margin=0.1, cluster=np.repeat(np.arange(60), 5))
    assert honest.p[0] > equivalence_test(difference[:, None], margin=0.1).p[0]


@pytest.mark.parametrize("margin", [0.0, -0.1, float("nan"), float("inf")])
def test_without_a_positive_margin_there_is_no_equivalence(margin):
    with pytest.raises(ValueError, match="margin"):
        equivalence_test(np.zeros((60, 1)), margin=margin)
    with pytest.raises(ValueError, match="margin"):
        noninferiority_test(np.zeros((60, 1)), margin=margin)


@pytest.mark.parametrize(
    ("n_items", "points"),
    [
        (100, (15, 18, 20, 22)),
        (200, (11, 13, 14, 16)),
        (817, (5.4, 6.4, 7.0, 7.8)),
        (1508, (3.9, 4.7, 5.2, 5.7)),
        (10000, (1.5, 1.8, 2.0, 2.2)),
    ],
)
def test_the_table_of_detectable_differences_is_reproduced(n_items, points):
    """Power .8, discordance .3; 1, 4, 12 and 48 configurations. The table rounds the critical values, ours are those it states."""
    for critical, expected in zip(TYPICAL_CRITICAL.values(), points, strict=True):
        found = 100 * minimum_detectable_difference(n_items=n_items, discordance=0.3, critical=critical)
        assert abs(found - expected) <= (0.5 if expected >= 10 else 0.05) + 0.06


@given(st.floats(0.01, 0.5), st.floats(0.05, 1.0), st.sampled_from([1.96, 3.2]), st.sampled_from([0.5, 0.8, 0.95]))
def test_items_and_detectable_difference_are_inverse(share, discordance, critical, power):
    difference = share * discordance
    n_items = required_items(difference=difference, discordance=discordance, critical=critical, power=power)
    found = minimum_detectable_difference(n_items=n_items, discordance=discordance, critical=critical, power=power)
    fewer = minimum_detectable_difference(n_items=max(n_items - 1, 1), discordance=discordance, critical=critical, power=power)
    assert found <= difference * (1 + 1e-9)
    assert fewer is None or n_items == 1 or fewer >= difference * (1 - 1e-9)


def test_too_few_items_detect_nothing():
    assert minimum_detectable_difference(n_items=3, discordance=0.3) is None


def test_clusters_cost_items():
    alone = minimum_detectable_difference(n_items=500, discordance=0.3)
    assert minimum_detectable_difference(n_items=1000, discordance=0.3, design_effect=2.0) == alone
    assert required_items(difference=0.1, discordance=0.3, design_effect=2.0) in {
        2 * required_items(difference=0.1, discordance=0.3) - step for step in (0, 1)
    }


@pytest.mark.parametrize(
    "options",
    [{"discordance": 0.0}, {"discordance": 1.1}, {"power": 0.4}, {"power": 1.0}, {"n_items": 0}, {"design_effect": 0.0}],
)
def test_impossible_designs_are_refused(options):
    with pytest.raises(ValueError, match="expected"):
        minimum_detectable_difference(**{"n_items": 100, "discordance": 0.3, **options})
    with pytest.raises(ValueError, match="difference"):
        required_items(difference=0.0, discordance=0.3)


def test_the_discordance_of_right_or_wrong_items_is_the_share_on_which_they_differ():
    difference = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    result = observed_discordance(difference)
    assert (result.share, result.design_effect, result.n_items) == (3 / 8, 1.0, 4)
    assert observed_discordance(3 * difference, span=3.0).share == pytest.approx(3 / 8)


def test_items_that_agree_within_clusters_cost_as_many_items_as_the_cluster_has():
    difference = np.repeat(np.array([[1.0], [-1.0], [0.0], [1.0]]), 5, axis=0)
    result = observed_discordance(difference, cluster=np.repeat(np.arange(4), 5))
    assert result.design_effect == pytest.approx(5.0)
    assert result.n_items == 20


def test_unknown_items_leave_the_discordance():
    difference = np.array([[1.0, 1.0], [0.0, 0.0], [1.0, 0.0]])
    known = np.array([[True, False], [True, False], [False, False]])
    result = observed_discordance(difference, known=known)
    assert (result.share, result.n_items) == (0.5, 2)
    assert observed_discordance(difference, known=np.zeros((3, 2), dtype=bool)) is None
    assert observed_discordance(np.zeros((3, 2))).design_effect == 1.0
    with pytest.raises(ValueError, match="span"):
        observed_discordance(difference, span=0.0)


@pytest.mark.parametrize("per_cluster", [1, 8])
def test_a_difference_of_the_detectable_size_is_found_with_the_stated_power(per_cluster):
    """Real-valued scores, with and without clusters: the claim behind the number, by simulation."""
    rng = np.random.default_rng(per_cluster)
    n_items = 400
    cluster = np.arange(n_items) // per_cluster
    drawn = np.clip(
        0.4 * rng.standard_normal((8000, n_items // per_cluster, 1))
        + 0.2 * rng.standard_normal((8000, n_items // per_cluster, per_cluster)),
        -1,
        1,
    )
    sample = drawn.reshape(8000, n_items)
    found = observed_discordance(sample[:500].T, cluster=cluster)
    size = minimum_detectable_difference(n_items=found.n_items, discordance=found.share, design_effect=found.design_effect)
    error = np.std(sample.mean(axis=1))
    power = np.mean(np.abs(sample.mean(axis=1) + size) > 1.96 * error)
    assert power == pytest.approx(0.8, abs=0.04)
