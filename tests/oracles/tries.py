"""The slow definition of shared prefixes: sets of prefixes, and what each sequence sees."""

from __future__ import annotations

from collections.abc import Sequence


def fewest_tokens(inputs: Sequence[tuple[int, ...]]) -> int:
    """Number of distinct non-empty prefixes."""
    return len({ids[:length] for ids in inputs for length in range(1, len(ids) + 1)})


def prefix_of_node(tokens: Sequence[int], depth: Sequence[int], index: int) -> tuple[int, ...]:
    """The sequence that ends at a token of a depth-first list: the latest token of each smaller depth before it."""
    path = [index]
    for earlier in range(index - 1, -1, -1):
        if depth[earlier] == depth[path[-1]] - 1:
            path.append(earlier)
    return tuple(tokens[node] for node in path[::-1])
