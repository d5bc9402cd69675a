"""Slow, plain definitions of the inferential statistics: loops, fractions, listed sign vectors."""

from fractions import Fraction
from itertools import combinations, product
from math import comb, copysign, inf, sqrt

import numpy as np


def unit_table(difference, cluster, known):
    """Per unit and configuration: (sum of known differences as decimals are meant, number of known items)."""
    n_items, n_columns = difference.shape
    labels = list(range(n_items)) if cluster is None else cluster.tolist()
    table = {label: [[Fraction(0), 0] for _ in range(n_columns)] for label in sorted(set(labels))}
    for item, label in enumerate(labels):
        for column in range(n_columns):
            if known is None or known[item, column]:
                table[label][column][0] += Fraction(repr(float(difference[item, column])))
                table[label][column][1] += 1
    return list(table.values())


def squared_statistic(sums):
    """sign(T) T**2 as a fraction: it orders like T and is exact."""
    total, squares = sum(sums), sum(value * value for value in sums)
    if squares == 0:
        return Fraction(0)
    return (1 if total > 0 else -1) * Fraction(total * total) / squares


def listed_signs(n_units):
    """All sign vectors."""
    return list(product((1, -1), repeat=n_units))


def flipped_statistics(difference, cluster, known, signs):
    """For every sign vector the list of sign(T) T**2 over the present configurations."""
    table = unit_table(difference, cluster, known)
    columns = range(difference.shape[1])
    present = [column for column in columns if any(row[column][1] for row in table)]
    return [
        [squared_statistic([sign * row[column][0] for sign, row in zip(vector, table, strict=True)]) for column in present]
        for vector in signs
    ]


def reversal_p_values(difference, cluster, known, signs):
    """(p_plus, p_minus, two-sided adjusted p per present configuration), by counting."""
    observed = flipped_statistics(difference, cluster, known, [(1,) * len(unit_table(difference, cluster, known))])[0]
    draws = flipped_statistics(difference, cluster, known, signs)
    p_plus = sum(max(draw) >= max(observed) for draw in draws) / len(draws)
    p_minus = sum(min(draw) <= min(observed) for draw in draws) / len(draws)
    adjusted = [sum(max(map(abs, draw)) >= abs(value) for draw in draws) / len(draws) for value in observed]
    return p_plus, p_minus, adjusted


def single_p_values(difference, cluster, known, signs):
    """One-sided sign-flip p-values of each present configuration: (A ahead, B ahead)."""
    observed = flipped_statistics(difference, cluster, known, [(1,) * len(unit_table(difference, cluster, known))])[0]
    draws = flipped_statistics(difference, cluster, known, signs)
    plus = [sum(draw[c] >= value for draw in draws) / len(draws) for c, value in enumerate(observed)]
    minus = [sum(draw[c] <= value for draw in draws) / len(draws) for c, value in enumerate(observed)]
    return plus, minus


def noise_flip_rates(difference, cluster, known, signs):
    """Flip rate of every draw, by comparing all ordered pairs of configurations."""
    rates = []
    for draw in flipped_statistics(difference, cluster, known, signs):
        opposed = sum(a * b < 0 for a in draw for b in draw)
        rates.append(opposed / len(draw) ** 2)
    return rates


def binomial_tail(count, total):
    """P(X >= count), X ~ Bin(total, 1/2), as a fraction."""
    return Fraction(sum(comb(total, k) for k in range(max(count, 0), total + 1)), 2**total)


def mcnemar_p_values(b, c):
    """(exact two-sided, mid-p, one-sided for A, one-sided for B)."""
    total, k = b + c, min(b, c)
    lower = Fraction(sum(comb(total, j) for j in range(k + 1)), 2**total)
    point = Fraction(comb(total, k), 2**total)
    exact = min(Fraction(1), 2 * lower)
    mid = Fraction(1) if b == c else 2 * (lower - point / 2)
    return float(exact), float(mid), float(binomial_tail(b, total)), float(binomial_tail(c, total))


def smoothed(values, labels, span):
    """(centre, standard error) with two half items appended literally, each a unit of its own."""
    items = [(value, 1.0, label) for value, label in zip(values, labels, strict=True)]
    items += [(span, 0.5, "above"), (-span, 0.5, "below")]
    total = sum(weight for _, weight, _ in items)
    centre = sum(weight * value for value, weight, _ in items) / total
    units = {}
    for value, weight, label in items:
        units.setdefault(label, [0.0, weight])[0] += value - centre
    n_units = len(units) - 1
    spread = sum(weight * deviation**2 for deviation, weight in units.values())
    return centre, sqrt(n_units / (n_units - 1) * spread) / total


def multiplier_quantile(difference, known, signs, level):
    """The quantile of max |Z*|, items as units, row by row."""
    largest = []
    for vector in signs:
        peak = 0.0
        for column in range(difference.shape[1]):
            there = [i for i in range(len(difference)) if known is None or known[i, column]]
            mean = sum(difference[i, column] for i in there) / len(there)
            centred = {i: difference[i, column] - mean for i in there}
            scale = sqrt(sum(value**2 for value in centred.values()))
            if scale > 1e-9:
                peak = max(peak, abs(sum(vector[i] * value for i, value in centred.items())) / scale)
        largest.append(peak)
    largest.sort()
    return next(value for rank, value in enumerate(largest, 1) if rank >= level * len(largest) - 1e-9)


def holm_adjusted(p):
    """Closed testing with Bonferroni: the largest |I| min p over all subsets I that hold the claim."""
    tested = [i for i, value in enumerate(p) if value is not None]
    adjusted = [None] * len(p)
    for claim in tested:
        worst = 0.0
        for size in range(1, len(tested) + 1):
            for subset in combinations(tested, size):
                if claim in subset:
                    worst = max(worst, min(1.0, size * min(p[i] for i in subset)))
        adjusted[claim] = worst
    return adjusted


def step_up_rejections(p, alpha, factor=1.0):
    """Claims rejected by the step-up rule p_(k) <= k alpha / (family size x factor), None left out."""
    tested = sorted(value for value in p if value is not None)
    passing = [k for k, value in enumerate(tested, 1) if value * len(tested) * factor <= k * alpha]
    limit = tested[max(passing) - 1] if passing else -inf
    return [value is not None and value <= limit for value in p]


def opposed_repeats(signs, known):
    """(opposed pairs, pairs) of repetitions within a configuration."""
    opposed = pairs = 0
    for column in range(signs.shape[1]):
        for first, second in combinations(range(signs.shape[0]), 2):
            if known[first, column] and known[second, column]:
                pairs += 1
                opposed += int(signs[first, column]) * int(signs[second, column]) == -1
    return opposed, pairs


def target_p_values(score_a, score_b, target, signs):
    """(U per configuration squared with its sign, p_plus, p_minus) by listing."""
    first, second = score_b - score_a, score_a + score_b - 2 * target
    ones = [(1,) * len(score_a)]
    one, two = (flipped_statistics(part, None, None, ones)[0] for part in (first, second))
    closeness = [min(abs(s), abs(t)) * (1 if s * t > 0 else -1 if s * t < 0 else 0) for s, t in zip(one, two, strict=True)]
    draws_one, draws_two = (flipped_statistics(part, None, None, signs) for part in (first, second))
    peaks = [max(map(abs, s + t)) for s, t in zip(draws_one, draws_two, strict=True)]
    best_a, best_b = max(0, *closeness, 0), max(0, *(-u for u in closeness), 0)
    return (
        closeness,
        sum(peak >= best_a for peak in peaks) / len(peaks),
        sum(peak >= best_b for peak in peaks) / len(peaks),
    )


def flip_rate_range(plus, minus, undecided):
    """Smallest and largest 2 n+ n- / m**2 over all assignments of the undecided configurations."""
    m = plus + minus + undecided
    rates = [
        2 * (plus + more) * (minus + fewer) / m**2 for more in range(undecided + 1) for fewer in range(undecided + 1 - more)
    ]
    return min(rates), max(rates)


def root_with_sign(square):
    """T from sign(T) T**2."""
    return copysign(sqrt(abs(square)), square)


def as_signs(blocks):
    """The sign vectors of several blocks as one list of tuples."""
    return [tuple(row) for row in np.concatenate(list(blocks)).tolist()]
