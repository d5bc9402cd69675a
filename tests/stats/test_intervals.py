"""Intervals, the simultaneous band and the limits of the flip rate equal their definitions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from oracles import inferential as slow
from safetyrepro.stats.intervals import SimultaneousBand, flip_rate_limits, paired_interval, simultaneous_band
from safetyrepro.stats.moments import smoothed_means
from safetyrepro.stats.signflips import sign_blocks
from safetyrepro.stats.units import unit_sums

stats = pytest.importorskip("scipy.stats")


@given(
    hnp.arrays(np.float64, st.integers(2, 12), elements=st.sampled_from([-1.0, -0.3, 0.0, 0.5, 1.0])),
    st.data(),
    st.sampled_from([1.0, 2.5]),
)
def test_the_smoothed_mean_and_error_are_those_of_two_appended_half_items(difference, data, span):
    labels = data.draw(st.lists(st.integers(0, 3), min_size=len(difference), max_size=len(difference)))
    means = smoothed_means(unit_sums(difference[:, None], cluster=np.array(labels)), span=span)
    centre, error = slow.smoothed(difference.tolist(), labels, span)
    assert float(means.centre[0]) == pytest.approx(centre, abs=1e-10)
    assert float(means.standard_error[0]) == pytest.approx(error, rel=1e-10)
    assert float(means.estimate[0]) == pytest.approx(difference.mean(), abs=1e-10)


def test_unknown_items_leave_the_moments_of_the_known_ones():
    difference = np.array([[1.0], [0.0], [-1.0], [1.0]])
    known = np.array([[True], [True], [False], [True]])
    some = smoothed_means(unit_sums(difference, known=known))
    without = smoothed_means(unit_sums(difference[known[:, 0]]))
    assert float(some.centre[0]) == float(without.centre[0])
    assert float(some.standard_error[0]) == float(without.standard_error[0])
    assert int(some.n_units[0]) == 3


def test_a_span_that_a_difference_exceeds_is_refused():
    with pytest.raises(ValueError, match="exceeds the span"):
        smoothed_means(unit_sums(np.array([[2.0]])))
    with pytest.raises(ValueError, match="positive width"):
        smoothed_means(unit_sums(np.array([[0.0]])), span=0.0)


def test_differences_as_large_as_a_span_that_no_grid_holds_are_accepted_also_within_clusters():
    difference = np.full((70, 1), 0.3)
    means = smoothed_means(unit_sums(difference, cluster=np.arange(70) // 7), span=0.3)
    assert float(means.estimate[0]) == pytest.approx(0.3)


def test_an_interval_without_discordant_items_has_a_width():
    interval = paired_interval(np.zeros(20))
    assert interval.low < 0 < interval.high
    assert interval.estimate == 0.0
    assert interval.high == pytest.approx(stats.t.ppf(0.975, 19) * np.sqrt(1 / (21 * 20)))


def test_the_interval_is_students_with_one_degree_less_than_the_clusters():
    rng = np.random.default_rng(4)
    cluster = rng.integers(0, 9, size=60)
    difference = rng.integers(-1, 2, size=60).astype(float)
    interval = paired_interval(difference, cluster=cluster, level=0.9)
    centre, error = slow.smoothed(difference.tolist(), cluster.tolist(), 1.0)
    reach = stats.t.ppf(0.95, len(set(cluster.tolist())) - 1) * error
    assert (interval.low, interval.high) == pytest.approx((centre - reach, centre + reach))
    assert interval.n_units == 9


def test_intervals_stay_within_the_possible_differences():
    interval = paired_interval(np.ones(3))
    assert interval.high == 1.0
    assert paired_interval(np.ones(1)) is None
    with pytest.raises(ValueError, match="level"):
        paired_interval(np.ones(3), level=95)


def test_below_fifty_units_no_band_is_given():
    rng = np.random.default_rng(0)
    assert simultaneous_band(np.zeros((49, 3)), rng=rng) is None
    assert simultaneous_band(np.zeros((50, 3)), rng=rng, draws=50) is not None
    assert simultaneous_band(np.zeros((100, 3)), cluster=np.repeat(np.arange(49), [4] + [2] * 48), rng=rng) is None


@pytest.mark.parametrize("share_known", [1.0, 0.9])
def test_the_band_is_the_multiplier_quantile_on_students_scale(share_known):
    source = np.random.default_rng(6)
    difference = source.integers(-1, 2, size=(80, 4)) * source.random((80, 4))
    known = source.random((80, 4)) < share_known
    signs = slow.as_signs(sign_blocks(80, rng=np.random.default_rng(2), draws=150))
    quantile = slow.multiplier_quantile(difference, known, signs, 0.95)
    band = simultaneous_band(difference, known=known, rng=np.random.default_rng(2), draws=150)
    assert band.critical == pytest.approx(quantile, rel=1e-9)
    for column in range(4):
        values = difference[known[:, column], column].tolist()
        centre, error = slow.smoothed(values, list(range(len(values))), 1.0)
        reach = stats.t.ppf(stats.norm.cdf(quantile), len(values) - 1) * error
        assert band.low[column] == pytest.approx(centre - reach, rel=1e-7)
        assert band.high[column] == pytest.approx(centre + reach, rel=1e-7)
        assert band.estimate[column] == pytest.approx(np.mean(values))


@pytest.mark.parametrize(("n_configurations", "quantile"), [(4, 2.5), (12, 2.8), (48, 3.2)])
def test_the_critical_value_has_the_typical_size(n_configurations, quantile):
    difference = np.random.default_rng(1).integers(-1, 2, size=(400, n_configurations)).astype(float)
    band = simultaneous_band(difference, rng=np.random.default_rng(0), draws=4000)
    assert band.critical == pytest.approx(quantile, abs=0.1)


def test_a_configuration_with_few_known_items_gets_no_interval_and_is_counted():
    difference = np.ones((90, 3))
    known = np.ones((90, 3), dtype=bool)
    known[49:, 1] = False
    known[:, 2] = False
    band = simultaneous_band(difference, known=known, rng=np.random.default_rng(0), draws=100)
    assert band.low[1] is None
    assert band.low[2] is None
    assert band.estimate == (1.0, 1.0, None)
    assert (band.n_configurations, band.n_without, band.n_units) == (2, 1, 90)
    assert flip_rate_limits(band).high == 0.5


def test_a_constant_difference_moves_no_multiplier():
    band = simultaneous_band(np.full((60, 2), 0.3), rng=np.random.default_rng(0), draws=100)
    assert band.critical == 0.0


@given(st.integers(0, 6), st.integers(0, 6), st.integers(0, 6))
def test_the_limits_of_the_flip_rate_are_sharp(plus, minus, undecided):
    m = plus + minus + undecided
    if m == 0:
        return
    low = (0.1,) * plus + (-0.3,) * minus + (-0.1,) * undecided
    high = (0.3,) * plus + (-0.1,) * minus + (0.1,) * undecided
    band = SimultaneousBand(
        estimate=low,
        centre=low,
        low=low,
        high=high,
        level=0.95,
        critical=3.0,
        n_units=100,
        n_configurations=m,
        n_without=0,
        draws=10,
        span=1.0,
    )
    limits = flip_rate_limits(band)
    assert (limits.supported_plus, limits.supported_minus) == (plus, minus)
    assert (limits.low, limits.high) == pytest.approx(slow.flip_rate_range(plus, minus, undecided))


def test_an_interval_that_touches_zero_supports_nothing():
    band = SimultaneousBand(
        estimate=(0.1, 0.1),
        centre=(0.1, 0.1),
        low=(0.0, -0.2),
        high=(0.2, 0.0),
        level=0.95,
        critical=2.0,
        n_units=60,
        n_configurations=2,
        n_without=0,
        draws=10,
        span=1.0,
    )
    limits = flip_rate_limits(band)
    assert (limits.supported_plus, limits.supported_minus, limits.low, limits.high) == (0, 0, 0.0, 0.5)
