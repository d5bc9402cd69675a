"""Slow, plain definitions for factorial designs and variance components: projections by least squares, sums over subsets, loops."""

from itertools import combinations, permutations, product
from math import factorial

import numpy as np


def dummies(levels, term):
    """One 0/1 column for each combination of levels that occurs."""
    cells = sorted({tuple(row) for row in levels[:, list(term)].tolist()})
    return np.array([[float(tuple(row) == cell) for cell in cells] for row in levels[:, list(term)].tolist()])


def residual(response, levels, terms):
    """(residual sum of squares, rank) of least squares on a constant and the dummies of the terms."""
    design = np.hstack([np.ones((len(response), 1)), *(dummies(levels, term) for term in terms)])
    fit, _, rank, _ = np.linalg.lstsq(design, response, rcond=1e-10)
    left = response - design @ fit
    return float(left @ left), int(rank)


def type_two(response, levels, terms):
    """For each term (sum of squares, df, omega squared, partial omega squared)."""
    full, rank = residual(response, levels, terms)
    n = len(response)
    error = full / (n - rank) if n > rank else None
    total = float(((response - response.mean()) ** 2).sum())
    lines = []
    for term in terms:
        others = [other for other in terms if not set(term) <= set(other)]
        without, rank_without = residual(response, levels, others)
        together, rank_together = residual(response, levels, [*others, term])
        squares, df = without - together, rank_together - rank_without
        if error is None:
            lines.append((squares, df, None, None))
        else:
            excess = squares - df * error
            lines.append((squares, df, excess / (total + error), excess / (squares + (n - df) * error)))
    return lines


def conditional_variance(response, levels, factors):
    """Variance over the grid of the mean response given the levels of some factors."""
    keys = [tuple(row) for row in levels[:, list(factors)].tolist()]
    means = [np.mean([response[j] for j in range(len(keys)) if keys[j] == key]) for key in keys]
    return float(np.var(means))


def effect_variance(response, levels, factors):
    """Variance of the pure interaction of some factors, by inclusion and exclusion over their subsets."""
    size = len(factors)
    return sum(
        (-1) ** (size - k) * conditional_variance(response, levels, subset)
        for k in range(size + 1)
        for subset in combinations(factors, k)
    )


def shapley_effects(response, levels):
    """Mean over all orders of the factors of the variance that each adds."""
    n_factors = levels.shape[1]
    shares = np.zeros(n_factors)
    for order in permutations(range(n_factors)):
        for place, factor in enumerate(order):
            shares[factor] += conditional_variance(response, levels, order[: place + 1])
            shares[factor] -= conditional_variance(response, levels, order[:place])
    return shares / factorial(n_factors)


def projector(levels, term):
    """Matrix that takes the pure effect of a crossed term of a complete grid, from averaging matrices."""
    n = len(levels)
    total = np.zeros((n, n))
    for size in range(len(term) + 1):
        for subset in combinations(term, size):
            keys = [tuple(row) for row in levels[:, list(subset)].tolist()]
            same = np.array([[float(a == b) for b in keys] for a in keys])
            total += (-1) ** (len(term) - size) * same / same.sum(axis=1, keepdims=True)
    return total


def grid(*n_levels):
    """All combinations of levels."""
    return np.array(list(product(*(range(n) for n in n_levels))))


def components(scores):
    """Variance components of models x items x configurations, mean squares by loops over cells."""
    n = dict(zip("pic", scores.shape, strict=True))
    axes = {"p": 0, "i": 1, "c": 2}

    def mean_over(kept, index):
        where = tuple(index[axes[name]] if name in kept else slice(None) for name in "pic")
        return scores[where].mean()

    def square(kept):
        df = np.prod([n[name] - 1 for name in kept])
        total = 0.0
        for index in np.ndindex(*scores.shape):
            total += (
                sum(
                    (-1) ** (len(kept) - size) * mean_over(subset, index)
                    for size in range(len(kept) + 1)
                    for subset in combinations(kept, size)
                )
                ** 2
            )
        return total / df

    s = {kept: square(kept) for kept in ("p", "i", "c", "pi", "pc", "ic", "pic")}
    rest = s["pic"]
    return {
        "model": (s["p"] - s["pi"] - s["pc"] + rest) / (n["i"] * n["c"]),
        "item": (s["i"] - s["pi"] - s["ic"] + rest) / (n["p"] * n["c"]),
        "configuration": (s["c"] - s["pc"] - s["ic"] + rest) / (n["p"] * n["i"]),
        "model_item": (s["pi"] - rest) / n["c"],
        "model_configuration": (s["pc"] - rest) / n["i"],
        "item_configuration": (s["ic"] - rest) / n["p"],
        "residual": rest,
    }


def completions(score, known, ends):
    """All tables in which every missing score is one of the two ends."""
    places = np.argwhere(~known)
    for values in product(ends, repeat=len(places)):
        filled = np.where(known, score, 0.0)
        for place, value in zip(places, values, strict=True):
            filled[tuple(place)] = value
        yield filled
