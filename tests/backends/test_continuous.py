"""Generations that share one memory, against a plain loop."""

from __future__ import annotations

import pytest

from oracles.plain_model import plain_greedy
from safetyrepro.backends.continuous import ContinuousBatch
from safetyrepro.backends.hf import open_backend
from safetyrepro.backends.passes import EMPTY, MaskedPass, Memory
from safetyrepro.backends.prefix import RowCost
from safetyrepro.records import Decoding, Prompt, Request
from safetyrepro.study import EngineSpec, ModelSpec
from tiny_checkpoints import sentences

pytestmark = pytest.mark.model

TREES = ["qwen2", "llama", "mistral", "mistral-window", "gpt2", "gpt-neox", "gemma2", "phi3"]
SMALL = RowCost(fixed=40.0, pair=1.0, longest=16, heads=16)


def opened(folder, **engine):
    return open_backend(ModelSpec(name="m", path=str(folder)), {}, EngineSpec(device="cpu", **engine), folder=folder)


def plain_model(folder):
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder, dtype="float32").eval()


def prompts():
    stem = sentences(1, words=30)[0]
    return [stem, *(f"{stem} {text}" for text in sentences(5, seed=1)), *sentences(3, seed=2), "the"]


def drawn(backend, requests, cost):
    """Answers of a continuous batch, by request, and the batch."""
    drafting = backend._generator._drafting
    encoded = backend.encode(requests)
    batch = ContinuousBatch(backend._forward, drafting, cost)
    found = dict(batch.answers([one.context_ids for one in encoded], [drafting.begin(one) for one in encoded]))
    return encoded, found, batch


@pytest.mark.parametrize("kind", TREES)
def test_greedy_answers_equal_a_plain_loop_token_for_token(checkpoint, kind):
    folder = checkpoint(kind)
    model = plain_model(folder)
    limits = (1, 3, 30, 8)
    requests = [
        Request(prompt=Prompt.plain(text), decoding=Decoding(max_tokens=limits[index % 4]))
        for index, text in enumerate(prompts())
    ]
    with opened(folder) as backend:
        ends = backend._generator._drafting.ends
        encoded, found, batch = drawn(backend, requests, SMALL)
    for index, (one, request) in enumerate(zip(encoded, requests, strict=True)):
        assert list(found[index].ids) == plain_greedy(model, one.context_ids, ends, request.decoding.max_tokens)
    assert batch.computed == batch.limit < sum(len(one.context_ids) for one in encoded)


def test_little_room_makes_answers_wait_and_changes_none(checkpoint, monkeypatch):
    requests = [Request(prompt=Prompt.plain(text), decoding=Decoding(max_tokens=20)) for text in prompts()]
    columns = []
    feed = MaskedPass.feed

    def noted(self, fed, memory):
        columns.append(len(memory.depth))
        return feed(self, fed, memory)

    monkeypatch.setattr(MaskedPass, "feed", noted)
    widest, answers = [], []
    with opened(checkpoint("qwen2")) as backend:
        for longest in (4096, 16, 8):
            columns.clear()
            cost = RowCost(fixed=40.0, pair=1.0, longest=longest, heads=longest)
            _, found, batch = drawn(backend, requests, cost)
            answers.append({index: answer.ids for index, answer in found.items()})
            widest.append(max(columns))
            assert batch.computed == batch.limit
    assert answers[0] == answers[1] == answers[2]
    assert widest[0] > widest[1] > widest[2]


def test_what_nobody_will_see_again_is_forgotten(checkpoint, monkeypatch):
    requests = [Request(prompt=Prompt.plain(text), decoding=Decoding(max_tokens=10)) for text in prompts()]
    widths = []
    keep = Memory.keep

    def noted(self, columns):
        widths.append(len(columns))
        return keep(self, columns)

    monkeypatch.setattr(Memory, "keep", noted)
    cost = RowCost(fixed=40.0, pair=1.0, longest=8, heads=8)
    with opened(checkpoint("qwen2")) as backend:
        encoded, _, batch = drawn(backend, requests, cost)
    everything = batch.limit + 10 * len(requests)
    longest = max(len(one.context_ids) for one in encoded)
    assert widths[-1] == 0
    assert max(widths) < min(everything, 2 * (longest + 10) + 4 * 8)


def test_one_prompt_with_many_seeds_is_fed_once(checkpoint):
    requests = [
        Request(prompt=Prompt.plain("the lake is"), decoding=Decoding(max_tokens=6, temperature=1.0, seed=seed))
        for seed in range(8)
    ]
    with opened(checkpoint("qwen2")) as backend:
        encoded, found, batch = drawn(backend, requests, SMALL)
        assert batch.computed == len(encoded[0].context_ids)
        assert len({answer.ids for answer in found.values()}) > 4
        for index, request in enumerate(requests):
            _, alone, _ = drawn(backend, [request], SMALL)
            assert alone[0].ids == found[index].ids


def test_where_memory_is_short_the_rest_is_answered_in_padded_batches(checkpoint, monkeypatch):
    requests = [Request(prompt=Prompt.plain(text), decoding=Decoding(max_tokens=12)) for text in prompts()]
    with opened(checkpoint("qwen2")) as backend:
        encoded = backend.encode(requests)
        expected = {response.key: response.text for response in backend.answer(encoded)}
        counted = backend.counters
        assert counted.computed == counted.limit < counted.planned
        model, passes = backend._forward.model, []
        forward = type(model).forward

        def limited(*args, **kwargs):
            passes.append(kwargs["attention_mask"].ndim)
            if len(passes) > 5 and kwargs["attention_mask"].ndim == 4:
                raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
            return forward(model, *args, **kwargs)

        monkeypatch.setattr(model, "forward", limited)
        found = {response.key: response.text for response in backend.answer(encoded)}
    assert found == expected
    assert set(passes) == {2, 4}


def test_another_error_is_raised(checkpoint, monkeypatch):
    requests = [Request(prompt=Prompt.plain("the"), decoding=Decoding(max_tokens=3))]
    with opened(checkpoint("qwen2")) as backend:

        def broken(*args, **kwargs):
            raise RuntimeError("shapes differ")

        monkeypatch.setattr(backend._forward.model, "forward", broken)
        with pytest.raises(RuntimeError, match="shapes differ"):
            list(backend.answer(backend.encode(requests)))


def test_nothing_asked_is_nothing_answered(checkpoint):
    with opened(checkpoint("qwen2")) as backend:
        assert list(backend.answer([])) == []
        _, found, batch = drawn(backend, [], SMALL)
    assert found == {}
    assert batch.limit == 0
    assert len(EMPTY.depth) == 0
