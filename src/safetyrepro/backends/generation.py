"""Answers of a model's own, by the fastest path that its architecture takes.

Where packed rows were seen to be right, prompts share their prefixes and answers are drawn in a continuous batch. Else, or where memory
is short, prompts of similar length are padded on the left; padding is masked and takes no position. A model that keeps no keys and values
is fed every sequence whole, each time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from safetyrepro.backends.continuous import ContinuousBatch
from safetyrepro.backends.forward import in_halves

if TYPE_CHECKING:
    import torch

    from safetyrepro.backends.base import Encoded
    from safetyrepro.backends.drafts import Answer, Drafting
    from safetyrepro.backends.forward import Forward
    from safetyrepro.backends.scoring import Scorer


class Generator:
    """Draws answers from a model.

    Parameters
    ----------
    forward : Forward
        The model.
    drafting : Drafting
        Begins and extends answers.
    scorer : Scorer
        Knows which path is right for the model.
    batch_tokens : int
        Largest number of tokens in one pass over prompts.

    Attributes
    ----------
    naive, computed, padded, limit, drawn : int
        Tokens so far: of prompts whole, fed, fed with padding, and with every shared prefix once; and of answers.
    """

    def __init__(self, forward: Forward, drafting: Drafting, scorer: Scorer, *, batch_tokens: int) -> None:
        self._forward = forward
        self._drafting = drafting
        self._scorer = scorer
        self._batch_tokens = batch_tokens
        self.naive = 0
        self.computed = 0
        self.padded = 0
        self.limit = 0
        self.drawn = 0

    def answers(self, asked: Sequence[Encoded]) -> Iterator[tuple[Encoded, Answer | None]]:
        """Answer requests, in an order that suits the path; the result of each is what it would be alone, up to rounding.

        Returns
        -------
        iterator of (Encoded, Answer or None)
            None where memory did not suffice for the request alone.
        """
        together = [one for one in asked if self._scorer.steady(len(one.context_ids) + longest_answer(one))]
        alone = [one for one in asked if not self._scorer.steady(len(one.context_ids) + longest_answer(one))]
        rest = {one.key: one for one in together}
        for one, answer in self._continuously(together):
            del rest[one.key]
            yield one, answer
        for batch in [*left_padded_batches(list(rest.values()), tokens=self._batch_tokens), *([one] for one in alone)]:
            yield from in_halves(batch, self._padded_batch)

    def _continuously(self, asked: Sequence[Encoded]) -> Iterator[tuple[Encoded, Answer]]:
        cost = self._scorer.packing
        if cost is None or not asked:
            return
        batch = ContinuousBatch(self._forward, self._drafting, cost)
        for index, answer in batch.answers([one.context_ids for one in asked], [self._drafting.begin(one) for one in asked]):
            self.drawn += len(answer.ids)
            yield asked[index], answer
        self.naive += sum(len(one.context_ids) for one in asked)
        self.computed += batch.computed
        self.padded += batch.computed
        self.limit += batch.limit

    def _padded_batch(self, batch: Sequence[Encoded]) -> list[Answer]:
        import torch

        drafts = [self._drafting.begin(encoded) for encoded in batch]
        prompts = [draft.prompt for draft in drafts]
        memory = _Cached(self._forward, prompts) if self._forward.takes_cache else _Recomputed(self._forward, prompts)
        with torch.inference_mode():
            logits = memory.first()
            while True:
                fed = [self._drafting.extend(draft, row) for draft, row in zip(drafts, logits, strict=True)]
                if all(draft.finished is not None for draft in drafts):
                    break
                logits = memory.after(fed)
        size = sum(map(len, prompts))
        self.naive += size
        self.computed += size
        self.limit += size
        self.padded += len(prompts) * max(map(len, prompts))
        self.drawn += sum(len(draft.ids) for draft in drafts)
        return [draft.finished for draft in drafts if draft.finished is not None]


def longest_answer(encoded: Encoded) -> int:
    """Number of tokens that an answer may have."""
    return encoded.request.decoding.max_tokens if encoded.request.decoding else 0


def left_padded_batches(asked: Sequence[Encoded], *, tokens: int) -> Iterator[list[Encoded]]:
    """Group generations of similar length, longest first, so that prompts and answers fit in `tokens`."""
    lengths = {one.key: len(one.context_ids) + longest_answer(one) for one in asked}
    batch: list[Encoded] = []
    for one in sorted(asked, key=lambda one: (-lengths[one.key], one.key)):
        if batch and (len(batch) + 1) * lengths[batch[0].key] > tokens:
            yield batch
            batch = []
        batch.append(one)
    if batch:
        yield batch


class _Cached:
    """A batch of prompts padded on the left, whose keys and values the model keeps between two tokens."""

    def __init__(self, forward: Forward, prompts: Sequence[tuple[int, ...]]) -> None:
        ids, mask = _left_padded(prompts)
        self._forward = forward
        self._ids, self._mask = ids.to(forward.device), mask.to(forward.device)
        self._positions = (self._mask.cumsum(1) - 1).clamp(min=0)
        self._cache: object = None

    def first(self) -> torch.Tensor:
        """Logits behind the prompts, (rows, vocabulary), in float32."""
        return self._step(self._ids)

    def after(self, drawn: Sequence[int]) -> torch.Tensor:
        """Logits behind one more token of each row."""
        import torch

        self._mask = torch.cat([self._mask, self._mask.new_ones((len(drawn), 1))], dim=1)
        self._positions = self._positions[:, -1:] + 1
        return self._step(torch.tensor(drawn, device=self._forward.device)[:, None])

    def _step(self, ids: torch.Tensor) -> torch.Tensor:
        options: dict[str, object] = {"position_ids": self._positions} if self._forward.takes_positions else {}
        if self._forward.takes_selection:
            options["logits_to_keep"] = 1
        found = self._forward.model(
            input_ids=ids, attention_mask=self._mask, past_key_values=self._cache, use_cache=True, **options
        )
        self._cache = found.past_key_values
        return found.logits[:, -1].float()


class _Recomputed:
    """A batch for a model that keeps nothing we know of, such as a recurrent one: every sequence is fed whole, each time."""

    def __init__(self, forward: Forward, prompts: Sequence[tuple[int, ...]]) -> None:
        self._forward = forward
        self._sequences = [list(prompt) for prompt in prompts]

    def first(self) -> torch.Tensor:
        """Logits behind the prompts, (rows, vocabulary), in float32."""
        import torch

        rows = [torch.tensor([sequence], device=self._forward.device) for sequence in self._sequences]
        last = [torch.tensor([len(sequence) - 1], device=self._forward.device) for sequence in self._sequences]
        return torch.cat([self._forward.logits(row, kept)[:, 0] for row, kept in zip(rows, last, strict=True)])

    def after(self, drawn: Sequence[int]) -> torch.Tensor:
        """Logits behind one more token of each row."""
        for sequence, token in zip(self._sequences, drawn, strict=True):
            sequence.append(token)
        return self.first()


def _left_padded(prompts: Sequence[tuple[int, ...]]) -> tuple[torch.Tensor, torch.Tensor]:
    import torch

    width = max(len(prompt) for prompt in prompts)
    ids = torch.zeros((len(prompts), width), dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, prompt in enumerate(prompts):
        ids[row, width - len(prompt) :] = torch.tensor(prompt)
        mask[row, width - len(prompt) :] = 1
    return ids, mask
