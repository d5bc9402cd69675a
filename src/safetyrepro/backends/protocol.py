"""The OpenAI-compatible protocol: what is sent for a request, and what is believed of the answer.

Servers of this protocol differ in what they drop without a word. Every field that is used is therefore checked, and an answer that lacks
one, or has a number too many or too few, is a failure with its reason and never a value.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from safetyrepro.backends.base import Encoded
from safetyrepro.errors import RequestFailed
from safetyrepro.records import Decoding, Json

COMPLETIONS, CHAT = "/v1/completions", "/v1/chat/completions"


@dataclass(frozen=True, slots=True, kw_only=True)
class Echo:
    """What a server says about the tokens of a prompt and the one it added."""

    logprobs: tuple[float | None, ...]
    """Log-probability of each token of the prompt, then of the generated one; the first is None."""
    greedy: tuple[bool, ...]
    """Whether each was the likeliest, where the server says; False for the first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What a server wrote."""

    text: str
    """The answer."""
    finish: str
    """``stop`` or ``length``."""
    prompt_tokens: int | None
    """Number of prompt tokens as the server counts them; None where it does not say."""
    tokens: int
    """Number of tokens of the answer as the server counts them; 0 where it does not say."""


def echo_body(model: str, ids: Sequence[int]) -> dict[str, Json]:
    """The body that asks for the log-probabilities of given tokens."""
    prompt: list[Json] = list(ids)
    return {"model": model, "prompt": prompt, "max_tokens": 1, "temperature": 0, "logprobs": 1, "echo": True}


def generation_body(model: str, decoding: Decoding) -> dict[str, Json]:
    """The part of a body that says how to draw; the prompt is added by who knows its form."""
    body: dict[str, Json] = {"model": model, "max_tokens": decoding.max_tokens}
    if not decoding.model_default:
        body |= {"temperature": decoding.temperature, "top_p": decoding.top_p}
        body |= {"top_k": decoding.top_k} if decoding.top_k else {}
    if decoding.stop:
        body["stop"] = list(decoding.stop)
    if decoding.seed is not None:
        body["seed"] = decoding.seed
    return body


def messages(encoded: Encoded) -> list[Json]:
    """A conversation as the protocol writes it."""
    return [{"role": turn.role.value, "content": turn.text} for turn in encoded.request.prompt.turns]


def read_echo(found: Mapping[str, Json], n_tokens: int, where: str) -> Echo:
    """Read the log-probabilities of a prompt of `n_tokens` tokens, and of the one token that was generated behind it.

    Raises
    ------
    RequestFailed
        If there are none, if there is not exactly one for each token, if the first has one, or if one is no log-probability.
    """
    stated = _choice(found, where).get("logprobs")
    numbers = stated.get("token_logprobs") if isinstance(stated, dict) else None
    if not isinstance(stated, dict) or not isinstance(numbers, list):
        raise RequestFailed(where, found="the server returned no log-probabilities", expected="logprobs.token_logprobs")
    if len(numbers) != n_tokens + 1:
        raise RequestFailed(
            where,
            found=f"the server returned {len(numbers)} log-probabilities for {n_tokens} tokens and one generated",
            expected=str(n_tokens + 1),
        )
    if numbers[0] is not None:
        raise RequestFailed(
            where, found="the first token, which follows nothing, has a log-probability", expected="null, else all are shifted"
        )
    rest = [as_logprob(number, where) for number in numbers[1:]]
    likeliest = stated.get("top_logprobs")
    tops = likeliest if isinstance(likeliest, list) and len(likeliest) == len(numbers) else [None] * len(numbers)
    greedy = [_is_top(number, top, where) for number, top in zip(rest[:-1], tops[1:-1], strict=True)]
    return Echo(logprobs=(None, *rest), greedy=(False, *greedy, True))


def read_written(found: Mapping[str, Json], where: str, *, chat: bool) -> Written:
    """Read a generated answer.

    Raises
    ------
    RequestFailed
        If there is no text, or no reason why it ended.
    """
    choice = _choice(found, where)
    message = choice.get("message")
    text = (message.get("content") if isinstance(message, dict) else None) if chat else choice.get("text")
    if not isinstance(text, str):
        raise RequestFailed(where, found="the answer holds no text", expected="message.content" if chat else "text")
    finish = choice.get("finish_reason")
    if finish not in {"stop", "length"}:
        raise RequestFailed(where, found=f"the answer ended for the reason {finish!r}", expected="stop or length")
    usage = found.get("usage")
    counts = usage if isinstance(usage, dict) else {}
    prompt, drawn = counts.get("prompt_tokens"), counts.get("completion_tokens")
    return Written(
        text=text,
        finish=str(finish),
        prompt_tokens=prompt if isinstance(prompt, int) else None,
        tokens=drawn if isinstance(drawn, int) else 0,
    )


def until_stop(text: str, stops: Sequence[str]) -> tuple[str, bool]:
    """Cut an answer at the first stop text, for servers that leave it in; also whether there was one."""
    places = [place for stop in stops if stop and (place := text.find(stop)) >= 0]
    return (text[: min(places)], True) if places else (text, False)


def _choice(found: Mapping[str, Json], where: str) -> dict[str, Json]:
    choices = found.get("choices")
    if isinstance(choices, list) and len(choices) == 1 and isinstance(choices[0], dict):
        return choices[0]
    raise RequestFailed(where, found="the answer holds no choice", expected="a list 'choices' of one")


def as_logprob(number: Json, where: str) -> float:
    """A number as a log-probability; what rounding puts above 0 is 0.

    Raises
    ------
    RequestFailed
        If it is none.
    """
    if isinstance(number, int | float) and not isinstance(number, bool) and math.isfinite(number) and number <= 1e-6:
        return min(float(number), 0.0)
    raise RequestFailed(where, found=f"{number!r} stands for a log-probability", expected="a number that is at most 0")


def _is_top(number: float, top: Json, where: str) -> bool:
    if not isinstance(top, dict) or not top:
        raise RequestFailed(where, found="the server does not say which token was likeliest", expected="logprobs.top_logprobs")
    return number >= max(as_logprob(value, where) for value in top.values())
