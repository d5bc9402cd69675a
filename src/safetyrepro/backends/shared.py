"""The shared-prefix engine: rows of a plan through a model that remembers the ancestors of what comes next.

Each row is one forward pass of a batch of one. Its tokens carry their depth as position and a mask that lets them see their ancestors
only, in the row and in the remembered keys and values. Behind the row, what is no ancestor of the next token is forgotten. Where the model
attends in blocks, a row is long and each of its blocks looks only at itself and at the ancestors of its first token.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from safetyrepro.backends.forward import Scores, memory_is_short
from safetyrepro.backends.passes import EMPTY, Fed, MaskedPass, Memory, Rows, View
from safetyrepro.backends.prefix import Integers, PrefixPlan, RowCost, cut_chains, cut_rows, joined_rows, sees

if TYPE_CHECKING:
    import torch

    from safetyrepro.backends.forward import Forward

SMALLEST_ROW = 16
"""A row of so few tokens that does not fit in memory is not cut again."""


@dataclass(frozen=True, slots=True)
class _Row:
    """A stretch of a plan that is fed at once."""

    start: int
    stop: int
    cuts: Integers
    """Where blocks of the plan begin that attend by themselves, ascending; nothing where a row attends as a whole."""


@dataclass(frozen=True, slots=True)
class _Past:
    """What is remembered between rows."""

    nodes: Integers
    """(columns,) index in the plan of each token."""
    memory: Memory


class SharedPrefixes:
    """Scores a plan, each token of the trie computed once.

    Parameters
    ----------
    forward : Forward
        The model.
    cost : RowCost
        What a row costs on its device.
    rows : Rows
        What one forward pass may hold.
    blocks : RowCost, optional
        What a block of a row costs to attend; None where a row attends as a whole. With blocks, rows are as long as they may be.

    Attributes
    ----------
    computed : int
        Tokens fed so far; nothing is ever padded.

    Raises
    ------
    Unshared
        If the model has layers that cannot take part.
    """

    def __init__(self, forward: Forward, cost: RowCost, rows: Rows = Rows.TREES, *, blocks: RowCost | None = None) -> None:
        self.rows = rows
        self.computed = 0
        self._forward = forward
        self._cost = cost
        self._blocks = blocks
        self._pass = MaskedPass(forward, rows, in_blocks=blocks is not None)

    def scores(self, plan: PrefixPlan) -> Iterator[tuple[int, Scores | None]]:
        """Score the sequences of a plan, as they are completed.

        Returns
        -------
        iterator of (int, Scores or None)
            Position of the sequence in the plan; None where memory did not suffice even for the smallest row.
        """
        reading = _Reading(plan)
        past = _Past(np.zeros(0, dtype=np.int64), EMPTY)
        cuts, inner = self._cuts(plan)
        rows = list(itertools.pairwise(cuts.tolist()))[::-1]
        while rows:
            start, stop = rows.pop()
            try:
                past = self._row(plan, past, _Row(start, stop, inner), reading)
            except (MemoryError, RuntimeError) as error:
                if not memory_is_short(error):
                    raise
                if stop - start <= SMALLEST_ROW:
                    yield from ((index, None) for index in reading.open(start))
                    return
                middle = (start + stop) // 2
                rows += [(middle, stop), (start, middle)]
                continue
            yield from reading.completed(start, stop)

    def _cuts(self, plan: PrefixPlan) -> tuple[Integers, Integers]:
        """Where rows begin, and where blocks of them begin that attend by themselves; both with the end of the plan."""
        if self.rows is Rows.CHAINS:
            return cut_chains(plan, self._cost), np.zeros(0, dtype=np.int64)
        if self._blocks is None:
            return cut_rows(plan, self._cost), np.zeros(0, dtype=np.int64)
        inner = cut_rows(plan, self._blocks)
        return joined_rows(plan, inner, self._cost), inner

    def _row(self, plan: PrefixPlan, past: _Past, row: _Row, reading: _Reading) -> _Past:
        """Feed a row; returns what is remembered behind it: the ancestors of the next token."""
        start, stop = row.start, row.stop
        fed = Fed(
            tokens=plan.tokens[start:stop],
            depth=plan.depth[start:stop],
            views=_views(plan, past.nodes, row),
            kept=reading.places(start, stop),
        )
        logits, grown = self._pass.feed(fed, past.memory)
        reading.read(logits, start, stop)
        self.computed += stop - start
        known = np.concatenate([past.nodes, np.arange(start, stop)])
        kept = np.flatnonzero(plan.end[known] > stop)
        return _Past(known[kept], grown.keep(kept))


def _views(plan: PrefixPlan, nodes: Integers, row: _Row) -> tuple[View, ...]:
    """What each block of a row sees: the ancestors of its first token, which is the whole memory for the first block, and itself."""
    inner = row.cuts[np.searchsorted(row.cuts, row.start, side="right") : np.searchsorted(row.cuts, row.stop)]
    edges = [row.start, *inner.tolist(), row.stop]
    known = np.concatenate([nodes, np.arange(row.start, row.stop)])
    end, own = plan.end[known], len(nodes) - row.start
    views = []
    for first, last in itertools.pairwise(edges):
        past = np.flatnonzero(end[: own + first] > first)
        columns = np.concatenate([past, np.arange(own + first, own + last)])
        views.append(View(first - row.start, last - row.start, columns, sees(plan, known[past], first, last)))
    return tuple(views)


class _Reading:
    """Collects what is read of a plan, row by row."""

    def __init__(self, plan: PrefixPlan) -> None:
        self._plan = plan
        self._order = np.argsort(plan.read_at, kind="stable")
        self._sorted = plan.read_at[self._order]
        self._logprobs = np.zeros(len(plan.read_at))
        self._greedy = np.zeros(len(plan.read_at), dtype=bool)
        self._finish = np.argsort(plan.last, kind="stable")
        self._finished = plan.last[self._finish]

    def places(self, start: int, stop: int) -> Integers:
        """Positions inside a row behind which something is read, ascending."""
        reads = self._sorted[self._span(start, stop)]
        return reads[_new(reads)] - start

    def read(self, logits: torch.Tensor, start: int, stop: int) -> None:
        """Read the logits at the positions that `places` named."""
        import torch

        span = self._span(start, stop)
        if span.start == span.stop:
            return
        reads = self._order[span]
        rows = torch.from_numpy(np.cumsum(_new(self._sorted[span])) - 1).to(logits.device)
        targets = torch.from_numpy(self._plan.targets[reads]).to(logits.device)
        with torch.inference_mode():
            # In place, and with one search for the largest: the vocabulary is wide, and each pass over it costs as much as a layer.
            logits -= logits.amax(dim=1, keepdim=True)
            chosen = logits[rows, targets]
            largest = (chosen == 0).nonzero()[:, 0]
            # Of several that are largest the first counts. Rows are looked up once, however many sequences read them.
            tied, place = torch.unique(rows[largest], return_inverse=True)
            first = logits[tied].argmax(dim=1)[place] == targets[largest]
            logprobs = chosen - logits.exp_().sum(dim=1).log()[rows]
        self._greedy[reads[largest.cpu().numpy()]] = first.cpu().numpy()
        self._logprobs[reads] = logprobs.cpu().numpy()

    def completed(self, start: int, stop: int) -> Iterator[tuple[int, Scores]]:
        """The sequences whose last read lies in a row."""
        first, last = np.searchsorted(self._finished, [start, stop])
        for index in self._finish[first:last].tolist():
            reads = slice(int(self._plan.offsets[index]), int(self._plan.offsets[index + 1]))
            yield index, Scores(tuple(self._logprobs[reads].tolist()), bool(self._greedy[reads].all()))

    def open(self, start: int) -> list[int]:
        """The sequences that are not complete before a row."""
        return [int(index) for index in self._finish[np.searchsorted(self._finished, start) :]]

    def _span(self, start: int, stop: int) -> slice:
        first, last = np.searchsorted(self._sorted, [start, stop])
        return slice(int(first), int(last))


def _new(ascending: Integers) -> NDArray[np.bool_]:
    """Whether each number is another than the one before it."""
    new = np.ones(len(ascending), dtype=bool)
    np.not_equal(ascending[1:], ascending[:-1], out=new[1:])
    return new
