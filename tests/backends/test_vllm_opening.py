"""What the vLLM backend loads, how it calls it, and what it refuses before anything is asked."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from pathlib import Path

import pytest

from fake_vllm import VLLMError
from safetyrepro.backends import hf
from safetyrepro.backends.base import chosen_levels
from safetyrepro.backends.vllm import FACTORS
from safetyrepro.envelope import Stage
from safetyrepro.errors import MissingDependency, ModelError
from safetyrepro.study import parse_study
from tiny_checkpoints import CHATML, change_one_weight, write_tokenizer
from vllm_questions import SCORES, local, opened

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def folder(checkpoint):
    return checkpoint("llama", bos=True)


def test_the_identity_tells_what_was_loaded(vllm, folder):
    with local(folder) as other:
        known = other.identity
    with opened(folder, load={"dtype": "bfloat16"}) as backend:
        identity = backend.identity
    assert identity.engine.startswith("safetyrepro-vllm 1 (vllm 0.32.0, torch ")
    assert (identity.dtype, identity.quantization) == ("bfloat16", "none")
    same = ("weights", "tokenizer", "chat_template", "device")
    assert all(getattr(identity, name) == getattr(known, name) for name in same)
    assert identity.digest != known.digest


def test_checkpoints_that_differ_in_one_weight_tokenizer_or_dtype_share_no_key(vllm, checkpoint, tmp_path):
    folders = {name: tmp_path / name for name in ("same", "weight", "tokenizer")}
    for folder in folders.values():
        shutil.copytree(checkpoint("qwen2"), folder)
    change_one_weight(folders["weight"])
    write_tokenizer(folders["tokenizer"], bos=False, template=CHATML, seed=1)
    keys = {}
    for name, folder in {"original": checkpoint("qwen2"), **folders}.items():
        with opened(folder) as backend:
            keys[name] = backend.encode([SCORES[0]])[0].key
    with opened(folders["same"], load={"dtype": "float16"}) as backend:
        keys["dtype"] = backend.encode([SCORES[0]])[0].key
    assert keys["original"] == keys.pop("same")
    assert len(set(keys.values())) == len(keys) == 4


def test_a_checkpoint_that_states_its_quantization_is_called_by_it(vllm, checkpoint, tmp_path, monkeypatch):
    folder = tmp_path / "awq"
    shutil.copytree(checkpoint("qwen2"), folder)
    text = json.loads((folder / "config.json").read_text())
    plain = checkpoint("qwen2")
    (folder / "config.json").write_text(json.dumps(text | {"quantization_config": {"quant_method": "awq", "bits": 4}}))
    load = sys.modules["vllm"].LLM.__init__
    monkeypatch.setattr(
        sys.modules["vllm"].LLM,
        "__init__",
        lambda self, model, **rest: load(self, str(plain), **rest | {"tokenizer": str(plain)}),
    )
    with opened(folder) as backend:
        assert backend.identity.quantization == "awq"


def test_vllm_is_started_as_the_study_says(vllm, folder):
    opened(folder, batch_tokens=100, share_prefixes=False).close()
    opened(folder, memory_share=0.5, load={"dtype": "float16"}).close()
    first, second = vllm.loaded
    assert (first["max_num_batched_tokens"], first["max_num_seqs"], first["enable_prefix_caching"]) == (100, 100, False)
    assert (first["dtype"], first["kv_cache_memory_bytes"]) == ("float32", 4 << 30)
    assert (second["dtype"], second["gpu_memory_utilization"], second["enable_prefix_caching"]) == ("float16", 0.5, True)
    assert "kv_cache_memory_bytes" not in second
    assert all(entry["logprobs_mode"] == "raw_logprobs" and not entry["trust_remote_code"] for entry in vllm.loaded)
    assert vllm.closed == 2


def test_on_a_card_the_identity_names_it_and_memory_is_left_to_vllm(vllm, folder):
    vllm.cpu = False
    with opened(folder, device="cuda") as backend:
        assert backend.identity.device == "a card"
    assert "kv_cache_memory_bytes" not in vllm.loaded[0]


@pytest.mark.parametrize(("cpu", "device"), [(True, "cuda"), (False, "cpu"), (False, "cuda:1")])
def test_a_device_that_vllm_was_not_built_for_is_refused(vllm, folder, cpu, device):
    vllm.cpu = cpu
    with pytest.raises(ModelError, match=f"asks for '{device}'.*CUDA_VISIBLE_DEVICES"):
        opened(folder, device=device)
    assert not vllm.loaded


def test_the_factors_take_effect_at_load_and_plain_float32_is_their_default():
    found = [(factor.name, factor.stage, factor.names[0]) for factor in FACTORS]
    assert found == [("dtype", Stage.LOAD, "float32"), ("quantization", Stage.LOAD, "none")]
    assert found == [(factor.name, factor.stage, factor.names[0]) for factor in hf.FACTORS]
    assert FACTORS[0].names == hf.FACTORS[0].names


@pytest.mark.parametrize(
    ("load", "part"),
    [
        ({"dtype": "float8"}, "no level 'float8'"),
        ({"quantization": "nf4"}, "has no level 'nf4'; expected one of none"),
        ({"harness": "x"}, "'vllm' does not obey harness"),
    ],
)
def test_a_level_that_nobody_obeys_is_refused(vllm, tmp_path, load, part):
    with pytest.raises(ModelError, match=part):
        opened(tmp_path, load=load)


def test_the_study_that_the_how_to_shows_is_read_and_names_levels_that_exist():
    page = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "run-with-vllm.md"
    block = page.read_text(encoding="utf-8").split("\n\n    name: ")[1].split("\n\n")[0]
    study = parse_study(textwrap.dedent(f"    name: {block}"), where="page")
    assert study.backend == "vllm"
    levels = {name: some[0] for name, some in study.load.items()}
    assert chosen_levels(FACTORS, levels, backend="vllm", where="page")["dtype"] == "bfloat16"


def test_absent_vllm_is_met_with_the_command_that_installs_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(MissingDependency, match=r"backend 'vllm': the library 'vllm.*pip install 'safetyrepro\[vllm\]'"):
        opened(tmp_path)


def test_a_vllm_that_cannot_be_imported_is_told_apart_from_none(tmp_path, monkeypatch, vllm):
    monkeypatch.delattr(sys.modules["vllm.exceptions"], "VLLMError")
    with pytest.raises(ModelError, match=r"is installed and cannot be imported: ImportError.*an environment of its own"):
        opened(tmp_path)


@pytest.mark.parametrize(
    "error", [ValueError("No module for FooForCausalLM."), VLLMError("bad\nconfig"), RuntimeError("no memory")]
)
def test_a_model_that_vllm_cannot_load_is_refused_with_its_reason(vllm, folder, error):
    vllm.refuses = error
    with pytest.raises(
        ModelError, match=f"vLLM cannot load it: {type(error).__name__}: {' '.join(str(error).split()).rstrip('.')}"
    ):
        opened(folder)


def test_a_model_that_loads_and_cannot_be_computed_is_refused_before_the_first_cell(vllm, folder):
    vllm.breaks = VLLMError("head size 8 is not supported")
    with pytest.raises(ModelError, match=r"vLLM cannot compute it: VLLMError: head size 8"):
        opened(folder)
    assert vllm.closed == 1
