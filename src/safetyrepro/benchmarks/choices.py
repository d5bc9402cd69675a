"""How a question with options is shown and asked: letters, separators, few-shot blocks, answer order, requests.

Three packages show the same question in three ways, and each way is quoted here once, so that an adapter only says what its
question is. Everything is a function of its arguments: the order of answers comes from a digest of the item's id, never from
an operator's generator, so two runs of a configuration show the same text.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from safetyrepro.benchmarks.base import Examples
from safetyrepro.errors import DataError
from safetyrepro.records import Decoding, Item, Prefix, Prompt, Request, Role, Turn

AS_LISTED = "as_listed"
HELM_FORMAT_INSTRUCTION = "Answer with only a single letter."
INSPECT_TEMPLATE = (
    "Answer the following multiple choice question. The entire content of your response should be of the following format: "
    "'ANSWER: $LETTER' (without quotes) where LETTER is one of {letters}.\n\n{question}\n\n{choices}"
)
INSPECT_REASONING_TEMPLATE = (
    "Answer the following multiple choice question. The last line of your response should be of the following format: "
    "'ANSWER: $LETTER' (without quotes) where LETTER is one of {letters}. Think step by step before answering."
    "\n\n{question}\n\n{choices}"
)
ONE_TOKEN = Decoding(max_tokens=1)
PARSED_TOKENS = 32
REASONED_TOKENS = 512
PARSED = Decoding(max_tokens=PARSED_TOKENS)

OPTION_RULES = frozenset({"sum", "per_character", "per_token", "per_byte", "pmi", "pmi_spaced"})
UNCONDITIONAL_RULES = frozenset({"pmi", "pmi_spaced"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question in the words of each presentation, with its options in the order in which they are shown."""

    cloze: str
    """Text that ends where the answer begins, such as ``Q: ...`` and ``A:`` on the next line."""
    helm: str
    """What HELM shows above the letters, such as ``Question: ...``; no line end."""
    inspect: str
    """What Inspect shows above the letters; no line end."""
    options: tuple[str, ...]
    """Texts of the options, in displayed order."""
    answer: int | None = None
    """Displayed position of the right option; read only where the question serves as an example."""

    @property
    def right(self) -> str:
        """Text of the right option.

        Raises
        ------
        ValueError
            If the question has no answer, so that it cannot serve as an example.
        """
        if self.answer is None:
            raise ValueError("a question without an answer cannot be an example")
        return self.options[self.answer]

    @property
    def right_letter(self) -> str:
        """Letter under which the right option is shown."""
        if self.answer is None:
            raise ValueError("a question without an answer cannot be an example")
        return letter(self.answer)


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What stands before a question."""

    examples: tuple[Question, ...] = ()
    """Solved questions, first to last: the block of five begins with the block of one."""
    primer: str = ""
    """A fixed text, without the blank line that follows it; empty for none."""
    instructions: str = ""
    """Instruction line of HELM's presentations, without line end; empty for none."""
    prefix: Prefix = Prefix.TOKENIZER
    """Which token stands first."""


def shown_items(shots: str, examples: Examples, *, benchmark: str) -> tuple[Item, ...]:
    """Return the solved items that a level of ``shots`` shows: the first k of the pool, none for a level that is no number.

    Raises
    ------
    DataError
        If the pool is shorter than the level asks for.
    """
    count = int(shots) if shots.isdigit() else 0
    if count > len(examples.pool):
        raise DataError(
            f"{benchmark}: shots={shots}",
            found=f"the pool of examples holds {len(examples.pool)} items",
            expected=f"at least {count}",
            remedy="Give data with more items outside the evaluated ones, or leave this level out.",
        )
    return examples.pool[:count]


def fixed_text(name: str, examples: Examples, *, benchmark: str, file: str) -> str:
    """Return a fixed text that a level shows.

    Raises
    ------
    DataError
        If it was not among the data; the sentence names the file that holds it.
    """
    text = (examples.texts or {}).get(name)
    if text is None:
        raise DataError(
            f"{benchmark}: shots={name}",
            found="the text was not among the data",
            expected=f"the file {file} in the data folder or beside it",
            remedy="Put the package's own file there, or leave this level out.",
        )
    return text


def decoding_of(level: str, *, item_id: str, max_tokens: int) -> Decoding:
    """How an answer is drawn under a level of the factor ``decoding``.

    Parameters
    ----------
    level : str
        ``greedy``, or ``model_default``: the model's own generation settings, with a seed of the item's own.
    item_id : str
        The item; the seed is a digest of it.
    max_tokens : int
        Longest answer.
    """
    if level == "greedy":
        return Decoding(max_tokens=max_tokens)
    if level == "model_default":
        seed = int.from_bytes(hashlib.sha256(item_id.encode()).digest()[:4], "big")
        return Decoding(max_tokens=max_tokens, temperature=1.0, seed=seed, model_default=True)
    raise ValueError(f"no decoding '{level}'; there are greedy, model_default")


def answer_tokens(template: str) -> int:
    """Longest answer that a template is given, in tokens."""
    return REASONED_TOKENS if template == "inspect_reasoning" else PARSED_TOKENS


def reordered(question: Question, order: Sequence[int]) -> Question:
    """Return a question whose options, listed as in the file, are shown in another order."""
    answer = None if question.answer is None else tuple(order).index(question.answer)
    return replace(question, options=tuple(question.options[index] for index in order), answer=answer)


def letter(position: int) -> str:
    """Return the letter of a displayed position: 0 is A."""
    if not 0 <= position < 26:
        raise ValueError(f"only 26 options have a letter, got position {position}")
    return chr(ord("A") + position)


def letters(n_options: int) -> tuple[str, ...]:
    """Return the letters of `n_options` options."""
    return tuple(letter(position) for position in range(n_options))


def order_of(item_id: str, n_options: int, level: str) -> tuple[int, ...]:
    """Order in which an item's options are shown.

    Parameters
    ----------
    item_id : str
        The item; each has its own order.
    n_options : int
        Number of options.
    level : str
        Level of the factor ``order``: ``as_listed`` keeps the order of the file, every other name is the seed of a permutation.

    Returns
    -------
    tuple of int, length `n_options`
        Index in the file of the option at each displayed position.

    Notes
    -----
    Options are sorted by the SHA-256 of level, item and index, so that every permutation is equally likely over items and
    the same on every machine. Whoever always answers A is right as often as chance, whatever order the file has.
    """
    if level == AS_LISTED:
        return tuple(range(n_options))
    return tuple(sorted(range(n_options), key=lambda index: hashlib.sha256(f"{level}\n{item_id}\n{index}".encode()).digest()))


def _cloze_text(question: Question, context: Context) -> str:
    blocks = [context.primer] if context.primer else []
    blocks += [f"{example.cloze} {example.right}" for example in context.examples]
    return "\n\n".join([*blocks, question.cloze])


def _helm_block(question: Question) -> str:
    lines = [question.helm, *(f"{letter(i)}. {option}" for i, option in enumerate(question.options)), "Answer:"]
    return "\n".join(lines)


def _helm_text(question: Question, context: Context) -> str:
    blocks = [text for text in (context.instructions, context.primer) if text]
    blocks += [f"{_helm_block(example)} {example.right_letter}" for example in context.examples]
    return "\n\n".join([*blocks, _helm_block(question)])


def _single_letter_text(question: Question, context: Context) -> str:
    return f"{HELM_FORMAT_INSTRUCTION}\n\n{_helm_text(question, context)}"


def _inspect_text(question: Question, template: str) -> str:
    shown = "\n".join(f"{letter(i)}) {option}" for i, option in enumerate(question.options))
    filled = {"{letters}": ",".join(letters(len(question.options))), "{question}": question.inspect, "{choices}": shown}
    parts = template.replace("{letters}", filled["{letters}"]).split("{question}")
    return parts[0] + filled["{question}"] + parts[1].replace("{choices}", filled["{choices}"])


def _inspect_turns(question: Question, context: Context, template: str) -> tuple[Turn, ...]:
    turns = []
    for example in context.examples:
        turns.append(Turn(Role.USER, _inspect_text(example, template)))
        turns.append(Turn(Role.ASSISTANT, f"ANSWER: {example.right_letter}"))
    turns.append(Turn(Role.USER, _inspect_text(question, template)))
    if context.primer:
        turns[0] = Turn(Role.USER, f"{context.primer}\n\n{turns[0].text}")
    return tuple(turns)


def _one_turn(text: str, context: Context, *, chat: bool) -> Prompt:
    return Prompt(turns=(Turn(Role.USER, text),), chat=chat, prefix=context.prefix)


def _cloze(question: Question, context: Context) -> Prompt:
    return _one_turn(_cloze_text(question, context), context, chat=False)


def _cloze_chat(question: Question, context: Context) -> Prompt:
    return _one_turn(_cloze_text(question, context), context, chat=True)


def _helm_letters(question: Question, context: Context) -> Prompt:
    return _one_turn(_helm_text(question, context), context, chat=False)


def _helm_letters_chat(question: Question, context: Context) -> Prompt:
    return _one_turn(_helm_text(question, context), context, chat=True)


def _helm_single_letter(question: Question, context: Context) -> Prompt:
    return _one_turn(_single_letter_text(question, context), context, chat=False)


def _helm_single_letter_chat(question: Question, context: Context) -> Prompt:
    return _one_turn(_single_letter_text(question, context), context, chat=True)


def _inspect_letters(question: Question, context: Context) -> Prompt:
    return Prompt(turns=_inspect_turns(question, context, INSPECT_TEMPLATE), chat=True, prefix=context.prefix)


def _inspect_letters_plain(question: Question, context: Context) -> Prompt:
    turns = _inspect_turns(question, context, INSPECT_TEMPLATE)
    return _one_turn("\n\n".join(turn.text for turn in turns) + "\n\n", context, chat=False)


def _inspect_reasoning(question: Question, context: Context) -> Prompt:
    return Prompt(turns=_inspect_turns(question, context, INSPECT_REASONING_TEMPLATE), chat=True, prefix=context.prefix)


Renderer = Callable[[Question, Context], Prompt]

TEMPLATES: Mapping[str, Renderer] = {
    "cloze": _cloze,
    "cloze_chat": _cloze_chat,
    "helm_letters": _helm_letters,
    "helm_letters_chat": _helm_letters_chat,
    "helm_single_letter": _helm_single_letter,
    "helm_single_letter_chat": _helm_single_letter_chat,
    "inspect_letters": _inspect_letters,
    "inspect_letters_plain": _inspect_letters_plain,
    "inspect_reasoning": _inspect_reasoning,
}


def render(template: str, question: Question, context: Context) -> Prompt:
    """Show a question as a template does.

    Parameters
    ----------
    template : str
        Key of `TEMPLATES`. In the cloze and HELM templates the whole text, examples included, is one user turn, also with
        the chat template: this is what lm-eval does with a primer that is part of its ``doc_to_text``. In the Inspect
        templates every example is a user turn and an assistant turn.
    question : Question
        What is asked, with its options in displayed order.
    context : Context
        What stands before it.

    Raises
    ------
    ValueError
        If nobody declares the template.
    """
    if template not in TEMPLATES:
        raise ValueError(f"no template '{template}'; there are {', '.join(TEMPLATES)}")
    return TEMPLATES[template](question, context)


def delimited(text: str, prompt: Prompt, delimiter: str) -> str:
    """Return a continuation with the space that stands before it.

    Parameters
    ----------
    text : str
        The answer.
    prompt : Prompt
        What it continues.
    delimiter : str
        ``space``: always one space, as lm-eval 0.4.5; ``space_outside_chat``: none behind a chat template, as lm-eval 0.4.13;
        ``none``: never one, as lighteval's ToxiGen.
    """
    if delimiter == "space" or (delimiter == "space_outside_chat" and not prompt.chat):
        return f" {text}"
    if delimiter in ("space_outside_chat", "none"):
        return text
    raise ValueError(f"no delimiter '{delimiter}'; there are space, space_outside_chat, none")


def option_requests(prompt: Prompt, options: Sequence[str], *, delimiter: str = "space") -> tuple[Request, ...]:
    """Ask how likely each option's text is, in the order given."""
    return tuple(Request(prompt=prompt, continuation=delimited(option, prompt, delimiter)) for option in options)


def unconditional_requests(options: Sequence[str], *, delimiter: str = "") -> tuple[Request, ...]:
    """Ask how likely each option's text is with nothing before it but the first token.

    Without a delimiter this is lm-eval 0.4.5's term; 0.4.13 keeps the space that its conditional term has.
    """
    nothing = Prompt.plain("", prefix=Prefix.BOS)
    return tuple(
        Request(prompt=nothing, continuation=delimited(option, nothing, delimiter) if delimiter else option)
        for option in options
    )


def requests_for(
    scoring: str, prompt: Prompt, options: Sequence[str], *, delimiter: str = "space", decoding: Decoding = PARSED
) -> tuple[Request, ...]:
    """What a scoring rule has to ask about a rendered question.

    Parameters
    ----------
    scoring : str
        ``sum``, ``per_character``, ``per_token``, ``per_byte``, ``pmi``, ``pmi_spaced`` (one request for each option; the two
        last have a second one), ``letter_logprob`` (one for each letter), ``letter_token`` (one greedy token),
        ``parsed_letter`` or ``text_found`` (one answer).
    prompt : Prompt
        The rendered question.
    options : sequence of str
        Texts of the options, in displayed order.
    delimiter : str
        Level of the factor ``delimiter``.
    decoding : Decoding
        How an answer is drawn; read only by ``parsed_letter`` and ``text_found``.

    Raises
    ------
    ValueError
        If nobody declares the rule.
    """
    if scoring in OPTION_RULES:
        conditional = option_requests(prompt, options, delimiter=delimiter)
        if scoring not in UNCONDITIONAL_RULES:
            return conditional
        return conditional + unconditional_requests(options, delimiter=delimiter if scoring == "pmi_spaced" else "")
    if scoring == "letter_logprob":
        return option_requests(prompt, letters(len(options)), delimiter=delimiter)
    if scoring == "letter_token":
        return (Request(prompt=prompt, decoding=ONE_TOKEN),)
    if scoring in ("parsed_letter", "text_found"):
        return (Request(prompt=prompt, decoding=decoding),)
    raise ValueError(f"no scoring rule '{scoring}'")
