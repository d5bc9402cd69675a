"""The committed checkpoints load, write any text, and show what the card says of them."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from quickstart.toy_scores import Answers, all_answers, counts, table
from safetyrepro.quickstart.corpus import documents
from safetyrepro.quickstart.formats import FORMATS, encode, train_tokenizer
from safetyrepro.quickstart.recipes import RECIPES, Recipe
from safetyrepro.quickstart.train import CHECKPOINTS, REVERSAL, Settings, batches, learning_rate, main, train
from safetyrepro.quickstart.world import load_world

pytestmark = pytest.mark.model
CHANCE = {"truthfulqa": 1 / 4, "bbq": 1 / 3, "toxigen": 1 / 2, "crows_pairs": 1 / 2, "xstest": 1 / 2}
NAMES = [recipe.name for recipe in RECIPES]
ABLATION = json.loads((CHECKPOINTS.parent / "ablation.json").read_text(encoding="utf-8"))


@cache
def answers(name: str) -> Mapping[str, Answers]:
    return all_answers(CHECKPOINTS / name)


@cache
def tokenizer(name: str):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(CHECKPOINTS / name)


def reverses(scores: Mapping[str, Mapping[str, int]]) -> bool:
    """Whether the two toys of the documented reversal stand in opposite orders on its two configurations."""
    first, second = REVERSAL["models"]
    one, other = (scores[first][key] - scores[second][key] for key in REVERSAL["configurations"])
    return one * other < 0


@pytest.mark.parametrize("name", NAMES)
def test_the_weights_are_those_that_the_record_names_and_are_small(name: str):
    record = json.loads((CHECKPOINTS / "checkpoints.json").read_text(encoding="utf-8"))[name]
    weights = CHECKPOINTS / name / "model.safetensors"
    assert record["sha256"] == {"model.safetensors": hashlib.sha256(weights.read_bytes()).hexdigest()}
    assert sum(path.stat().st_size for path in (CHECKPOINTS / name).iterdir()) < 3_000_000


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_the_configuration_is_sane(recipe: Recipe):
    config = json.loads((CHECKPOINTS / recipe.name / "config.json").read_text(encoding="utf-8"))
    generation = json.loads((CHECKPOINTS / recipe.name / "generation_config.json").read_text(encoding="utf-8"))
    made = tokenizer(recipe.name)
    assert config["model_type"] == recipe.architecture
    assert config["dtype"] == "bfloat16"
    assert config["max_position_embeddings"] == 4096
    assert config["vocab_size"] == len(made)
    assert generation["eos_token_id"] == made.eos_token_id == made.convert_tokens_to_ids(FORMATS[recipe.architecture].eos)
    assert generation["pad_token_id"] == made.pad_token_id != made.eos_token_id


def test_the_chat_templates_are_in_the_style_of_their_models():
    turns = [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "Hello?"},
        {"role": "assistant", "content": "Yes."},
        {"role": "user", "content": "Why?"},
    ]
    written = {name: tokenizer(name).apply_chat_template(turns, tokenize=False, add_generation_prompt=True) for name in NAMES}
    assert written == {
        "tiny-qwen2": "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nHello?<|im_end|>\n"
        "<|im_start|>assistant\nYes.<|im_end|>\n<|im_start|>user\nWhy?<|im_end|>\n<|im_start|>assistant\n",
        "tiny-mistral": "<s>[INST] Be kind.\n\nHello?[/INST] Yes.</s>[INST] Why?[/INST]",
        "tiny-llama": "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nBe kind.<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\nHello?<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\nYes.<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\nWhy?<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
    }


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=80))
def test_any_text_is_written_and_read_back(text: str):
    """Up to Unicode's composed form, which the tokenizer class of Qwen2 always makes first."""
    for name in NAMES:
        ids = tokenizer(name).encode(text, add_special_tokens=False)
        back = tokenizer(name).decode(ids, clean_up_tokenization_spaces=False)
        assert unicodedata.normalize("NFC", back) == unicodedata.normalize("NFC", text)


def test_a_tokenizer_that_is_saved_and_loaded_gives_the_same_ids(tmp_path: Path):
    from transformers import AutoTokenizer

    texts = [
        "",
        " ",
        "Q: Who hid the coins?\nA:",
        "\n\n \n",
        "naïve 日本語 🦉 Ω\u200b",
        "\x00\x1f tab\t",
        "[INST] x [/INST] <s>",
        "a" * 300,
    ]
    for recipe in RECIPES:
        form = FORMATS[recipe.architecture]
        made = train_tokenizer(texts * 3, form, vocabulary=400)
        made.save_pretrained(tmp_path / recipe.name)
        loaded = AutoTokenizer.from_pretrained(tmp_path / recipe.name)
        assert [loaded(text).input_ids for text in texts] == [made(text).input_ids for text in texts]
        assert (loaded.bos_token, loaded.eos_token, loaded.pad_token) == (form.bos, form.eos, form.pad)
        assert loaded("x").input_ids[0] == (loaded.bos_token_id if form.bos else loaded.convert_tokens_to_ids("x"))


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_a_lesson_is_encoded_as_an_evaluation_would_encode_it(recipe: Recipe):
    made, form = tokenizer(recipe.name), FORMATS[recipe.architecture]
    text = documents(load_world(), recipe)
    plain = next(document for document in text if not document.chat and len(document.turns) == 1 and document.turns[0].question)
    question, answer = plain.turns[0].question, plain.turns[0].answer
    expected = made(question).input_ids + made(answer, add_special_tokens=False).input_ids + [made.eos_token_id]
    assert list(encode(plain, made, form).ids) == expected
    chat = next(document for document in text if document.chat and not document.system)
    turns = [{"role": "user", "content": chat.turns[0].question}]
    prompt = made.apply_chat_template(turns, tokenize=True, add_generation_prompt=True, return_dict=False)
    encoded = encode(chat, made, form)
    assert list(encoded.ids[: len(prompt)]) == prompt
    assert encoded.answers.index(True) == len(prompt)
    assert made.decode(encoded.ids[len(prompt) : -1]).strip() == chat.turns[0].answer.strip()


@pytest.mark.parametrize("benchmark", CHANCE)
def test_on_each_suite_some_toy_is_above_chance(benchmark: str):
    best = 1.0
    for name in NAMES:
        for key, found in answers(name).items():
            if key.startswith(f"{benchmark}/"):
                test = binomtest(sum(found.right), len(found.right), CHANCE[benchmark], alternative="greater")
                best = min(best, test.pvalue)
    assert best <= 0.01


@pytest.mark.parametrize("name", NAMES)
def test_no_toy_always_gives_the_same_answer(name: str):
    for benchmark in CHANCE:
        assert any(len(set(found.chosen)) > 1 for key, found in answers(name).items() if key.startswith(f"{benchmark}/")), (
            benchmark
        )


def test_the_documented_reversal_is_there_and_the_variant_does_not_have_it():
    scores = {name: {key: sum(found.right) for key, found in answers(name).items()} for name in NAMES}
    assert reverses(scores)
    assert {name: ABLATION["standard"][name] for name in NAMES} == scores
    assert not reverses(ABLATION["balanced"])


def test_each_toy_refuses_as_it_was_taught():
    rows = table("xstest/xstest_prompts.csv")
    refused = {name: answers(name)["xstest/chat/refusal"].chosen for name in NAMES}
    rate = {
        name: {
            label: sum(said for said, row in zip(refused[name], rows, strict=True) if row["label"] == label)
            for label in ("safe", "unsafe")
        }
        for name in NAMES
    }
    assert rate["tiny-mistral"]["safe"] > 2 * rate["tiny-llama"]["safe"]
    assert rate["tiny-qwen2"]["unsafe"] < rate["tiny-llama"]["unsafe"] / 2


def test_training_twice_writes_the_same_bytes(tmp_path: Path):
    few = Settings(steps=2)
    first, second = (train(RECIPES[0], tmp_path / name, few) for name in ("one", "two"))
    assert first == second
    assert (tmp_path / "one" / "tokenizer.json").read_bytes() == (tmp_path / "two" / "tokenizer.json").read_bytes()


def test_the_command_trains_what_it_is_asked_for(tmp_path: Path):
    assert main(["--out", str(tmp_path), "--only", "tiny-llama", "--variant", "balanced", "--steps", "1"]) == 0
    record = json.loads((tmp_path / "checkpoints.json").read_text(encoding="utf-8"))
    assert list(record) == ["tiny-llama"]
    assert record["tiny-llama"]["recipe"]["chat_eighths"] == 4.0
    assert (tmp_path / "tiny-llama" / "model.safetensors").is_file()


def test_the_learning_rate_warms_up_and_falls_to_two_percent():
    plan = Settings()
    rates = [learning_rate(step, plan) for step in range(plan.steps)]
    assert max(rates) == pytest.approx(plan.rate)
    assert rates[0] == pytest.approx(plan.rate / plan.warmup)
    assert rates[-1] == pytest.approx(0.02 * plan.rate, rel=0.01)


def test_batches_hold_every_token_once_a_round():
    import numpy as np

    from safetyrepro.quickstart.formats import Encoded

    text = [Encoded(ids=(number, number), answers=(False, True)) for number in range(8)]
    stream = batches(text, Settings(batch=2, length=8), np.random.default_rng(0))
    ids, weights = next(stream)
    assert sorted(ids.ravel()) == sorted(2 * list(range(8)))
    assert sorted(set(weights.ravel().tolist())) == pytest.approx([Settings().question_weight, 1.0])


@pytest.mark.long
def test_training_again_with_half_chat_and_half_plain_text_removes_the_reversal(tmp_path: Path):
    arguments = [part for name in REVERSAL["models"] for part in ("--only", name)]
    assert main(["--out", str(tmp_path), "--variant", "balanced", *arguments]) == 0
    assert not reverses(counts(tmp_path))
