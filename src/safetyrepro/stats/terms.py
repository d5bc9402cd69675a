"""Factorial structure of an envelope: which terms there are, and what a term takes from a response.

A term is a set of factors. A factor that is nested in another (a scoring rule in its presentation) has levels that mean something only within the
outer factor, so no term holds it without the outer one: the term {scoring} does not exist, and {presentation, scoring} stands for "scoring within
presentation".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from safetyrepro.stats.units import FloatArray

Term = tuple[int, ...]
Levels = NDArray[np.int64] | NDArray[np.intp]
NO_NESTING: Mapping[int, int] = {}
"""Every factor is crossed with every other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompleteGrid:
    """A grid in which every combination of levels occurs once, and where each configuration stands in it."""

    shape: tuple[int, ...]
    """Number of levels of each factor; of a nested factor, within each level of its outer factor."""
    order: NDArray[np.intp]
    """(m,) for each place of the grid, in C order, the configuration that stands there."""
    nested: tuple[tuple[int, int], ...]
    """Pairs (inner factor, outer factor)."""

    @property
    def n_configurations(self) -> int:
        """Number of places m."""
        return int(self.order.size)


def outer_factors(factor: int, nested: Mapping[int, int]) -> Term:
    """The factors in which a factor is nested, nearest first.

    Raises
    ------
    ValueError
        If a factor is nested in itself, directly or by way of others.
    """
    chain: list[int] = []
    while factor in nested:
        factor = nested[factor]
        if factor in chain or len(chain) > len(nested):
            raise ValueError(f"factor {factor} is nested in itself")
        chain.append(factor)
    return tuple(chain)


def closure(factors: Term, nested: Mapping[int, int]) -> Term:
    """The factors together with all factors they are nested in, in ascending order."""
    return tuple(sorted({*factors, *(outer for factor in factors for outer in outer_factors(factor, nested))}))


def own_factors(term: Term, nested: Mapping[int, int]) -> Term:
    """The factors of a term that are in it for themselves, not as the place where another one is nested."""
    places = {outer for factor in term for outer in outer_factors(factor, nested)}
    return tuple(factor for factor in term if factor not in places)


def all_terms(n_factors: int, nested: Mapping[int, int], *, order: int | None = None) -> tuple[Term, ...]:
    """All terms, by number of own factors, then in ascending order.

    Parameters
    ----------
    n_factors : int
        Number of factors.
    nested : mapping of int to int
        Outer factor of each nested factor.
    order : int, optional
        Largest number of own factors; by default all terms.
    """
    subsets = [subset for size in range(1, n_factors + 1) for subset in combinations(range(n_factors), size)]
    terms = {closure(subset, nested) for subset in subsets}
    kept = [term for term in terms if order is None or len(own_factors(term, nested)) <= order]
    return tuple(sorted(kept, key=lambda term: (len(own_factors(term, nested)), len(term), term)))


def contains(larger: Term, smaller: Term) -> bool:
    """Whether one term strictly contains another."""
    return set(smaller) < set(larger)


def complete_grid(levels: Levels, *, nested: Mapping[int, int] = NO_NESTING) -> CompleteGrid | None:
    """The grid that the configurations fill, or None if a combination is missing or occurs twice.

    Parameters
    ----------
    levels : (m, n_factors) int array
        Level of every factor in every configuration; any numbers.
    nested : mapping of int to int
        Outer factor of each nested factor. Its levels are numbered anew within each outer level, so that the outer levels may have
        different inner ones, but equally many.

    Returns
    -------
    CompleteGrid or None
    """
    if levels.ndim != 2:
        raise ValueError(f"levels has {levels.ndim} dimensions, expected 2: configurations by factors")
    numbered = np.column_stack([_numbered(levels, factor, nested) for factor in range(levels.shape[1])])
    if not numbered.size:
        return None
    shape = tuple((numbered.max(axis=0) + 1).tolist())
    places = np.ravel_multi_index(tuple(numbered.T), shape)
    order = np.argsort(places, kind="stable")
    size = int(np.prod(shape))
    if len(places) != size or not np.array_equal(places[order], np.arange(size)):
        return None
    return CompleteGrid(shape=shape, order=order, nested=tuple(sorted(nested.items())))


def component(values: FloatArray, grid: CompleteGrid, term: Term) -> FloatArray:
    """What a term takes from each row of responses: the projection on its effects.

    Parameters
    ----------
    values : (n_rows, m) float array
        Responses of the configurations.
    grid : CompleteGrid
    term : tuple of int
        A term of `all_terms`.

    Returns
    -------
    (n_rows, m) float array
        In the order of the grid's places, not of the configurations.

    Notes
    -----
    For crossed factors the projection P_T of the functional ANOVA: the mean over the factors outside T, less the mean over each factor
    in T. A term with nested factors takes, besides, the crossed terms that have it as their closure: {scoring} and {presentation, scoring} together
    are "scoring within presentation". The projections of different terms are orthogonal and add up to the centred response.

    References
    ----------
    Hoeffding 1948, Annals of Mathematical Statistics 19, 293-325; Owen 2013, Monte Carlo Theory, Methods and Examples, appendix A.
    """
    nested = dict(grid.nested)
    cube = values[:, grid.order].reshape(len(values), *grid.shape)
    subsets = [subset for size in range(1, len(term) + 1) for subset in combinations(term, size)]
    parts = [_crossed(cube, subset) for subset in subsets if closure(subset, nested) == term]
    return np.asarray(sum(parts[1:], start=parts[0]), dtype=np.float64).reshape(len(values), -1)


def degrees_of_freedom(grid: CompleteGrid, term: Term) -> int:
    """Dimension of the space on which a term projects."""
    nested = dict(grid.nested)
    subsets = [subset for size in range(1, len(term) + 1) for subset in combinations(term, size)]
    return sum(
        int(np.prod([grid.shape[factor] - 1 for factor in subset])) for subset in subsets if closure(subset, nested) == term
    )


def _crossed(cube: FloatArray, factors: Term) -> FloatArray:
    """Projection on one crossed effect."""
    result = cube
    for factor in range(cube.ndim - 1):
        mean = result.mean(axis=factor + 1, keepdims=True)
        result = result - mean if factor in factors else mean
    return np.broadcast_to(result, cube.shape)


def _numbered(levels: Levels, factor: int, nested: Mapping[int, int]) -> NDArray[np.intp]:
    """Levels of one factor numbered from 0; those of a nested factor within each combination of its outer factors."""
    outer = levels[:, list(outer_factors(factor, nested))]
    numbers = np.zeros(len(levels), dtype=np.intp)
    for place in np.unique(outer, axis=0):
        here = (outer == place).all(axis=1)
        numbers[here] = np.unique(levels[here, factor], return_inverse=True)[1].ravel()
    return numbers
