"""What vLLM is asked for a log-likelihood and for an answer, and how its replies are read; nothing here needs vLLM.

vLLM lists log-probabilities of prompts, and lets a token be drawn that is chosen beforehand. The last token of a continuation need not be
fed: it is the one token that may be drawn behind all others, and its log-probability is that of the model before the choice was narrowed.
The tokens before it are asked for in one of two ways. *Whole*: the prompt holds them and the engine lists their log-probabilities; for that
it computes the prompt from its first token, whatever it remembers. *Stepwise*: each of them is drawn behind its own prompt, and the engine
computes only the block in which the prompt ends. Where many short continuations follow one context, steps feed fewer tokens. Both give the
same numbers up to rounding.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from safetyrepro.backends.encoding import resolved
from safetyrepro.backends.protocol import Echo, as_logprob, until_stop
from safetyrepro.backends.replies import generated
from safetyrepro.backends.selftest import Drawn
from safetyrepro.backends.vllm_engine import Asked, Output, Told
from safetyrepro.errors import RequestFailed

if TYPE_CHECKING:
    from transformers import GenerationConfig

    from safetyrepro.backends.base import Encoded
    from safetyrepro.backends.encoding import Encoder
    from safetyrepro.records import Response

WHERE = "log-likelihood"
FORCED: Mapping[str, object] = {"max_tokens": 1, "temperature": 0.0, "logprobs": 1, "detokenize": False}
"""Settings of a request that draws one token and says how likely it and the likeliest one were."""
LISTED: Mapping[str, object] = {"prompt_logprobs": 1}
"""Settings of a request that says the same of every token of its prompt."""


@dataclass(frozen=True, slots=True)
class Sequenced:
    """A continuation behind its context."""

    context: tuple[int, ...]
    """Token ids of the prompt, at least one."""
    continuation: tuple[int, ...]
    """Token ids that are scored, at least one."""


@dataclass(frozen=True, slots=True)
class Question:
    """A prompt behind which one chosen token is drawn."""

    prompt: tuple[int, ...]
    """Token ids that are fed."""
    token: int
    """The token that is drawn."""
    listed: int
    """Number of tokens at the prompt's end whose log-probabilities are wanted too."""

    @property
    def asked(self) -> Asked:
        """What the engine is asked."""
        return Asked(self.prompt, {**FORCED, "allowed_token_ids": [self.token], **(LISTED if self.listed else {})})


@dataclass(frozen=True, slots=True)
class Reading:
    """What is said of one scored token."""

    logprob: float
    """Its natural log-probability, at most 0."""
    likeliest: bool
    """Whether no other token was likelier."""


def whole(one: Sequenced) -> list[Question]:
    """One question for a continuation."""
    ids = one.context + one.continuation
    return [Question(ids[:-1], ids[-1], len(one.continuation) - 1)]


def stepwise(one: Sequenced) -> list[Question]:
    """A question for each token of a continuation."""
    return [Question(one.context + one.continuation[:place], token, 0) for place, token in enumerate(one.continuation)]


def questions(sequences: Sequence[Sequenced], *, block: int | None) -> list[list[Question]]:
    """What is asked for each sequence, so that few tokens are computed.

    Parameters
    ----------
    sequences : sequence of Sequenced
        In the order in which they are asked; equal contexts should be neighbours.
    block : int or None
        Tokens in a block of the engine's prefix cache; None where it shares nothing.

    Returns
    -------
    list of list of Question
        In the order of the sequences.
    """
    if block is None:
        return [whole(one) for one in sequences]
    found: list[list[Question]] = []
    before: tuple[int, ...] = ()
    for context, members in groupby(sequences, key=lambda one: one.context):
        group = list(members)
        first = len(context) - _shared(before, context, block)
        steps, wholes = [stepwise(one) for one in group], [whole(one) for one in group]
        fewer = fed(steps, first=first, block=block) <= fed(wholes, first=first, block=block)
        found += steps if fewer else wholes
        before = context
    return found


def fed(asked: Sequence[Sequence[Question]], *, first: int, block: int) -> int:
    """Tokens that the engine computes for questions about one context.

    Parameters
    ----------
    asked : sequence of sequences of Question
        The questions of each continuation.
    first : int
        Tokens of the context that nobody has computed before; once computed, its whole blocks are remembered.
    block : int
        Tokens in a block.
    """
    total, known = 0, False
    for question in (question for some in asked for question in some):
        size = len(question.prompt)
        if question.listed:
            total += size
        elif known:
            total += (size - 1) % block + 1
        else:
            total += first
        known = True
    return total


def read(question: Question, output: Output) -> list[Reading]:
    """What the engine said of the tokens that a question is about, in order.

    Raises
    ------
    RequestFailed
        If something is missing, in another place, or no log-probability.
    """
    size = len(question.prompt)
    entries: list[tuple[Mapping[int, Told] | None, int]] = []
    if question.listed:
        listed = _listed(output, size)
        entries += [(listed[place], question.prompt[place]) for place in range(size - question.listed, size)]
    token, entry = _drawn(output)
    if token != question.token:
        raise RequestFailed(WHERE, found=f"vLLM drew token {token}", expected=f"{question.token}, the only one it may draw")
    return [_reading(entry, token) for entry, token in [*entries, (entry, token)]]


def echoed(ids: Sequence[int]) -> Asked:
    """What asks for the log-probabilities of given tokens and of the likeliest one behind them."""
    return Asked(tuple(ids), {**FORCED, **LISTED})


def read_echo(ids: Sequence[int], output: Output, *, slack: float = 0.0) -> Drawn:
    """What the engine said of given tokens, and the token that it drew behind them; raises as `read` does.

    A token is called the likeliest where no other is likelier by more than `slack`, in nats.
    """
    token, last = _drawn(output)
    listed = zip(_listed(output, len(ids))[1:], ids[1:], strict=True)
    readings = [_reading(entry, token, slack) for entry, token in [*listed, (last, token)]]
    echo = Echo(
        logprobs=(None, *(reading.logprob for reading in readings)),
        greedy=(False, *(reading.likeliest for reading in readings)),
    )
    return Drawn(echo, lambda: token)


def _listed(output: Output, size: int) -> Sequence[Mapping[int, Told] | None]:
    listed = output.prompt_logprobs
    if listed is None or len(listed) != size:
        found = f"vLLM lists {0 if listed is None else len(listed)} log-probabilities for a prompt of {size} tokens"
        raise RequestFailed(WHERE, found=found)
    if listed[0] is not None:
        raise RequestFailed(
            WHERE, found="the first token, which follows nothing, has a log-probability", expected="None, else all are shifted"
        )
    return listed


def _drawn(output: Output) -> tuple[int, Mapping[int, Told] | None]:
    (completion,) = output.outputs
    tokens, entries = completion.token_ids, completion.logprobs
    if len(tokens) != 1 or entries is None or len(entries) != 1:
        raise RequestFailed(WHERE, found=f"vLLM drew {len(tokens)} tokens", expected="one, with its log-probability")
    return int(tokens[0]), entries[0]


def _reading(entry: Mapping[int, Told] | None, token: int, slack: float = 0.0) -> Reading:
    if entry is None or token not in entry:
        raise RequestFailed(WHERE, found=f"vLLM says nothing of token {token} in its place", remedy="They are shifted.")
    values = {other: as_logprob(told.logprob, WHERE) for other, told in entry.items()}
    return Reading(values[token], values[token] >= max(values.values()) - slack)


def _shared(before: Sequence[int], context: Sequence[int], block: int) -> int:
    """Tokens of a context that are remembered from the one before it: whole blocks, and never its last token."""
    pairs = zip(before, context[:-1], strict=False)
    common = next((place for place, (one, other) in enumerate(pairs) if one != other), min(len(before), len(context) - 1))
    return common // block * block


def in_context_order(sequences: Sequence[Sequenced]) -> Iterator[int]:
    """Positions of sequences, neighbours together."""
    yield from sorted(range(len(sequences)), key=lambda place: (sequences[place].context, sequences[place].continuation))


class Writing:
    """How answers of one model are drawn and read.

    Parameters
    ----------
    encoder : Encoder
        Turns drawn tokens into text.
    settings : GenerationConfig
        The model's own generation settings: which tokens end an answer, and how it draws by default.
    eos : int or None
        The tokenizer's last token; it ends an answer too.
    """

    def __init__(self, encoder: Encoder, settings: GenerationConfig, *, eos: int | None) -> None:
        stated = settings.eos_token_id
        ends = stated if isinstance(stated, list) else [] if stated is None else [stated]
        self.ends = frozenset([*ends, *([] if eos is None else [eos])])
        self._encoder = encoder
        self._settings = settings

    def asked(self, one: Encoded) -> Asked:
        """What vLLM is asked for a generation.

        Notes
        -----
        vLLM gives a request with a seed a generator of its own, so that its draws do not depend on which others are drawn beside it.
        Its own end tokens are not looked at: those of the model's settings and of the tokenizer are named, as for other backends.
        """
        assert one.request.decoding is not None
        decoding = resolved(one.request.decoding, self._settings)
        settings: dict[str, object] = {"max_tokens": decoding.max_tokens, "temperature": decoding.temperature}
        settings |= {"ignore_eos": True, "stop_token_ids": sorted(self.ends)}
        if decoding.temperature > 0:
            settings |= {"top_p": decoding.top_p, "top_k": decoding.top_k, "seed": decoding.seed}
        penalty = self._settings.repetition_penalty if decoding.model_default else None
        settings |= {"repetition_penalty": float(penalty)} if penalty else {}
        stops = [stop for stop in decoding.stop if stop]
        # A stop text can only be seen in text; without one vLLM need not make any.
        settings |= {"stop": stops, "detokenize": True} if stops else {"detokenize": False}
        return Asked(one.context_ids, settings)

    def read(self, one: Encoded, output: Output) -> Response:
        """The response to a generation: its tokens as text, cut at the first stop text.

        Raises
        ------
        RequestFailed
            If vLLM ended the answer for a reason of its own.
        """
        (completion,) = output.outputs
        ids = [int(token) for token in completion.token_ids]
        ended = bool(ids) and ids[-1] in self.ends
        assert one.request.decoding is not None
        text, stopped = until_stop(self._encoder.decode(ids[:-1] if ended else ids), one.request.decoding.stop)
        finished = stopped or ended
        if completion.finish_reason == "length" and len(ids) == one.request.decoding.max_tokens:
            return generated(one, text, finish="stop" if finished else "length")
        if completion.finish_reason == "stop" and finished:
            return generated(one, text, finish="stop")
        found = f"vLLM ended the answer after {len(ids)} tokens for the reason {completion.finish_reason!r}"
        raise RequestFailed("generation", found=found, expected="an end token, a stop text, or the limit")
