"""Boosted attribution agrees with the exact one where both exist, and is withheld where the trees do not predict."""

import sys

import numpy as np
import pytest

from oracles import factorial as slow
from safetyrepro.errors import MissingDependency
from safetyrepro.stats.attribution import functional_anova
from safetyrepro.stats.nonlinear import boosted_attribution

LEVELS = slow.grid(4, 2, 2, 3)


def response():
    return 0.10 * np.array([0.0, 1.0, -1.0, 0.5])[LEVELS[:, 0]] + 0.03 * LEVELS[:, 1] + 0.005 * LEVELS[:, 3]


def test_trees_with_these_settings_can_express_a_grid_of_48():
    pytest.importorskip("lightgbm")
    result = boosted_attribution(response(), LEVELS, rng=np.random.default_rng(0))
    exact = functional_anova(response(), LEVELS)
    assert result.cross_validated_r2 > 0.9
    assert result.reason is None
    assert sum(result.share) == pytest.approx(1.0)
    assert int(np.argmax(result.share)) == int(np.argmax(exact.shapley)) == 0
    assert result.share[2] < 0.02


def test_the_attribution_is_withheld_where_the_trees_do_not_predict():
    pytest.importorskip("lightgbm")
    noise = np.random.default_rng(1).normal(size=len(LEVELS))
    result = boosted_attribution(noise, LEVELS, rng=np.random.default_rng(0))
    assert result.size is None
    assert result.share is None
    assert result.cross_validated_r2 < 0.5
    assert "below 0.5" in result.reason


def test_the_same_seed_gives_the_same_numbers():
    pytest.importorskip("lightgbm")
    one, other = (boosted_attribution(response(), LEVELS, rng=np.random.default_rng(7)) for _ in range(2))
    assert one == other


@pytest.mark.parametrize("constant", [np.full(48, 0.2), np.zeros(1)])
def test_a_response_that_does_not_vary_has_nothing_to_attribute(constant):
    result = boosted_attribution(constant, LEVELS[: len(constant)], rng=np.random.default_rng(0))
    assert result.cross_validated_r2 is None
    assert "does not vary" in result.reason


def test_responses_must_be_finite_and_fit():
    with pytest.raises(ValueError, match="response"):
        boosted_attribution(np.zeros(3), LEVELS, rng=np.random.default_rng(0))


def test_without_the_library_the_message_names_the_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    with pytest.raises(MissingDependency, match=r"safetyrepro\[attribution\]"):
        boosted_attribution(response(), LEVELS, rng=np.random.default_rng(0))
