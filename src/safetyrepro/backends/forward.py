"""The plain path through a model: sequences in a padded batch, the head only where a token is scored.

It makes no assumption about the architecture beyond causality: padding stands on the right, where no earlier token can see it. The
shared-prefix engine is held against this path, and architectures that the engine cannot serve are answered by it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from safetyrepro.backends.prefix import Scorable

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

HEAD_VALUES = 1 << 26
"""Largest number of logits that are computed at once (256 MB in float32)."""


@dataclass(frozen=True, slots=True)
class Scores:
    """What a model says about a given continuation."""

    logprobs: tuple[float, ...]
    """Natural log-probability of each of its tokens."""
    greedy: bool
    """Whether each was the likeliest."""


_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class Forward:
    """A loaded model as a function from token ids to logits.

    Parameters
    ----------
    model : PreTrainedModel
        A causal language model in evaluation mode.
    device : torch.device
        Where it computes.

    Attributes
    ----------
    computed, padded : int
        Tokens fed so far by `score`, without and with padding.
    """

    def __init__(self, model: PreTrainedModel, device: torch.device) -> None:
        parameters = inspect.signature(model.forward).parameters
        self.model = model
        self.device = device
        self.takes_positions = "position_ids" in parameters
        self.takes_selection = "logits_to_keep" in parameters
        self.computed = 0
        self.padded = 0
        self.takes_cache = "past_key_values" in parameters
        self.weight_bytes = sum(weights.numel() * weights.element_size() for weights in model.parameters())
        self.vocabulary = int(model.get_output_embeddings().weight.shape[0])

    def score(self, batch: Sequence[Scorable]) -> list[Scores]:
        """Score the last tokens of each sequence, in one padded batch with one row for each distinct input."""
        import torch

        inputs = {ids: row for row, ids in enumerate(dict.fromkeys(sequence.ids[:-1] for sequence in batch))}
        width = max(map(len, inputs))
        ids = torch.zeros((len(inputs), width), dtype=torch.long)
        for known, row in inputs.items():
            ids[row, : len(known)] = torch.tensor(known)
        places = [range(len(one.ids) - 1 - one.n_scored, len(one.ids) - 1) for one in batch]
        kept = sorted(set().union(*places))
        logits = self.logits(ids.to(self.device), torch.tensor(kept, device=self.device))
        column = {position: index for index, position in enumerate(kept)}
        self.computed += sum(map(len, inputs))
        self.padded += ids.numel()
        return [
            self.read(logits[inputs[one.ids[:-1]], [column[place] for place in read]], one.ids[-one.n_scored :])
            for one, read in zip(batch, places, strict=True)
        ]

    def logits(self, ids: torch.Tensor, kept: torch.Tensor) -> torch.Tensor:
        """Logits at the kept positions of right-padded rows, (rows, kept, vocabulary), in float32."""
        import torch

        with torch.inference_mode():
            if self.takes_selection:
                found = self.model(input_ids=ids, use_cache=False, logits_to_keep=kept).logits
            else:
                found = self.model(input_ids=ids, use_cache=False).logits[:, kept]
        return found.float()

    def read(self, logits: torch.Tensor, targets: Sequence[int]) -> Scores:
        """Log-probabilities of the targets under rows of logits, (targets, vocabulary)."""
        import torch

        wanted = torch.tensor(list(targets), device=logits.device)
        chosen = logits.gather(1, wanted[:, None])[:, 0] - logits.logsumexp(dim=1)
        greedy = bool((logits.argmax(dim=1) == wanted).all())
        return Scores(tuple(chosen.tolist()), greedy)


def padded_batches(sequences: Sequence[Scorable], *, tokens: int, vocabulary: int) -> Iterator[list[int]]:
    """Group sequences of similar length so that no batch has more than `tokens` tokens with padding.

    Returns
    -------
    iterator of list of int
        Positions in `sequences`, longest first; a sequence longer than `tokens` stands alone.
    """
    order = sorted(range(len(sequences)), key=lambda i: (-len(sequences[i].ids), sequences[i].ids, sequences[i].n_scored))
    batch: list[int] = []
    width, scored = 0, 0
    for index in order:
        width = width or len(sequences[index].ids)
        scored += sequences[index].n_scored
        rows = len(batch) + 1
        if batch and (rows * width > tokens or rows * scored * vocabulary > HEAD_VALUES):
            yield batch
            batch, width, scored = [], len(sequences[index].ids), sequences[index].n_scored
        batch.append(index)
    if batch:
        yield batch


def in_halves(
    batch: Sequence[_Item], work: Callable[[Sequence[_Item]], Sequence[_Result]]
) -> Iterator[tuple[_Item, _Result | None]]:
    """Carry a batch out; where memory does not suffice, its halves, down to single items.

    Returns
    -------
    iterator of (item, result)
        The result is None for an item that did not fit by itself.
    """
    try:
        results = work(batch)
    except (MemoryError, RuntimeError) as error:
        if not memory_is_short(error):
            raise
        results = []
    if results or not batch:
        yield from zip(batch, results, strict=True)
    elif len(batch) == 1:
        yield batch[0], None
    else:
        middle = len(batch) // 2
        _give_back()
        yield from in_halves(batch[:middle], work)
        yield from in_halves(batch[middle:], work)


def memory_is_short(error: BaseException) -> bool:
    """Whether an error says that memory did not suffice, on a processor or a graphics card."""
    import torch

    text = str(error).lower()
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "out of memory" in text or "can't allocate memory" in text


def _give_back() -> None:
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()
