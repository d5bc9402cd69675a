"""What a plan can know of a checkpoint that is on this machine, without loading it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from safetyrepro.backends.at_hand import configuration_at_hand, encoder_at_hand, folder_at_hand
from safetyrepro.records import Decoding, Prompt, Request, Role, Turn
from safetyrepro.selection import shipped_studies
from safetyrepro.study import ModelSpec

CHECKPOINTS = shipped_studies()["quickstart"].parent / "checkpoints"


def spec(path: str | None = None, **fields: str) -> ModelSpec:
    return ModelSpec(name="one", path=path, **fields)


def test_what_is_not_on_this_machine_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    for model in (spec("nowhere"), spec(repository="nobody/nothing", revision="0" * 40), spec(repository="two//slashes")):
        assert folder_at_hand(model, tmp_path) is None
        assert configuration_at_hand(model, tmp_path) is None
        assert encoder_at_hand(model, tmp_path) is None


def test_a_configuration_is_read_as_it_stands_and_a_damaged_one_is_unknown(tmp_path: Path):
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "config.json").write_text(json.dumps({"hidden_size": 8}))
    assert configuration_at_hand(spec("one"), tmp_path) == {"hidden_size": 8}

    for damaged in ("{", "[1]"):
        (tmp_path / "one" / "config.json").write_text(damaged)
        assert configuration_at_hand(spec("one"), tmp_path) is None


@pytest.mark.model
def test_an_encoder_without_weights_says_which_requests_are_the_same_to_the_model():
    at_hand = encoder_at_hand(spec("tiny-qwen2"), CHECKPOINTS)
    assert at_hand is not None

    def asked(*turns: Turn, **decoding: object) -> object:
        request = Request(prompt=Prompt(turns=turns, chat=True), decoding=Decoding(max_tokens=8, **decoding))
        return at_hand.asked([request])[request]

    question = Turn(Role.USER, "Who is there?")
    silent, helpful = Turn(Role.SYSTEM, ""), Turn(Role.SYSTEM, "You are helpful.")

    assert asked(silent, question) == asked(question) != asked(helpful, question)
    assert asked(question, model_default=True, seed=5) == asked(question)
    assert asked(question, temperature=1.0, seed=5) != asked(question, temperature=1.0, seed=6)


@pytest.mark.model
def test_a_folder_without_a_tokenizer_has_no_encoder(tmp_path: Path):
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "config.json").write_text(json.dumps({"model_type": "llama"}))

    assert encoder_at_hand(spec("one"), tmp_path) is None
