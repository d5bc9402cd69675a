"""Orderings reached, places taken, and who comes first."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest

from safetyrepro.stats.rank import orderings_reached


def reached(rows: list[list[float]]):
    scores = np.array(rows, dtype=float)
    return orderings_reached(scores, np.ones(scores.shape, dtype=bool))


def test_orderings_are_counted_the_most_frequent_first() -> None:
    found = reached([[3, 1, 3, 3], [2, 2, 2, 2], [1, 3, 1, 2]])
    assert [(entry.tiers, entry.n_configurations) for entry in found.counts] == [
        (((0,), (1,), (2,)), 2),
        (((2,), (1,), (0,)), 1),
        (((0,), (1, 2)), 1),
    ]
    assert (found.distinct_strict, found.distinct_weak, found.n_with_ties) == (2, 3, 1)
    assert found.entropy_bits == pytest.approx(1.5)


def test_every_strict_and_weak_ordering_of_three_models_can_be_reached() -> None:
    strict = reached([list(row) for row in zip(*permutations([1.0, 2.0, 3.0]), strict=True)])
    weak = reached([list(row) for row in zip(*product([1.0, 2.0, 3.0], repeat=3), strict=True)])
    assert (strict.distinct_strict, strict.distinct_weak) == (6, 6)
    assert (weak.distinct_strict, weak.distinct_weak) == (6, 13)


def test_a_tie_leaves_both_places_open() -> None:
    found = reached([[1], [1], [0]])
    assert found.ranks is not None
    assert [(place.best, place.worst) for place in found.ranks] == [(1, 2), (1, 2), (3, 3)]
    assert [(place.n_first_alone, place.n_first_shared) for place in found.ranks] == [(0, 1), (0, 1), (0, 0)]
    assert found.first_somewhere == (0, 1)


def test_two_orderings_are_enough_to_reverse_every_pair() -> None:
    found = reached([[3, 1], [2, 2], [1, 3]])
    assert found.distinct_strict == 2
    assert found.ranks is not None
    assert [(place.best, place.worst) for place in found.ranks] == [(1, 3), (2, 2), (1, 3)]
    assert found.first_somewhere == (0, 2)


def test_one_model_is_always_first() -> None:
    found = reached([[0.5, 0.1]])
    assert (found.distinct_strict, found.entropy_bits, found.first_somewhere) == (1, 0, (0,))


def test_no_complete_configuration_has_no_ordering_and_no_places() -> None:
    known = np.array([[True, False], [False, True]])
    found = orderings_reached(np.zeros((2, 2)), known)
    assert (found.n_configurations, found.n_left_out, found.counts) == (0, 2, ())
    assert found.ranks is None
    assert found.entropy_bits is None


def test_no_model_has_the_empty_ordering() -> None:
    found = orderings_reached(np.zeros((0, 2)), np.zeros((0, 2), dtype=bool))
    assert found.n_models == 0
    assert found.ranks == ()
