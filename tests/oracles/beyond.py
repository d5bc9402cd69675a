"""Minimal flips, robust verdicts, extrapolation and joint benchmarks, as their definitions read.

A missing cell is None. Nothing here is fast, and nothing is shared with the code under test.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain, combinations, product
from math import comb, fsum, log

TIE = 1e-12
Cell = float | None
Signs = Sequence[int | None]
Levels = Sequence[Sequence[int]]


def differing(levels: Levels, c: int, d: int) -> frozenset[int]:
    return frozenset(f for f, (x, y) in enumerate(zip(levels[c], levels[d], strict=True)) if x != y)


def least_distance(levels: Levels, reference: int, targets: Sequence[int]) -> int | None:
    return min((len(differing(levels, reference, target)) for target in targets), default=None)


def opposed_to(signs: Signs, reference: int) -> list[int]:
    own = signs[reference]
    assert own is not None
    return [c for c, sign in enumerate(signs) if sign == -own]


def lost_from(signs: Signs, reference: int) -> list[int]:
    return [c for c, sign in enumerate(signs) if sign is not None and sign != signs[reference]]


def missing(signs: Signs) -> list[int]:
    return [c for c, sign in enumerate(signs) if sign is None]


def minimal_flip_sets(signs: Signs, levels: Levels, reference: int) -> set[frozenset[int]]:
    """Every set of factors some re-setting of which reverses and no proper part of which does."""
    n_factors = len(levels[0])
    every = [frozenset(s) for s in chain.from_iterable(combinations(range(n_factors), k) for k in range(n_factors + 1))]
    reverses = {
        factors for factors in every if any(differing(levels, reference, c) <= factors for c in opposed_to(signs, reference))
    }
    return {factors for factors in reverses if not any(part < factors for part in reverses)}


def holds(a: Sequence[float], b: Sequence[float]) -> dict[str, bool]:
    """The six claims on complete rows."""
    gaps = list(zip(a, b, strict=True))
    return {
        "all_strict": all(x - y > TIE for x, y in gaps),
        "all_weak": all(x - y >= -TIE for x, y in gaps),
        "majority": sum(x - y > TIE for x, y in gaps) > sum(y - x > TIE for x, y in gaps),
        "mean": fsum(x - y for x, y in gaps) / len(gaps) > TIE,
        "worst_case": min(a) - min(b) > TIE,
        "dominance": min(a) - max(b) > TIE,
    }


def known_claims(a: Sequence[Cell], b: Sequence[Cell], fill: Callable[[str], Sequence[float]]) -> dict[str, bool | None]:
    """What holds for every way to fill the missing cells with the given values; None if it depends."""

    def rows(row: Sequence[Cell], side: str) -> list[tuple[float, ...]]:
        return list(product(*([cell] if cell is not None else fill(side) for cell in row)))

    found = [holds(x, y) for x, y in product(rows(a, "a"), rows(b, "b"))]
    return {name: found[0][name] if len({one[name] for one in found}) == 1 else None for name in found[0]}


def chance_of_at_most(k: int, *, reversing: int, cells: int, drawn: int) -> float:
    """Hypergeometric tail by listing what is drawn."""
    subsets = list(combinations([1] * reversing + [0] * (cells - reversing), drawn))
    return sum(sum(subset) <= k for subset in subsets) / len(subsets)


def binomial_tail(k: int, n: int, chance: float) -> float:
    return fsum(comb(n, x) * chance**x * (1 - chance) ** (n - x) for x in range(k + 1))


def log_likelihood(wins: Sequence[Sequence[float]], logs: Sequence[float]) -> float:
    """Bradley-Terry log likelihood."""
    n = len(logs)
    return fsum(wins[a][b] * -log(1 + 2.718281828459045 ** (logs[b] - logs[a])) for a in range(n) for b in range(n) if a != b)


def flip_shares(verdicts: Sequence[Sequence[int]]) -> tuple[float, float] | None:
    """Share of ordered configuration pairs opposed on some benchmark, and on every one."""
    m = len(verdicts[0])
    if m == 0:
        return None
    opposed = [[row[c] * row[d] == -1 for row in verdicts] for c, d in product(range(m), repeat=2)]
    return sum(any(pair) for pair in opposed) / m**2, sum(all(pair) for pair in opposed) / m**2
