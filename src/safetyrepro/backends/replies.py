"""The three forms a reply can take: scored, generated, failed; every backend builds its responses here.

A response repeats the digests of what reached the model. Building it in one place keeps these digests the same function of an
encoded request in every backend.
"""

from __future__ import annotations

from collections.abc import Sequence

from safetyrepro.backends.base import Encoded, short_digest, token_digest
from safetyrepro.records import Response


def scored(encoded: Encoded, token_logprobs: Sequence[float], *, greedy: bool, tokens: Sequence[str] | None = None) -> Response:
    """The response to a log-likelihood request.

    Parameters
    ----------
    encoded : Encoded
        What was asked.
    token_logprobs : sequence of float
        Natural log-probability of each continuation token, in order, each <= 0.
    greedy : bool
        Whether every continuation token was the likeliest.
    tokens : sequence of str, optional
        The continuation tokens as the vocabulary writes them; those of the encoded request where not given. Tokens that
        are not one for each log-probability say nothing about them and are left out.
    """
    written = encoded.continuation_tokens if tokens is None else tuple(tokens)
    known = written if len(written) == len(token_logprobs) else ()
    return _response(encoded, token_logprobs=tuple(token_logprobs), tokens=known, greedy=greedy)


def generated(encoded: Encoded, text: str, *, finish: str) -> Response:
    """The response to a generation request; `finish` is ``stop`` or ``length``."""
    return _response(encoded, text=text, finish=finish)


def failed(encoded: Encoded, reason: str) -> Response:
    """The response to a request that could not be answered, with the reason that its record will give."""
    return _response(encoded, error=reason)


def _response(
    encoded: Encoded,
    *,
    token_logprobs: tuple[float, ...] = (),
    tokens: tuple[str, ...] = (),
    greedy: bool | None = None,
    text: str | None = None,
    finish: str | None = None,
    error: str | None = None,
) -> Response:
    return Response(
        key=encoded.key,
        kind=encoded.request.kind,
        prompt_digest=short_digest(encoded.text),
        token_digest=token_digest(encoded.context_ids, encoded.continuation_ids),
        n_prompt_tokens=len(encoded.context_ids),
        token_logprobs=token_logprobs,
        tokens=tokens,
        greedy=greedy,
        text=text,
        finish=finish,
        truncated=encoded.truncated,
        error=error,
    )
