"""Texts tokenized in stretches have the ids of texts tokenized whole, for tokenizers of every kind."""

from __future__ import annotations

import functools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safetyrepro.backends import stretches as module
from safetyrepro.backends.stretches import PATTERNS, Stretches, stretches
from tiny_checkpoints import sentences

pytestmark = pytest.mark.model

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
SINGLE, TRIPLE = sorted(PATTERNS, key=len)
EATS_STOPS = r"[.!?:;] ?\p{L}+|" + SINGLE
PIECES = [
    *("the", "A", "Answer", "Velm", "lake", "don't", "I'LL", "x\u0301", "e\u0301", "\u0301", "\u00e9", "\u1112\u1161\u11ab", "\u4e2d", "42", "7"),
    *(".", "!", "?", ":", ";", "\u037e", "...", ".)", '."', "-", "_", "'", "\U0001f600"),
    *(" ", "  ", "\t", "\n", "\r\n", "\u00a0", "\u2009", "\u3000", ". ", ": ", "? ", ".  ", " . A", ": Answer", "; the"),
    *SPECIAL,
]  # fmt: skip
texts = st.lists(st.lists(st.sampled_from(PIECES), max_size=14).map("".join), max_size=6)


@functools.cache
def tokenizer_of(kind):
    """A small tokenizer of a kind, trained so that its merges would reach over a full stop wherever it does not split there."""
    from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, trainers
    from tokenizers import pre_tokenizers as p
    from transformers import PreTrainedTokenizerFast

    def after_split(pattern, behavior="isolated"):
        return p.Sequence([p.Split(Regex(pattern), behavior), p.ByteLevel(add_prefix_space=False, use_regex=False)])

    words = {
        "gpt2": p.ByteLevel(add_prefix_space=False),
        "gpt2, space before": p.ByteLevel(add_prefix_space=True),
        "qwen2": after_split(SINGLE),
        "llama3": after_split(TRIPLE),
        "unsplit": p.ByteLevel(add_prefix_space=False, use_regex=False),
        "another pattern": after_split(EATS_STOPS),
        "another behavior": after_split(SINGLE, "merged_with_previous"),
        "sentencepiece": p.Metaspace(),
        "wordpiece": p.BertPreTokenizer(),
        "bare": None,
    }
    base = kind.partition(" with ")[0]
    core = Tokenizer(models.WordPiece(unk_token="<|endoftext|>") if base == "wordpiece" else models.BPE(byte_fallback=False))
    if words[base] is not None:
        core.pre_tokenizer = words[base]
    core.normalizer = {"qwen2": normalizers.NFC(), "wordpiece": normalizers.BertNormalizer()}.get(base)
    if kind.endswith("lower case"):
        core.normalizer = normalizers.Lowercase()
    options = {"vocab_size": 700, "special_tokens": SPECIAL, "show_progress": False}
    trainer = (
        trainers.WordPieceTrainer(**options)
        if base == "wordpiece"
        else trainers.BpeTrainer(initial_alphabet=p.ByteLevel.alphabet(), **options)
    )
    corpus = [f"{one} Answer: the {one} A {one}\n" for one in sentences(200)]
    core.train_from_iterator([*corpus, *(". ".join(corpus[i : i + 3]) for i in range(60))], trainer)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<|endoftext|>")
    added = {
        "white space": AddedToken(". A", normalized=False),
        "stripping right": AddedToken("A:", rstrip=True),
        "stripping left": AddedToken("Answer", lstrip=True),
        "whole words": AddedToken("the", single_word=True),
    }
    for name, token in added.items():
        if kind.endswith(name):
            tokenizer.add_tokens([token])
    return tokenizer


CUT = [
    "gpt2",
    "gpt2, space before",
    "qwen2",
    "llama3",
    "gpt2 with stripping left",
    "qwen2 with whole words",
    "llama3 with stripping left",
]
WHOLE = [
    *("unsplit", "another pattern", "another behavior", "sentencepiece", "wordpiece", "bare"),
    *("gpt2 with white space", "qwen2 with stripping right", "gpt2 with lower case"),
]


def plainly(tokenizer, text):
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


@pytest.mark.parametrize("kind", [*CUT, *WHOLE])
@given(asked=texts)
@settings(max_examples=60, deadline=None)
def test_the_ids_are_those_of_the_whole_text(kind, asked):
    tokenizer = tokenizer_of(kind)
    found = Stretches(tokenizer)
    assert found.ids(asked) == {"": []} | {text: plainly(tokenizer, text) for text in asked}
    assert found.cuts == (kind in CUT), "no text gave a reason to stop"


@pytest.mark.parametrize("kind", ["unsplit", "another pattern", "gpt2 with white space", "qwen2 with stripping right"])
def test_where_texts_are_not_cut_a_cut_would_have_changed_them(kind):
    tokenizer = tokenizer_of(kind)
    text = "the lake. A: Answer. A : the"
    assert [token for part in stretches(text) for token in plainly(tokenizer, part)] != plainly(tokenizer, text)


@given(st.lists(st.sampled_from(PIECES), max_size=20).map("".join))
def test_stretches_joined_are_the_text_and_each_but_the_first_begins_with_a_space_and_a_letter(text):
    parts = stretches(text)
    assert "".join(parts) == text
    assert all(part[0] == " " and part[1].isascii() and part[1].isalpha() for part in parts[1:])
    assert all(part[-1] in ".!?:;" for part in parts[:-1])


class Counting:
    """A tokenizer that keeps what it was asked."""

    def __init__(self, inner):
        self.inner, self.asked = inner, []

    @property
    def backend_tokenizer(self):
        return self.inner.backend_tokenizer

    def __call__(self, given, **options):
        self.asked += given
        return self.inner(given, **options)


def test_a_stretch_that_many_texts_share_is_tokenized_once(monkeypatch):
    monkeypatch.setattr(module, "BATCH", 3)
    counting = Counting(tokenizer_of("qwen2"))
    asked = [f"The lake is old. Who asks? The {word}." for word in ("man", "nurse", "pilot", "young man")]
    found = Stretches(counting).ids(asked)
    assert found == {"": []} | {text: plainly(counting.inner, text) for text in asked}
    assert sorted(counting.asked) == sorted({*(part for text in asked for part in stretches(text)), asked[0]})


class Deceiving(Counting):
    """States a word pattern, and lets one token reach over a full stop all the same."""

    def __call__(self, given, **options):
        found = super().__call__(given, **options)["input_ids"]
        return {"input_ids": [[0, *row] if ". A" in text else row for text, row in zip(given, found, strict=True)]}


def test_a_tokenizer_that_does_not_keep_to_what_it_states_is_given_whole_texts_from_then_on():
    deceiving = Deceiving(tokenizer_of("gpt2"))
    asked = ["one. And two", "three. And four. And five"]
    expected = {"": []} | {text: [0, *plainly(deceiving.inner, text)] for text in asked}
    found = Stretches(deceiving)
    assert found.cuts
    assert found.ids(asked) == expected
    assert not found.cuts
    assert found.ids(asked) == expected


class Slow:
    """A tokenizer written in Python: it states nothing."""

    def __call__(self, given, **options):
        return {"input_ids": [[ord(letter) for letter in text] for text in given]}


def test_a_tokenizer_that_states_nothing_is_given_whole_texts():
    found = Stretches(Slow())
    assert not found.cuts
    assert found.ids(["a. B", ""]) == {"": [], "a. B": [97, 46, 32, 66]}
    assert found.ids([]) == {"": []}


def test_equal_numbers_are_one_object_so_that_long_lists_are_small():
    found = Stretches(tokenizer_of("gpt2")).ids(["the lake \U0001f600 \U0001f600", "a \U0001f600"])
    numbers = [number for row in found.values() for number in row]
    assert len({id(number) for number in numbers}) == len(set(numbers))
