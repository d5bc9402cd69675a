"""Effect sizes in points, their noise correction and their interval; resampling of whole rows."""

import numpy as np
import pytest

from oracles import factorial as slow
from safetyrepro.stats.effect_sizes import effect_sizes
from safetyrepro.stats.resampling import resampled_means
from safetyrepro.stats.units import unit_sums

LEVELS = slow.grid(3, 2)


def fresh(seed=0):
    return np.random.default_rng(seed)


def differences(n_items=60, seed=1):
    return fresh(seed).integers(-1, 2, size=(n_items, 6)).astype(float)


def test_size_and_correction_are_the_projected_norm_less_its_noise():
    x = differences()
    result = effect_sizes(x, LEVELS, rng=fresh(), resamples=50)
    theta, covariance = x.mean(axis=0), np.cov(x.T)
    for effect in result.effects:
        p = slow.projector(LEVELS, effect.factors)
        squares = float(theta @ p @ theta)
        assert effect.size == pytest.approx(np.sqrt(squares / 6))
        assert effect.corrected_variance == pytest.approx((squares - np.trace(p @ covariance) / len(x)) / 6)
        assert effect.corrected_size == pytest.approx(np.sqrt(max(0.0, effect.corrected_variance)))


def test_the_interval_is_the_size_more_or_less_the_quantile_of_the_projected_deviation():
    x = differences()
    result = effect_sizes(x, LEVELS, rng=fresh(5), resamples=199, level=0.9)
    rng, theta = fresh(5), x.mean(axis=0)
    drawn = rng.integers(0, 60, size=(199, 60))
    for effect in result.effects:
        p = slow.projector(LEVELS, effect.factors)
        deviations = sorted(np.sqrt(max(0.0, e @ p @ e) / 6) for e in (x[row].mean(axis=0) - theta for row in drawn))
        reach = deviations[int(np.ceil(0.9 * 199)) - 1]
        assert effect.low == pytest.approx(max(0.0, effect.size - reach), abs=1e-12)
        assert effect.high == pytest.approx(effect.size + reach)


def test_an_absent_effect_has_a_correction_that_is_unbiased_and_sometimes_negative():
    corrected = []
    for seed in range(200):
        x = differences(n_items=40, seed=seed)
        corrected.append([effect.corrected_variance for effect in effect_sizes(x, LEVELS, rng=fresh(), resamples=1).effects])
    mean, error = np.mean(corrected, axis=0), np.std(corrected, axis=0) / np.sqrt(200)
    assert (np.abs(mean) < 3.5 * error).all()
    assert min(map(min, corrected)) < 0


def test_clusters_are_resampled_and_corrected_as_wholes():
    x = np.repeat(differences(), 4, axis=0)
    honest = effect_sizes(x, LEVELS, cluster=np.repeat(np.arange(60), 4), rng=fresh(2), resamples=300)
    single = effect_sizes(differences(), LEVELS, rng=fresh(2), resamples=300)
    for one, other in zip(honest.effects, single.effects, strict=True):
        assert (one.size, one.low, one.high) == pytest.approx((other.size, other.low, other.high))
        assert one.corrected_variance == pytest.approx(other.corrected_variance)
    assert honest.n_units == 60


def test_unknown_items_leave_the_means_of_the_known_ones():
    x = differences()
    known = fresh(9).random(x.shape) > 0.2
    result = effect_sizes(x, LEVELS, known=known, rng=fresh(), resamples=20)
    theta = np.array([x[known[:, c], c].mean() for c in range(6)])
    for effect in result.effects:
        assert effect.size == pytest.approx(np.sqrt(theta @ slow.projector(LEVELS, effect.factors) @ theta / 6))


def test_zero_variance_has_no_noise_and_no_width():
    result = effect_sizes(np.tile([0.5, 0.5, 0.0, 0.0, -0.5, -0.5], (10, 1)), LEVELS, rng=fresh(), resamples=30)
    main = result.effects[0]
    assert (main.low, main.high) == (main.size, main.size)
    assert main.size == pytest.approx(np.sqrt(1 / 6))
    assert main.corrected_variance == pytest.approx(1 / 6)


def test_what_cannot_be_decomposed_is_none():
    x = differences()
    assert effect_sizes(x[:, :5], LEVELS[:5], rng=fresh()) is None
    assert effect_sizes(x[:1], LEVELS, rng=fresh()) is None
    known = np.ones(x.shape, dtype=bool)
    known[:, 2] = False
    assert effect_sizes(x, LEVELS, known=known, rng=fresh()) is None


def test_mistaken_options_are_refused():
    with pytest.raises(ValueError, match="level"):
        effect_sizes(differences(), LEVELS, rng=fresh(), level=1.0)
    with pytest.raises(ValueError, match="configurations as in levels"):
        effect_sizes(differences(), LEVELS[:4], rng=fresh())


def test_nested_scorings_are_one_effect_within_presentation():
    levels = np.array([(p, rule) for p in range(3) for rule in ((0, 1), (2, 3), (4, 5))[p]])
    result = effect_sizes(differences(), levels, nested={1: 0}, rng=fresh(), resamples=10)
    assert [effect.factors for effect in result.effects] == [(0,), (0, 1)]
    theta = differences().mean(axis=0).reshape(3, 2)
    assert result.effects[1].size == pytest.approx(np.sqrt(np.mean((theta - theta.mean(axis=1, keepdims=True)) ** 2)))


def test_resampled_means_are_means_of_whole_rows():
    x = fresh(3).random((20, 4)) - 0.5
    known = fresh(4).random((20, 4)) > 0.3
    blocks = list(resampled_means(unit_sums(x, known=known), rng=fresh(6), resamples=50))
    means = np.concatenate([block.means for block in blocks])
    for row, drawn in zip(means, fresh(6).integers(0, 20, size=(50, 20)), strict=True):
        expected = [x[drawn, c][known[drawn, c]].mean() for c in range(4)]
        assert row == pytest.approx(expected)


def test_resampled_sums_stay_exact_when_one_cluster_is_large():
    x = fresh(3).random((300, 1))
    cluster = np.concatenate([np.zeros(150, dtype=int), np.arange(1, 151)])
    units = unit_sums(x, cluster=cluster)
    block = next(iter(resampled_means(units, rng=fresh(1), resamples=40)))
    sums = np.ldexp(units.sums[:, 0], -units.bits)
    for mean, row in zip(block.means[:, 0], fresh(1).integers(0, 151, size=(40, 151)), strict=True):
        assert mean == pytest.approx(sums[row].sum() / units.counts[row, 0].sum(), rel=1e-12)


def test_nothing_can_be_drawn_from_no_unit():
    with pytest.raises(ValueError, match="no unit"):
        next(iter(resampled_means(unit_sums(np.zeros((0, 1))), rng=fresh(), resamples=1)))
