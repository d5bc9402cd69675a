"""The shared-prefix engine against a plain loop, on the architectures that people use."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from oracles.plain_model import plain_scores
from safetyrepro.backends import passes, scoring
from safetyrepro.backends.forward import Scores
from safetyrepro.backends.hf import open_backend
from safetyrepro.backends.passes import Rows, Unshared, window_of
from safetyrepro.backends.prefix import RowCost, Scorable, plan_prefixes
from safetyrepro.backends.scoring import Scorer, row_cost, steady_length
from safetyrepro.backends.shared import SharedPrefixes
from safetyrepro.records import Prefix, Prompt, Request, Role, Turn
from safetyrepro.study import EngineSpec, ModelSpec
from tiny_checkpoints import sentences

pytestmark = pytest.mark.model

BLOCKS = ["qwen2", "llama", "mistral", "mistral-window", "gpt2", "gpt-neox", "phi3"]
TREES = ["qwen2", "llama", "mistral", "mistral-window", "gpt2", "gpt-neox", "gemma2", "phi3"]
LARGE = RowCost(fixed=1e6, pair=1.0, longest=4096, heads=4096)
SMALL = RowCost(fixed=20.0, pair=1.0, longest=9, heads=5)


def opened(folder, **engine):
    return open_backend(ModelSpec(name="m", path=str(folder)), {}, EngineSpec(device="cpu", **engine), folder=folder)


def plain_model(folder):
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder, dtype="float32").eval()


def grown(*, seed=0, vocabulary=512):
    """Sequences that share prefixes at many depths, some beyond the windows of the tiny models."""
    rng = np.random.default_rng(seed)

    def ids(size):
        return tuple(rng.integers(5, vocabulary, size).tolist())

    stem, found = ids(40), []
    for _ in range(6):
        branch = stem[: int(rng.integers(1, 41))] + ids(int(rng.integers(0, 30)))
        tails = [ids(int(rng.integers(1, 6))) for _ in range(3)]
        found += [Scorable(branch + tail, len(tail)) for tail in tails]
        found.append(Scorable(branch + tails[0] + ids(2), 1))
    return found + found[:2]


def assert_close(found: Scores, expected: tuple[list[float], bool]):
    logprobs, greedy = expected
    assert found.logprobs == pytest.approx(logprobs, abs=1e-4)
    total = sum(logprobs)
    assert abs(sum(found.logprobs) - total) <= 1e-4 + 1e-6 * abs(total)
    assert found.greedy == greedy


@pytest.mark.parametrize("cost", [LARGE, SMALL], ids=["large rows", "small rows"])
@pytest.mark.parametrize("kind", TREES)
def test_packed_rows_equal_a_plain_loop(checkpoint, kind, cost):
    folder = checkpoint(kind)
    model = plain_model(folder)
    sequences = grown()
    plan = plan_prefixes(sequences)
    with opened(folder) as backend:
        engine = SharedPrefixes(backend._forward, cost)
        found = dict(engine.scores(plan))
    assert engine.computed == plan.counts.limit
    for index, one in enumerate(sequences):
        assert_close(found[index], plain_scores(model, one.ids[: -one.n_scored], one.ids[-one.n_scored :]))


@pytest.mark.parametrize("length", [4096, 50, 7])
@pytest.mark.parametrize("kind", BLOCKS)
def test_attention_in_blocks_equals_a_plain_loop(checkpoint, kind, length):
    folder = checkpoint(kind)
    model = plain_model(folder)
    sequences = grown()
    plan = plan_prefixes(sequences)
    with opened(folder) as backend:
        cost = dataclasses.replace(LARGE, longest=length)
        engine = SharedPrefixes(backend._forward, cost, blocks=SMALL)
        found = dict(engine.scores(plan))
        assert backend._forward.model.config._attn_implementation == "sdpa", "as before"
    assert engine.computed == plan.counts.limit
    for index, one in enumerate(sequences):
        assert_close(found[index], plain_scores(model, one.ids[: -one.n_scored], one.ids[-one.n_scored :]))


@pytest.mark.parametrize("kind", TREES)
def test_models_that_ask_for_the_usual_attention_attend_in_blocks(checkpoint, kind):
    with opened(checkpoint(kind)) as backend:
        assert (backend._scorer._shared._blocks is not None) == (kind in BLOCKS)


def test_a_model_that_hands_on_another_mask_attends_as_a_whole_and_this_is_said(checkpoint, monkeypatch):
    def copied(blocks):
        return torch.zeros((1, 1, 1, 1))

    import torch

    monkeypatch.setattr(passes, "carrier", copied)
    with opened(checkpoint("qwen2")) as backend:
        assert backend._scorer.path == Rows.TREES.value
        assert backend._scorer._shared._blocks is None
        assert "in blocks: ValueError: Qwen2Attention attends in a way that is not known" in backend.notes[0]


@pytest.mark.parametrize("kind", ["qwen2", "mistral-window", "gpt2", "bloom"])
def test_one_branch_at_a_time_equals_a_plain_loop(checkpoint, kind):
    folder = checkpoint(kind)
    model = plain_model(folder)
    sequences = grown()
    plan = plan_prefixes(sequences)
    with opened(folder) as backend:
        engine = SharedPrefixes(backend._forward, SMALL, Rows.CHAINS)
        found = dict(engine.scores(plan))
    assert engine.computed == plan.counts.limit
    for index, one in enumerate(sequences):
        assert_close(found[index], plain_scores(model, one.ids[: -one.n_scored], one.ids[-one.n_scored :]))


@pytest.mark.parametrize(
    ("kind", "path", "note"),
    [
        *[(kind, Rows.TREES.value, None) for kind in TREES],
        ("bloom", Rows.CHAINS.value, "because of packed rows with tree masks: ValueError"),
        ("mamba", "plain padded batches", "it keeps no keys and values"),
    ],
)
def test_the_fastest_path_that_is_right_is_taken_and_another_is_said(checkpoint, kind, path, note):
    with opened(checkpoint(kind)) as backend:
        assert backend._scorer.path == path
        assert len(backend.notes) == (note is not None)
        assert note is None or note in backend.notes[0]
        assert backend.counters.computed == 0, "checking the path is not part of a run"


@pytest.mark.parametrize("kind", [*TREES, "bloom", "mamba"])
@pytest.mark.parametrize("bos", [False, True])
def test_log_likelihoods_of_a_backend_equal_a_plain_loop(checkpoint, kind, bos):
    folder = checkpoint(kind, bos=bos)
    model = plain_model(folder)
    texts = ["", "ends in a space ", "to", *sentences(4, words=30), " ".join(sentences(40))]
    requests = [
        Request(prompt=Prompt.plain(text, prefix=prefix), continuation=continuation)
        for text in texts
        for continuation in (" yes", "wer is old", " the lake")
        for prefix in (Prefix.TOKENIZER, Prefix.NONE)
    ]
    requests += [Request(prompt=Prompt(turns=(Turn(Role.USER, text),), chat=True), continuation="yes") for text in texts]
    with opened(folder) as backend:
        encoded = backend.encode(requests)
        answers = {response.key: response for response in backend.answer(encoded)}
        counters = backend.counters
    assert any(one.truncated for one in encoded) or kind in {"bloom", "mamba"}
    for one in encoded:
        found = answers[one.key]
        assert found.truncated in {other.truncated for other in encoded if other.key == one.key}
        expected = plain_scores(model, one.context_ids, one.continuation_ids)
        assert_close(Scores(found.token_logprobs, found.greedy), expected)
    assert counters.limit <= counters.computed <= counters.padded
    assert counters.limit < counters.planned


def test_the_sharing_path_can_be_turned_off(checkpoint):
    requests = [Request(prompt=Prompt.plain("the lake"), continuation=text) for text in (" is", " was", " is not")]
    with opened(checkpoint("qwen2"), share_prefixes=False) as backend:
        assert backend._scorer.path == "plain padded batches"
        assert backend.notes == ()
        plain = {response.key: response.loglikelihood for response in backend.answer(backend.encode(requests))}
        assert backend.counters.computed > backend.counters.limit
    with opened(checkpoint("qwen2")) as backend:
        shared = {response.key: response.loglikelihood for response in backend.answer(backend.encode(requests))}
    assert shared == pytest.approx(plain, abs=1e-4)


def test_neighbouring_groups_count_their_shared_prefix_once(checkpoint):
    requests = [Request(prompt=Prompt.plain(f"the lake is {word}"), continuation=" yes") for word in ("a", "old", "the")]
    with opened(checkpoint("qwen2")) as backend:
        list(backend.answer(backend.encode(requests)))
        together = backend.counters
    with opened(checkpoint("qwen2")) as backend:
        encoded = sorted(backend.encode(requests), key=lambda one: one.context_ids)
        for one in encoded:
            list(backend.answer([one]))
        assert backend.counters.limit == together.limit
        assert backend.counters.planned == together.planned
        assert backend.counters.computed > together.computed


def test_an_answer_that_a_check_contradicts_never_leaves_and_the_path_is_given_up(checkpoint, monkeypatch):
    folder = checkpoint("qwen2")
    sequences = grown()
    with opened(folder) as backend:
        expected = dict(backend._scorer.scores(sequences))
        wrong = {index: Scores(tuple(value - 1 for value in one.logprobs), one.greedy) for index, one in expected.items()}
        scorer = Scorer(backend._forward, batch_tokens=512)
        monkeypatch.setattr(scorer._shared, "scores", lambda plan: iter(wrong.items()))
        found = dict(scorer.scores(sequences))
        for index, one in expected.items():
            assert found[index].logprobs == pytest.approx(one.logprobs, abs=1e-4)
        assert scorer.path == "plain padded batches"
        assert "given up after a check" in scorer.notes[0]


def test_every_block_pays_for_a_sample_that_is_scored_again(checkpoint, monkeypatch):
    monkeypatch.setattr(scoring, "SAMPLED", 0.05)
    with opened(checkpoint("qwen2")) as backend:
        scorer = backend._scorer
        list(scorer.scores(grown()))
        assert scorer._checked == 1, "the first answer is checked at once"
        for seed in range(1, 40):
            list(scorer.scores(grown(seed=seed)))
        assert scorer._checked > 2
        assert scorer.computed <= 1.06 * scorer.limit


@pytest.mark.parametrize("blocks", [None, SMALL], ids=["whole", "in blocks"])
def test_too_little_memory_cuts_rows_and_loses_nothing(checkpoint, monkeypatch, blocks):
    sequences = grown()
    plan = plan_prefixes(sequences)
    with opened(checkpoint("qwen2")) as backend:
        expected = dict(SharedPrefixes(backend._forward, LARGE).scores(plan))
        model = backend._forward.model
        forward = type(model).forward
        longest = []

        def limited(*args, **kwargs):
            if kwargs["input_ids"].numel() > 40:
                raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
            longest.append(kwargs["input_ids"].numel())
            return forward(model, *args, **kwargs)

        monkeypatch.setattr(model, "forward", limited)
        found = dict(SharedPrefixes(backend._forward, LARGE, blocks=blocks).scores(plan))
    assert max(longest) <= 40
    assert {index: one.logprobs for index, one in found.items()} == {
        index: pytest.approx(one.logprobs, abs=1e-4) for index, one in expected.items()
    }


def test_what_does_not_fit_in_the_smallest_row_is_left_to_the_plain_path(checkpoint, monkeypatch):
    with opened(checkpoint("qwen2")) as backend:
        plan = plan_prefixes(grown())

        def full(*args, **kwargs):
            raise MemoryError

        monkeypatch.setattr(backend._forward.model, "forward", full)
        found = dict(SharedPrefixes(backend._forward, LARGE).scores(plan))
        assert set(found) == set(range(len(grown())))
        assert set(found.values()) == {None}


def test_a_model_error_that_is_not_about_memory_is_raised(checkpoint, monkeypatch):
    with opened(checkpoint("qwen2")) as backend:

        def broken(*args, **kwargs):
            raise RuntimeError("shapes differ")

        monkeypatch.setattr(backend._forward.model, "forward", broken)
        with pytest.raises(RuntimeError, match="shapes differ"):
            dict(SharedPrefixes(backend._forward, LARGE).scores(plan_prefixes(grown())))


def test_layers_of_an_unknown_kind_do_not_take_part():
    class Mixed:
        layer_types = ("full_attention", "linear_attention")

    with pytest.raises(Unshared, match="linear_attention"):
        window_of(Mixed())


def test_positions_that_depend_on_the_pass_are_known_by_their_configuration():
    class Plain:
        rope_parameters = {"rope_type": "default"}

    class Long:
        rope_parameters = {"rope_type": "longrope", "original_max_position_embeddings": 4096}

    class Layered:
        rope_parameters = {"full_attention": {"rope_type": "dynamic"}, "sliding_attention": {"rope_type": "default"}}
        max_position_embeddings = 512

    assert steady_length(object()) is None
    assert steady_length(Plain()) is None
    assert steady_length(Long()) == 4096
    assert steady_length(Layered()) == 512


def test_sequences_beyond_the_switch_of_their_positions_are_scored_alone(checkpoint):
    rope = {"rope_type": "dynamic", "factor": 4.0, "rope_theta": 10000.0}
    folder = checkpoint("llama", rope_parameters=rope, max_position_embeddings=24)
    model = plain_model(folder)
    sequences = grown()
    assert any(len(one.ids) > 30 for one in sequences)
    assert any(len(one.ids) < 24 for one in sequences)
    with opened(folder) as backend:
        found = dict(backend._scorer.scores(sequences))
    fresh = {
        index: plain_scores(model, one.ids[: -one.n_scored], one.ids[-one.n_scored :]) for index, one in enumerate(sequences)
    }
    for index, one in enumerate(sequences):
        if len(one.ids) <= 24:
            assert_close(found[index], fresh[index])
    assert set(found) == set(range(len(sequences)))


def test_rows_are_longer_where_a_pass_costs_more(checkpoint):
    class Configuration:
        num_hidden_layers = 4
        hidden_size = 128

    class Device:
        type = "cuda"

    with opened(checkpoint("qwen2")) as backend:
        on_processor = row_cost(Configuration(), backend._forward, longest=10**6)
        backend._forward.device = Device()
        on_card = row_cost(Configuration(), backend._forward, longest=10**6)
        backend._forward.device = None
    assert 100 < on_processor.best < 2000 < on_card.best


def test_half_precision_takes_the_same_path(checkpoint):
    request = Request(prompt=Prompt.plain("the lake"), continuation=" is old")
    folder = checkpoint("llama", bos=True)
    backend = open_backend(
        ModelSpec(name="m", path=str(folder)), {"dtype": "bfloat16"}, EngineSpec(device="cpu"), folder=folder
    )
    with backend:
        assert backend._scorer.path == Rows.TREES.value
        (response,) = backend.answer(backend.encode([request]))
        assert response.loglikelihood < 0
