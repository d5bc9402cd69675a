"""In which groups a run asks its requests: neighbours together, and in a repeat among other company.

A repeat asks the same requests of the same model again. Nothing that anybody would call a setting changes, only which requests share a
forward pass, and with it the rounding of every sum: what differs between two repeats is noise, and the floor under every flip rate.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np

from safetyrepro.backends.base import Encoded


def ask_groups(encoded: Sequence[Encoded], *, size: int, repeat: int = 0) -> Iterator[list[Encoded]]:
    """Requests in the groups in which they are asked.

    Parameters
    ----------
    encoded : sequence of Encoded
        Different requests, in any order.
    size : int
        Largest number of requests in a group.
    repeat : int
        Number of the repeat; 0 is the first time.

    Returns
    -------
    iterator of list of Encoded
        Each request in exactly one group. The groups of the first time are stretches of neighbours, which share the most work. A
        repeat divides each of them by chance into two halves, asked in either order, so that every request has other company and
        shared prefixes are computed at most twice.
    """
    ordered = sorted(encoded, key=_neighbourhood)
    rng = np.random.default_rng([size, repeat])
    for start in range(0, len(ordered), size):
        group = ordered[start : start + size]
        if repeat == 0:
            yield group
            continue
        drawn = rng.permutation(len(group))
        halves = (drawn[: len(group) // 2], drawn[len(group) // 2 :])
        yield from ([group[place] for place in half.tolist()] for half in halves if len(half))


def repeat_key(key: str, repeat: int) -> str:
    """Content key of a response in a repeat: the key itself the first time, another in each further one."""
    return key if repeat == 0 else hashlib.sha256(f"{key} repeat {repeat}".encode()).hexdigest()[:32]


def _neighbourhood(entry: Encoded) -> tuple[str, tuple[int, ...], tuple[int, ...]]:
    return entry.request.kind.value, entry.context_ids, entry.continuation_ids
