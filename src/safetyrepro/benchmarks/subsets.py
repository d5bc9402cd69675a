"""Drawing the evaluated items so that every stratum keeps its share, and setting aside examples that are never evaluated."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from safetyrepro.records import Item


def quotas(sizes: Sequence[int], n_items: int) -> tuple[int, ...]:
    """How many items each stratum gives to a draw of `n_items`.

    Parameters
    ----------
    sizes : sequence of int
        Number of items of each stratum.
    n_items : int
        Size of the draw; at most the sum of `sizes` is given.

    Returns
    -------
    tuple of int
        Proportional shares, rounded by largest remainder; at a draw of remainders the earlier stratum is served first.
    """
    total = sum(sizes)
    wanted = min(n_items, total)
    if total == 0:
        return tuple(0 for _ in sizes)
    whole = [size * wanted // total for size in sizes]
    by_remainder = sorted(range(len(sizes)), key=lambda i: -(sizes[i] * wanted % total))
    for i in by_remainder[: wanted - sum(whole)]:
        whole[i] += 1
    return tuple(whole)


def proportional(
    items: Sequence[Item], n_items: int, rng: np.random.Generator, *, stratum: Callable[[Item], str]
) -> tuple[Item, ...]:
    """Draw items without replacement, each stratum in proportion to its size.

    Returns
    -------
    tuple of Item
        In the order of `items`; all of them where `n_items` is not smaller.

    Raises
    ------
    ValueError
        If `n_items` is negative.
    """
    if n_items < 0:
        raise ValueError(f"a subset has no negative size, got {n_items}")
    groups: dict[str, list[int]] = {}
    for position, item in enumerate(items):
        groups.setdefault(stratum(item), []).append(position)
    kept: set[int] = set()
    for positions, count in zip(groups.values(), quotas([len(group) for group in groups.values()], n_items), strict=True):
        kept.update(positions[i] for i in rng.permutation(len(positions))[:count])
    return tuple(item for position, item in enumerate(items) if position in kept)


def alternating_pool(
    items: Sequence[Item], size: int, rng: np.random.Generator, *, label: Callable[[Item], str]
) -> tuple[Item, ...]:
    """Set examples aside: in random order, the labels taking turns, the most frequent first.

    Returns
    -------
    tuple of Item
        `size` items of distinct clusters, fewer where a label runs out; the first k serve as k examples, so no label is
        more than one ahead.
    """
    queues: dict[str, list[Item]] = {}
    seen: set[str] = set()
    for position in rng.permutation(len(items)):
        item = items[position]
        if item.cluster not in seen:
            seen.add(item.cluster)
            queues.setdefault(label(item), []).append(item)
    turns = sorted(queues, key=lambda name: (-len(queues[name]), name))
    rounds = min((len(queues[name]) for name in turns), default=0)
    order = [queues[name][i] for i in range(rounds) for name in turns]
    return tuple(order[:size])
