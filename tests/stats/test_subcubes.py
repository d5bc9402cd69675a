"""The largest good parts of an envelope are those that trying every box finds, described as shortly as any."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracles.subcubes import boxes, cut_out, largest_good, shortest
from safetyrepro.stats.subcubes import Subcube, all_subcubes, maximal_subcubes


def grid(*sizes: int) -> list[tuple[int, ...]]:
    return list(itertools.product(*(range(size) for size in sizes)))


def found_in(good: list[bool], levels: list[tuple[int, ...]]) -> tuple[Subcube, ...]:
    found = maximal_subcubes(np.array(good, dtype=bool), np.array(levels, dtype=np.int64))
    assert found is not None
    return found


def check(good: list[bool], levels: list[tuple[int, ...]]) -> None:
    found = found_in(good, levels)
    names = [sorted(set(column)) for column in zip(*levels, strict=True)]
    assert {frozenset(one.members) for one in found} == largest_good(good, levels)
    for one in found:
        box = [admitted or names[factor] for factor, admitted in enumerate(one.levels)]
        assert cut_out(levels, box) == frozenset(one.members)
        assert (one.n_conditions, one.n_levels) == shortest(frozenset(one.members), levels)


@settings(max_examples=60)
@given(st.sampled_from([(2, 2), (3, 2), (2, 2, 2), (3, 3), (2, 3, 2)]), st.integers(0, 2**12 - 1))
def test_complete_grids_give_what_trying_every_box_gives(sizes: tuple[int, ...], bits: int):
    levels = grid(*sizes)
    check([bool(bits >> c & 1) for c in range(len(levels))], levels)


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(st.tuples(st.integers(0, 2), st.integers(3, 5), st.integers(0, 1)), st.booleans()), min_size=1, max_size=9
    )
)
def test_incomplete_and_repeated_cells_give_it_too(rows: list[tuple[tuple[int, ...], bool]]):
    check([good for _, good in rows], [levels for levels, _ in rows])


@pytest.mark.long
def test_a_thousand_random_grids_give_it():
    rng = random.Random(7)
    for _ in range(1_000):
        levels = [row for row in grid(*rng.choice([(4, 2, 2), (3, 3, 2), (5, 3), (2, 2, 2, 2)])) if rng.random() < 0.9]
        if levels:
            check([rng.random() < 0.6 for _ in levels], levels)


def test_all_good_is_the_whole_without_a_condition():
    assert found_in([True] * 4, grid(2, 2)) == (Subcube(levels=(None, None), members=(0, 1, 2, 3)),)


@pytest.mark.parametrize("shape", [(4, 2), (1, 1), (1, 0), (0, 2)])
def test_nothing_good_gives_nothing(shape: tuple[int, int]):
    assert maximal_subcubes(np.zeros(shape[0], dtype=bool), np.zeros(shape, dtype=np.int64)) == ()


def test_one_bad_corner_leaves_one_condition_a_factor():
    found = found_in([True, True, True, False], grid(2, 2))

    assert [one.levels for one in found] == [((0,), None), (None, (0,))]


def test_the_shortest_description_comes_first_and_names_levels_as_they_stand():
    good = [level == 7 or (level == 9 and other == 0) for level in (5, 7, 9) for other in (0, 1)]

    found = found_in(good, [(level, other) for level in (5, 7, 9) for other in (0, 1)])

    assert [one.levels for one in found] == [((7,), None), ((7, 9), (0,))]
    assert [one.members for one in found] == [(2, 3), (2, 4)]


def test_two_equal_cells_of_which_one_is_bad_are_not_told_apart():
    assert found_in([True, False], [(0, 0), (0, 0)]) == ()


def test_a_level_without_a_configuration_inside_is_not_named():
    levels = [(0, 0), (0, 1), (1, 2), (2, 0)]

    found = found_in([True, True, False, False], levels)

    assert found == (Subcube(levels=((0,), None), members=(0, 1)),)


def test_too_many_boxes_are_given_up():
    levels = np.array(grid(4, 4), dtype=np.int64)

    assert maximal_subcubes(np.eye(4, dtype=bool).ravel(), levels, limit=3) is None


def test_a_table_of_another_length_is_refused():
    with pytest.raises(ValueError, match="rows"):
        maximal_subcubes(np.ones(3, dtype=bool), np.zeros((2, 1), dtype=np.int64))


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(3, 4), st.integers(0, 1)), min_size=1, max_size=6))
def test_every_set_that_conditions_cut_out_is_listed_once_with_its_shortest_description(levels: list[tuple[int, ...]]):
    found = all_subcubes(np.array(levels, dtype=np.int64))

    assert found is not None
    members = [frozenset(one.members) for one in found]
    assert sorted(map(sorted, members)) == sorted(map(sorted, {cut_out(levels, box) for box in boxes(levels)} - {frozenset()}))
    assert [(one.n_conditions, one.n_levels) for one in found] == [shortest(one, levels) for one in members]
    assert [len(one) for one in members] == sorted(map(len, members), reverse=True)


def test_an_envelope_without_configurations_has_no_part_and_too_many_boxes_are_not_tried():
    assert all_subcubes(np.zeros((0, 2), dtype=np.int64)) == ()
    assert all_subcubes(np.array(grid(3, 3), dtype=np.int64), limit=48) is None
    assert all_subcubes(np.array(grid(3, 3), dtype=np.int64), limit=49) is not None
