"""The test of two configurations that were named in advance."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from oracles import inferential as slow
from safetyrepro.stats.fixed_witness import fixed_witness_test


def fresh():
    return np.random.default_rng(0)


@given(hnp.arrays(np.float64, st.tuples(st.integers(1, 12), st.just(2)), elements=st.sampled_from([-1.0, 0.0, 1.0])))
def test_right_or_wrong_items_give_the_larger_of_two_binomial_tails(difference):
    result = fixed_witness_test(difference, rng=fresh())
    wins, losses = (difference > 0).sum(axis=0), (difference < 0).sum(axis=0)
    plus = float(slow.binomial_tail(int(wins[0]), int(wins[0] + losses[0])))
    minus = float(slow.binomial_tail(int(losses[1]), int(wins[1] + losses[1])))
    assert (result.p_plus, result.p_minus) == pytest.approx((plus, minus), rel=1e-12)
    assert result.p == max(result.p_plus, result.p_minus)
    assert result.exact


@given(
    hnp.arrays(np.float64, st.tuples(st.integers(1, 7), st.just(2)), elements=st.sampled_from([-0.7, -0.1, 0.0, 0.3])),
    st.booleans(),
)
def test_real_valued_or_clustered_items_are_flipped(difference, clustered):
    cluster = np.arange(len(difference)) // 2 if clustered else None
    result = fixed_witness_test(difference, cluster=cluster, rng=fresh())
    signs = slow.listed_signs(len(difference) if cluster is None else len(set(cluster.tolist())))
    plus, minus = slow.single_p_values(difference, cluster, None, signs)
    assert (result.p_plus, result.p_minus) == pytest.approx((plus[0], minus[1]))


def test_naming_in_advance_costs_less_than_searching():
    difference = np.column_stack([np.ones(6), -np.ones(6)])
    assert fixed_witness_test(difference, rng=fresh()).p == 1 / 64


def test_a_configuration_without_known_items_is_unknown():
    known = np.column_stack([np.ones(5, dtype=bool), np.zeros(5, dtype=bool)])
    result = fixed_witness_test(np.ones((5, 2)), known=known, rng=fresh())
    assert (result.p, result.p_plus, result.p_minus) == (None, 1 / 32, None)


def test_exactly_two_configurations_are_named():
    with pytest.raises(ValueError, match="two columns"):
        fixed_witness_test(np.ones((5, 3)), rng=fresh())
