"""The real vLLM, in the environment that SAFETYREPRO_VLLM_PYTHON names, against the hf backend; and the module that stands in for it."""

from __future__ import annotations

import dataclasses
import inspect
import json
import os
import subprocess
from pathlib import Path

import pytest

import fake_vllm
from vllm_program import asked
from vllm_questions import local

pytestmark = pytest.mark.long

ROOT = Path(__file__).resolve().parents[2]
WIDER = {"hidden_size": 128, "num_attention_heads": 2, "num_key_value_heads": 2}
"""vLLM's kernels want heads of 32 at least."""


@pytest.fixture(scope="module")
def python() -> str:
    """Interpreter of an environment with vLLM."""
    found = os.environ.get("SAFETYREPRO_VLLM_PYTHON")
    if not found:
        pytest.skip("SAFETYREPRO_VLLM_PYTHON names no environment with vLLM")
    return found


@pytest.fixture(scope="module")
def folder(checkpoint):
    return checkpoint("llama", bos=True, **WIDER)


@pytest.fixture(scope="module")
def said(python, folder, checkpoint, tmp_path_factory):
    """What vLLM answered."""
    file = tmp_path_factory.mktemp("vllm") / "said.json"
    small = checkpoint("llama", bos=True)
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT / 'tests'}"}
    program = str(ROOT / "tests" / "vllm_program.py")
    done = subprocess.run(
        [python, program, str(folder), str(small), str(file)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(file.read_text(encoding="utf-8"))


def test_log_likelihoods_and_texts_equal_those_of_the_hf_backend(said, folder):
    with local(folder) as backend:
        expected = asked(backend)
    for (logprobs, greedy, text, finish, error), one in zip(said["answers"], expected, strict=True):
        assert error is None
        assert logprobs == pytest.approx(list(one.token_logprobs), abs=1e-3)
        assert (greedy, text, finish) == (one.greedy, one.text, one.finish)
    assert {finish for *_, finish, _ in said["answers"]} == {None, "stop", "length"}


def test_a_drawn_answer_depends_on_its_seed_and_not_on_its_batch(said):
    assert said["together"] == said["alone"]
    assert all(one != other for one, other in zip(said["together"][::2], said["together"][1::2], strict=True))


def test_the_identity_names_vllm_and_the_same_weights(said, folder):
    with local(folder) as backend:
        known = backend.identity
    assert said["identity"]["weights"] == known.weights
    assert said["identity"]["engine"].startswith("safetyrepro-vllm 1 (vllm ")


def test_a_model_that_vllm_cannot_compute_is_refused_before_the_first_cell(said):
    assert "vLLM cannot" in said["refused"]


@pytest.mark.parametrize("name", ["SamplingParams", "Logprob", "CompletionOutput", "RequestOutput"])
def test_the_module_that_stands_in_has_no_field_that_vllm_has_not(said, name):
    fields = {field.name for field in dataclasses.fields(getattr(fake_vllm, name))}
    assert fields <= set(said[name])


def test_the_module_that_stands_in_is_started_with_nothing_that_vllm_does_not_take(said):
    assert set(inspect.signature(fake_vllm.LLM).parameters) <= set(said["LLM"])
