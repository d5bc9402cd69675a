"""The deterministic statistics, written as their definitions read: enumerate everything and count.

A missing cell is None. Nothing here is fast, and nothing is shared with the code under test.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import combinations, permutations, product
from math import log2, sqrt

TIE = 1e-12
Cell = float | None
Signs = Sequence[int | None]
Rows = Sequence[Sequence[Cell]]


def sign(a: Cell, b: Cell) -> int | None:
    if a is None or b is None:
        return None
    if abs(a - b) <= TIE:
        return 0
    return 1 if a > b else -1


def signs(a: Sequence[Cell], b: Sequence[Cell]) -> list[int | None]:
    return [sign(x, y) for x, y in zip(a, b, strict=True)]


def present(verdicts: Signs) -> list[int]:
    return [verdict for verdict in verdicts if verdict is not None]


def strict(verdicts: Signs) -> list[int]:
    return [verdict for verdict in present(verdicts) if verdict != 0]


def share(pairs: Sequence[tuple[int, int]], holds: Callable[[int, int], bool]) -> float | None:
    return sum(holds(x, y) for x, y in pairs) / len(pairs) if pairs else None


def opposed(x: int, y: int) -> bool:
    return x * y == -1


def flip_rate(verdicts: Sequence[int]) -> float | None:
    """Two evaluators choose a configuration each, with replacement."""
    return share(list(product(verdicts, verdicts)), opposed)


def flip_rate_distinct(verdicts: Sequence[int]) -> float | None:
    return share(list(combinations(verdicts, 2)), opposed)


def minority_rate(verdicts: Sequence[int]) -> float | None:
    if not verdicts:
        return None
    return min(verdicts.count(1), verdicts.count(-1)) / len(verdicts)


def weak_disagreement(verdicts: Sequence[int]) -> float | None:
    return share(list(product(verdicts, verdicts)), lambda x, y: x != y)


def weighted(verdicts: Signs, weights: Sequence[float]) -> tuple[float, float | None] | None:
    """Chance that two draws by weight are opposed, with replacement and given that they differ."""
    held = [(v, Fraction(w)) for v, w in zip(verdicts, weights, strict=True) if v is not None]
    total = sum((w for _, w in held), Fraction(0))
    if total == 0:
        return None
    cells = range(len(held))
    chance = {(i, j): held[i][1] * held[j][1] / total**2 for i in cells for j in cells}
    flips = sum((chance[i, j] for i, j in chance if opposed(held[i][0], held[j][0])), Fraction(0))
    different = sum((chance[i, j] for i, j in chance if i != j), Fraction(0))
    return float(flips), float(flips / different) if different else None


def completions(verdicts: Signs) -> list[list[int]]:
    """Every way to fill the missing verdicts, up to their order."""
    n_missing = sum(verdict is None for verdict in verdicts)
    return [
        present(verdicts) + [1] * plus + [-1] * minus + [0] * (n_missing - plus - minus)
        for plus in range(n_missing + 1)
        for minus in range(n_missing + 1 - plus)
    ]


def bounds(verdicts: Signs, rate: Callable[[Sequence[int]], float | None]) -> tuple[float, float] | None:
    values = [rate(filled) for filled in completions(verdicts)]
    numbers = [value for value in values if value is not None]
    return (min(numbers), max(numbers)) if numbers else None


def detection(verdicts: Signs, size: int) -> float:
    subsets = list(combinations(present(verdicts), size))
    return sum(1 in subset and -1 in subset for subset in subsets) / len(subsets)


def one_factor(verdicts: Signs, levels: Sequence[Sequence[int]], factor: int) -> tuple[int, int]:
    n_pairs = n_opposed = 0
    for c, d in combinations(range(len(verdicts)), 2):
        first, second = verdicts[c], verdicts[d]
        if first is None or second is None:
            continue
        differing = [f for f, (x, y) in enumerate(zip(levels[c], levels[d], strict=True)) if x != y]
        if differing == [factor]:
            n_pairs += 1
            n_opposed += opposed(first, second)
    return n_pairs, n_opposed


def widest_witness(a: Sequence[Cell], b: Sequence[Cell]) -> tuple[int, int] | None:
    """First configuration with the largest margin on each side."""
    gaps = {c: x - y for c, (x, y) in enumerate(zip(a, b, strict=True)) if x is not None and y is not None}
    ahead = [c for c, gap in gaps.items() if gap > TIE]
    behind = [c for c, gap in gaps.items() if gap < -TIE]
    if not ahead or not behind:
        return None
    plus = next(c for c in ahead if all(gaps[c] >= gaps[other] - TIE for other in ahead))
    minus = next(c for c in behind if all(gaps[c] <= gaps[other] + TIE for other in behind))
    return plus, minus


def columns(rows: Rows) -> list[list[float]]:
    """Scores of all models in each complete configuration."""
    n_configurations = len(rows[0]) if rows else 0
    every = [[row[c] for row in rows] for c in range(n_configurations)]
    return [[x for x in column if x is not None] for column in every if None not in column]


def tiers(column: Sequence[float]) -> tuple[tuple[int, ...], ...]:
    """Merge groups of models as long as two of them hold scores within the tolerance."""
    groups = [[model] for model in range(len(column))]
    merged = True
    while merged:
        merged = False
        for first, second in combinations(groups, 2):
            if any(abs(column[a] - column[b]) <= TIE for a in first for b in second):
                groups.remove(second)
                first.extend(second)
                merged = True
                break
    groups.sort(key=lambda group: -column[group[0]])
    return tuple(tuple(sorted(group)) for group in groups)


def kendall_w(rows: Rows) -> float | None:
    """The textbook's second form: 12 sum R^2 - 3 k^2 n (n + 1)^2 over k^2 n (n^2 - 1) - k sum T."""
    n, k = len(rows), len(columns(rows))
    sums = [Fraction(0)] * n
    correction = 0
    for column in columns(rows):
        before = 0
        for tier in tiers(column):
            places = [before + 1 + place for place in range(len(tier))]
            for model in tier:
                sums[model] += Fraction(sum(places), len(places))
            before += len(tier)
            correction += len(tier) ** 3 - len(tier)
    divisor = k**2 * n * (n**2 - 1) - k * correction
    if divisor == 0:
        return None
    return float((12 * sum(total**2 for total in sums) - 3 * k**2 * n * (n + 1) ** 2) / divisor)


def pair_of_rankings(x: Sequence[float], y: Sequence[float]) -> tuple[Fraction, float | None, Fraction]:
    """tau_a, tau_b and discordance of two configurations."""
    pairs = list(combinations(range(len(x)), 2))
    products = [sign(x[a], x[b]) * sign(y[a], y[b]) for a, b in pairs]  # type: ignore[operator] # none is missing here
    in_x = sum(sign(x[a], x[b]) != 0 for a, b in pairs)
    in_y = sum(sign(y[a], y[b]) != 0 for a, b in pairs)
    tau_b = sum(products) / sqrt(in_x * in_y) if in_x and in_y else None
    return Fraction(sum(products), len(pairs)), tau_b, Fraction(products.count(-1), len(pairs))


def mean_agreement(rows: Rows) -> tuple[float, float | None, int, float] | None:
    """Mean tau_a, mean tau_b, number of undefined tau_b, mean discordance."""
    if len(rows) < 2 or len(columns(rows)) < 2:
        return None
    found = [pair_of_rankings(x, y) for x, y in combinations(columns(rows), 2)]
    defined = [tau_b for _, tau_b, _ in found if tau_b is not None]
    return (
        float(sum(tau_a for tau_a, _, _ in found) / len(found)),
        sum(defined) / len(defined) if defined else None,
        len(found) - len(defined),
        float(sum(discordance for _, _, discordance in found) / len(found)),
    )


def orderings(rows: Rows) -> Counter[tuple[tuple[int, ...], ...]]:
    return Counter(tiers(column) for column in columns(rows))


def entropy(frequencies: Sequence[int]) -> float:
    return -sum(f / sum(frequencies) * log2(f / sum(frequencies)) for f in frequencies)


def places(rows: Rows, model: int) -> tuple[int, int]:
    """Best and worst place over all ways to break every tie in every configuration."""
    every = []
    for column in columns(rows):
        ordering = tiers(column)
        broken = [sum(parts, ()) for parts in product(*(permutations(tier) for tier in ordering))]
        every.extend(order.index(model) + 1 for order in broken)
    return min(every), max(every)


def above_everywhere(rows: Rows) -> set[tuple[int, int]]:
    return {
        (a, b) for a, b in permutations(range(len(rows)), 2) if all(sign(column[a], column[b]) == 1 for column in columns(rows))
    }


def linear_extensions(n: int, above: set[tuple[int, int]]) -> list[tuple[int, ...]]:
    return [order for order in permutations(range(n)) if all(order.index(a) < order.index(b) for a, b in above)]


def hasse(n: int, above: set[tuple[int, int]]) -> set[tuple[int, int]]:
    return {(a, b) for a, b in above if not any((a, x) in above and (x, b) in above for x in range(n))}


def wins(rows: Rows) -> dict[tuple[int, int], int]:
    return {(a, b): signs(rows[a], rows[b]).count(1) for a, b in permutations(range(len(rows)), 2)}


def smith_set(n: int, beats: set[tuple[int, int]]) -> tuple[int, ...]:
    for size in range(1, n + 1):
        for subset in combinations(range(n), size):
            outside = [model for model in range(n) if model not in subset]
            if all((a, b) in beats for a in subset for b in outside):
                return subset
    raise AssertionError("the set of all models qualifies")


def is_cycle(order: Sequence[int], beats: set[tuple[int, int]]) -> bool:
    return all((a, b) in beats for a, b in zip(order, [*order[1:], order[0]], strict=True))


def shortest_cycle_length(group: Sequence[int], beats: set[tuple[int, int]]) -> int:
    return next(size for size in range(3, len(group) + 1) if any(is_cycle(order, beats) for order in permutations(group, size)))


def on_a_cycle_together(n: int, beats: set[tuple[int, int]]) -> set[tuple[int, int]]:
    """Pairs of different models that lie on one closed walk: chains lead both ways."""
    reach = set(beats)
    for _ in range(n):
        reach |= {(a, d) for a, b in reach for c, d in reach if b == c}
    return {(a, b) for a, b in reach if (b, a) in reach and a != b}


def kemeny(rows: Rows) -> tuple[int, tuple[int, ...], int]:
    """Least cost, the first order that has it, and how many have it."""
    ahead = wins(rows)
    costs = {
        order: sum(ahead[below, above] for above, below in combinations(order, 2)) for order in permutations(range(len(rows)))
    }
    least = min(costs.values())
    best = [order for order, cost in costs.items() if cost == least]
    return least, min(best), len(best)
