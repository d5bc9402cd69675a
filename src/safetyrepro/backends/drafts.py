"""An answer in the making: which token comes next, and when it ends.

A draw uses a generator that the request alone seeds, on the processor and in float64, so that an answer does not depend on which
others are drawn beside it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from safetyrepro.backends.encoding import resolved

if TYPE_CHECKING:
    import torch
    from transformers import GenerationConfig

    from safetyrepro.backends.base import Encoded
    from safetyrepro.backends.encoding import Encoder
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
class Draft:
    """An answer in the making."""

    prompt: tuple[int, ...]
    """Token ids of the prompt."""
    decoding: Decoding
    """How to draw, the model's own settings resolved."""
    penalty: float
    """Repetition penalty; 1 is none."""
    generator: torch.Generator | None
    """Source of this request's draws; None where the likeliest token is taken."""
    ids: list[int] = field(default_factory=list)
    """The tokens so far."""
    finished: Answer | None = None
    """The answer, once it has ended."""

    @property
    def longest(self) -> int:
        """Number of tokens that may still be drawn."""
        return self.decoding.max_tokens - len(self.ids)


class Drafting:
    """Begins and extends drafts for one loaded model.

    Parameters
    ----------
    encoder : Encoder
        Turns drawn tokens into text.
    settings : GenerationConfig or None
        The model's own generation settings: which tokens end an answer, and how it draws by default.
    eos : int or None
        The tokenizer's last token; it ends an answer too.

    Attributes
    ----------
    ends : frozenset of int
        Tokens that end an answer.
    """

    def __init__(self, encoder: Encoder, settings: GenerationConfig | None, *, eos: int | None) -> None:
        stated = getattr(settings, "eos_token_id", None)
        ends = stated if isinstance(stated, list) else [] if stated is None else [stated]
        self.ends = frozenset([*ends, *([] if eos is None else [eos])])
        self._encoder = encoder
        self._settings = settings

    def begin(self, encoded: Encoded) -> Draft:
        """A draft without a token yet."""
        import torch

        assert encoded.request.decoding is not None
        decoding = resolved(encoded.request.decoding, self._settings)
        generator = None
        if decoding.temperature > 0:
            assert decoding.seed is not None, "a drawn answer has a seed: the encoder refuses it otherwise"
            generator = torch.Generator().manual_seed(decoding.seed)
        stated = getattr(self._settings, "repetition_penalty", None) if decoding.model_default else None
        return Draft(encoded.context_ids, decoding, float(stated or 1.0), generator)

    def extend(self, draft: Draft, logits: torch.Tensor) -> int:
        """Add one token to an unfinished draft; returns what is fed next."""
        if draft.finished is not None:
            return draft.ids[-1]
        token = drawn(logits, draft)
        draft.ids.append(token)
        body = draft.ids[:-1] if token in self.ends else draft.ids
        text = self._encoder.decode(body)
        stops = [place for stop in draft.decoding.stop if stop and (place := text.find(stop)) >= 0]
        if stops:
            draft.finished = Answer(text[: min(stops)], "stop", tuple(draft.ids))
        elif token in self.ends:
            draft.finished = Answer(text, "stop", tuple(draft.ids))
        elif not draft.longest:
            draft.finished = Answer(text, "length", tuple(draft.ids))
        return token


def drawn(logits: torch.Tensor, draft: Draft) -> int:
    """Draw a token from (vocabulary,) logits as a draft's decoding says."""
    import torch

    logits = _penalized(logits, draft)
    if draft.generator is None:
        return int(logits.argmax())
    probabilities = nucleus(logits, draft.decoding)
    point = torch.rand((), generator=draft.generator, dtype=torch.float64) * probabilities.sum()
    reached = torch.searchsorted(probabilities.cumsum(0), point, right=True)
    return int(reached.clamp(max=len(probabilities) - 1))


def _penalized(logits: torch.Tensor, draft: Draft) -> torch.Tensor:
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
