"""Models behind any OpenAI-compatible server: generations, and log-likelihoods where the server is seen to tell them rightly.

With the model's tokenizer at hand (``path`` names its folder) and a server that takes token ids, prompts are rendered and tokenized here,
so that what reaches the model is what the record says. Else the server renders, log-likelihoods are refused, and digests are of the text.
The weights cannot be seen: the identity holds the model's name, the server's address and what the server says of itself.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from safetyrepro.backends.base import Encoded, ModelIdentity, content_key
from safetyrepro.backends.protocol import (
    CHAT,
    COMPLETIONS,
    echo_body,
    generation_body,
    messages,
    read_echo,
    read_written,
    until_stop,
)
from safetyrepro.backends.replies import failed, generated, scored
from safetyrepro.backends.selftest import Abilities, examine
from safetyrepro.backends.wire import Limits, Wire
from safetyrepro.envelope import Factor
from safetyrepro.errors import ModelError, RequestFailed
from safetyrepro.manifest import TokenCounts
from safetyrepro.records import Json, Prefix, Request, RequestKind, Response
from safetyrepro.study import EngineSpec, ModelSpec

if TYPE_CHECKING:
    from safetyrepro.backends.encoding import Encoder

NAME = "server"
FACTORS: tuple[Factor, ...] = ()
KEY_VARIABLE = "SAFETYREPRO_API_KEY"
"""Environment variable that holds the bearer token; it is sent and never stored."""
PROBES = (
    "The old tower stands by the",
    "Question: what is the capital of the country? Answer:",
    "One, two, three, four,",
    "She opened the door and saw",
    "In the morning the",
    "Yes or no? Answer:",
)


class ServerBackend:
    """A model on a server.

    Parameters
    ----------
    model : str
        The model's name on the server.
    wire : Wire
        The connection.
    identity : ModelIdentity
        What is known of the model.
    encoder : Encoder or None
        The model's tokenizer and chat template; None where the server keeps them.
    abilities : Abilities
        What the self-test found.
    concurrency : int
        Requests that are asked at once.
    """

    def __init__(
        self,
        model: str,
        wire: Wire,
        identity: ModelIdentity,
        *,
        encoder: Encoder | None,
        abilities: Abilities,
        concurrency: int,
    ) -> None:
        self.identity = identity
        self._model = model
        self._wire = wire
        self._encoder = encoder
        self._abilities = abilities
        self._concurrency = concurrency
        self._prompted = 0
        self._drawn = 0

    @property
    def counters(self) -> TokenCounts:
        """Tokens so far; what a server shares between requests is not seen, so the limit is not known and stays 0."""
        return TokenCounts(
            planned=self._prompted, computed=self._prompted, padded=self._prompted, limit=0, generated=self._drawn
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the run should know."""
        repeated = f"{self._wire.retries} calls to the server were repeated" if self._wire.retries else ""
        return (repeated,) if repeated else ()

    def encode(self, requests: Sequence[Request]) -> list[Encoded]:
        """Render and tokenize requests where the tokenizer is known; else digests are of the text.

        Raises
        ------
        ModelError
            If log-likelihoods are asked and the self-test refused them: before the first cell, not after.
        """
        if self._abilities.refusal and any(request.kind is RequestKind.LOGLIKELIHOOD for request in requests):
            raise ModelError(
                f"model '{self.identity.name}'",
                found=f"its server is not believed about log-likelihoods: {self._abilities.refusal}",
                expected="a server that passes the self-test, such as vLLM",
                remedy="Use backend 'hf', another server, or benchmarks that generate.",
            )
        if self._encoder is not None:
            return self._encoder.encode(requests)
        return [self._textual(request) for request in requests]

    def answer(self, encoded: Sequence[Encoded]) -> Iterator[Response]:
        """Answer each content key once, in the order in which the server answers."""
        with ThreadPoolExecutor(max_workers=self._concurrency) as pool, ExitStack() as stack:
            under_way: set[Future[Response]] = set()
            stack.callback(lambda: [future.cancel() for future in under_way])
            for one in {one.key: one for one in encoded}.values():
                under_way.add(pool.submit(self._answer, one))
                yield from _finished(under_way, at_most=2 * self._concurrency)
            yield from _finished(under_way, at_most=1)

    def close(self) -> None:
        """Close the connections."""
        self._wire.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _answer(self, one: Encoded) -> Response:
        if one.refusal is not None:
            return failed(one, one.refusal)
        try:
            return self._scored(one) if one.request.kind is RequestKind.LOGLIKELIHOOD else self._generated(one)
        except RequestFailed as failure:
            return failed(one, failure.sentence)

    def _scored(self, one: Encoded) -> Response:
        ids = one.context_ids + one.continuation_ids
        found = read_echo(self._wire.post(COMPLETIONS, echo_body(self._model, ids)), len(ids), "log-likelihood")
        self._prompted += len(ids)
        span = slice(len(one.context_ids), len(ids))
        return scored(one, [value or 0.0 for value in found.logprobs[span]], greedy=all(found.greedy[span]))

    def _generated(self, one: Encoded) -> Response:
        decoding = one.request.decoding
        assert decoding is not None
        if decoding.model_default and decoding.seed is None:
            raise RequestFailed("generation", found="the server may draw by its own settings, and there is no seed")
        path, prompt = self._prompt(one)
        written = read_written(
            self._wire.post(path, generation_body(self._model, decoding) | prompt), "generation", chat=path == CHAT
        )
        text, stopped = until_stop(written.text, decoding.stop)
        self._prompted += written.prompt_tokens or len(one.context_ids)
        self._drawn += written.tokens
        response = generated(one, text, finish="stop" if stopped else written.finish)
        known = self._encoder is not None or written.prompt_tokens is None
        return response if known else dataclasses.replace(response, n_prompt_tokens=written.prompt_tokens or 0)

    def _prompt(self, one: Encoded) -> tuple[str, dict[str, Json]]:
        """Path and prompt of a generation, in the form that the server takes.

        Raises
        ------
        RequestFailed
            If the server takes text only and the request asks for what only token ids can say.
        """
        prompt = one.request.prompt
        if self._abilities.token_ids:
            return COMPLETIONS, {"prompt": list(one.context_ids)}
        if prompt.prefix is not Prefix.TOKENIZER:
            found = f"the server is asked in text, so the prefix token '{prompt.prefix.value}' cannot be sent"
            raise RequestFailed("generation", found=found)
        if prompt.chat:
            return CHAT, {"messages": messages(one)}
        return COMPLETIONS, {"prompt": one.text}

    def _textual(self, request: Request) -> Encoded:
        """A request whose tokens only the server knows: digests are of the bytes of its text."""
        prompt = request.prompt
        lines = [f"{turn.role.value}: {turn.text}" for turn in prompt.turns]
        text = "\n".join(lines) if prompt.chat else "".join(turn.text for turn in prompt.turns)
        ids = tuple(f"{prompt.chat} {text}".encode())
        decoding = request.decoding
        unseeded = decoding is not None and decoding.temperature > 0 and decoding.seed is None
        return Encoded(
            request=request,
            text=text,
            context_ids=ids,
            continuation_ids=(),
            truncated=0,
            key=content_key(self.identity, ids, (), request.decoding),
            refusal="an answer is to be drawn and has no seed" if unseeded else None,
        )


def open_backend(model: ModelSpec, load: Mapping[str, str], engine: EngineSpec, *, folder: Path) -> ServerBackend:
    """Connect to a server and examine it.

    Parameters
    ----------
    model : ModelSpec
        ``url`` is the server's address, ``repository`` the model's name there, ``path`` a folder with its tokenizer.
    load : mapping of str to str
        Must be empty: what a server loaded cannot be chosen from here.
    engine : EngineSpec
        Concurrency and patience.
    folder : Path
        Folder of the study, against which ``path`` is read.

    Raises
    ------
    ModelError
        If nothing answers at the address, or the server has no such model.
    MissingDependency
        If a tokenizer is named and transformers is absent.
    """
    where = f"model '{model.name}'"
    if model.url is None or model.repository is None:
        raise ModelError(where, found="names no server and model", expected="'url' and 'repository'", remedy="Name both.")
    if load:
        raise ModelError(where, found=f"a server cannot obey {', '.join(load)}", remedy="Take these factors out of 'load'.")
    limits = Limits(seconds=engine.patience_seconds)
    wire = Wire(model.url, limits=limits, key=os.environ.get(KEY_VARIABLE))
    return connected(model, wire, engine, folder=folder)


def connected(model: ModelSpec, wire: Wire, engine: EngineSpec, *, folder: Path) -> ServerBackend:
    """Examine the server behind a connection, which is closed where it fails; raises as `open_backend` does."""
    with ExitStack() as stack:
        stack.callback(wire.close)
        backend = _examined(model, wire, engine, folder)
        stack.pop_all()
        return backend


def _examined(model: ModelSpec, wire: Wire, engine: EngineSpec, folder: Path) -> ServerBackend:
    assert model.repository is not None
    offered = _offered(wire, model.repository, f"model '{model.name}'")
    tokenizer = None
    if model.path is not None:
        from safetyrepro.backends.checkpoint import load_tokenizer

        tokenizer = load_tokenizer(folder / model.path, f"model '{model.name}'")
    identity = _identity(model, wire, offered)
    if tokenizer is None:
        abilities = examine(wire, model.repository, (), lambda _: None)
        return ServerBackend(
            model.repository, wire, identity, encoder=None, abilities=abilities, concurrency=engine.concurrency
        )
    from safetyrepro.backends.checkpoint import template_text, tokenizer_digest
    from safetyrepro.backends.encoding import Encoder, length_limit, token_of

    probes = [list(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in PROBES]
    abilities = examine(wire, model.repository, probes, lambda text: token_of(tokenizer, text))
    if not abilities.token_ids:
        return ServerBackend(
            model.repository, wire, identity, encoder=None, abilities=abilities, concurrency=engine.concurrency
        )
    identity = dataclasses.replace(
        identity,
        tokenizer=tokenizer_digest(tokenizer),
        chat_template=hashlib.sha256(template_text(tokenizer).encode()).hexdigest(),
    )
    stated = offered.get("max_model_len")
    # An echo feeds the last token too and draws one more; the encoder's limit counts neither.
    limit = (stated if isinstance(stated, int) else length_limit(object(), int(tokenizer.model_max_length))) - 2
    encoder = Encoder(tokenizer, identity, max_length=limit, generation=None)
    return ServerBackend(model.repository, wire, identity, encoder=encoder, abilities=abilities, concurrency=engine.concurrency)


def _finished(under_way: set[Future[Response]], *, at_most: int) -> Iterator[Response]:
    """Answers, until fewer than `at_most` are under way."""
    while len(under_way) >= at_most:
        done, _ = wait(under_way, return_when=FIRST_COMPLETED)
        under_way -= done
        yield from (future.result() for future in done)


def _offered(wire: Wire, model: str, where: str) -> Mapping[str, Json]:
    """What the server says about a model; empty where it keeps no list."""
    try:
        listed = wire.get("/v1/models").get("data")
    except RequestFailed as failure:
        if "refuses with status" in failure.found:
            return {}
        raise ModelError(
            where, found=f"no server answers: {failure.sentence}", remedy="Start it, or correct 'url'."
        ) from failure
    known = [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
    for entry in known:
        if entry.get("id") == model:
            return entry
    if known:
        names = ", ".join(str(entry.get("id")) for entry in known)
        raise ModelError(where, found=f"its server has no '{model}'", expected=names, remedy="Correct 'repository'.")
    return {}


def _identity(model: ModelSpec, wire: Wire, offered: Mapping[str, Json]) -> ModelIdentity:
    said = ", ".join(f"{field} {offered[field]}" for field in ("owned_by", "root", "max_model_len") if offered.get(field))
    return ModelIdentity(
        name=model.name,
        weights=f"server: {model.repository}",
        tokenizer="server",
        chat_template="server",
        dtype="not told",
        quantization="not told",
        engine=f"server 1 at {wire.root}" + (f" ({said})" if said else ""),
        device="server",
        revision=model.revision or "",
    )
