"""Padded batches: how they are grouped, and how lack of memory is survived."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracles.plain_model import plain_scores
from safetyrepro.backends.forward import Forward, in_halves, memory_is_short, padded_batches
from safetyrepro.backends.hf import open_backend
from safetyrepro.backends.prefix import Scorable
from safetyrepro.study import EngineSpec, ModelSpec

pytestmark = pytest.mark.model


@st.composite
def scorables(draw):
    ids = draw(st.lists(st.integers(0, 5), min_size=2, max_size=12))
    return Scorable(tuple(ids), draw(st.integers(1, len(ids) - 1)))


@given(st.lists(scorables(), max_size=20), st.integers(1, 60))
def test_batches_hold_every_sequence_once_within_their_limit(sequences, tokens):
    batches = list(padded_batches(sequences, tokens=tokens, vocabulary=10))
    assert sorted(index for batch in batches for index in batch) == list(range(len(sequences)))
    for batch in batches:
        width = max(len(sequences[index].ids) for index in batch)
        assert len(batch) == 1 or len(batch) * width <= tokens


@given(st.lists(scorables(), max_size=20))
def test_batches_begin_with_the_longest(sequences):
    batches = list(padded_batches(sequences, tokens=30, vocabulary=10))
    lengths = [len(sequences[index].ids) for batch in batches for index in batch]
    assert lengths == sorted(lengths, reverse=True)


def test_a_large_vocabulary_makes_batches_smaller():
    sequences = [Scorable((1, 2, 3), 2)] * 8
    assert len(list(padded_batches(sequences, tokens=10**6, vocabulary=10))) == 1
    assert len(list(padded_batches(sequences, tokens=10**6, vocabulary=1 << 23))) > 1


@given(st.integers(0, 30), st.integers(0, 8))
def test_whatever_fits_is_done_and_the_rest_is_named(n_items, room):
    def work(batch):
        if len(batch) > room:
            raise MemoryError
        return [item * 2 for item in batch]

    found = list(in_halves(list(range(n_items)), work))
    assert [item for item, _ in found] == list(range(n_items))
    assert all(result == (item * 2 if room else None) for item, result in found)


def test_an_error_of_another_kind_is_not_survived():
    def work(batch):
        raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        list(in_halves([1, 2], work))


def test_lack_of_memory_is_known_by_its_kind_or_its_words():
    import torch

    assert memory_is_short(MemoryError())
    assert memory_is_short(torch.OutOfMemoryError("x"))
    assert memory_is_short(RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"))
    assert memory_is_short(RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"))
    assert not memory_is_short(RuntimeError("index out of range"))


@pytest.mark.parametrize("kind", ["qwen2", "bloom", "mamba"])
def test_equal_inputs_are_one_row_and_padding_is_counted(checkpoint, kind):
    from transformers import AutoModelForCausalLM

    folder = checkpoint(kind)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype="float32").eval()
    batch = [Scorable((5, 6, 7, 8), 1), Scorable((5, 6, 7, 9), 1), Scorable((5, 6, 7, 9), 3), Scorable((9, 8), 1)]
    spec = ModelSpec(name="m", path=str(folder))
    with open_backend(spec, {}, EngineSpec(device="cpu", share_prefixes=False), folder=folder) as backend:
        forward = Forward(backend._forward.model, backend._forward.device)
        found = forward.score(batch)
    assert (forward.computed, forward.padded) == (4, 6)
    for one, scores in zip(batch, found, strict=True):
        expected, greedy = plain_scores(model, one.ids[: -one.n_scored], one.ids[-one.n_scored :])
        assert scores.logprobs == pytest.approx(expected, abs=1e-4)
        assert scores.greedy == greedy


def test_a_head_that_takes_no_selection_gives_the_same(checkpoint):
    folder = checkpoint("qwen2")
    batch = [Scorable((5, 6, 7, 8), 2), Scorable((9, 8), 1)]
    with open_backend(ModelSpec(name="m", path=str(folder)), {}, EngineSpec(device="cpu"), folder=folder) as backend:
        forward = backend._forward
        expected = forward.score(batch)
        forward.takes_selection = False
        assert [one.logprobs for one in forward.score(batch)] == [pytest.approx(one.logprobs, abs=1e-5) for one in expected]
