"""The one seam to the outside: a backend encodes requests and answers them. All else is pure and tested without a model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from safetyrepro.envelope import Factor, Level, Source, Stage
from safetyrepro.errors import ModelError
from safetyrepro.records import Decoding, Request, Response
from safetyrepro.study import EngineSpec, ModelSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelIdentity:
    """The digest of what was loaded; two models with one name never share an answer."""

    name: str
    """Name of the model in the study."""
    weights: str
    """SHA-256 over the weight files, by name and content; a server's own name where weights cannot be seen."""
    tokenizer: str
    """SHA-256 of the tokenizer's serialized form."""
    chat_template: str
    """SHA-256 of the chat template's text; of the empty text where there is none."""
    dtype: str
    """Number format of the weights in memory."""
    quantization: str
    """Quantization scheme, ``none`` where there is none."""
    engine: str
    """Name and version of what computes, with the versions of its libraries."""
    device: str
    """Kind of device it ran on; recorded, and part of the digest, since numerics differ."""
    revision: str = ""
    """Commit that the repository resolved to; empty for a folder."""

    @property
    def digest(self) -> str:
        """First 16 hexadecimal digits of the SHA-256 over every field but the name and the revision."""
        return _identity_digest(
            (self.weights, self.tokenizer, self.chat_template, self.dtype, self.quantization, self.engine, self.device)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """A request as it reaches the model."""

    request: Request
    """What was asked."""
    text: str
    """The rendered prompt, before tokenization."""
    context_ids: tuple[int, ...]
    """Token ids of the prompt, after truncation."""
    continuation_ids: tuple[int, ...]
    """Token ids of the continuation that is scored; empty for a generation."""
    truncated: int
    """Number of prompt tokens cut from the left."""
    key: str
    """Content key under which the response is stored."""
    refusal: str | None = None
    """Why the request cannot be asked of this model; None where it can. Its response is a failure with this reason."""
    continuation_tokens: tuple[str, ...] = ()
    """The continuation's tokens as the vocabulary writes them; empty where a backend cannot tell."""


class Backend(Protocol):
    """Something that answers requests: a local model, a server, a recording."""

    identity: ModelIdentity
    """What was loaded."""

    def encode(self, requests: Sequence[Request]) -> list[Encoded]:
        """Render and tokenize requests, in order; asks nothing of the model."""

    def answer(self, encoded: Sequence[Encoded]) -> Iterator[Response]:
        """Answer requests, in any order, each content key exactly once; a response carries its request's key.

        A request that cannot be answered yields a response whose `error` says why, or raises RequestFailed.
        """

    def close(self) -> None:
        """Give memory and connections back."""

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...


class BackendModule(Protocol):
    """What every module of this family offers under the same names."""

    NAME: str
    """Name by which studies call it."""
    FACTORS: tuple[Factor, ...]
    """The factors of the stage LOAD that this backend obeys."""

    def open_backend(self, model: ModelSpec, load: Mapping[str, str], engine: EngineSpec, *, folder: Path) -> Backend:
        """Load a model under the settings of the LOAD factors.

        Parameters
        ----------
        model : ModelSpec
            Which model.
        load : mapping of str to str
            Level of each factor of `FACTORS`.
        engine : EngineSpec
            Device, batch size, threads.
        folder : Path
            Folder of the study, against which relative paths are read.

        Raises
        ------
        ModelError
            If the checkpoint or server cannot be used; the sentence names it and the remedy.
        MissingDependency
            If a library is absent.
        """


def dtype_factor(source: Source) -> Factor:
    """The number format as a factor at LOAD, for backends that compute in the one that is chosen.

    Parameters
    ----------
    source : Source
        Who ships the levels.
    """
    return Factor(
        name="dtype",
        stage=Stage.LOAD,
        about="The number format of the weights and of the computation.",
        levels=(
            Level(name="float32", about="Single precision, whatever the files hold.", sources=(source,)),
            Level(name="bfloat16", about="The format most checkpoints are published in.", sources=(source,)),
            Level(name="float16", about="Half precision.", sources=(source,)),
        ),
    )


def chosen_levels(factors: Sequence[Factor], load: Mapping[str, str], *, backend: str, where: str) -> dict[str, str]:
    """The level of each factor of the stage LOAD: the one that is asked for, else the first.

    Parameters
    ----------
    factors : sequence of Factor
        What the backend obeys.
    load : mapping of str to str
        What is asked for.
    backend, where : str
        Name of the backend, and the model, for errors.

    Raises
    ------
    ModelError
        If a factor is asked for that the backend does not obey, or a level that the factor does not have.
    """
    levels = {factor.name: load.get(factor.name, factor.names[0]) for factor in factors}
    unknown = sorted(set(load) - set(levels))
    if unknown:
        raise ModelError(
            where,
            found=f"backend '{backend}' does not obey {', '.join(unknown)}",
            expected=f"factors among {', '.join(levels)}",
            remedy="Take it out of 'load'.",
        )
    for factor in factors:
        if levels[factor.name] not in factor.names:
            raise ModelError(
                where,
                found=f"factor '{factor.name}' has no level '{levels[factor.name]}'",
                expected=f"one of {', '.join(factor.names)}",
                remedy="Correct the field 'load'.",
            )
    return levels


def content_key(
    identity: ModelIdentity, context_ids: Sequence[int], continuation_ids: Sequence[int], decoding: Decoding | None
) -> str:
    """Key of a response: 32 hexadecimal digits of the SHA-256 over model digest, token ids, decoding and seed.

    Two requests share a key exactly when the same loaded model is shown the same tokens and asked the same thing.
    """
    asked = None
    if decoding is not None:
        asked = [
            decoding.max_tokens,
            decoding.temperature,
            decoding.top_p,
            decoding.top_k,
            list(decoding.stop),
            decoding.seed,
            decoding.model_default,
        ]
    parts = [identity.digest, list(context_ids), list(continuation_ids), asked]
    return hashlib.sha256(json.dumps(parts, separators=(",", ":")).encode()).hexdigest()[:32]


@lru_cache(maxsize=64)
def _identity_digest(parts: tuple[str, ...]) -> str:
    """Digest of what identifies a model; every content key asks for it."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def short_digest(text: str) -> str:
    """First 16 hexadecimal digits of the SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def token_digest(context_ids: Sequence[int], continuation_ids: Sequence[int]) -> str:
    """First 16 hexadecimal digits of the SHA-256 over the ids that were fed and scored."""
    text = json.dumps([list(context_ids), list(continuation_ids)], separators=(",", ":"))
    return short_digest(text)
