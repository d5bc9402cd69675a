"""How many factors away a reversal is."""

from __future__ import annotations

from collections import Counter
from itertools import product

import numpy as np
import pytest
from hypothesis import given

from oracles import beyond as slow
from oracles import deterministic
from oracles.grids import Grid, grids
from safetyrepro.stats.minimal_flips import minimal_flips, robustness_radii

CUBE = np.array(list(product(range(2), repeat=3)))


@given(grids(min_models=2, max_models=2))
def test_radii_and_minimal_sets_equal_their_definition(grid: Grid) -> None:
    signs, levels = deterministic.signs(*grid.cells), grid.levels.tolist()
    radii = robustness_radii(signs, grid.levels)
    unknown = slow.missing(signs)
    for reference, sign in enumerate(signs):
        found = minimal_flips(signs, grid.levels, reference=reference)
        if not sign:
            assert found is None
            assert (radii.radii[reference], radii.losing_radii[reference]) == (None, None)
            continue
        assert found is not None
        opposed, lost = slow.opposed_to(signs, reference), slow.lost_from(signs, reference)
        assert found.radius == radii.radii[reference] == slow.least_distance(levels, reference, opposed)
        assert found.losing_radius == radii.losing_radii[reference] == slow.least_distance(levels, reference, lost)
        assert found.radius_lower == slow.least_distance(levels, reference, opposed + unknown)
        assert found.losing_radius_lower == slow.least_distance(levels, reference, lost + unknown)
        assert found.n_missing == radii.n_missing == len(unknown)
        assert set(map(frozenset, found.minimal_sets)) == slow.minimal_flip_sets(signs, levels, reference)
        if found.radius is not None:
            assert found.nearest == next(c for c in opposed if len(slow.differing(levels, reference, c)) == found.radius)
            assert len(found.minimal_sets[0]) == found.radius
    counted = Counter(radius for radius in radii.radii if radius is not None)
    assert {count.radius: count.n_references for count in radii.histogram} == counted
    assert radii.n_references == sum(sign in {1, -1} for sign in signs)
    assert radii.n_never == radii.n_references - counted.total()
    assert radii.n_never in {0, radii.n_references}


def test_two_factors_that_only_reverse_together_are_one_minimal_set() -> None:
    signs = [-1 if first and second else 1 for first, second, _ in CUBE.tolist()]
    found = minimal_flips(signs, CUBE, reference=0)
    assert found is not None
    assert (found.radius, found.minimal_sets) == (2, ((0, 1),))
    assert found.nearest == 6


def test_several_minimal_sets_of_different_size_are_all_found() -> None:
    signs = [-1 if third or (first and second) else 1 for first, second, third in CUBE.tolist()]
    found = minimal_flips(signs, CUBE, reference=0)
    assert found is not None
    assert found.minimal_sets == ((2,), (0, 1))


def test_a_tie_loses_the_claim_without_reversing_it() -> None:
    found = minimal_flips([1, 0, -1], np.array([[0, 0], [0, 1], [1, 1]]), reference=0)
    assert found is not None
    assert (found.losing_radius, found.radius) == (1, 2)


def test_a_missing_neighbour_lowers_the_bound_and_not_the_radius() -> None:
    found = minimal_flips([1, None, -1], np.array([[0, 0], [0, 1], [1, 1]]), reference=0)
    assert found is not None
    assert (found.radius_lower, found.radius, found.n_missing) == (1, 2, 1)


def test_without_an_opposite_verdict_there_is_no_radius() -> None:
    found = minimal_flips([1, 1, 0], np.array([[0], [1], [2]]), reference=0)
    assert found is not None
    assert (found.radius, found.nearest, found.minimal_sets, found.losing_radius) == (None, None, (), 1)
    radii = robustness_radii([1, 1, 0], np.array([[0], [1], [2]]))
    assert (radii.histogram, radii.n_never) == ((), 2)


def test_a_reference_outside_the_envelope_is_refused() -> None:
    with pytest.raises(ValueError, match=r"0\.\.1"):
        minimal_flips([1, -1], np.array([[0], [1]]), reference=2)


def test_an_empty_envelope_has_no_radii() -> None:
    radii = robustness_radii([], np.zeros((0, 2), dtype=np.int64))
    assert (radii.radii, radii.histogram, radii.n_references) == ((), (), 0)
