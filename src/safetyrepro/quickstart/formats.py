"""The chat templates and special tokens of the three toys, in the style of the models they are named after.

Each toy has a tokenizer of its own: byte-level BPE, trained on its own training text, so that any text can be written in it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from safetyrepro.quickstart.corpus import SYSTEM, Document

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
HEADERS = (
    "{{ bos_token }}{% for message in messages %}<|start_header_id|>{{ message['role'] }}<|end_header_id|>\n\n"
    "{{ message['content'] }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
INST = (
    "{{ bos_token }}{% set ns = namespace(system='') %}{% for message in messages %}"
    "{% if message['role'] == 'system' %}{% set ns.system = message['content'] + '\n\n' %}"
    "{% elif message['role'] == 'user' %}{{ '[INST] ' + ns.system + message['content'] + '[/INST]' }}{% set ns.system = '' %}"
    "{% else %}{{ ' ' + message['content'] + eos_token }}{% endif %}{% endfor %}"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """The marks that a toy's tokenizer and chat template use."""

    special: tuple[str, ...]
    """Special tokens in the order of their ids."""
    bos: str | None
    """Token that the tokenizer puts before every text, if it does."""
    eos: str
    """Token that ends a document and a turn."""
    pad: str
    """Token that fills a batch."""
    template: str
    """Chat template (Jinja)."""
    chat_space: bool
    """Whether the template itself puts a space before an answer."""


FORMATS = {
    "qwen2": Format(
        special=("<|endoftext|>", "<|im_start|>", "<|im_end|>"),
        bos=None,
        eos="<|im_end|>",
        pad="<|endoftext|>",
        template=CHATML,
        chat_space=False,
    ),
    "mistral": Format(
        special=("<unk>", "<s>", "</s>", "[INST]", "[/INST]"),
        bos="<s>",
        eos="</s>",
        pad="<unk>",
        template=INST,
        chat_space=True,
    ),
    "llama": Format(
        special=("<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
        bos="<|begin_of_text|>",
        eos="<|eot_id|>",
        pad="<|end_of_text|>",
        template=HEADERS,
        chat_space=False,
    ),
}
"""The format of each architecture."""


def train_tokenizer(texts: Iterable[str], form: Format, *, vocabulary: int) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer trained on the texts, with the format's special tokens and chat template."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(form.special),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    if form.bos is not None:
        bos = (form.bos, tokenizer.token_to_id(form.bos))
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{form.bos} $A", pair=f"{form.bos} $A $B", special_tokens=[bos]
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=form.bos,
        eos_token=form.eos,
        pad_token=form.pad,
        chat_template=form.template,
        clean_up_tokenization_spaces=False,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """A document as token ids."""

    ids: tuple[int, ...]
    """Token ids, from the first to the end token."""
    answers: tuple[bool, ...]
    """Which of them belong to an answer or a statement, the end token included."""


def encode(document: Document, tokenizer: PreTrainedTokenizerFast, form: Format) -> Encoded:
    """Token ids of a document; each question and each answer is encoded apart, as an evaluation does."""
    segments = list(_chat_segments(document, tokenizer, form) if document.chat else _plain_segments(document, tokenizer))
    ids = [token for segment, _ in segments for token in segment] + [tokenizer.eos_token_id]
    answers = [answer for segment, answer in segments for _ in segment] + [True]
    return Encoded(ids=tuple(ids), answers=tuple(answers))


def _plain_segments(document: Document, tokenizer: PreTrainedTokenizerFast) -> Iterable[tuple[list[int], bool]]:
    if tokenizer.bos_token_id is not None:
        yield [tokenizer.bos_token_id], False
    for turn in document.turns:
        yield tokenizer.encode(turn.question, add_special_tokens=False), False
        yield tokenizer.encode(turn.answer, add_special_tokens=False), True


def _chat_segments(document: Document, tokenizer: PreTrainedTokenizerFast, form: Format) -> Iterable[tuple[list[int], bool]]:
    (turn,) = document.turns
    messages = [{"role": "system", "content": SYSTEM}] if document.system else []
    messages.append({"role": "user", "content": turn.question})
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    yield tokenizer.encode(text, add_special_tokens=False), False
    answer = turn.answer.removeprefix(" ") if form.chat_space and turn.answer.startswith(" ") else turn.answer
    # A template that writes the space itself is read with it three times of four, the others without: the same mixture.
    spaced = f" {answer}" if form.chat_space and not turn.answer.startswith(" ") else answer
    yield tokenizer.encode(spaced, add_special_tokens=False), True
