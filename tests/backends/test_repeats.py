"""A repeat asks the same model the same under another batch order: other rounding, the same answers up to it, and a placebo flip rate."""

from __future__ import annotations

from pathlib import Path

import pytest

from safetyrepro.analysis import AnalysisOptions, analyze
from safetyrepro.backends.hf import open_backend
from safetyrepro.batching import ask_groups
from safetyrepro.inference import InferenceOptions
from safetyrepro.plan import make_plan
from safetyrepro.records import Decoding, Prompt, Request
from safetyrepro.run import run
from safetyrepro.study import EngineSpec, ModelSpec, parse_study

pytestmark = pytest.mark.model

TEXT = """
name: again
backend: hf
repeats: 3
models: [{{name: one, path: {one}}}, {{name: other, path: {other}}}]
engine: {{device: cpu, batch_tokens: 256{engine}}}
benchmarks:
  - name: crows_pairs
    data: crows_pairs
    items: 20
    factors: {{scoring: [sum, per_token]}}
"""


def crows_csv(n_items: int = 40) -> str:
    rows = [",sent_more,sent_less,stereo_antistereo,bias_type,annotations,anon_writer,anon_annotators"]
    for number in range(n_items):
        group = ("old", "young") if number % 2 else ("young", "old")
        rows.append(
            f"{number},The {group[0]} man number {number} was slow.,The {group[1]} man number {number} was slow.,stereo,age,[],a,[]"
        )
    return "\n".join(rows) + "\n"


@pytest.fixture
def study(checkpoint, tmp_path: Path):
    (tmp_path / "crows_pairs").mkdir()
    (tmp_path / "crows_pairs" / "crows_pairs_anonymized.csv").write_text(crows_csv())

    def plan(engine: str = "", old: str = "repeats: 3", new: str = "repeats: 3"):
        folders = {
            "one": checkpoint("qwen2", max_position_embeddings=1024),
            "other": checkpoint("qwen2", seed=1, max_position_embeddings=1024),
        }
        text = TEXT.format(engine=engine, **folders).replace(old, new)
        return make_plan(parse_study(text, where="study"), tmp_path / "study.yaml")

    return plan


def answers_by_repeat(store, benchmark: str, estimand: str) -> list[dict]:
    responses = {one.key: one for one in store.responses()}
    found: list[dict] = [{}, {}, {}]
    for row in store.records(benchmark, estimand):
        found[row.repeat][row.cell, row.item_id] = [responses[key] for key in row.keys]
    return found


def test_repeats_differ_by_rounding_only_are_kept_apart_and_give_a_placebo_flip_rate(study, tmp_path: Path):
    store = run(study(), tmp_path / "store")

    first, *later = answers_by_repeat(store, "crows_pairs", store.manifest.benchmarks[0].estimands[0].name)
    exact = 0
    for repeat in later:
        assert repeat.keys() == first.keys()
        for at, responses in repeat.items():
            for one, other in zip(first[at], responses, strict=True):
                assert one.key != other.key
                assert one.token_digest == other.token_digest
                assert other.token_logprobs == pytest.approx(one.token_logprobs, abs=1e-4)
                exact += one.token_logprobs == other.token_logprobs
    assert exact < sum(map(len, first.values())) * 2 * 2, "another batch order rounds some sums differently"
    (pair,) = analyze(store, AnalysisOptions(inference=InferenceOptions(draws=99))).support["crows_pairs"].pairs
    assert pair.placebo is not None
    assert pair.placebo.n_pairs == 2 * 3
    assert pair.placebo.n_opposed == 0


def test_a_repeated_answer_is_drawn_in_other_company_and_is_the_same_text(checkpoint):
    folder = checkpoint("qwen2")
    asked = [
        Request(prompt=Prompt.plain(text), decoding=Decoding(max_tokens=8, temperature=float(seed), seed=seed))
        for text in ("the lake", "the old tower", "who is", "not the river")
        for seed in (0, 1)
    ]
    with open_backend(ModelSpec(name="m", path=str(folder)), {}, EngineSpec(device="cpu"), folder=folder) as backend:
        encoded = backend.encode(asked)
        texts = [
            {one.key: one.text for group in ask_groups(encoded, size=8, repeat=repeat) for one in backend.answer(group)}
            for repeat in range(3)
        ]
    assert len(texts[0]) == len(asked)
    assert texts[0] == texts[1] == texts[2]


def test_a_study_widened_by_repeats_asks_only_them_and_another_device_is_recorded(study, tmp_path: Path):
    run(study(new="repeats: 1"), tmp_path / "store")
    before = {response.key for response in run(study(new="repeats: 1"), tmp_path / "store").responses()}
    store = run(study(engine=", repeat_device: auto", new="repeats: 2"), tmp_path / "store")
    after = {response.key for response in store.responses()}
    assert before < after
    assert len(after) == 2 * len(before)
    assert all("; repeats on " in entry.device for entry in store.manifest.loads)
    assert {row.repeat for row in store.records("crows_pairs", store.manifest.benchmarks[0].estimands[0].name)} == {0, 1}
