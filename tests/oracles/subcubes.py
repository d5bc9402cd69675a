"""Largest good parts of a grid, by trying every product of sets of levels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, combinations, product

Levels = Sequence[Sequence[int]]


def subsets(values: Sequence[int]) -> Iterator[tuple[int, ...]]:
    return chain.from_iterable(combinations(values, size) for size in range(1, len(values) + 1))


def cut_out(levels: Levels, box: Sequence[Sequence[int]]) -> frozenset[int]:
    return frozenset(
        c for c, row in enumerate(levels) if all(level in admitted for level, admitted in zip(row, box, strict=True))
    )


def boxes(levels: Levels) -> list[tuple[tuple[int, ...], ...]]:
    return list(product(*(list(subsets(sorted(set(column)))) for column in zip(*levels, strict=True))))


def largest_good(good: Sequence[bool], levels: Levels) -> set[frozenset[int]]:
    """Sets of good configurations that some box cuts out, none inside another."""
    sets = {cut_out(levels, box) for box in boxes(levels)}
    fine = {members for members in sets if members and all(good[c] for c in members)}
    return {members for members in fine if not any(members < other for other in fine)}


def shortest(members: frozenset[int], levels: Levels) -> tuple[int, int]:
    """Fewest conditions, then fewest levels named, of a box that cuts out these configurations."""
    sizes = [len(set(column)) for column in zip(*levels, strict=True)]
    costs = []
    for box in boxes(levels):
        if cut_out(levels, box) == members:
            named = [len(admitted) for admitted, size in zip(box, sizes, strict=True) if len(admitted) < size]
            costs.append((len(named), sum(named)))
    return min(costs)
