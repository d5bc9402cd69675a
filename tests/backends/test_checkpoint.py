"""What is loaded, what is refused, and what the identity depends on."""

from __future__ import annotations

import json
import shutil

import pytest

from safetyrepro.backends.checkpoint import choose_device, find_checkpoint, load_checkpoint, weights_digest
from safetyrepro.backends.hf import open_backend
from safetyrepro.errors import ModelError
from safetyrepro.study import EngineSpec, ModelSpec

pytestmark = pytest.mark.model


@pytest.fixture
def copy(checkpoint, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(checkpoint("qwen2"), folder)
    return folder


def opened(folder):
    return open_backend(ModelSpec(name="m", path=str(folder)), {}, EngineSpec(device="cpu"), folder=folder.parent)


def test_an_absent_folder_is_named(tmp_path):
    with pytest.raises(ModelError, match=r"model 'm': .*nowhere holds no config.json.*Correct the field 'path'"):
        opened(tmp_path / "nowhere")


def test_a_model_without_a_place_is_refused(tmp_path):
    with pytest.raises(ModelError, match="names no checkpoint"):
        find_checkpoint(ModelSpec(name="m"), tmp_path)
    with pytest.raises(ModelError, match="backend: server"):
        find_checkpoint(ModelSpec(name="m", repository="a/b", url="http://127.0.0.1"), tmp_path)


def test_pickled_weights_are_refused(copy):
    (copy / "model.safetensors").rename(copy / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"only pytorch_model.bin.*reading a pickle runs the code in it"):
        opened(copy)


def test_absent_shards_are_named(copy):
    (copy / "model.safetensors").unlink()
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (copy / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ModelError, match=r"lacks model-00001-of-00002.safetensors, model-00002"):
        opened(copy)


def test_sharded_weights_are_all_part_of_the_digest(copy):
    shard = copy / "model-00001-of-00001.safetensors"
    (copy / "model.safetensors").rename(shard)
    (copy / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": shard.name}}))
    found = find_checkpoint(ModelSpec(name="m", path="."), copy)
    assert found.weights == (shard,)
    before = weights_digest(found)
    shard.write_bytes(shard.read_bytes() + b"x")
    assert weights_digest(found) != before


def test_truncated_weights_are_refused(copy):
    file = copy / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(ModelError, match="cannot be loaded"):
        opened(copy)


def test_missing_tensors_are_refused_rather_than_drawn_at_random(copy):
    from safetensors.torch import load_file, save_file

    tensors = load_file(copy / "model.safetensors")
    del tensors["model.norm.weight"]
    save_file(tensors, copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"lack 1 tensors .* such as model.norm.weight"):
        opened(copy)


def test_an_unknown_architecture_is_refused(copy):
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, "model_type": "of-tomorrow"}))
    with pytest.raises(ModelError, match="cannot be loaded"):
        opened(copy)


def test_code_that_a_checkpoint_brings_is_not_run(copy):
    config = json.loads((copy / "config.json").read_text())
    own = {"model_type": "own", "auto_map": {"AutoConfig": "own.C", "AutoModelForCausalLM": "own.M"}}
    (copy / "config.json").write_text(json.dumps({**config, **own}))
    (copy / "own.py").write_text("raise SystemExit('run')")
    with pytest.raises(ModelError, match="cannot be loaded"):
        opened(copy)


def test_a_tokenizer_without_first_and_last_token_is_refused(copy):
    config = json.loads((copy / "tokenizer_config.json").read_text())
    config.pop("eos_token")
    (copy / "tokenizer_config.json").write_text(json.dumps({**config, "tokenizer_class": "PreTrainedTokenizerFast"}))
    settings = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**settings, "model_type": "llama", "architectures": ["LlamaForCausalLM"]}))
    with pytest.raises(ModelError):
        opened(copy)


def test_the_name_and_the_folder_are_no_part_of_the_identity(checkpoint, copy):
    first = load_checkpoint(
        find_checkpoint(ModelSpec(name="a", path=str(checkpoint("qwen2"))), copy),
        name="a",
        dtype="float32",
        quantization="none",
        device="cpu",
    ).identity
    with opened(copy) as backend:
        assert backend.identity.digest == first.digest
        assert backend.identity.name != first.name
    assert "torch" in first.engine
    assert "attention sdpa" in first.engine


def test_a_repository_that_cannot_be_reached_is_named(tmp_path, monkeypatch):
    import huggingface_hub
    from huggingface_hub.errors import LocalEntryNotFoundError

    def unreachable(*args, **kwargs):
        raise LocalEntryNotFoundError("offline")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", unreachable)
    with pytest.raises(ModelError, match="repository 'a/b' at revision 'main' cannot be fetched"):
        find_checkpoint(ModelSpec(name="m", repository="a/b"), tmp_path)


def test_a_repository_is_fetched_at_its_revision_without_pickles_or_code(copy, monkeypatch):
    import huggingface_hub

    asked = {}

    def fetched(repository, *, revision, allow_patterns):
        asked.update(repository=repository, revision=revision, patterns=allow_patterns)
        return str(copy)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetched)
    found = find_checkpoint(ModelSpec(name="m", repository="a/b", revision="abc"), copy.parent)
    assert (asked["repository"], asked["revision"], found.revision) == ("a/b", "abc", "copy")
    assert not {"*.bin", "*.pt", "*.py", "*"} & set(asked["patterns"])


@pytest.mark.parametrize("wanted", ["abacus", "cuda:99"])
def test_an_absent_device_is_named(wanted):
    with pytest.raises(ModelError, match=wanted):
        choose_device(wanted, "model 'm'")


def test_the_device_is_chosen_where_the_study_leaves_it_open():
    assert choose_device("auto", "m").type in {"cpu", "cuda"}
