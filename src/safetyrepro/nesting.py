"""Configurations -> which factors vary, and which are nested in which: a scoring rule lives inside its presentation.

A factor is nested in another where its levels mean something only within a level of the other. That shows in the envelope itself:
each inner level occurs beside one outer level only. Where it does not show, the declared requirements of the levels say it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from safetyrepro.envelope import Factor
from safetyrepro.stats.base import Integers
from safetyrepro.stats.terms import complete_grid


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """The part of an envelope's grid in which something varies."""

    factors: tuple[str, ...]
    """Factors with at least two levels, in order."""
    levels: Integers
    """(configurations, factors) number of each level."""
    nested: Mapping[int, int]
    """Outer factor of each nested factor, as columns of `levels`."""
    complete: bool
    """Whether every combination of levels occurs exactly once, nesting respected."""

    @property
    def nesting(self) -> tuple[tuple[str, str], ...]:
        """Pairs (inner factor, outer factor) by name."""
        return tuple((self.factors[inner], self.factors[outer]) for inner, outer in sorted(self.nested.items()))


def find_design(levels: Integers, factors: Sequence[str], declared: Sequence[Factor] = ()) -> Design:
    """Which factors of an envelope vary, which are nested, and whether they fill a grid.

    Parameters
    ----------
    levels : (configurations, factors) int array
        Level of every factor in every configuration.
    factors : sequence of str
        Names of the columns.
    declared : sequence of Factor
        The same factors with what their levels require.

    Returns
    -------
    Design
        Of the nestings that the envelope shows and that are declared, the first that makes the grid complete; where none does, the
        one that the envelope shows.
    """
    varied = [column for column in range(levels.shape[1]) if np.unique(levels[:, column]).size > 1]
    names = tuple(factors[column] for column in varied)
    kept = levels[:, varied]
    shown = _shown(kept)
    for nested in ({}, shown, {**_declared(names, declared), **shown}, _declared(names, declared)):
        if names and complete_grid(kept, nested=nested) is not None:
            return Design(factors=names, levels=kept, nested=nested, complete=True)
    return Design(factors=names, levels=kept, nested=shown, complete=False)


def _shown(levels: Integers) -> dict[int, int]:
    """A factor whose level settles that of another with fewer levels is nested in it; of several, in the one with most levels."""
    sizes = [int(np.unique(column).size) for column in levels.T]
    nested = {}
    for inner, n_inner in enumerate(sizes):
        outers = [outer for outer, n_outer in enumerate(sizes) if n_outer < n_inner and _settles(levels, inner, outer)]
        if outers:
            nested[inner] = max(outers, key=lambda outer: sizes[outer])
    return nested


def _settles(levels: Integers, inner: int, outer: int) -> bool:
    pairs = np.unique(levels[:, [inner, outer]], axis=0)
    return len(pairs) == np.unique(levels[:, inner]).size


def _declared(names: Sequence[str], declared: Sequence[Factor]) -> dict[int, int]:
    """The first varied factor that some level of a factor requires; a chain that closes on itself is not followed."""
    nested: dict[int, int] = {}
    for factor in declared:
        required = [name for level in factor.levels for name in level.requires if name in names]
        if factor.name not in names or not required:
            continue
        inner, outer = names.index(factor.name), names.index(required[0])
        if inner != outer and inner not in _chain(outer, nested):
            nested[inner] = outer
    return nested


def _chain(factor: int, nested: Mapping[int, int]) -> set[int]:
    seen = {factor}
    while factor in nested and nested[factor] not in seen:
        factor = nested[factor]
        seen.add(factor)
    return seen
