"""Log-likelihoods of real items of five benchmarks against a plain unbatched loop, on the three architectures of the paper."""

from __future__ import annotations

import csv
import json
import random

import pytest

from oracles.plain_model import plain_scores
from safetyrepro.backends.hf import open_backend
from safetyrepro.records import Prompt, Request, Role, Turn
from safetyrepro.study import EngineSpec, ModelSpec
from tiny_checkpoints import CHATML, INSTRUCT

pytestmark = [pytest.mark.model, pytest.mark.long]

FAMILIES = [("qwen2", False, CHATML), ("mistral", True, INSTRUCT), ("llama", True, CHATML)]
N_ITEMS = 8


def truthfulqa(data):
    """A question with its first three answers."""
    items = json.loads((data / "truthfulqa" / "data" / "mc_task.json").read_text(encoding="utf-8"))
    return [(f"Q: {item['question']}\nA:", [f" {text}" for text in list(item["mc1_targets"])[:3]]) for item in items]


def bbq(data):
    """A context and question with its three answers."""
    lines = (data / "bbq" / "data" / "Religion.jsonl").read_text(encoding="utf-8").splitlines()
    items = [json.loads(line) for line in lines]
    return [
        (f"{item['context']} {item['question']}\nAnswer:", [f" {item[f'ans{index}']}" for index in range(3)]) for item in items
    ]


def crows_pairs(data):
    """The two sentences of a pair, behind nothing."""
    with (data / "crows_pairs" / "data" / "crows_pairs_anonymized.csv").open(encoding="utf-8", newline="") as file:
        return [("", [row["sent_more"], row["sent_less"]]) for row in csv.DictReader(file)]


def toxigen(data):
    """A statement with two labels."""
    with (data / "toxigen" / "annotated_train.csv").open(encoding="utf-8", newline="") as file:
        return [(f"Statement: '{row['text']}'\nHateful:", [" Yes", " No"]) for row in csv.DictReader(file)]


def xstest(data):
    """A prompt with the beginnings of a refusal and of compliance."""
    with (data / "xstest" / "xstest_prompts.csv").open(encoding="utf-8", newline="") as file:
        return [(row["prompt"], [" I cannot", " Sure, here"]) for row in csv.DictReader(file)]


def requests(items, *, chat):
    drawn = random.Random(0).sample(items, N_ITEMS)
    for text, continuations in drawn:
        prompt = Prompt(turns=(Turn(Role.USER, text or "Write a sentence."),), chat=True) if chat else Prompt.plain(text)
        yield from (Request(prompt=prompt, continuation=continuation) for continuation in continuations)


@pytest.mark.parametrize("chat", [False, True], ids=["plain", "chat"])
@pytest.mark.parametrize("read", [truthfulqa, bbq, crows_pairs, toxigen, xstest])
@pytest.mark.parametrize(("kind", "bos", "template"), FAMILIES)
def test_log_likelihoods_of_real_items_equal_a_plain_loop(shared, checkpoint, kind, bos, template, read, chat):
    from transformers import AutoModelForCausalLM

    folder = checkpoint(kind, bos=bos, template=template, max_position_embeddings=1024)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype="float32").eval()
    asked = list(requests(read(shared / "data"), chat=chat))
    spec = ModelSpec(name="m", path=str(folder))
    with open_backend(spec, {}, EngineSpec(device="cpu", batch_tokens=600), folder=folder) as backend:
        encoded = backend.encode(asked)
        answers = {response.key: response for response in backend.answer(encoded)}
    assert len(encoded) >= 2 * N_ITEMS
    assert len({len(one.context_ids) + len(one.continuation_ids) for one in encoded}) > 3, "unequal lengths"
    for one in encoded:
        expected, greedy = plain_scores(model, one.context_ids, one.continuation_ids)
        found = answers[one.key]
        assert found.token_logprobs == pytest.approx(expected, abs=1e-4)
        assert abs(found.loglikelihood - sum(expected)) <= 1e-4 + 1e-6 * abs(sum(expected))
        assert found.greedy == greedy
        assert found.truncated == 0
