"""What passes between a benchmark, a model and the store: items, requests, responses, outcomes and their statuses.

A benchmark turns an `Item` and a configuration into `Request`s, a backend turns a `Request` into a `Response`, the benchmark
reads `Response`s into one `Outcome` for each estimand. Nothing here knows a file, a network or a model.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

AGGREGATE_ITEM = "(aggregate)"
"""Id of the one record that stands for a cell of which only the aggregate is known; it is no item, and nothing is inferred from it."""

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


class Status(Enum):
    """What became of an item in a cell; right, wrong and partial are values of SCORED."""

    SCORED = "scored"
    """The answer was read and has a value."""
    UNPARSED = "unparsed"
    """The model answered, and the scoring rule could not read the answer; an empty answer is unparsed."""
    JUDGE_REFUSED = "judge_refused"
    """A judge was asked and did not judge."""
    FAILED = "failed"
    """The request failed: out of memory, time-out, server error."""
    NOT_RUN = "not_run"
    """The cell is part of the envelope and was not run for this item."""
    UNKNOWN = "unknown"
    """A foreign log that does not say."""


class Role(Enum):
    """Who speaks a turn."""

    SYSTEM = "system"
    """The system prompt."""
    USER = "user"
    """The person, or the harness in the person's place."""
    ASSISTANT = "assistant"
    """The model, in examples or as a prefill."""


class Prefix(Enum):
    """Which token stands before the prompt."""

    TOKENIZER = "tokenizer"
    """What the tokenizer adds by itself."""
    NONE = "none"
    """Nothing, even where the tokenizer would add one."""
    BOS = "bos"
    """The beginning-of-sequence token, or end-of-text where a tokenizer has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One question of a benchmark."""

    id: str
    """Stable identifier, unique in its benchmark."""
    cluster: str
    """Items written from one template share it; the unit of inference."""
    stratum: str = ""
    """Fixed category, such as a bias type; reported, never resampled."""
    content: Mapping[str, Json] = field(default_factory=dict)
    """The fields of the benchmark's own file that requests and outcomes read."""

    @property
    def digest(self) -> str:
        """First 16 hexadecimal digits of the SHA-256 of the content."""
        return digest_of(self.content)


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a conversation."""

    role: Role
    """Who speaks."""
    text: str
    """What is said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """What the model is shown: turns rendered by the chat template, or plain text."""

    turns: tuple[Turn, ...]
    """The turns in order; without a chat template their texts are joined as they stand."""
    chat: bool = False
    """Whether the model's own chat template is applied and an assistant turn opened."""
    prefix: Prefix = Prefix.TOKENIZER
    """Which token stands first; a chat template that writes its own is not doubled."""

    @classmethod
    def plain(cls, text: str, *, prefix: Prefix = Prefix.TOKENIZER) -> Prompt:
        """A prompt of plain text."""
        return cls(turns=(Turn(Role.USER, text),), prefix=prefix)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoding:
    """How an answer is drawn."""

    max_tokens: int
    """Longest answer, in tokens."""
    temperature: float = 0.0
    """0 is greedy; otherwise the softmax temperature."""
    top_p: float = 1.0
    """Nucleus mass from which tokens are drawn."""
    top_k: int = 0
    """Number of likeliest tokens from which one is drawn; 0 is all."""
    stop: tuple[str, ...] = ()
    """Texts that end the answer; they are not part of it."""
    seed: int | None = None
    """Seed of this request's own generator; None where nothing is drawn."""
    model_default: bool = False
    """Whether temperature, top-p and top-k are taken from the model's own generation settings."""


class RequestKind(Enum):
    """What is asked of a model."""

    LOGLIKELIHOOD = "loglikelihood"
    """The log-probability of a given continuation, token by token."""
    GENERATION = "generation"
    """A continuation of the model's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One question to a model: how likely is this continuation, or what do you say."""

    prompt: Prompt
    """What the model is shown."""
    continuation: str | None = None
    """The text whose log-likelihood is asked, with its leading delimiter; None for a generation."""
    decoding: Decoding | None = None
    """How to draw the answer; None for a log-likelihood."""

    def __post_init__(self) -> None:
        if (self.continuation is None) == (self.decoding is None):
            raise ValueError("a request has either a continuation or a decoding, not both and not neither")

    @property
    def kind(self) -> RequestKind:
        """Which of the two questions it is."""
        return RequestKind.GENERATION if self.continuation is None else RequestKind.LOGLIKELIHOOD


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What a model answered, with the digests of what reached it."""

    key: str
    """Content key: digest of model, token ids, decoding and seed."""
    kind: RequestKind
    """Which question was asked."""
    prompt_digest: str
    """SHA-256 (16 digits) of the rendered prompt text."""
    token_digest: str
    """SHA-256 (16 digits) of the token ids that were fed or scored."""
    n_prompt_tokens: int
    """Number of tokens of the prompt, after truncation."""
    token_logprobs: tuple[float, ...] = ()
    """Natural log-probability of each continuation token, in order."""
    tokens: tuple[str, ...] = ()
    """Each continuation token as the vocabulary writes it, beside `token_logprobs`; empty where a backend cannot tell."""
    greedy: bool | None = None
    """Whether every continuation token was the likeliest; None for generations."""
    text: str | None = None
    """The answer, without special tokens and stop texts; None for log-likelihoods."""
    finish: str | None = None
    """Why a generation ended: ``stop`` or ``length``."""
    truncated: int = 0
    """Number of prompt tokens cut from the left to fit the model's length."""
    error: str | None = None
    """Why there is no answer; None where there is one."""

    @property
    def loglikelihood(self) -> float:
        """Sum of the continuation's log-probabilities, in nats."""
        return math.fsum(self.token_logprobs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What an item is worth in a cell, under one estimand."""

    estimand: str
    """Name of the estimand."""
    value: float | None
    """Value on the estimand's scale; None unless the status is SCORED."""
    status: Status
    """What became of the item."""
    reason: str = ""
    """Why there is no value, or what was read; never empty for FAILED."""
    weight: float = 1.0
    """1 where the item belongs to the estimand's denominator, 0 where it does not."""

    def __post_init__(self) -> None:
        if (self.value is None) == (self.status is Status.SCORED):
            raise ValueError(f"an outcome has a value exactly when it is scored, got {self.value} with {self.status}")


@dataclass(frozen=True, slots=True)
class CellKey:
    """A model on a benchmark under a configuration."""

    model: str
    """Name of the model in the study."""
    benchmark: str
    """Name of the benchmark."""
    configuration: str
    """Digest of the configuration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemRecord:
    """One row of the store: an item in a cell under an estimand."""

    cell: CellKey
    """Where it was measured."""
    estimand: str
    """Which question is answered."""
    item_id: str
    """Which item."""
    cluster: str
    """Its cluster."""
    stratum: str
    """Its stratum."""
    repeat: int
    """0 unless a study repeats cells."""
    value: float | None
    """Value on the estimand's scale, before orientation."""
    weight: float
    """Weight in the estimand's denominator."""
    status: Status
    """What became of it."""
    reason: str
    """Why there is no value."""
    keys: tuple[str, ...] = ()
    """Content keys of the responses it was read from."""
    prompt_digest: str = ""
    """Digest over the rendered prompts; empty where a foreign log does not hold them."""
    token_digest: str = ""
    """Digest over the token ids; empty where a foreign log does not hold them."""


def question_key(item_id: str) -> str:
    """Return the key under which a store of ingested results keeps an item's question, beside its prompts."""
    return f"question:{item_id}"


def digest_of(value: Mapping[str, Json] | Json) -> str:
    """First 16 hexadecimal digits of the SHA-256 of a value's canonical JSON text."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=dict)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
