"""Every shared token prefix once: the plan by which many sequences go through a model as one tree.

The sequences that an envelope asks about repeat each other: options of an item share its question, items share their examples, scoring
rules share everything. Sorted, they are the leaves of a trie; each sequence adds only the tokens behind its longest common prefix with
its predecessor. Written down in this order the trie is one flat list of tokens, in which an earlier token j is seen by a later token i
exactly if j is an ancestor of i, that is, if i lies before the *end* of j's subtree::

    sees(i, j)  =  j <= i < end[j]

Any cut of the flat list is therefore a valid row for a model: what a row needs of the past are the ancestors of its first token, as many
as that token is deep. Nothing is computed twice, nothing is padded, and a row that does not fit in memory can be cut again anywhere.
Pure: integers in, integers out; no model, no torch.
"""

from __future__ import annotations

import math
import sys
from array import array
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Scorable:
    """A sequence whose last tokens are scored."""

    ids: tuple[int, ...]
    """Context and continuation; the last token is scored and never fed."""
    n_scored: int
    """Length of the continuation, at least 1 and less than the sequence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PrefixCounts:
    """What a set of sequences costs, in tokens fed to the model."""

    naive: int
    """Every sequence whole."""
    unique: int
    """Every distinct sequence whole."""
    limit: int
    """Every shared prefix once: the fewest that give exact results."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PrefixPlan:
    """Sequences as one flat trie, and where each scored token is read."""

    tokens: Integers
    """(n,) token ids of the trie in depth-first order."""
    depth: Integers
    """(n,) number of tokens before each in its sequences: its position, and its number of ancestors."""
    end: Integers
    """(n,) index behind the last token of each one's subtree."""
    starts: Integers
    """Indices at which a distinct sequence begins to differ from its predecessor, ascending; good places for a cut."""
    read_at: Integers
    """(reads,) index of the token behind which a scored token is predicted, sequence after sequence as given."""
    targets: Integers
    """(reads,) the scored token."""
    offsets: Integers
    """(sequences + 1,) where the reads of each sequence begin."""
    counts: PrefixCounts
    """What it costs."""

    @property
    def last(self) -> Integers:
        """(sequences,) index of the token at which each sequence has all its reads."""
        return self.read_at[self.offsets[1:] - 1]


@dataclass(frozen=True, slots=True, kw_only=True)
class RowCost:
    """What a row of n tokens behind p ancestors costs: ``fixed + pair * n * (p + n)``, and a constant for each token."""

    fixed: float
    """Cost of a pass whatever it holds."""
    pair: float
    """Cost of one token looking at one token."""
    longest: int
    """Largest number of tokens in a row."""
    heads: int
    """Largest number of scored positions in a row."""

    @property
    def best(self) -> int:
        """The length at which a row without ancestors is cheapest for each token, within the limit."""
        return max(1, min(self.longest, int(math.sqrt(self.fixed / self.pair))))


def as_key(ids: Sequence[int]) -> bytes:
    """A sequence as bytes in the order of the sequences: big-endian, so that the order of the bytes is the order of the ids."""
    words = array("I", ids)
    if sys.byteorder == "little":
        words.byteswap()
    return words.tobytes()


def count_tokens(sequences: Sequence[Scorable]) -> PrefixCounts:
    """Count what sequences cost, without planning them."""
    inputs = sorted({as_key(sequence.ids[:-1]) for sequence in sequences})
    naive = sum(len(sequence.ids) - 1 for sequence in sequences)
    shared = _common_prefixes(inputs)
    unique = sum(map(len, inputs)) // 4
    return PrefixCounts(naive=naive, unique=unique, limit=unique - int(shared.sum()))


def plan_prefixes(sequences: Sequence[Scorable]) -> PrefixPlan:
    """Plan sequences as one trie.

    Parameters
    ----------
    sequences : sequence of Scorable
        What is scored; equal ones, and ones that are prefixes of others, are welcome.

    Returns
    -------
    PrefixPlan

    Raises
    ------
    ValueError
        If a sequence scores nothing, or has no context.

    Notes
    -----
    Time and memory grow linearly with the number of tokens, but for the sort of the distinct sequences.
    """
    if any(not 0 < sequence.n_scored < len(sequence.ids) for sequence in sequences):
        raise ValueError("each sequence scores at least one token behind at least one token of context")
    members: dict[bytes, list[int]] = {}
    for index, sequence in enumerate(sequences):
        members.setdefault(as_key(sequence.ids[:-1]), []).append(index)
    inputs = sorted(members)
    shared = _common_prefixes(inputs)
    lengths = np.array([len(text) // 4 for text in inputs], dtype=np.int64)
    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths - shared)])
    nodes = _Nodes(int(starts[-1]), int(lengths.max(initial=0)))
    reads: list[Integers] = [np.zeros(0, np.int64)] * len(sequences)
    for place, text in enumerate(inputs):
        path = nodes.enter(text, int(shared[place]), int(starts[place]))
        for index in members[text]:
            reads[index] = path[-sequences[index].n_scored :].copy()
    nodes.leave(0)
    return PrefixPlan(
        tokens=nodes.tokens,
        depth=nodes.depth,
        end=nodes.end,
        starts=starts[:-1],
        read_at=np.concatenate([np.zeros(0, np.int64), *reads]),
        targets=np.array([token for one in sequences for token in one.ids[-one.n_scored :]], dtype=np.int64),
        offsets=np.cumsum([0, *(sequence.n_scored for sequence in sequences)], dtype=np.int64),
        counts=PrefixCounts(
            naive=sum(len(sequence.ids) - 1 for sequence in sequences),
            unique=int(lengths.sum()),
            limit=int(starts[-1]),
        ),
    )


def cut_rows(plan: PrefixPlan, cost: RowCost) -> Integers:
    """Cut a plan into rows of the smallest total cost.

    Parameters
    ----------
    plan : PrefixPlan
        What is to be fed.
    cost : RowCost
        What a row costs, and its limits.

    Returns
    -------
    (rows + 1,) int array
        Row k holds the tokens from the k-th to the next of these indices. Cuts fall where a sequence begins, unless a stretch is
        longer than a row may be.

    Notes
    -----
    Shortest path over the admissible cuts: f(b) = min over a of f(a) + fixed + pair (b - a) (depth[a] + b - a). Rows of more than four
    times the best length are not considered.
    """
    places = _admissible(plan, min(cost.longest, cost.heads, 4 * cost.best))
    reach = min(cost.longest, 4 * cost.best)
    heads = np.concatenate([[0], np.cumsum(np.bincount(np.unique(plan.read_at), minlength=len(plan.tokens)))])[places]
    past = np.concatenate([plan.depth, [0]])[places].astype(np.float64)
    first = np.searchsorted(places, places - reach)
    first = np.maximum(first, np.searchsorted(heads, heads - cost.heads))
    best = np.zeros(len(places))
    origin = np.zeros(len(places), dtype=np.int64)
    for b in range(1, len(places)):
        a = slice(min(int(first[b]), b - 1), b)
        n_tokens = (places[b] - places[a]).astype(np.float64)
        totals = best[a] + cost.fixed + cost.pair * n_tokens * (past[a] + n_tokens)
        chosen = int(totals.argmin())
        best[b], origin[b] = totals[chosen], a.start + chosen
    cuts = [len(places) - 1]
    while cuts[-1] > 0:
        cuts.append(int(origin[cuts[-1]]))
    return places[cuts[::-1]]


def joined_rows(plan: PrefixPlan, cuts: Integers, cost: RowCost) -> Integers:
    """Join neighbouring rows into the longest that are allowed.

    Parameters
    ----------
    plan : PrefixPlan
        What is to be fed.
    cuts : (k + 1,) int array
        Rows, as of `cut_rows`.
    cost : RowCost
        Its limits; a row that exceeds them by itself is kept.

    Returns
    -------
    (rows + 1,) int array
        Some of the cuts, the first and the last among them.
    """
    heads = np.concatenate([[0], np.cumsum(np.bincount(np.unique(plan.read_at), minlength=len(plan.tokens)))])[cuts]
    reach = np.searchsorted(cuts, cuts + cost.longest, side="right") - 1
    reach = np.minimum(reach, np.searchsorted(heads, heads + cost.heads, side="right") - 1)
    chosen = [0]
    while chosen[-1] < len(cuts) - 1:
        chosen.append(max(int(reach[chosen[-1]]), chosen[-1] + 1))
    return cuts[chosen]


def cut_chains(plan: PrefixPlan, cost: RowCost) -> Integers:
    """Cut a plan wherever a sequence begins, so that each row is a stretch of a single one: every token sees the whole row before it.

    Returns
    -------
    (rows + 1,) int array
        As of `cut_rows`.
    """
    return _admissible(plan, min(cost.longest, cost.heads))


def sees(plan: PrefixPlan, past: Integers, start: int, stop: int) -> NDArray[np.bool_]:
    """Which tokens each token of a row sees.

    Parameters
    ----------
    plan : PrefixPlan
        The trie.
    past : (p,) int array
        Indices of the tokens that are remembered.
    start, stop : int
        The row.

    Returns
    -------
    (stop - start, p + stop - start) bool array
        Entry (i, j) is whether token i of the row sees column j: the remembered tokens, then the row's own.
    """
    row = np.arange(start, stop)
    columns = np.concatenate([past, row])
    seen: NDArray[np.bool_] = (columns[None, :] <= row[:, None]) & (row[:, None] < plan.end[columns][None, :])
    return seen


class _Nodes:
    """The flat trie while it grows, and the path from its root to the latest token."""

    def __init__(self, size: int, deepest: int) -> None:
        self.tokens = np.zeros(size, dtype=np.int64)
        self.depth = np.zeros(size, dtype=np.int64)
        self.end = np.full(size, size, dtype=np.int64)
        self._path = np.zeros(deepest, dtype=np.int64)
        self._length = 0
        self._size = 0

    def enter(self, text: bytes, shared: int, start: int) -> Integers:
        """Add what a sequence does not share with its predecessor; returns its whole path."""
        ids = np.frombuffer(text, dtype=">u4")
        self._size = start
        self.leave(shared)
        stop = start + len(ids) - shared
        self.tokens[start:stop] = ids[shared:]
        self.depth[start:stop] = np.arange(shared, len(ids))
        self._path[shared : len(ids)] = np.arange(start, stop)
        self._length, self._size = len(ids), stop
        return self._path[: len(ids)]

    def leave(self, shared: int) -> None:
        """Close the subtrees below a depth."""
        self.end[self._path[shared : self._length]] = self._size


def _common_prefixes(inputs: Sequence[bytes]) -> Integers:
    """Length of the common prefix of each input and the one before it, in tokens; 0 for the first."""
    shared = np.zeros(len(inputs), dtype=np.int64)
    for place in range(1, len(inputs)):
        before, text = inputs[place - 1], inputs[place]
        shorter = min(len(before), len(text))
        if before[:shorter] == text[:shorter]:
            shared[place] = shorter // 4
            continue
        differs = np.frombuffer(before, np.uint32, shorter // 4) != np.frombuffer(text, np.uint32, shorter // 4)
        shared[place] = int(differs.argmax())
    return shared


def _admissible(plan: PrefixPlan, longest: int) -> Integers:
    """Where a cut may fall: where sequences begin, and inside stretches that are longer than a row."""
    places = np.concatenate([plan.starts, [len(plan.tokens)]]).astype(np.int64)
    gaps = np.diff(places)
    inner = [np.arange(places[k] + longest, places[k + 1], longest) for k in np.flatnonzero(gaps > longest)]
    return np.unique(np.concatenate([np.zeros(1, np.int64), places, *inner]))
