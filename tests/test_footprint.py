"""Memory by arithmetic: published parameter counts, the paper's models on a card of 16 GB, and what a loaded model really holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from safetyrepro.footprint import PUBLISHED, Footprint, Shape, footprint, shape_of, token_bytes, weight_bytes

CARD_BYTES = 16_000_000_000
PARAMETERS = {
    "Qwen/Qwen2.5-7B-Instruct": 7_615_616_512,
    "mistralai/Mistral-7B-Instruct-v0.3": 7_248_023_552,
    "01-ai/Yi-1.5-9B-Chat": 8_829_407_232,
}
"""As their repositories state them."""


def shape(repository: str) -> Shape:
    found = shape_of(PUBLISHED[repository])
    assert found is not None
    return found


def paper(repository: str, *, quantization: str = "nf4", longest: int = 2048) -> Footprint:
    return footprint(shape(repository), dtype="bfloat16", quantization=quantization, longest=longest, batch_tokens=4096)


@pytest.mark.parametrize("repository", PARAMETERS)
def test_shapes_give_the_published_numbers_of_parameters(repository: str):
    assert shape(repository).parameters == PARAMETERS[repository]


@pytest.mark.parametrize("repository", PARAMETERS)
def test_the_papers_models_fit_a_card_of_16_gb_at_nf4_and_not_at_16_bits(repository: str):
    assert paper(repository).total < 0.75 * CARD_BYTES
    assert paper(repository, quantization="none").total > CARD_BYTES


def test_four_bits_with_double_quantization_are_4_127_bits_a_weight():
    mistral = shape("mistralai/Mistral-7B-Instruct-v0.3")
    linear = mistral.layers * mistral.linear
    kept = 2 * (mistral.parameters - linear)

    assert 8 * (weight_bytes(mistral, dtype="bfloat16", quantization="nf4") - kept) / linear == pytest.approx(4.127, abs=5e-4)
    assert weight_bytes(mistral, dtype="float32", quantization="none") == 4 * mistral.parameters
    assert token_bytes(mistral, dtype="bfloat16") == 2 * 32 * 8 * 128 * 2


def test_longer_requests_and_larger_passes_take_more_and_a_processor_has_no_context():
    small, long = paper("01-ai/Yi-1.5-9B-Chat"), paper("01-ai/Yi-1.5-9B-Chat", longest=30_000)

    assert long.keys_and_values > small.keys_and_values
    assert long.weights == small.weights
    here = footprint(
        shape("01-ai/Yi-1.5-9B-Chat"), dtype="float32", quantization="none", longest=64, batch_tokens=256, on_card=False
    )
    assert here.context == 0
    assert here.total == here.weights + here.keys_and_values + here.pass_values + here.logits


@pytest.mark.parametrize(
    "configuration",
    [
        None,
        {},
        {"model_type": "gpt_neox", "hidden_size": 64},
        {**PUBLISHED["01-ai/Yi-1.5-9B-Chat"], "hidden_size": None},
        {**PUBLISHED["01-ai/Yi-1.5-9B-Chat"], "vocab_size": "many"},
    ],
)
def test_nothing_is_said_of_a_shape_that_is_not_stated(configuration):
    assert shape_of(configuration) is None


@pytest.mark.model
@pytest.mark.parametrize("kind", ["llama", "mistral", "qwen2"])
@pytest.mark.parametrize("quantization", ["none", "nf4", "int8"])
def test_a_loaded_model_holds_what_the_arithmetic_says(tmp_path: Path, kind: str, quantization: str):
    from safetyrepro.backends.checkpoint import find_checkpoint, load_checkpoint
    from safetyrepro.study import ModelSpec
    from tiny_checkpoints import make_checkpoint

    make_checkpoint(tmp_path, kind, hidden_size=128, intermediate_size=256, num_hidden_layers=3)
    found = find_checkpoint(ModelSpec(name="m", path="."), tmp_path)
    loaded = load_checkpoint(found, name="m", dtype="bfloat16", quantization=quantization, device="cpu")

    computed = shape_of(loaded.model.config.to_dict())

    assert computed is not None
    assert held(loaded.model) == pytest.approx(weight_bytes(computed, dtype="bfloat16", quantization=quantization), rel=0.003)


def held(model) -> int:
    """Bytes of weights, with what quantization keeps beside them; rotary frequencies are no weights."""
    tensors = list(model.parameters())
    for parameter in model.parameters():
        state = getattr(parameter, "quant_state", None)
        while state is not None:
            tensors += [one for name in ("absmax", "code", "offset") if (one := getattr(state, name, None)) is not None]
            state = getattr(state, "state2", None)
        rows = getattr(parameter, "SCB", None)
        tensors += [] if rows is None else [rows]
    return sum(one.nbytes for one in {one.data_ptr(): one for one in tensors}.values())
