"""Answers of a model's own: greedy or drawn, token by token, each request with its own generator.

A request's answer does not depend on which others share its batch: a draw uses a generator seeded by the request alone, on the
processor and in float64, and padding on the left is masked and takes no position. The last token's logits are all that the head computes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from safetyrepro.backends.encoding import resolved

if TYPE_CHECKING:
    import torch
    from transformers import GenerationConfig

    from safetyrepro.backends.base import Encoded
    from safetyrepro.backends.encoding import Encoder
    from safetyrepro.backends.forward import Forward
    from safetyrepro.records import Decoding


@dataclass(frozen=True, slots=True)
class Answer:
    """A finished generation."""

    text: str
    """The answer, without special tokens and stop texts."""
    finish: str
    """``stop`` where the model or a stop text ended it, ``length`` where the limit did."""
    ids: tuple[int, ...]
    """The tokens that were drawn, the ending one included."""


@dataclass(slots=True)
class _Draft:
    """An answer in the making."""

    prompt: tuple[int, ...]
    decoding: Decoding
    penalty: float
    generator: torch.Generator | None
    ids: list[int] = field(default_factory=list)
    finished: Answer | None = None


class Generator:
    """Draws answers from a model.

    Parameters
    ----------
    forward : Forward
        The model.
    encoder : Encoder
        Turns drawn tokens into text.
    settings : GenerationConfig or None
        The model's own generation settings: which tokens end an answer, and how it draws by default.
    eos : int or None
        The tokenizer's last token; it ends an answer too.

    Attributes
    ----------
    prompted, padded, drawn : int
        Tokens so far: of prompts, of prompts with padding, of answers.
    """

    def __init__(self, forward: Forward, encoder: Encoder, settings: GenerationConfig | None, *, eos: int | None) -> None:
        stated = getattr(settings, "eos_token_id", None)
        ends = stated if isinstance(stated, list) else [] if stated is None else [stated]
        self.ends = frozenset([*ends, *([] if eos is None else [eos])])
        self._forward = forward
        self._encoder = encoder
        self._settings = settings
        self.prompted = 0
        self.padded = 0
        self.drawn = 0

    def answers(self, batch: Sequence[Encoded]) -> list[Answer]:
        """Answer requests together; the result of each is what it would be alone, up to rounding."""
        import torch

        drafts = [self._draft(encoded) for encoded in batch]
        prompts = [draft.prompt for draft in drafts]
        memory = _Cached(self._forward, prompts) if self._forward.takes_cache else _Recomputed(self._forward, prompts)
        with torch.inference_mode():
            logits = memory.first()
            while True:
                drawn = [self._extend(draft, row) for draft, row in zip(drafts, logits, strict=True)]
                if all(draft.finished is not None for draft in drafts):
                    break
                logits = memory.after(drawn)
        self.prompted += sum(map(len, prompts))
        self.padded += len(prompts) * max(map(len, prompts))
        self.drawn += sum(len(draft.ids) for draft in drafts)
        return [draft.finished for draft in drafts if draft.finished is not None]

    def _draft(self, encoded: Encoded) -> _Draft:
        import torch

        assert encoded.request.decoding is not None
        decoding = resolved(encoded.request.decoding, self._settings)
        generator = None
        if decoding.temperature > 0:
            assert decoding.seed is not None, "a drawn answer has a seed: the encoder refuses it otherwise"
            generator = torch.Generator().manual_seed(decoding.seed)
        stated = getattr(self._settings, "repetition_penalty", None) if decoding.model_default else None
        return _Draft(encoded.context_ids, decoding, float(stated or 1.0), generator)

    def _extend(self, draft: _Draft, logits: torch.Tensor) -> int:
        """Add one token to an unfinished answer; returns what is fed next."""
        if draft.finished is not None:
            return draft.ids[-1]
        token = _drawn(logits, draft)
        draft.ids.append(token)
        body = draft.ids[:-1] if token in self.ends else draft.ids
        text = self._encoder.decode(body)
        stops = [place for stop in draft.decoding.stop if stop and (place := text.find(stop)) >= 0]
        if stops:
            draft.finished = Answer(text[: min(stops)], "stop", tuple(draft.ids))
        elif token in self.ends:
            draft.finished = Answer(text, "stop", tuple(draft.ids))
        elif len(draft.ids) >= draft.decoding.max_tokens:
            draft.finished = Answer(text, "length", tuple(draft.ids))
        return token


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


def _drawn(logits: torch.Tensor, draft: _Draft) -> int:
    import torch

    logits = _penalized(logits, draft)
    if draft.generator is None:
        return int(logits.argmax())
    probabilities = nucleus(logits, draft.decoding)
    point = torch.rand((), generator=draft.generator, dtype=torch.float64) * probabilities.sum()
    reached = torch.searchsorted(probabilities.cumsum(0), point, right=True)
    return int(reached.clamp(max=len(probabilities) - 1))


def _penalized(logits: torch.Tensor, draft: _Draft) -> torch.Tensor:
    import torch

    if draft.penalty == 1.0:
        return logits
    seen = torch.tensor(sorted({*draft.prompt, *draft.ids}), device=logits.device)
    values = logits[seen]
    return logits.index_copy(0, seen, torch.where(values < 0, values * draft.penalty, values / draft.penalty))


def nucleus(logits: torch.Tensor, decoding: Decoding) -> torch.Tensor:
    """Probabilities after temperature, then top-k, then top-p, as transformers orders them.

    Parameters
    ----------
    logits : Tensor
        (vocabulary,) logits.
    decoding : Decoding
        Its temperature is positive.

    Returns
    -------
    Tensor
        (vocabulary,) float64 weights on the processor; what is left out has weight 0. They need not sum to 1.
    """
    import torch

    scaled = logits.double().cpu() / decoding.temperature
    if 0 < decoding.top_k < len(scaled):
        least = torch.topk(scaled, decoding.top_k).values[-1]
        scaled = scaled.masked_fill(scaled < least, -torch.inf)
    weights = torch.softmax(scaled, dim=0)
    if decoding.top_p >= 1.0:
        return weights
    ordered, order = torch.sort(weights, descending=True, stable=True)
    before = ordered.cumsum(0) - ordered
    kept = torch.zeros_like(weights, dtype=torch.bool)
    kept[order[before < decoding.top_p]] = True
    kept[order[0]] = True
    return weights.masked_fill(~kept, 0.0)
