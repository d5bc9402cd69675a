"""What a foreign engine can do, found out before it is believed: it must pass, or log-likelihoods are refused with the reason.

Servers of one protocol drop fields silently, or return log-probabilities shifted by one that look plausible. Neither shows in scores:
shifted numbers still prefer some answer. Three probes tell.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from safetyrepro.backends.protocol import COMPLETIONS, Echo, echo_body, read_echo
from safetyrepro.backends.wire import Wire
from safetyrepro.errors import RequestFailed
from safetyrepro.records import Json

TOLERANCE = 0.02
"""Largest difference, in nats, between a token's log-probability when it is drawn and when it is read back. Rounding in half precision
stays below; a shift by one agrees to this degree by chance once in some hundred probes, and never in all."""


ENOUGH = 2
"""Number of drawn tokens that must be read back: a byte of a character, say, cannot be told from its text."""
WHERE = "self-test"


@dataclass(frozen=True, slots=True)
class Drawn:
    """What an engine says about a prompt and the likeliest token behind it, which it drew."""

    echo: Echo
    """The log-probabilities of both."""
    token: Callable[[], int | None]
    """Tells which token was drawn; None where it cannot be told from its text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Abilities:
    """What a server was seen to do."""

    token_ids: bool
    """Whether it takes a prompt as token ids, so that what reaches the model is what was encoded."""
    refusal: str | None
    """Why it is not believed about log-likelihoods; None where it is."""


def examine(wire: Wire, model: str, probes: Sequence[Sequence[int]], identify: Callable[[str], int | None]) -> Abilities:
    """Find out what a server can do.

    Parameters
    ----------
    wire : Wire
        The connection.
    model : str
        The model's name on the server.
    probes : sequence of sequences of int
        Token ids of a few prompts; none where the model's tokenizer is not known.
    identify : callable
        The id of the token that a text is, None where it is not one token.

    Returns
    -------
    Abilities
    """
    if not probes:
        return Abilities(token_ids=False, refusal="the model's tokenizer is not known: name its folder in the model's 'path'")
    try:
        wire.post(COMPLETIONS, {"model": model, "prompt": list(probes[0]), "max_tokens": 1, "temperature": 0})
    except RequestFailed as failure:
        return Abilities(token_ids=False, refusal=f"it takes no prompt of token ids ({failure.found})")

    def ask(ids: list[int]) -> Drawn:
        found = wire.post(COMPLETIONS, echo_body(model, ids))
        return Drawn(read_echo(found, len(ids), WHERE), lambda: identify(_drawn_text(found)))

    return Abilities(token_ids=True, refusal=why_not_believed(ask, probes))


def why_not_believed(
    ask: Callable[[list[int]], Drawn], probes: Sequence[Sequence[int]], *, tolerance: float = TOLERANCE
) -> str | None:
    """Hold what an engine says of a token that it draws against what it says of the same token when it is read back.

    Parameters
    ----------
    ask : callable
        Lets the engine read a prompt and draw the likeliest token; may raise RequestFailed.
    probes : sequence of sequences of int
        Token ids of a few prompts.
    tolerance : float
        Largest difference, in nats, between two log-probabilities that mean the same.

    Returns
    -------
    str or None
        Why its log-likelihoods are not believed; None where they are.
    """
    try:
        n_read = sum(_read_back(ask, list(ids), tolerance) for ids in probes)
    except RequestFailed as failure:
        return failure.found
    if n_read < ENOUGH:
        return f"only {n_read} of {len(probes)} tokens that it drew could be read back, {ENOUGH} are needed"
    return None


def _read_back(ask: Callable[[list[int]], Drawn], ids: list[int], tolerance: float) -> bool:
    """Let the engine draw the likeliest token and read it back at the end of the prompt.

    Returns
    -------
    bool
        Whether the token could be told from its text, so that it was read back.

    Raises
    ------
    RequestFailed
        If entries are missing or the two log-probabilities differ.
    """
    first = ask(ids)
    token = first.token()
    if token is None:
        return False
    drawn, again = first.echo, ask([*ids, token]).echo
    before, after = drawn.logprobs[-1], again.logprobs[len(ids)]
    assert before is not None
    assert after is not None
    if abs(before - after) > tolerance:
        raise RequestFailed(
            WHERE,
            found=f"a token has log-probability {before:.4f} when it is drawn and {after:.4f} when it is read back: they are shifted",
        )
    shared = zip(drawn.logprobs[1:-1], again.logprobs[1:-2], strict=True)
    if any(abs((one or 0.0) - (other or 0.0)) > tolerance for one, other in shared):
        raise RequestFailed(WHERE, found="the log-probabilities of a prompt change when a token is added behind it")
    if not again.greedy[len(ids)]:
        raise RequestFailed(WHERE, found="the token that was drawn as likeliest is not said to be so when it is read back")
    return True


def _drawn_text(found: Mapping[str, Json]) -> str:
    """The last token of an echo, as text."""
    choices = found["choices"]
    stated = choices[0].get("logprobs") if isinstance(choices, list) and isinstance(choices[0], dict) else None
    tokens = stated.get("tokens") if isinstance(stated, dict) else None
    if not isinstance(tokens, list) or not tokens:
        raise RequestFailed(WHERE, found="the server does not name the tokens of its log-probabilities")
    return str(tokens[-1])
