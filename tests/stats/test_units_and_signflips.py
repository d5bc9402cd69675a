"""Unit sums are exact, and joint sign flips equal their definition whatever the order of addition."""

import os
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from oracles import inferential as slow
from safetyrepro.stats.signflips import flip_distribution, flipped_sums, share_at_least, sign_blocks
from safetyrepro.stats.units import column_sums, root_sum_of_squares, unit_sums

binary = hnp.arrays(np.float64, st.tuples(st.integers(1, 7), st.integers(1, 4)), elements=st.sampled_from([-1.0, 0.0, 1.0]))
real = hnp.arrays(np.float64, st.tuples(st.integers(1, 7), st.integers(1, 3)), elements=st.floats(-1, 1, width=32))


def test_binary_differences_are_counted_as_they_are():
    units = unit_sums(np.array([[1.0, -1.0], [0.0, 1.0]]))
    assert units.bits == 0
    assert units.sums.tolist() == [[1.0, -1.0], [0.0, 1.0]]


def test_bytes_and_floats_give_the_same_unit_sums():
    difference = np.array([[1, -1], [0, 1], [1, 1]], dtype=np.int8)
    assert unit_sums(difference).sums.tolist() == unit_sums(difference.astype(float)).sums.tolist()


def test_halves_and_quarters_stay_exact_on_the_coarsest_grid_that_holds_them():
    units = unit_sums(np.array([[0.5], [0.25], [-1.0]]))
    assert units.bits == 2
    assert units.sums.ravel().tolist() == [2.0, 1.0, -4.0]


@given(real)
def test_a_step_of_the_grid_changes_a_difference_by_less_than_the_stated_rounding(difference):
    units = unit_sums(difference)
    back = np.ldexp(units.sums, -units.bits)
    assert np.abs(back - difference).max(initial=0.0) <= 2.0 ** -(units.bits + 1)
    assert np.abs(units.sums).sum(axis=0).max(initial=0.0) < 2.0**53


def test_a_thousand_scores_between_0_and_1_are_kept_to_42_binary_places():
    assert unit_sums(np.random.default_rng(1).random((1000, 2))).bits == 42


def test_an_unknown_item_adds_nothing_to_its_configuration_and_stays_in_the_others():
    units = unit_sums(np.array([[1.0, np.nan], [1.0, -1.0]]), known=np.array([[True, False], [True, True]]))
    assert units.sums.sum(axis=0).tolist() == [2.0, -1.0]
    assert units.known_items.tolist() == [2.0, 1.0]


def test_items_of_a_cluster_are_added_up_whatever_the_labels_and_their_order():
    units = unit_sums(np.array([[1.0], [0.0], [1.0], [-1.0]]), cluster=np.array([7, 3, 7, -2]))
    assert units.sums.ravel().tolist() == [-1.0, 0.0, 2.0]
    assert units.counts.ravel().tolist() == [1.0, 1.0, 2.0]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"cluster": np.array([0, 1, 2])}, "cluster has shape"),
        ({"known": np.ones((1, 1), dtype=bool)}, "known has shape"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(options, reason):
    with pytest.raises(ValueError, match=reason):
        unit_sums(np.zeros((2, 2)), **options)


def test_a_known_difference_that_is_not_a_number_is_refused():
    with pytest.raises(ValueError, match="not finite"):
        unit_sums(np.array([[np.nan]]))


def test_one_dimension_is_refused():
    with pytest.raises(ValueError, match="dimensions"):
        unit_sums(np.zeros(3))


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30), st.randoms())
def test_column_sums_do_not_depend_on_the_order_of_addition(values, random):
    shuffled = list(values)
    random.shuffle(shuffled)
    column = np.array(values)[:, None]
    assert column_sums(column).tolist() == column_sums(np.array(shuffled)[:, None]).tolist()
    assert column_sums(column)[0] == float(sum(map(Fraction, values)))


def test_a_column_of_zeros_has_scale_one_so_that_its_statistic_is_zero():
    assert root_sum_of_squares(np.array([[0.0, 3.0], [0.0, 4.0]])).tolist() == [1.0, 5.0]


def test_all_sign_vectors_are_listed_up_to_16_units_beginning_with_the_data():
    signs = slow.as_signs(sign_blocks(3, rng=np.random.default_rng(0), draws=5))
    assert signs[0] == (1, 1, 1)
    assert sorted(signs) == sorted(slow.listed_signs(3))
    assert sum(len(block) for block in sign_blocks(16, rng=np.random.default_rng(0), draws=5)) == 2**16


def test_with_17_units_signs_are_drawn_and_the_data_are_the_first_draw():
    signs = slow.as_signs(sign_blocks(17, rng=np.random.default_rng(0), draws=50))
    assert len(signs) == 50
    assert signs[0] == (1,) * 17
    assert len(set(signs)) > 45


def test_drawn_signs_do_not_depend_on_the_size_of_a_block():
    one = slow.as_signs(sign_blocks(33, rng=np.random.default_rng(4), draws=40))
    many = slow.as_signs(sign_blocks(33, rng=np.random.default_rng(4), draws=40, width=2**20))
    assert one == many


def test_drawn_signs_are_fair_and_independent():
    signs = np.array(slow.as_signs(sign_blocks(20, rng=np.random.default_rng(5), draws=20_000)))[1:]
    correlations = signs.T @ signs / len(signs)
    assert np.abs(signs.mean(axis=0)).max() < 0.03
    assert np.abs(correlations - np.eye(20)).max() < 0.035


@given(real)
def test_flipped_sums_of_the_grid_are_exact(difference):
    units = unit_sums(difference)
    signs = slow.as_signs(sign_blocks(len(difference), rng=np.random.default_rng(0), draws=1))
    flipped = np.concatenate(list(flipped_sums(units.sums, rng=np.random.default_rng(0), draws=1)))
    for vector, row in zip(signs, flipped.tolist(), strict=True):
        exact = [sum(s * int(x) for s, x in zip(vector, column, strict=True)) for column in units.sums.T.tolist()]
        assert [int(value) for value in row] == exact


@given(binary)
def test_the_distribution_of_extremes_equals_the_list_of_all_sign_vectors(difference):
    flips = flip_distribution(unit_sums(difference), rng=np.random.default_rng(0))
    signs = slow.as_signs(sign_blocks(len(difference), rng=np.random.default_rng(0), draws=1))
    draws = slow.flipped_statistics(difference, None, None, signs)
    assert np.allclose(flips.highest[:, 0], [slow.root_with_sign(max(draw)) for draw in draws], rtol=1e-14, atol=0)
    assert np.allclose(flips.lowest[:, 0], [slow.root_with_sign(min(draw)) for draw in draws], rtol=1e-14, atol=0)
    assert flips.ahead[:, 0].tolist() == [sum(value > 0 for value in draw) for draw in draws]
    assert flips.behind[:, 0].tolist() == [sum(value < 0 for value in draw) for draw in draws]


def test_groups_keep_their_extremes_apart_under_the_same_signs():
    rng = np.random.default_rng(3)
    left, right = rng.integers(-1, 2, size=(2, 30, 4)).astype(float)
    both = flip_distribution(unit_sums(np.hstack([left, right])), groups=2, rng=np.random.default_rng(9), draws=300)
    for group, part in enumerate((left, right)):
        alone = flip_distribution(unit_sums(part), rng=np.random.default_rng(9), draws=300)
        assert both.highest[:, group].tolist() == alone.highest[:, 0].tolist()
        assert both.at_least[group].tolist() == alone.at_least[0].tolist()


def test_mathematically_equal_statistics_reach_the_threshold_although_their_last_bits_differ():
    one, other = 9 / np.sqrt(27.0), 3 / np.sqrt(3.0)
    assert share_at_least(np.array([min(one, other)]), np.array([max(one, other)])).tolist() == [1.0]
    assert share_at_least(np.array([1.0 - 1e-9]), np.array([1.0])).tolist() == [0.0]


def test_no_units_leave_one_draw_and_groups_must_fit():
    flips = flip_distribution(unit_sums(np.zeros((0, 2))), rng=np.random.default_rng(0))
    assert flips.draws == 1
    with pytest.raises(ValueError, match="groups"):
        flip_distribution(unit_sums(np.zeros((3, 3))), groups=2, rng=np.random.default_rng(0))
    with pytest.raises(ValueError, match="draws"):
        flip_distribution(unit_sums(np.zeros((3, 3))), rng=np.random.default_rng(0), draws=0)


def test_a_grid_that_cannot_be_exact_is_refused():
    with pytest.raises(ValueError, match="too fine"):
        next(flipped_sums(np.full((20, 1), 2.0**50), rng=np.random.default_rng(0), draws=2))


_PROGRAM = """
import hashlib, numpy as np
from safetyrepro.stats.signflips import flip_distribution
from safetyrepro.stats.units import unit_sums
from safetyrepro.stats.effect_sizes import effect_sizes
from safetyrepro.stats.intervals import simultaneous_band
from safetyrepro.stats.target import target_test
from safetyrepro.stats.type_two import type_two_anova
levels = np.array([(i // 12, i // 4 % 3, i % 4) for i in range(24)])
rng = np.random.default_rng(11)
digest = hashlib.sha256()
for difference in (rng.integers(-1, 2, size=(301, 24)).astype(float), rng.random((301, 24)) - rng.random((301, 24))):
    flips = flip_distribution(unit_sums(difference), rng=np.random.default_rng(5), draws=400)
    for part in (flips.statistic, flips.highest, flips.lowest, flips.at_least, flips.ahead):
        digest.update(np.ascontiguousarray(part).tobytes())
    digest.update(repr(simultaneous_band(difference, rng=np.random.default_rng(6), draws=400)).encode())
    digest.update(repr(effect_sizes(difference, levels, rng=np.random.default_rng(7), resamples=200)).encode())
    digest.update(repr(target_test(difference, -difference[::-1], target=0.1, rng=np.random.default_rng(8), draws=200)).encode())
    digest.update(repr(type_two_anova(difference.mean(axis=0), levels)).encode())
print(digest.hexdigest())
"""


def test_threads_and_linear_algebra_kernels_do_not_change_a_byte():
    digests = set()
    for threads, kernel in (("1", "Haswell"), ("2", "Haswell"), ("1", "Nehalem"), ("2", "SkylakeX")):
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": threads, "OMP_NUM_THREADS": threads, "OPENBLAS_CORETYPE": kernel}
        done = subprocess.run([sys.executable, "-c", _PROGRAM], env=environment, capture_output=True, text=True, check=True)
        digests.add(done.stdout.strip())
    assert len(digests) == 1
