"""One forward pass over tokens that each see what they are told to see, in the pass and in remembered keys and values."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from safetyrepro.backends.blocks import Block, as_runs, attending_in_blocks, carrier
from safetyrepro.backends.prefix import Integers

if TYPE_CHECKING:
    import torch

    from safetyrepro.backends.forward import Forward

FULL, SLIDING = "full_attention", "sliding_attention"


class Unshared(Exception):
    """A finding, not a mistake: an architecture's layers remember nothing that could be shared, or in a way we do not know."""


class Rows(Enum):
    """What one forward pass may hold."""

    TREES = "packed rows with tree masks"
    """Branches of many sequences, told apart by a mask; needs an attention that takes a mask of four dimensions."""
    CHAINS = "one branch at a time"
    """A stretch of one sequence, for attention that makes its own mask, such as ALiBi."""


@dataclass(frozen=True, slots=True)
class Window:
    """How far the layers of a model look back."""

    kinds: frozenset[str]
    """``full_attention``, ``sliding_attention`` or both."""
    size: int | None
    """Number of tokens that a sliding layer sees, itself included."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Keys and values that later tokens may see, one column for each token."""

    depth: Integers
    """(columns,) position of each token in its sequence."""
    layers: tuple[tuple[torch.Tensor, torch.Tensor], ...] = ()
    """Keys and values of each layer, (1, heads, columns, width)."""

    def keep(self, columns: Integers) -> Memory:
        """Forget every column but these."""
        import torch

        if len(columns) == len(self.depth):
            return self
        chosen = torch.from_numpy(columns).to(self.layers[0][0].device)
        layers = tuple((keys.index_select(-2, chosen), values.index_select(-2, chosen)) for keys, values in self.layers)
        return Memory(self.depth[columns], layers)


EMPTY = Memory(np.zeros(0, dtype=np.int64))
"""Nothing is remembered."""


@dataclass(frozen=True, slots=True)
class View:
    """What a stretch of a pass sees."""

    start: int
    """First token of the stretch, in the pass."""
    stop: int
    """Behind its last."""
    columns: Integers
    """(c,) columns of the memory, then of the pass, ascending; no token of the stretch sees any other."""
    sees: NDArray[np.bool_]
    """(stop - start, c) whether a token sees a column."""


def whole_view(sees: NDArray[np.bool_]) -> tuple[View]:
    """One view over a whole pass, from (n, columns + n) whether a token sees a column of the memory, then one of the pass."""
    return (View(0, len(sees), np.arange(sees.shape[1]), sees),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fed:
    """Tokens of one pass."""

    tokens: Integers
    """(n,) token ids."""
    depth: Integers
    """(n,) their positions."""
    views: tuple[View, ...]
    """What they see, stretch by stretch; one view over the whole pass unless attention is in blocks."""
    kept: Integers
    """Positions of the pass at which logits are wanted, ascending."""


class MaskedPass:
    """Feeds tokens to a model.

    Parameters
    ----------
    forward : Forward
        The model.
    rows : Rows
        Whether passes bring a mask.
    in_blocks : bool
        Whether each view of a pass attends by itself.

    Raises
    ------
    Unshared
        If the model has layers that cannot take part.
    """

    def __init__(self, forward: Forward, rows: Rows = Rows.TREES, *, in_blocks: bool = False) -> None:
        if not forward.takes_cache:
            raise Unshared("it keeps no keys and values")
        self.rows = rows
        self._in_blocks = in_blocks
        self._forward = forward
        self._window = window_of(forward.model.config.get_text_config())

    def feed(self, fed: Fed, memory: Memory) -> tuple[torch.Tensor, Memory]:
        """Feed tokens.

        Returns
        -------
        logits : Tensor
            (kept, vocabulary), in float32.
        memory : Memory
            The memory with the tokens of the pass as further columns.
        """
        import torch
        from transformers import DynamicCache

        cache = DynamicCache()
        for layer, (keys, values) in enumerate(memory.layers):
            cache.update(keys, values, layer)
        model = self._forward.model
        with torch.inference_mode(), attending_in_blocks(model) if self._in_blocks else nullcontext():
            found = model(
                input_ids=torch.from_numpy(fed.tokens)[None].to(self._forward.device),
                past_key_values=cache,
                use_cache=True,
                **self._options(fed, memory),
            )
        logits = found.logits[0] if self._forward.takes_selection else found.logits[0, torch.from_numpy(fed.kept)]
        layers = tuple((layer.keys, layer.values) for layer in cache.layers)
        return logits.float(), Memory(np.concatenate([memory.depth, fed.depth]), layers)

    def _options(self, fed: Fed, memory: Memory) -> dict[str, object]:
        import torch

        device = self._forward.device
        options: dict[str, object] = {}
        if self.rows is Rows.TREES:
            options["attention_mask"] = self._mask(fed, memory)
        if self._forward.takes_positions:
            options["position_ids"] = torch.from_numpy(fed.depth)[None].to(device)
        if self._forward.takes_selection:
            options["logits_to_keep"] = torch.from_numpy(fed.kept).to(device)
        return options

    def _mask(self, fed: Fed, memory: Memory) -> torch.Tensor | dict[str, torch.Tensor]:
        masks = {}
        if FULL in self._window.kinds:
            masks[FULL] = self._carried(fed.views)
        if SLIDING in self._window.kinds:
            depth = np.concatenate([memory.depth, fed.depth])
            masks[SLIDING] = self._carried([self._near(view, depth, fed.depth) for view in fed.views])
        return masks if len(masks) > 1 else next(iter(masks.values()))

    def _near(self, view: View, depth: Integers, own: Integers) -> View:
        near = own[view.start : view.stop, None] - depth[view.columns][None, :] < (self._window.size or 0)
        return dataclasses.replace(view, sees=view.sees & near)

    def _carried(self, views: Sequence[View]) -> torch.Tensor:
        if not self._in_blocks:
            return self._additive(views[0].sees)
        return carrier([Block(view.start, view.stop, as_runs(view.columns), self._additive(view.sees)) for view in views])

    def _additive(self, seen: NDArray[np.bool_]) -> torch.Tensor:
        """A mask that is added: eager attention takes no other, and the fused kernel on a processor is a third faster with it."""
        import torch

        dtype = self._forward.model.dtype
        hidden = torch.from_numpy(~seen).to(self._forward.device)[None, None]
        return torch.zeros(hidden.shape, dtype=dtype, device=hidden.device).masked_fill_(hidden, torch.finfo(dtype).min)


def window_of(configuration: object) -> Window:
    """How far the layers of a model look back, as its configuration states.

    Raises
    ------
    Unshared
        If it has layers of another kind, such as recurrent ones.
    """
    size = getattr(configuration, "sliding_window", None)
    stated: Sequence[str] | None = getattr(configuration, "layer_types", None)
    kinds = frozenset(stated or [FULL if size is None else SLIDING])
    if not kinds <= {FULL, SLIDING}:
        raise Unshared(f"its layers are {', '.join(sorted(kinds))}")
    return Window(kinds=kinds, size=size)
