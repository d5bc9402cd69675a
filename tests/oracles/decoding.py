"""The slow definition of drawing: temperature, top-k, top-p, one token at a time."""

from __future__ import annotations

import math
from collections.abc import Sequence


def kept_weights(logits: Sequence[float], *, temperature: float, top_k: int, top_p: float) -> list[float]:
    """Weights of the tokens that may be drawn; 0 for the others."""
    scaled = [value / temperature for value in logits]
    if 0 < top_k < len(scaled):
        least = sorted(scaled, reverse=True)[top_k - 1]
        scaled = [value if value >= least else -math.inf for value in scaled]
    largest = max(scaled)
    weights = [math.exp(value - largest) for value in scaled]
    total = math.fsum(weights)
    weights = [weight / total for weight in weights]
    if top_p >= 1:
        return weights
    kept, before = set(), 0.0
    for index in sorted(range(len(weights)), key=lambda index: -weights[index]):
        if before >= top_p and kept:
            break
        kept.add(index)
        before += weights[index]
    return [weight if index in kept else 0.0 for index, weight in enumerate(weights)]


def penalized(logits: Sequence[float], seen: set[int], penalty: float) -> list[float]:
    """Logits with the repetition penalty of Keskar et al. 2019: smaller for every token that was seen."""
    return [
        value if index not in seen else value * penalty if value < 0 else value / penalty for index, value in enumerate(logits)
    ]
