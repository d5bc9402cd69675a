"""Drawing evaluated items and pools of examples, so that neither an item nor a cluster is in both."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from safetyrepro.records import Item


def shuffled(items: Sequence[Item], rng: np.random.Generator) -> tuple[Item, ...]:
    """Return the items in a seeded order."""
    return tuple(items[index] for index in rng.permutation(len(items)))


def drawn(items: Sequence[Item], n_items: int, rng: np.random.Generator) -> tuple[Item, ...]:
    """Draw items without replacement and return them in their given order.

    Notes
    -----
    The first `n_items` of a permutation are taken, so that a larger draw from the same generator state contains a smaller one.
    """
    chosen = sorted(rng.permutation(len(items))[:n_items].tolist())
    return tuple(items[index] for index in chosen)


def apart(items: Sequence[Item], others: Sequence[Item], *, by_cluster: bool = False) -> tuple[Item, ...]:
    """Return the items that are not among `others`, or, with `by_cluster`, that share no cluster with any of them."""
    if by_cluster:
        clusters = {other.cluster for other in others}
        return tuple(item for item in items if item.cluster not in clusters)
    ids = {other.id for other in others}
    return tuple(item for item in items if item.id not in ids)


def turns(items: Sequence[Item], rng: np.random.Generator, *, key: Callable[[Item], str]) -> tuple[Item, ...]:
    """Return the items in a seeded order in which the values of `key` take turns as long as they last."""
    queues: dict[str, list[Item]] = {}
    for item in shuffled(items, rng):
        queues.setdefault(key(item), []).append(item)
    rounds = max((len(queue) for queue in queues.values()), default=0)
    return tuple(queue[index] for index in range(rounds) for queue in queues.values() if index < len(queue))


def reserved_clusters(items: Sequence[Item], rng: np.random.Generator) -> frozenset[str]:
    """Draw one cluster of each stratum to take examples from, none where a stratum has a single one."""
    clusters: dict[str, dict[str, None]] = {}
    for item in items:
        clusters.setdefault(item.stratum, {}).setdefault(item.cluster)
    reserved = [list(names)[rng.integers(len(names))] for names in clusters.values() if len(names) > 1]
    return frozenset(reserved)


def balanced_groups(
    items: Sequence[Item], n_items: int, rng: np.random.Generator, *, group: Callable[[Item], str]
) -> tuple[Item, ...]:
    """Draw whole groups of items, strata taking turns, and return their items in the given order.

    Parameters
    ----------
    items : sequence of Item
        Candidates.
    n_items : int
        Most items drawn; the draw ends before the group that would exceed it.
    rng : numpy.random.Generator
        Source of chance.
    group : callable
        Name of an item's group.
    """
    members: dict[str, list[Item]] = {}
    for item in items:
        members.setdefault(group(item), []).append(item)
    first = turns([inside[0] for inside in members.values()], rng, key=lambda item: item.stratum)
    kept: set[str] = set()
    room = n_items
    for item in first:
        inside = members[group(item)]
        if len(inside) > room:
            break
        room -= len(inside)
        kept.update(one.id for one in inside)
    return tuple(item for item in items if item.id in kept)
