r"""Recorded or scripted answers: the public double for tests, demonstrations and re-scoring.

A recording is JSON Lines. Each line is one answer::

    {"prompt": "Q: ...\nA:", "continuation": " yes", "logprobs": [-1.2, -0.3], "greedy": true}
    {"prompt": "Tell me ...", "text": "Certainly.", "finish": "stop"}
    {"key": "3f2a...", "text": "I cannot help with that."}

A line may name its ``model`` (it is then skipped for every other one) and the ``seed`` of a sampled answer. The prompt is the text
that reached the model; a conversation is written as one ``ROLE: text`` a line. What was not recorded is answered by a failure that
says so, never by an invented answer. No model library is needed: the tokenizer splits at white space.
"""

from __future__ import annotations

import hashlib
import json
import re
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from safetyrepro.backends.base import Encoded, ModelIdentity, content_key
from safetyrepro.backends.replies import failed, generated, scored
from safetyrepro.envelope import Factor
from safetyrepro.errors import ModelError, RequestFailed
from safetyrepro.records import Json, Prompt, Request, RequestKind, Response
from safetyrepro.study import EngineSpec, ModelSpec

NAME = "replay"
FACTORS: tuple[Factor, ...] = ()
WORDS = re.compile(r"\s*\S+|\s+")

Answer = str | float | Sequence[float]
"""What a script may return: text for a generation; for a log-likelihood its total, or one number for each token."""
Script = Callable[[str, Request], Answer]
"""A function of the rendered prompt and the request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """One answer of a recording."""

    logprobs: tuple[float, ...] = ()
    """Log-probability of each token of the continuation."""
    tokens: tuple[str, ...] = ()
    """The tokens themselves; empty where the recording does not hold them."""
    greedy: bool = False
    """Whether every token of the continuation was the likeliest."""
    text: str | None = None
    """The generated answer; None for a log-likelihood."""
    finish: str = "stop"
    """Why a generation ended: ``stop`` or ``length``."""


Question = tuple[str, str | None, int | None]
"""Rendered prompt, continuation (None for a generation), seed (None where any will do)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """Answers by content key and by what was asked."""

    by_key: Mapping[str, Recorded]
    """Answers by content key."""
    by_question: Mapping[Question, Recorded]
    """Answers by prompt, continuation and seed."""
    digest: str
    """SHA-256 over all answers, whatever their order."""

    def find(self, encoded: Encoded) -> Recorded | None:
        """Return the answer to a request: by key, else by prompt and seed, else by prompt; None where it was not recorded."""
        request = encoded.request
        seed = request.decoding.seed if request.decoding else None
        exact = self.by_question.get((encoded.text, request.continuation, seed))
        return self.by_key.get(encoded.key) or exact or self.by_question.get((encoded.text, request.continuation, None))


class _Whitespace:
    """Encodes a request by splitting its text at white space; shared by the two backends of this file."""

    def __init__(self, identity: ModelIdentity) -> None:
        self.identity = identity

    def encode(self, requests: Sequence[Request]) -> list[Encoded]:
        """Render and tokenize requests, in order."""
        return [self._encode(request) for request in requests]

    def _encode(self, request: Request) -> Encoded:
        text = rendered(request.prompt)
        context_ids, continuation_ids = word_ids(text), word_ids(request.continuation or "")
        return Encoded(
            request=request,
            text=text,
            context_ids=context_ids,
            continuation_ids=continuation_ids,
            truncated=0,
            key=content_key(self.identity, context_ids, continuation_ids, request.decoding),
            continuation_tokens=tuple(WORDS.findall(request.continuation or "")),
        )

    def close(self) -> None:
        """Nothing is held."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class ReplayBackend(_Whitespace):
    """Answers from a recording.

    Parameters
    ----------
    name : str
        Name of the model in the study.
    recording : Recording
        What is answered.
    """

    def __init__(self, name: str, recording: Recording) -> None:
        super().__init__(_identity(name, recording.digest))
        self._recording = recording

    def answer(self, encoded: Sequence[Encoded]) -> Iterator[Response]:
        """Answer each content key once; what was not recorded fails and says so."""
        for one in {one.key: one for one in encoded}.values():
            found = self._recording.find(one)
            yield failed(one, "the recording has no answer to this request") if found is None else _replayed(one, found)


class ScriptedBackend(_Whitespace):
    """Answers by calling a function: a model that a test or a tutorial writes down.

    Parameters
    ----------
    name : str
        Name of the model in the study, and part of its identity.
    function : Script
        Called with the rendered prompt and the request. It returns text for a generation, and a total or a sequence of
        log-probabilities for a log-likelihood; it raises RequestFailed where a request is to fail.
    revision : str
        Change it when the function changes: answers are kept by it.
    """

    def __init__(self, name: str, function: Script, *, revision: str = "") -> None:
        super().__init__(_identity(name, hashlib.sha256(json.dumps([name, revision]).encode()).hexdigest()))
        self._function = function

    def answer(self, encoded: Sequence[Encoded]) -> Iterator[Response]:
        """Answer each content key once, in order."""
        for one in {one.key: one for one in encoded}.values():
            try:
                answer = self._function(one.text, one.request)
            except RequestFailed as failure:
                yield failed(one, str(failure))
            else:
                yield _replayed(one, _recorded_from(answer))


def rendered(prompt: Prompt) -> str:
    """The text by which a prompt is looked up: its turns as they stand, or one ``ROLE: text`` a line for a conversation."""
    if not prompt.chat:
        return "".join(turn.text for turn in prompt.turns)
    return "\n".join(f"{turn.role.value}: {turn.text}" for turn in prompt.turns)


def word_ids(text: str) -> tuple[int, ...]:
    """One number for each word of a text with the white space before it, the same everywhere.

    White space counts: two prompts that differ in one space reach a model as different tokens, so they never share an answer.
    """
    return tuple(zlib.crc32(word.encode()) for word in WORDS.findall(text))


def read_recording(path: Path, *, model: str = "") -> Recording:
    """Read a recording.

    Parameters
    ----------
    path : Path
        A JSON Lines file, or a folder that holds one named after the model.
    model : str
        Name of the model; lines of other models are skipped.

    Raises
    ------
    ModelError
        If the file is absent or a line is not an answer; the sentence names the line.
    """
    file = path / f"{model}.jsonl" if path.is_dir() else path
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(
            str(file), found=f"the recording cannot be read ({error})", remedy="Correct the field 'engine.recorded'."
        ) from error
    rows = [_row(line, f"{file}, line {number}") for number, line in enumerate(lines, 1) if line.strip()]
    return recording([row for row in rows if row.get("model") in (None, model)], where=str(file))


def recording(rows: Sequence[Mapping[str, Json]], *, where: str = "recording") -> Recording:
    """Make a recording of rows as they stand in a file.

    Raises
    ------
    ModelError
        If a row is neither a log-likelihood nor a generation, or two rows answer one question differently.
    """
    by_key: dict[str, Recorded] = {}
    by_question: dict[Question, Recorded] = {}
    for number, row in enumerate(rows, 1):
        place = f"{where}, answer {number}"
        answer = _answer(row, place)
        if isinstance(key := row.get("key"), str):
            _put(by_key, key, answer, place)
        else:
            _put(by_question, _question(row, place), answer, place)
    text = sorted(json.dumps([str(question), str(answer)]) for question, answer in [*by_key.items(), *by_question.items()])
    return Recording(by_key=by_key, by_question=by_question, digest=hashlib.sha256("\n".join(text).encode()).hexdigest())


def write_recording(path: Path, encoded: Sequence[Encoded], responses: Sequence[Response]) -> None:
    """Write what a backend answered as a recording; failures are left out, since a replay must not invent them."""
    answers = {response.key: response for response in responses if response.error is None}
    asked = {one.key: one for one in encoded if one.key in answers}
    lines = [json.dumps(_line(one, answers[key]), ensure_ascii=False) for key, one in asked.items()]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def open_backend(model: ModelSpec, load: Mapping[str, str], engine: EngineSpec, *, folder: Path) -> ReplayBackend:
    """Open the recording that ``engine.recorded`` names, relative to the study's folder.

    Raises
    ------
    ModelError
        If no recording is named, it cannot be read, or a LOAD factor is set: a recording obeys none.
    """
    if load:
        raise ModelError(
            f"model '{model.name}'",
            found=f"a recording cannot obey {', '.join(load)}",
            remedy="Take these factors out of 'load'.",
        )
    if engine.recorded is None:
        raise ModelError(
            f"model '{model.name}'",
            found="no recording is named",
            expected="a file or folder in 'engine.recorded'",
            remedy="Name the JSON Lines file, relative to the study.",
        )
    return ReplayBackend(model.name, read_recording(folder / engine.recorded, model=model.name))


def _identity(name: str, digest: str) -> ModelIdentity:
    return ModelIdentity(
        name=name,
        weights=digest,
        tokenizer=hashlib.sha256(b"white space").hexdigest(),
        chat_template=hashlib.sha256(b"one ROLE: text a line").hexdigest(),
        dtype="none",
        quantization="none",
        engine="replay 1",
        device="none",
    )


def _replayed(encoded: Encoded, answer: Recorded) -> Response:
    if (answer.text is None) is not (encoded.request.kind is RequestKind.LOGLIKELIHOOD):
        return failed(encoded, f"the recorded answer is not a {encoded.request.kind.value}")
    if answer.text is not None:
        return generated(encoded, answer.text, finish=answer.finish)
    return scored(encoded, answer.logprobs, greedy=answer.greedy, tokens=answer.tokens or None)


def _recorded_from(answer: Answer) -> Recorded:
    if isinstance(answer, str):
        return Recorded(text=answer)
    numbers = (float(answer),) if isinstance(answer, int | float) else tuple(float(number) for number in answer)
    return Recorded(logprobs=numbers)


def _row(line: str, place: str) -> dict[str, Json]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise ModelError(place, found=f"is not JSON ({error.msg})", remedy="Correct or remove the line.") from error
    if not isinstance(row, dict):
        raise ModelError(place, found="is not an object", expected="fields such as prompt, text, logprobs")
    return row


def _question(row: Mapping[str, Json], place: str) -> Question:
    prompt, continuation, seed = row.get("prompt"), row.get("continuation"), row.get("seed")
    if not isinstance(prompt, str):
        raise ModelError(place, found="has neither a prompt nor a key", expected="a text in 'prompt' or in 'key'")
    if continuation is not None and not isinstance(continuation, str):
        raise ModelError(place, found=f"the continuation is {continuation!r}", expected="a text")
    if seed is not None and not isinstance(seed, int):
        raise ModelError(place, found=f"the seed is {seed!r}", expected="a whole number")
    return prompt, continuation, seed


def _answer(row: Mapping[str, Json], place: str) -> Recorded:
    text, numbers = row.get("text"), row.get("logprobs")
    if isinstance(text, str):
        return Recorded(text=text, finish=str(row.get("finish", "stop")))
    if isinstance(numbers, list) and all(isinstance(number, int | float) and number <= 0 for number in numbers):
        return Recorded(
            logprobs=tuple(float(str(number)) for number in numbers),
            tokens=_tokens(row.get("tokens")),
            greedy=bool(row.get("greedy", False)),
        )
    raise ModelError(
        place,
        found="holds no answer",
        expected="'text', or 'logprobs' as a list of numbers that are at most 0",
        remedy="Correct or remove the line.",
    )


def _tokens(value: Json) -> tuple[str, ...]:
    return tuple(str(token) for token in value) if isinstance(value, list) else ()


def _put(table: dict[Question, Recorded] | dict[str, Recorded], question: object, answer: Recorded, place: str) -> None:
    known: dict[object, Recorded] = table  # type: ignore[assignment]  # one check serves tables with two kinds of keys
    if known.setdefault(question, answer) != answer:
        raise ModelError(
            place, found="answers a question differently from an earlier line", remedy="Keep one answer, or add seeds."
        )


def _line(encoded: Encoded, response: Response) -> dict[str, Json]:
    line: dict[str, Json] = {"prompt": encoded.text}
    if response.kind is RequestKind.LOGLIKELIHOOD:
        line |= {"continuation": encoded.request.continuation, "logprobs": list(response.token_logprobs)}
        return line | {"greedy": response.greedy} | ({"tokens": list(response.tokens)} if response.tokens else {})
    seed = encoded.request.decoding.seed if encoded.request.decoding else None
    return line | {"text": response.text, "finish": response.finish} | ({} if seed is None else {"seed": seed})
