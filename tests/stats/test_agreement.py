"""Agreement of two ratings of the same items."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.inter_rater import cohens_kappa

from safetyrepro.stats.agreement import Agreement, item_agreement


def of_table(both: int, first_only: int, second_only: int, neither: int) -> Agreement:
    sizes = [both, first_only, second_only, neither]
    first = np.repeat([True, True, False, False], sizes)
    second = np.repeat([True, False, True, False], sizes)
    return item_agreement(first, second, np.ones(sum(sizes), dtype=bool))


@given(st.tuples(*[st.integers(0, 30)] * 4))
def test_kappa_and_phi_equal_independent_computations(table: tuple[int, int, int, int]) -> None:
    found = of_table(*table)
    assert (found.n_both, found.n_first_only, found.n_second_only, found.n_neither) == table
    both, first_only, second_only, neither = table
    counts = np.array([[both, first_only], [second_only, neither]])
    if found.kappa is not None:
        assert found.kappa == pytest.approx(cohens_kappa(counts, return_results=False), abs=1e-12)
    else:
        assert min(both + first_only + second_only, neither + first_only + second_only) == 0
    if found.phi is not None:
        first, second = np.repeat([1, 1, 0, 0], table), np.repeat([1, 0, 1, 0], table)
        assert found.phi == pytest.approx(np.corrcoef(first, second)[0, 1], abs=1e-9)
    else:
        assert 0 in {*counts.sum(axis=0).tolist(), *counts.sum(axis=1).tolist()}


def test_kappa_of_a_textbook_table_equals_the_printed_number() -> None:
    # Fifty grant proposals read twice: 20 yes/yes, 5 yes/no, 10 no/yes, 15 no/no; kappa = 0.4.
    found = of_table(20, 5, 10, 15)
    assert found.share_equal == 0.7
    assert found.kappa == pytest.approx(0.4, abs=1e-15)


def test_equal_ratings_agree_fully_and_opposite_ones_not_at_all() -> None:
    assert (of_table(3, 0, 0, 3).kappa, of_table(3, 0, 0, 3).phi) == (1, 1)
    assert (of_table(0, 3, 3, 0).kappa, of_table(0, 3, 3, 0).phi) == (-1, -1)


def test_two_constant_equal_ratings_have_no_kappa() -> None:
    found = of_table(5, 0, 0, 0)
    assert (found.share_equal, found.kappa, found.phi) == (1, None, None)


def test_one_constant_rating_has_a_kappa_of_nought_and_no_phi() -> None:
    found = of_table(5, 5, 0, 0)
    assert (found.kappa, found.phi) == (0, None)


def test_no_rated_item_has_no_agreement() -> None:
    found = item_agreement(np.array([True]), np.array([True]), np.array([False]))
    assert (found.n_missing, found.share_equal, found.kappa) == (1, None, None)


def test_ratings_of_different_items_are_refused() -> None:
    with pytest.raises(ValueError, match="one length"):
        item_agreement(np.ones(2, dtype=bool), np.ones(3, dtype=bool), np.ones(2, dtype=bool))
