"""Repetitions of a configuration, and metrics with a target."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from oracles import inferential as slow
from safetyrepro.stats.repeats import placebo_flips
from safetyrepro.stats.target import target_test


@given(
    st.tuples(st.integers(0, 5), st.integers(1, 4)).flatmap(
        lambda shape: st.tuples(
            hnp.arrays(np.int8, shape, elements=st.integers(-1, 1)),
            hnp.arrays(np.bool_, shape),
        )
    )
)
def test_the_placebo_flip_rate_compares_all_pairs_of_repetitions(arrays):
    signs, known = arrays
    result = placebo_flips(signs, known=known)
    opposed, pairs = slow.opposed_repeats(signs, known)
    assert (result.n_opposed, result.n_pairs) == (opposed, pairs)
    assert result.rate == (opposed / pairs if pairs else None)


def test_a_single_repetition_says_nothing():
    result = placebo_flips(np.array([[1, -1]]))
    assert (result.n_pairs, result.n_configurations, result.rate) == (0, 0, None)


def test_ties_between_repetitions_are_not_flips():
    assert placebo_flips(np.array([[1, 0], [0, 0]])).rate == 0.0


@pytest.mark.parametrize(
    ("signs", "known"), [(np.array([[2]]), None), (np.array([1, -1]), None), (np.array([[1]]), np.ones((2, 1), dtype=bool))]
)
def test_signs_that_are_none_are_refused(signs, known):
    with pytest.raises(ValueError, match="sign"):
        placebo_flips(signs, known=known)


scores = st.tuples(st.integers(1, 6), st.integers(1, 3)).flatmap(
    lambda shape: st.tuples(*[hnp.arrays(np.float64, shape, elements=st.sampled_from([0.0, 0.5, 1.0]))] * 2)
)


@given(scores, st.sampled_from([0.0, 0.5]))
def test_the_target_test_equals_its_definition_over_all_sign_vectors(arrays, target):
    score_a, score_b = arrays
    result = target_test(score_a, score_b, target=target, rng=np.random.default_rng(0))
    closeness, p_plus, p_minus = slow.target_p_values(score_a, score_b, target, slow.listed_signs(len(score_a)))
    assert (result.p_plus, result.p_minus) == (p_plus, p_minus)
    assert result.p_reversal == max(p_plus, p_minus)
    assert result.statistic == pytest.approx([slow.root_with_sign(float(u)) for u in closeness], abs=1e-12)


@given(scores)
def test_the_sign_of_the_statistic_says_whose_mean_is_closer(arrays):
    score_a, score_b = arrays
    result = target_test(score_a, score_b, target=0.5, rng=np.random.default_rng(0))
    distance = np.abs(score_b.mean(axis=0) - 0.5) - np.abs(score_a.mean(axis=0) - 0.5)
    for value, closer in zip(result.statistic, distance, strict=True):
        assert np.sign(value) == np.sign(round(closer, 12))


def test_one_configuration_needs_both_factors():
    """B overshoots by as much as A stays below: the difference is certain, who is closer is not."""
    score_a, score_b = np.tile([[0.0], [0.0], [1.0], [0.0]], (5, 1)), np.tile([[1.0], [1.0], [0.0], [1.0]], (5, 1))
    result = target_test(score_a, score_b, target=0.5, rng=np.random.default_rng(0), draws=500)
    assert result.p == (1.0,)
    assert result.p_a_everywhere == 1.0


def test_a_closer_model_on_every_configuration_is_found_and_a_missing_one_is_unproved():
    rng = np.random.default_rng(1)
    score_a = (rng.random((300, 2)) < 0.5).astype(float)
    score_b = (rng.random((300, 2)) < 0.9).astype(float)
    known = np.ones((300, 2), dtype=bool)
    full = target_test(score_a, score_b, target=0.5, known=known, rng=rng, draws=500)
    assert full.p_a_everywhere < 0.02
    assert full.p_b_everywhere == 1.0
    assert full.p_plus <= 0.01 < 0.5 < full.p_minus
    known[:, 0] = False
    part = target_test(score_a, score_b, target=0.5, known=known, rng=rng, draws=500)
    assert (part.p_a_everywhere, part.p[0], part.statistic[0]) == (None, None, None)
    known[:] = False
    assert target_test(score_a, score_b, target=0.5, known=known, rng=rng, draws=500).p_reversal is None


def test_two_tables_must_have_one_shape():
    with pytest.raises(ValueError, match="same items"):
        target_test(np.zeros((3, 2)), np.zeros((3, 1)), target=0.5, rng=np.random.default_rng(0))
