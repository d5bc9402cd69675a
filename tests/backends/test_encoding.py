"""From requests to token ids, as lm-evaluation-harness splits them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from safetyrepro.backends.encoding import Encoder, length_limit, resolved
from safetyrepro.backends.replay import ScriptedBackend
from safetyrepro.records import Decoding, Prefix, Prompt, Request, Role, Turn
from tiny_checkpoints import CHATML, INSTRUCT, write_tokenizer

pytestmark = pytest.mark.model

IDENTITY = ScriptedBackend("m", len).identity
BOS, EOS, IM_START, IM_END = 1, 2, 3, 4


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    from transformers import AutoTokenizer

    def make(*, bos=True, template=CHATML, max_length=64, eos_right=False):
        folder = tmp_path_factory.mktemp("tokenizer")
        write_tokenizer(folder, bos=bos, template=template, eos_right=eos_right)
        tokenizer = AutoTokenizer.from_pretrained(folder)
        return Encoder(tokenizer, IDENTITY, max_length=max_length, generation=None), tokenizer

    return make


def scored(text, continuation, **prompt):
    return Request(prompt=replace(Prompt.plain(text), **prompt), continuation=continuation)


def written(text, max_tokens=4, **prompt):
    return Request(prompt=replace(Prompt.plain(text), **prompt), decoding=Decoding(max_tokens=max_tokens))


def test_the_continuation_is_what_lies_beyond_the_tokens_of_the_context(encoder):
    encode, tokenizer = encoder()
    (one,) = encode.encode([scored("the lake", " is old")])
    assert list(one.context_ids) == tokenizer("the lake")["input_ids"]
    assert list(one.context_ids + one.continuation_ids) == tokenizer("the lake is old")["input_ids"]


def test_white_space_at_the_end_of_a_context_moves_to_the_continuation(encoder):
    encode, _ = encoder()
    spaced, plain = encode.encode([scored("the lake \n", "is"), scored("the lake", " \nis")])
    assert spaced.context_ids == plain.context_ids
    assert spaced.continuation_ids == plain.continuation_ids
    assert spaced.text == "the lake \n"


def test_a_continuation_that_merges_with_the_context_keeps_only_its_own_tokens(encoder):
    encode, tokenizer = encoder()
    word = next(word for word in ("tower", "lake", "river") if len(tokenizer(word)["input_ids"]) == 2)
    (swallowed,) = encode.encode([scored(word[:-1], word[-1])])
    alone = tokenizer(word[:-1])["input_ids"]
    whole = tokenizer(word)["input_ids"]
    if len(whole) > len(alone):
        assert list(swallowed.continuation_ids) == whole[len(alone) :]
    else:
        assert "no token of its own" in swallowed.refusal


def test_an_empty_continuation_is_refused_and_not_scored_as_zero(encoder):
    encode, _ = encoder()
    (one,) = encode.encode([scored("the lake", "")])
    assert "no token of its own" in one.refusal


def test_an_empty_context_is_the_first_token_or_the_last_where_there_is_none(encoder):
    for bos, first in ((True, BOS), (False, IM_END)):
        encode, tokenizer = encoder(bos=bos)
        one, none = encode.encode([scored("", "the lake"), scored("", "the lake", prefix=Prefix.NONE)])
        assert one.context_ids == none.context_ids == (first,)
        assert list(one.continuation_ids) == tokenizer("the lake", add_special_tokens=False)["input_ids"]


def test_an_empty_context_is_not_doubled_where_the_continuation_begins_with_the_first_token(encoder):
    encode, tokenizer = encoder()
    (one,) = encode.encode([scored("", "<s>the lake")])
    assert one.context_ids == (BOS,)
    assert list(one.continuation_ids) == tokenizer("the lake", add_special_tokens=False)["input_ids"]


def test_the_prefix_decides_which_token_stands_first(encoder):
    encode, _ = encoder(bos=True)
    ids = {prefix: encode.encode([written("the lake", prefix=prefix)])[0].context_ids for prefix in Prefix}
    assert ids[Prefix.TOKENIZER] == ids[Prefix.BOS] == (BOS, *ids[Prefix.NONE])
    encode, _ = encoder(bos=False)
    ids = {prefix: encode.encode([written("the lake", prefix=prefix)])[0].context_ids for prefix in Prefix}
    assert ids[Prefix.TOKENIZER] == ids[Prefix.NONE]
    assert ids[Prefix.BOS] == (IM_END, *ids[Prefix.NONE])


def test_a_first_token_that_the_text_brings_is_not_doubled(encoder):
    encode, _ = encoder(template=INSTRUCT)
    prompt = Prompt(turns=(Turn(Role.USER, "the lake"),), chat=True)
    for prefix in Prefix:
        (one,) = encode.encode([Request(prompt=replace(prompt, prefix=prefix), decoding=Decoding(max_tokens=4))])
        assert one.text.startswith("<s>[INST]")
        assert one.context_ids.count(BOS) == 1


def test_what_a_tokenizer_puts_behind_a_text_does_not_stand_between_prompt_and_answer(encoder):
    encode, tokenizer = encoder(eos_right=True)
    assert tokenizer("the lake")["input_ids"][-1] == EOS
    one, other = encode.encode([scored("the lake", " is"), written("the lake")])
    assert EOS not in one.context_ids + one.continuation_ids + other.context_ids
    assert one.context_ids[0] == BOS


def test_a_conversation_goes_through_the_chat_template(encoder):
    encode, tokenizer = encoder(bos=False)
    turns = (Turn(Role.SYSTEM, "be kind"), Turn(Role.USER, "the lake"))
    (one,) = encode.encode([Request(prompt=Prompt(turns=turns, chat=True), decoding=Decoding(max_tokens=4))])
    assert one.text == "<|im_start|>system\nbe kind<|im_end|>\n<|im_start|>user\nthe lake<|im_end|>\n<|im_start|>assistant\n"
    messages = [{"role": "system", "content": "be kind"}, {"role": "user", "content": "the lake"}]
    expected = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
    assert list(one.context_ids) == expected


def test_an_assistant_turn_at_the_end_is_continued(encoder):
    encode, _ = encoder(bos=False)
    turns = (Turn(Role.USER, "the lake"), Turn(Role.ASSISTANT, "It is"))
    (one,) = encode.encode([Request(prompt=Prompt(turns=turns, chat=True), decoding=Decoding(max_tokens=4))])
    assert one.text.endswith("<|im_start|>assistant\nIt is")


def test_a_conversation_that_the_template_refuses_is_refused_with_its_reason(encoder):
    encode, _ = encoder(template=INSTRUCT)
    turns = (Turn(Role.SYSTEM, "be kind"), Turn(Role.USER, "the lake"))
    one, other = encode.encode(
        [
            Request(prompt=Prompt(turns=turns, chat=True), continuation=" is"),
            Request(prompt=Prompt(turns=turns, chat=True), continuation=" was"),
        ]
    )
    assert "no system turn" in one.refusal
    assert one.key != other.key


def test_a_model_without_a_chat_template_refuses_conversations(encoder):
    encode, _ = encoder(template=None)
    (one,) = encode.encode([Request(prompt=Prompt(turns=(Turn(Role.USER, "x"),), chat=True), continuation=" is")])
    assert one.refusal == "the model has no chat template"


def test_a_long_context_is_cut_from_the_left_and_the_cut_is_counted(encoder):
    encode, tokenizer = encoder(max_length=8)
    text = "the lake is old and the tower is not right"
    one, other = encode.encode([scored(text, " maybe"), written(text, max_tokens=3)])
    whole = tokenizer(text + " maybe")["input_ids"]
    assert list(one.context_ids + one.continuation_ids) == whole[-9:], "the last token is scored, not fed"
    assert one.truncated == len(whole) - 9
    assert list(other.context_ids) == tokenizer(text)["input_ids"][-5:]
    assert other.truncated == len(tokenizer(text)["input_ids"]) - 5


def test_what_fits_exactly_is_not_cut(encoder):
    _, tokenizer = encoder()
    length = len(tokenizer("the lake is old and")["input_ids"])
    encode, _ = encoder(max_length=length - 1)
    (one,) = encode.encode([scored("the lake is", " old and")])
    assert one.truncated == 0


def test_what_cannot_fit_is_refused(encoder):
    encode, _ = encoder(max_length=4)
    one, other = encode.encode([scored("the", " lake is old and the tower is right"), written("the", max_tokens=4)])
    assert "the model takes 4" in one.refusal
    assert "leaves no room" in other.refusal


def test_a_drawn_answer_needs_a_seed(encoder):
    encode, _ = encoder()
    (one,) = encode.encode([Request(prompt=Prompt.plain("x"), decoding=Decoding(max_tokens=2, temperature=1.0))])
    assert "no seed" in one.refusal


def test_equal_requests_are_encoded_equally_and_order_is_kept(encoder):
    encode, _ = encoder()
    first, second, third = encode.encode([scored("a", " b"), scored("c", " d"), scored("a", " b")])
    assert first == third
    assert first.key != second.key
    assert encode.encode([]) == []


def test_the_length_is_the_configurations_then_the_tokenizers_then_a_default():
    class Stated:
        n_positions = 77

    assert length_limit(Stated(), 55) == 77
    assert length_limit(object(), 55) == 55
    assert length_limit(object(), 10**30) == 2048


def test_the_models_own_decoding_is_resolved_from_its_settings():
    class Settings:
        do_sample = True
        temperature = 0.6
        top_p = None
        top_k = None

    asked = Decoding(max_tokens=3, model_default=True, seed=1)
    found = resolved(asked, Settings())
    assert (found.temperature, found.top_p, found.top_k) == (0.6, 1.0, 50)
    assert resolved(asked, None).temperature == 0.0
    plain = Decoding(max_tokens=3)
    assert resolved(plain, Settings()) is plain
