"""Simulations C, E, G, I and the failure bounds: what covers the truth, and how often."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np
from envelope_model import answers, differences, truth
from figures import Figure, share, size_bound

from safetyrepro.stats.attribution import functional_anova
from safetyrepro.stats.bounds import failure_bounds
from safetyrepro.stats.effect_sizes import effect_sizes
from safetyrepro.stats.equivalence import equivalence_test
from safetyrepro.stats.intervals import flip_rate_limits, simultaneous_band

DRAWS = 2000


def band_coverage(runs: int, seed: int) -> Iterator[Figure]:
    """C and E: the band covers all means at once, and the limits hold the true flip rate."""
    for n_items, m, dependence in product((50, 200, 1000), (4, 48), ("weak", "moderate", "strong")):
        state = truth(np.linspace(-0.08, 0.12, m), dependence=dependence)
        rate = 2 * int((state.difference > 0).sum()) * int((state.difference < 0).sum()) / m**2
        covered = held = 0
        for run in range(runs):
            rng = np.random.default_rng([seed, 11, n_items, m, len(dependence), run])
            band = simultaneous_band(differences(state, n_items, rng), rng=rng, draws=DRAWS)
            assert band is not None
            low, high = np.array(band.low, dtype=np.float64), np.array(band.high, dtype=np.float64)
            covered += bool(((low <= state.difference) & (state.difference <= high)).all())
            limits = flip_rate_limits(band)
            held += limits.low <= rate <= limits.high
        setting = f"n {n_items}, m {m}, {dependence} dependence"
        yield Figure(
            simulation="C simultaneous coverage",
            setting=setting,
            value=covered / runs,
            runs=runs,
            reference=".926-.989",
            at_least=0.92 if n_items < 200 else 0.94,
        )
        yield Figure(
            simulation="E true flip rate inside limits",
            setting=setting,
            value=held / runs,
            runs=runs,
            reference=".998-1.000",
            at_least=0.95,
        )


def equivalence_size(runs: int, seed: int) -> Iterator[Figure]:
    """G: how often a difference exactly at the margin is called equivalent."""
    for n_items, margin in ((500, 0.05), (2000, 0.05), (2000, 0.03)):
        state = truth(np.array([margin]))

        def reject(rng: np.random.Generator, n_items: int = n_items, margin: float = margin) -> bool:
            p = equivalence_test(differences(truth(np.array([margin])), n_items, rng), margin=margin).p[0]
            return p is not None and p <= 0.05

        value = share(runs, (seed, 12, n_items, round(100 * margin)), reject)
        setting = f"n {n_items}, true difference = margin = {100 * state.difference[0]:.0f} points"
        yield Figure(
            simulation="G equivalence, size",
            setting=setting,
            value=value,
            runs=runs,
            reference=".000-.055",
            at_most=size_bound(runs) + 0.005,
        )


def effect_coverage(runs: int, seed: int) -> Iterator[Figure]:
    """I: the interval for the size of an effect, in points."""
    levels = np.array(list(product(range(4), range(3), range(2))))
    main = np.array([-0.06, -0.02, 0.02, 0.06])[levels[:, 0]] + np.array([-0.02, 0.0, 0.02])[levels[:, 1]]
    for n_items in (100, 1000):
        state = truth(main)
        exact = functional_anova(state.difference, levels)
        assert exact is not None
        covered = np.zeros(len(exact.effects))
        for run in range(runs):
            rng = np.random.default_rng([seed, 13, n_items, run])
            sizes = effect_sizes(differences(state, n_items, rng), levels, rng=rng, resamples=400)
            assert sizes is not None
            pairs = zip(sizes.effects, exact.effects, strict=True)
            covered += [found.low <= true.size <= found.high for found, true in pairs]
        for effect, count in zip(exact.effects, covered, strict=True):
            yield Figure(
                simulation="I effect size interval",
                setting=f"n {n_items}, factors {effect.factors}, true size {100 * effect.size:.1f} points",
                value=float(count) / runs,
                runs=runs,
                reference=".905-1.000",
                at_least=0.88,
            )


def failure_coverage(runs: int, seed: int) -> Iterator[Figure]:
    """Failure bounds hold the difference of the complete answers, whatever made answers fail."""
    state = truth(np.linspace(-0.08, 0.12, 12))
    for rate in (0.02, 0.2):

        def held(rng: np.random.Generator, rate: float = rate) -> bool:
            both = answers(state, 200, rng).astype(np.float64)
            lost = rng.random(both.shape) < rate * (2 - 1.5 * both)
            bounds = failure_bounds(both[0], both[1], known_a=~lost[0], known_b=~lost[1])
            true = (both[0] - both[1]).mean(axis=0)
            low, high = np.array(bounds.low, dtype=np.float64), np.array(bounds.high, dtype=np.float64)
            return bool(((low <= true + 1e-12) & (true <= high + 1e-12)).all())

        value = share(runs, (seed, 14, round(100 * rate)), held)
        setting = f"n 200, m 12, wrong answers fail four times as often as right ones, base rate of failure {rate}"
        yield Figure(simulation="failure bounds", setting=setting, value=value, runs=runs, reference="1.000", at_least=1.0)
