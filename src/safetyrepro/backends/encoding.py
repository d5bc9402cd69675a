"""Requests become token ids: rendered, tokenized once for each distinct text, split, and cut to the model's length.

The split of context and continuation is that of lm-evaluation-harness, so that log-likelihoods can be compared with it: white space
at the end of the context moves to the continuation, the two are tokenized together, and the continuation is what lies beyond the
length of the context tokenized alone. A continuation that leaves no token of its own is refused, never scored as 0.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from safetyrepro.backends.base import Encoded, ModelIdentity, content_key, short_digest
from safetyrepro.backends.stretches import Stretches
from safetyrepro.records import Decoding, Prefix, Prompt, Request, Role

if TYPE_CHECKING:
    from transformers import GenerationConfig, PreTrainedTokenizerBase

DEFAULT_LENGTH = 2048
"""Length assumed where neither configuration nor tokenizer states one; that of lm-evaluation-harness."""
UNSTATED = 10**9
"""Tokenizers state a larger number where they mean that they do not know."""
DEFAULT_TOP_K = 50
"""What transformers samples from where a model's generation settings are silent."""
NO_SYSTEM = {"role": Role.SYSTEM.value, "content": ""}
"""How a conversation says that it wants no system prompt, which is more than to bring none."""
MARK = "system prompt goes here"


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """A request as text, ready to be tokenized."""

    text: str
    """The rendered prompt."""
    context: str
    """The part of it that is tokenized as context."""
    continuation: str | None
    """What is scored, with the white space that the context gave up; None for a generation."""
    refusal: str | None = None
    """Why the prompt cannot be rendered."""


class Encoder:
    """Renders and tokenizes for one loaded model.

    Parameters
    ----------
    tokenizer : PreTrainedTokenizerBase
        The model's tokenizer.
    identity : ModelIdentity
        What was loaded; part of every content key.
    max_length : int
        Longest sequence that the model takes.
    generation : GenerationConfig
        The model's own generation settings.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        identity: ModelIdentity,
        *,
        max_length: int,
        generation: GenerationConfig | None,
    ) -> None:
        self._tokenizer = tokenizer
        self._stretches = Stretches(tokenizer)
        self._identity = identity
        self._generation = generation
        self._left = _left_tokens(tokenizer)
        bos, eos = tokenizer.bos_token_id, tokenizer.eos_token_id
        self._prefix = int(eos if bos is None else bos)
        self.max_length = max_length

    def encode(self, requests: Sequence[Request]) -> list[Encoded]:
        """Render and tokenize requests, in order; equal requests are worked on once."""
        # A request is long to look up, so each is looked up once.
        known: dict[Request, int] = {}
        places = [known.setdefault(request, len(known)) for request in requests]
        splits = [self._split(request) for request in known]
        ids = self._tokenized(splits)
        encoded = [self._encoded(request, split, ids) for request, split in zip(known, splits, strict=True)]
        return [encoded[place] for place in places]

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of generated tokens, without special ones."""
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=True))

    def _split(self, request: Request) -> Split:
        text, refusal = self._rendered(request.prompt)
        if request.continuation is None:
            return Split(text=text, context=text, continuation=None, refusal=refusal)
        kept = text.rstrip()
        return Split(text=text, context=kept, continuation=text[len(kept) :] + request.continuation, refusal=refusal)

    def _rendered(self, prompt: Prompt) -> tuple[str, str | None]:
        """The prompt as text, and why it cannot be rendered."""
        if not prompt.chat:
            return "".join(turn.text for turn in prompt.turns), None
        from jinja2.exceptions import TemplateError

        if not self._tokenizer.chat_template:
            return _turns_as_text(prompt), "the model has no chat template"
        messages = [{"role": turn.role.value, "content": turn.text} for turn in prompt.turns]
        silent = bool(messages) and messages[0] == NO_SYSTEM
        try:
            return self._silenced(messages[1:]) if silent else self._templated(messages), None
        except (TemplateError, ValueError) as error:
            return _turns_as_text(prompt), f"the model's chat template refuses this conversation: {error}"

    def _templated(self, messages: Sequence[Mapping[str, str]]) -> str:
        prefill = bool(messages) and messages[-1]["role"] == Role.ASSISTANT.value
        return str(
            self._tokenizer.apply_chat_template(
                list(messages), tokenize=False, add_generation_prompt=not prefill, continue_final_message=prefill
            )
        )

    def _silenced(self, messages: Sequence[Mapping[str, str]]) -> str:
        """The conversation without a system prompt, also where the template would write one by itself.

        An empty system message would leave traces in some templates and is refused by others, so it is only used to find out
        what the template writes around a system prompt, and whether it writes one of its own.
        """
        from jinja2.exceptions import TemplateError

        plain = self._templated(messages)
        try:
            marked = self._templated([{"role": Role.SYSTEM.value, "content": MARK}, *messages])
        except (TemplateError, ValueError):
            return plain
        before, _, after = marked.partition(MARK)
        speaks = plain.startswith(before) and plain.endswith(after) and len(plain) > len(before) + len(after)
        return before + after if speaks else plain

    def _tokenized(self, splits: Iterable[Split]) -> dict[str, list[int]]:
        texts: dict[str, None] = {}
        for split in splits:
            texts[split.context] = None
            if split.continuation is not None:
                texts[split.context + split.continuation] = None
        return self._stretches.ids(texts)

    def _encoded(self, request: Request, split: Split, ids: Mapping[str, list[int]]) -> Encoded:
        decoding = None if request.decoding is None else resolved(request.decoding, self._generation)
        if split.refusal is not None:
            return self._refused(request, split, decoding)
        lead = self._lead(request.prompt.prefix, ids[split.context])
        if decoding is None:
            context, continuation = self._pair(lead, split, ids)
            room = self.max_length + 1 - len(continuation)
            refusal = self._unscorable(continuation, room)
        else:
            context, continuation = lead + ids[split.context], list[int]()
            room = self.max_length - decoding.max_tokens
            refusal = self._unanswerable(decoding, room)
        context = context or [self._prefix]
        cut = max(0, len(context) - room) if refusal is None else 0
        context = context[cut:]
        return Encoded(
            request=request,
            text=split.text,
            context_ids=tuple(context),
            continuation_ids=tuple(continuation),
            truncated=cut,
            key=content_key(self._identity, context, continuation, decoding),
            refusal=refusal,
            continuation_tokens=tuple(self._tokenizer.convert_ids_to_tokens(continuation)),
        )

    def _pair(self, lead: list[int], split: Split, ids: Mapping[str, list[int]]) -> tuple[list[int], list[int]]:
        whole = ids[split.context + (split.continuation or "")]
        if split.context:
            context = ids[split.context]
            return lead + context, whole[len(context) :]
        if whole[:1] == [self._prefix]:
            return whole[:1], whole[1:]
        return lead or [self._prefix], whole

    def _lead(self, prefix: Prefix, context: list[int]) -> list[int]:
        """The tokens that stand before the prompt, less those that its text already begins with."""
        wanted = {Prefix.NONE: [], Prefix.BOS: [self._prefix], Prefix.TOKENIZER: self._left}[prefix]
        return [] if context[:1] == [self._prefix] or context[: len(wanted)] == wanted else list(wanted)

    def _unscorable(self, continuation: list[int], room: int) -> str | None:
        if not continuation:
            return "the continuation has no token of its own: it is empty, or merges with the end of the context"
        if room < 1:
            return f"the continuation has {len(continuation)} tokens, the model takes {self.max_length}"
        return None

    def _unanswerable(self, decoding: Decoding, room: int) -> str | None:
        if room < 1:
            return f"an answer of {decoding.max_tokens} tokens leaves no room for a prompt, the model takes {self.max_length}"
        if decoding.temperature > 0 and decoding.seed is None:
            return "an answer is to be drawn and has no seed"
        return None

    def _refused(self, request: Request, split: Split, decoding: Decoding | None) -> Encoded:
        """A request that has no tokens; its key comes from its text, so that two refusals never share one."""
        question = short_digest(f"{split.text}\0{request.continuation}")
        return Encoded(
            request=request,
            text=split.text,
            context_ids=(),
            continuation_ids=(),
            truncated=0,
            key=content_key(self._identity, [int(question, 16)], [], decoding),
            refusal=split.refusal,
        )


def resolved(decoding: Decoding, generation: GenerationConfig | None) -> Decoding:
    """The decoding with the model's own temperature, top-p and top-k where it asks for them."""
    if not decoding.model_default:
        return decoding
    if generation is None or not generation.do_sample:
        return dataclasses.replace(decoding, temperature=0.0, top_p=1.0, top_k=0)
    return dataclasses.replace(
        decoding,
        temperature=1.0 if generation.temperature is None else float(generation.temperature),
        top_p=1.0 if generation.top_p is None else float(generation.top_p),
        top_k=DEFAULT_TOP_K if generation.top_k is None else int(generation.top_k),
    )


def length_limit(configuration: object, tokenizer_limit: int) -> int:
    """Longest sequence a model takes: as its configuration states, else its tokenizer, else 2048."""
    for name in ("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len"):
        stated = getattr(configuration, name, None)
        if isinstance(stated, int) and stated > 0:
            return stated
    return tokenizer_limit if tokenizer_limit < UNSTATED else DEFAULT_LENGTH


def token_of(tokenizer: PreTrainedTokenizerBase, text: str) -> int | None:
    """The token that a text is; None where it is not exactly one."""
    ids = list(tokenizer(text, add_special_tokens=False)["input_ids"])
    return int(ids[0]) if len(ids) == 1 else None


def _left_tokens(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """What the tokenizer puts before a text; what it puts behind one would stand between prompt and answer, and is left out."""
    plain = list(tokenizer("a", add_special_tokens=False)["input_ids"])
    special = list(tokenizer("a", add_special_tokens=True)["input_ids"])
    for start in range(len(special) - len(plain) + 1):
        if special[start : start + len(plain)] == plain:
            return special[:start]
    return []


def _turns_as_text(prompt: Prompt) -> str:
    return "\n".join(f"{turn.role.value}: {turn.text}" for turn in prompt.turns)
