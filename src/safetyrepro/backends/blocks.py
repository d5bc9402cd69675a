"""Attention over a long pass in short blocks: what no token of a block sees is never looked at.

Everything else in a model costs the same for a token wherever it stands, and is cheapest in long passes; attention looks at every column
for every token, masked or not, and is cheapest in short ones. So a pass is fed whole and attends block by block, each over its own
columns only. The blocks travel through the model on the mask, which every architecture hands on to its attention untouched; where one
does not, this attention fails, and the path that needs it is not taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from safetyrepro.backends.prefix import Integers

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

ATTENTION = "safetyrepro_blocks"
"""Name under which transformers knows this attention."""
OTHERWISE = "sdpa"
"""The attention whose arithmetic this one does; models that were loaded with another keep it."""


@dataclass(frozen=True, slots=True)
class Block:
    """A stretch of a pass, and what it attends to."""

    start: int
    """First token of the stretch, in the pass."""
    stop: int
    """Behind its last."""
    runs: tuple[tuple[int, int], ...]
    """The columns that it attends to, as first column and number of columns."""
    mask: torch.Tensor
    """(1, 1, tokens, columns) what is added to the scores."""


def takes_blocks(model: PreTrainedModel) -> bool:
    """Whether a model may attend block by block: it asks the attention that it is told to ask, and waits for no launch of a kernel."""
    attention = getattr(model.config.get_text_config(), "_attn_implementation", None)
    return bool(attention == OTHERWISE and model.device.type == "cpu" and model._can_set_attn_implementation())  # noqa: SLF001  # no public name


def as_runs(columns: Integers) -> tuple[tuple[int, int], ...]:
    """Ascending columns as stretches of neighbours, each by its first and its length."""
    behind = [*(np.flatnonzero(columns[1:] - columns[:-1] != 1) + 1).tolist(), len(columns)]
    firsts = columns[[0, *behind[:-1]]].tolist() if len(columns) else []
    return tuple((first, stop - start) for first, start, stop in zip(firsts, [0, *behind], behind, strict=False))


def carrier(blocks: Sequence[Block]) -> torch.Tensor:
    """A stand-in for a mask, of four dimensions as a model expects, that carries blocks to the attention."""
    import torch

    mask = torch.zeros((1, 1, 1, 1))
    mask.blocks = tuple(blocks)
    return mask


@contextmanager
def attending_in_blocks(model: PreTrainedModel) -> Iterator[None]:
    """Inside, the model attends block by block, and every pass must bring a `carrier` as its mask."""
    from transformers import AttentionInterface

    if ATTENTION not in AttentionInterface():
        AttentionInterface.register(ATTENTION, _attend)
    configuration = model.config.get_text_config()
    former = configuration._attn_implementation  # noqa: SLF001  # no public name
    configuration._attn_implementation = ATTENTION  # noqa: SLF001
    try:
        yield
    finally:
        configuration._attn_implementation = former  # noqa: SLF001


def _attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    scaling: float | None = None,
    **options: object,
) -> tuple[torch.Tensor, None]:
    """Attend to (1, heads, columns, width) keys and values from (1, heads, tokens, width) queries; as transformers calls it."""
    import torch

    blocks: tuple[Block, ...] | None = getattr(attention_mask, "blocks", None)
    if blocks is None or any(options.get(name) is not None for name in ("softcap", "position_bias", "cache")):
        raise ValueError(f"{type(module).__name__} attends in a way that is not known in blocks")
    _, heads, n_tokens, _ = query.shape
    found = query.new_empty((1, n_tokens, heads, value.shape[-1]))
    for block in blocks:
        seen = torch.nn.functional.scaled_dot_product_attention(
            query[:, :, block.start : block.stop],
            _columns(key, block.runs),
            _columns(value, block.runs),
            attn_mask=block.mask,
            scale=scaling,
            enable_gqa=key.shape[1] != heads,
        )
        found[:, block.start : block.stop] = seen.transpose(1, 2)
    return found, None


def _columns(states: torch.Tensor, runs: Sequence[tuple[int, int]]) -> torch.Tensor:
    import torch

    parts = [states.narrow(2, first, length) for first, length in runs]
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=2)
