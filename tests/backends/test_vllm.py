"""The vLLM backend with a module of vLLM's shape that tells the truth about a tiny model."""

from __future__ import annotations

import dataclasses
import json
import shutil

import pytest

from oracles.plain_model import plain_greedy, plain_scores
from safetyrepro.backends.vllm_engine import CPU_BLOCK
from safetyrepro.records import Decoding, Prefix, Prompt, Request
from tiny_checkpoints import sentences
from vllm_questions import SCORES, TEXTS, WRITES, answered, drawn, local, opened

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def folder(checkpoint):
    return checkpoint("llama", bos=True)


@pytest.mark.parametrize("share", [True, False])
def test_log_likelihoods_equal_those_of_the_hf_backend(vllm, folder, share):
    with local(folder) as other:
        expected = answered(other, SCORES)
    with opened(folder, share_prefixes=share) as backend:
        found = answered(backend, SCORES)
        assert not backend.notes
    for one, response in zip(found, expected, strict=True):
        assert one.error is None
        assert one.token_logprobs == pytest.approx(response.token_logprobs, abs=1e-4)
        assert (one.greedy, one.tokens, one.token_digest) == (response.greedy, response.tokens, response.token_digest)
        assert one.key != response.key, "what two engines say is never one answer"
    assert any(one.greedy for one in found) or not any(one.greedy for one in expected)


def test_a_continuation_is_greedy_exactly_where_every_token_was_the_likeliest(vllm, folder):
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    with opened(folder) as backend:
        for one in backend.encode([Request(prompt=Prompt.plain(text), continuation=" x") for text in TEXTS]):
            written = tuple(plain_greedy(model, one.context_ids, frozenset(), 3))
            off = (*written[:2], (written[2] + 1) % 512)
            for ids, greedy in ((written, True), (off, False), ((off[2], *written), False)):
                (found,) = backend.answer([dataclasses.replace(one, continuation_ids=ids, key=str(ids))])
                assert found.greedy is greedy is plain_scores(model, one.context_ids, ids)[1]


def test_generations_equal_those_of_the_hf_backend(vllm, folder):
    with local(folder) as other:
        expected = answered(other, WRITES)
    stop = next(response.text[2:4] for response in expected if len(response.text) > 5)
    stopped = [Request(prompt=one.prompt, decoding=Decoding(max_tokens=10, stop=("", "never there", stop))) for one in WRITES]
    with local(folder) as other:
        expected += answered(other, stopped)
    with opened(folder) as backend:
        found = answered(backend, [*WRITES, *stopped])
    assert [(one.text, one.finish) for one in found] == [(one.text, one.finish) for one in expected]
    assert {one.finish for one in found} == {"stop", "length"}


def test_the_tokens_that_end_an_answer_are_those_of_the_model_and_no_part_of_it(vllm, checkpoint, tmp_path):
    folder = tmp_path / "ends"
    shutil.copytree(checkpoint("qwen2"), folder)
    with local(folder) as other:
        (free,) = other.encode([WRITES[0]])
        (text,) = [response.text for response in other.answer([free])]
        third = plain_greedy(other._forward.model, free.context_ids, frozenset(), 3)[2]
    settings = json.loads((folder / "generation_config.json").read_text())
    (folder / "generation_config.json").write_text(json.dumps(settings | {"eos_token_id": [third, 4]}))
    with opened(folder) as backend:
        (found,) = answered(backend, [WRITES[0]])
        assert vllm.seen[-1][1].stop_token_ids == sorted({third, 4})
    assert found.finish == "stop"
    assert len(found.text) < len(text)
    assert text.startswith(found.text)


def test_a_drawn_answer_depends_on_its_seed_and_not_on_its_batch(vllm, folder):
    requests = [Request(prompt=Prompt.plain(text), decoding=drawn(seed)) for text in TEXTS[:4] for seed in (1, 2)]
    with opened(folder) as backend:
        together = [one.text for one in answered(backend, requests)]
        alone = [answered(backend, [request])[0].text for request in requests]
        backwards = [one.text for one in answered(backend, requests[::-1])][::-1]
    assert together == alone == backwards
    assert all(first != second for first, second in zip(together[::2], together[1::2], strict=True))
    assert {params.seed for _, params in vllm.seen if params.temperature} == {1, 2}


def test_decoding_is_asked_as_it_was_said(vllm, folder):
    with opened(folder) as backend:
        answered(
            backend, [Request(prompt=Prompt.plain("a"), decoding=drawn(11, top_p=0.9, top_k=7, temperature=0.5, stop=("x",)))]
        )
    params = vllm.seen[-1][1]
    assert (params.temperature, params.top_p, params.top_k, params.seed) == (0.5, 0.9, 7, 11)
    assert (params.stop, params.detokenize, params.ignore_eos, params.max_tokens) == (["x"], True, True, 8)


def test_the_models_own_settings_are_used_where_asked(vllm, checkpoint, tmp_path):
    folder = tmp_path / "own"
    shutil.copytree(checkpoint("qwen2"), folder)
    settings = json.loads((folder / "generation_config.json").read_text())
    settings |= {"do_sample": True, "temperature": 0.7, "top_p": 0.8, "top_k": 20, "repetition_penalty": 1.3}
    (folder / "generation_config.json").write_text(json.dumps(settings))
    own = Request(prompt=Prompt.plain("the"), decoding=drawn(5, model_default=True))
    with opened(folder) as backend:
        answered(backend, [own])
        params = vllm.seen[-1][1]
        refused = answered(backend, [Request(prompt=Prompt.plain("the"), decoding=Decoding(max_tokens=3, model_default=True))])
    assert (params.temperature, params.top_p, params.top_k, params.repetition_penalty, params.seed) == (0.7, 0.8, 20, 1.3, 5)
    assert "no seed" in refused[0].error


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"temperature": 0.001}, "takes 0.01 for temperature; expected 0.001"),
        ({"top_p": 0.0}, "refuses the request: VLLMValidationError: top_p must be in"),
        ({"seed": 2**64}, "refuses the request: ValueError: Overflow"),
    ],
)
def test_a_setting_that_vllm_would_change_or_refuse_costs_its_request_alone(vllm, folder, change, part):
    bad = Request(prompt=Prompt.plain("the"), decoding=drawn(**{"seed": 3, **change}))
    with opened(folder) as backend:
        refused, good = answered(backend, [bad, WRITES[1]])
    assert part in refused.error
    assert good.error is None


def test_what_reaches_vllm_are_the_ids_that_were_encoded_without_the_last_scored_one(vllm, folder):
    bare = Request(prompt=Prompt.plain("the lake", prefix=Prefix.NONE), continuation=" is old")
    with opened(folder, share_prefixes=False) as backend:
        (one,) = backend.encode([bare])
        vllm.seen.clear()
        list(backend.answer([one]))
    ((ids, params),) = vllm.seen
    assert ids == list(one.context_ids + one.continuation_ids[:-1])
    assert params.allowed_token_ids == [one.continuation_ids[-1]]
    assert (params.max_tokens, params.temperature) == (1, 0.0)
    assert (params.prompt_logprobs is None) is (len(one.continuation_ids) == 1)


def test_lengths_are_cut_and_counted_as_by_the_hf_backend_but_for_the_token_that_vllm_draws(vllm, folder):
    text = "lake " * 400
    requests = [
        Request(prompt=Prompt.plain(text), continuation=" a tower"),
        Request(prompt=Prompt.plain(text), decoding=Decoding(max_tokens=5)),
        Request(prompt=Prompt.plain("a"), continuation=text),
        Request(prompt=Prompt.plain("a"), decoding=Decoding(max_tokens=256)),
    ]
    with local(folder) as other:
        expected = answered(other, requests)
    with opened(folder) as backend:
        found = answered(backend, requests)
    assert [one.truncated - other.truncated for one, other in zip(found, expected, strict=True)] == [1, 0, 0, 0]
    assert [one.error is None for one in found] == [True, True, False, False]
    assert found[1].text == expected[1].text
    assert "the model takes 255" in found[2].error
    assert found[3].error == expected[3].error


def test_tokens_that_prompts_share_are_counted_once_where_vllm_took_them_from_its_cache(vllm, folder):
    stem = " ".join(sentences(8, words=20))
    letters = [Request(prompt=Prompt.plain(stem), continuation=letter) for letter in (" a", ".", "?", "!")]
    with opened(folder) as backend:
        start = backend.counters.computed
        answered(backend, letters)
        shared = backend.counters
    with opened(folder, share_prefixes=False) as backend:
        answered(backend, letters)
        plain = backend.counters
    size = shared.planned // 4
    assert plain.computed == plain.planned == shared.planned
    assert start == 0, "the self-test is not part of what a run costs"
    assert shared.limit == plain.limit <= shared.computed <= size + 3 * (2 * CPU_BLOCK)
    assert shared.generated == 0


def test_drawn_tokens_are_counted_apart(vllm, folder):
    with opened(folder) as backend:
        found = answered(backend, [Request(prompt=Prompt.plain(text), decoding=drawn(1, max_tokens=3)) for text in TEXTS[1:3]])
        counters = backend.counters
    assert 2 <= counters.generated <= 6
    assert counters.planned == sum(one.n_prompt_tokens for one in found)


def test_an_answer_does_not_depend_on_what_was_asked_before(vllm, folder):
    requests = [*SCORES[12:30], *WRITES[2:4]]
    with opened(folder) as backend:
        answered(backend, requests)
        first = backend.counters.computed
        answered(backend, requests)
        assert backend.counters.computed == 2 * first
        vllm.resets = False
        answered(backend, requests)
        assert backend.counters.computed < 3 * first
        assert "did not empty its prefix cache" in backend.notes[0]


def test_requests_that_are_equal_are_answered_once(vllm, folder):
    with opened(folder) as backend:
        assert len(list(backend.answer(backend.encode([SCORES[0], SCORES[0], WRITES[0], WRITES[0]])))) == 2
        assert list(backend.answer([])) == []


def test_requests_of_a_group_that_broke_do_not_turn_up_in_the_next(vllm, folder):
    with opened(folder) as backend:
        vllm.breaks = RuntimeError("out of memory")
        with pytest.raises(RuntimeError, match="out of memory"):
            answered(backend, WRITES)
        vllm.breaks = None
        assert vllm.aborted
        assert all(one.error is None for one in answered(backend, WRITES))
