"""The shared-prefix engine: rows of a plan through a model that remembers the ancestors of what comes next.

Each row is one forward pass of a batch of one. Its tokens carry their depth as position and a mask that lets them see their ancestors
only, in the row and in the remembered keys and values. Behind the row, what is no ancestor of the next token is forgotten.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

import numpy as np

from safetyrepro.backends.forward import Scores, memory_is_short
from safetyrepro.backends.prefix import Integers, PrefixPlan, RowCost, cut_chains, cut_rows, sees

if TYPE_CHECKING:
    import torch

    from safetyrepro.backends.forward import Forward

SMALLEST_ROW = 16
"""A row of so few tokens that does not fit in memory is not cut again."""
FULL, SLIDING = "full_attention", "sliding_attention"


@dataclass(frozen=True, slots=True)
class Window:
    """How far the layers of a model look back."""

    kinds: frozenset[str]
    """``full_attention``, ``sliding_attention`` or both."""
    size: int | None
    """Number of tokens that a sliding layer sees, itself included."""


class Unshared(Exception):
    """A finding, not a mistake: an architecture's layers remember nothing that could be shared, or in a way we do not know."""


@dataclass(slots=True)
class _Memory:
    """Keys and values of the tokens that later rows still see."""

    nodes: Integers
    layers: list[tuple[torch.Tensor, torch.Tensor]]


class Rows(Enum):
    """What one forward pass may hold."""

    TREES = "packed rows with tree masks"
    """Branches of many sequences, told apart by a mask; needs an attention that takes a mask of four dimensions."""
    CHAINS = "one branch at a time"
    """A stretch of one sequence, for attention that makes its own mask, such as ALiBi."""


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

    Attributes
    ----------
    computed : int
        Tokens fed so far; nothing is ever padded.

    Raises
    ------
    Unshared
        If the model has layers that cannot take part.
    """

    def __init__(self, forward: Forward, cost: RowCost, rows: Rows = Rows.TREES) -> None:
        if not forward.takes_cache:
            raise Unshared("it keeps no keys and values")
        self.rows = rows
        self._forward = forward
        self._cost = cost
        self._window = window_of(forward.model.config.get_text_config())
        self.computed = 0

    def scores(self, plan: PrefixPlan) -> Iterator[tuple[int, Scores | None]]:
        """Score the sequences of a plan, as they are completed.

        Returns
        -------
        iterator of (int, Scores or None)
            Position of the sequence in the plan; None where memory did not suffice even for the smallest row.
        """
        reading = _Reading(plan, self._forward)
        memory = _Memory(np.zeros(0, dtype=np.int64), [])
        cuts = cut_rows(plan, self._cost) if self.rows is Rows.TREES else cut_chains(plan, self._cost)
        rows = list(itertools.pairwise(cuts.tolist()))[::-1]
        while rows:
            start, stop = rows.pop()
            try:
                memory = self._row(plan, memory, (start, stop), reading)
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

    def _row(self, plan: PrefixPlan, memory: _Memory, row: tuple[int, int], reading: _Reading) -> _Memory:
        import torch
        from transformers import DynamicCache

        start, stop = row
        device = self._forward.device
        cache = DynamicCache()
        for layer, (keys, values) in enumerate(memory.layers):
            cache.update(keys, values, layer)
        kept = reading.places(start, stop)
        with torch.inference_mode():
            found = self._forward.model(
                input_ids=torch.from_numpy(plan.tokens[start:stop])[None].to(device),
                past_key_values=cache,
                use_cache=True,
                **self._options(plan, memory, row, kept),
            )
            logits = found.logits[0] if self._forward.takes_selection else found.logits[0, torch.from_numpy(kept)]
            reading.read(logits.float(), start, stop)
            self.computed += stop - start
            return _remembered(plan, memory.nodes, row, cache)

    def _options(self, plan: PrefixPlan, memory: _Memory, row: tuple[int, int], kept: Integers) -> dict[str, object]:
        import torch

        device = self._forward.device
        options: dict[str, object] = {}
        if self.rows is Rows.TREES:
            options["attention_mask"] = self._mask(plan, memory.nodes, row)
        if self._forward.takes_positions:
            options["position_ids"] = torch.from_numpy(plan.depth[slice(*row)])[None].to(device)
        if self._forward.takes_selection:
            options["logits_to_keep"] = torch.from_numpy(kept).to(device)
        return options

    def _mask(self, plan: PrefixPlan, past: Integers, row: tuple[int, int]) -> torch.Tensor | dict[str, torch.Tensor]:
        start, stop = row
        seen = sees(plan, past, start, stop)
        masks = {}
        if FULL in self._window.kinds:
            masks[FULL] = self._as_tensor(seen)
        if SLIDING in self._window.kinds:
            columns = np.concatenate([plan.depth[past], plan.depth[start:stop]])
            near = plan.depth[start:stop, None] - columns[None, :] < (self._window.size or 0)
            masks[SLIDING] = self._as_tensor(seen & near)
        return masks if len(masks) > 1 else next(iter(masks.values()))

    def _as_tensor(self, seen: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> torch.Tensor:
        import torch

        dtype = self._forward.model.dtype
        hidden = torch.from_numpy(~seen).to(self._forward.device)[None, None]
        # Additive, since eager attention takes nothing else and the fused kernel on a processor is a third faster with it.
        return torch.zeros(hidden.shape, dtype=dtype, device=hidden.device).masked_fill_(hidden, torch.finfo(dtype).min)


class _Reading:
    """Collects what is read of a plan, row by row."""

    def __init__(self, plan: PrefixPlan, forward: Forward) -> None:
        self._plan = plan
        self._forward = forward
        self._order = np.argsort(plan.read_at, kind="stable")
        self._sorted = plan.read_at[self._order]
        self._logprobs = np.zeros(len(plan.read_at))
        self._greedy = np.zeros(len(plan.read_at), dtype=bool)
        self._finish = np.argsort(plan.last, kind="stable")
        self._finished = plan.last[self._finish]

    def places(self, start: int, stop: int) -> Integers:
        """Positions inside a row behind which something is read, ascending."""
        return np.unique(self._sorted[self._span(start, stop)]) - start

    def read(self, logits: torch.Tensor, start: int, stop: int) -> None:
        """Read the logits at the positions that `places` named."""
        import torch

        span = self._span(start, stop)
        if span.start == span.stop:
            return
        reads = self._order[span]
        _, row = np.unique(self._sorted[span], return_inverse=True)
        rows = torch.from_numpy(row).to(logits.device)
        targets = torch.from_numpy(self._plan.targets[reads]).to(logits.device)
        total = logits.logsumexp(dim=1)
        self._logprobs[reads] = (logits[rows, targets] - total[rows]).cpu().numpy()
        self._greedy[reads] = (logits.argmax(dim=1)[rows] == targets).cpu().numpy()

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


def window_of(configuration: object) -> Window:
    """How far the layers of a model look back, as its configuration states.

    Raises
    ------
    Unshared
        If it has layers of another kind, such as recurrent ones.
    """
    size = getattr(configuration, "sliding_window", None)
    kinds = frozenset(getattr(configuration, "layer_types", None) or [FULL if size is None else SLIDING])
    if not kinds <= {FULL, SLIDING}:
        raise Unshared(f"its layers are {', '.join(sorted(kinds))}")
    return Window(kinds=kinds, size=size)


def _remembered(plan: PrefixPlan, past: Integers, row: tuple[int, int], cache: object) -> _Memory:
    """Keep the ancestors of the next token."""
    import torch

    nodes = np.concatenate([past, np.arange(*row)])
    kept = np.flatnonzero(plan.end[nodes] > row[1])
    layers = []
    for layer in cache.layers:  # type: ignore[attr-defined]  # transformers is not seen by the type checker
        chosen = torch.from_numpy(kept).to(layer.keys.device)
        layers.append((layer.keys.index_select(-2, chosen), layer.values.index_select(-2, chosen)))
    return _Memory(nodes[kept], layers)
