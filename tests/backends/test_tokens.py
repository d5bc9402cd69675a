"""The tokens of a continuation stand beside their log-probabilities, so that two continuations can be aligned."""

from __future__ import annotations

import pytest

from safetyrepro.backends.base import Encoded
from safetyrepro.backends.replay import ReplayBackend, read_recording, write_recording
from safetyrepro.backends.replies import scored
from safetyrepro.records import Prompt, Request

REQUEST = Request(prompt=Prompt.plain("Q:"), continuation=" the old boat")


def encoded(tokens: tuple[str, ...]) -> Encoded:
    return Encoded(
        request=REQUEST, text="Q:", context_ids=(1,), continuation_ids=(2, 3), truncated=0, key="k", continuation_tokens=tokens
    )


def test_a_scored_reply_carries_the_tokens_of_its_request():
    assert scored(encoded(("a", "b")), (-1.0, -2.0), greedy=False).tokens == ("a", "b")


@pytest.mark.parametrize("tokens", [(), ("a",), ("a", "b", "c")])
def test_tokens_that_are_not_one_for_each_log_probability_are_left_out(tokens):
    assert scored(encoded(tokens), (-1.0, -2.0), greedy=False).tokens == ()


def answered(path):
    backend = ReplayBackend("m", read_recording(path, model="m"))
    asked = backend.encode([REQUEST])
    return asked, list(backend.answer(asked))


@pytest.mark.parametrize(
    ("recorded", "expected"),
    [
        ('"logprobs": [-1, -2, -3]', (" the", " old", " boat")),
        ('"logprobs": [-1, -2]', ()),
        ('"logprobs": [-1, -2], "tokens": ["the old", "boat"]', ("the old", "boat")),
    ],
)
def test_a_recording_gives_its_tokens_back_or_its_words_where_they_fit(tmp_path, recorded, expected):
    path = tmp_path / "answers.jsonl"
    path.write_text(f'{{"prompt": "Q:", "continuation": " the old boat", {recorded}}}\n', encoding="utf-8")
    asked, (response,) = answered(path)
    assert response.tokens == expected
    write_recording(path, asked, [response])
    assert answered(path)[1][0].tokens == expected


@pytest.mark.model
def test_a_model_writes_its_continuation_as_its_vocabulary_does(checkpoint):
    from transformers import AutoTokenizer

    from safetyrepro.backends import hf
    from safetyrepro.study import EngineSpec, ModelSpec

    folder = checkpoint("llama")
    levels = {factor.name: factor.levels[0].name for factor in hf.FACTORS}
    with hf.open_backend(ModelSpec(name="m", path=str(folder)), levels, EngineSpec(device="cpu"), folder=folder) as backend:
        (asked,) = backend.encode([REQUEST])
        (response,) = list(backend.answer([asked]))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert response.tokens == tuple(tokenizer.convert_ids_to_tokens(list(asked.continuation_ids)))
    assert len(response.tokens) == len(response.token_logprobs)
