"""A plan counts the different runs behind its configurations and names levels without effect, before anything is loaded."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

import safetyrepro.costs as costing
from safetyrepro.alike import AlikeLevels
from safetyrepro.cli import app
from safetyrepro.costs import TokensBy, plan_costs
from safetyrepro.foresight import PlannedRuns, encoders_at_hand, foresight_document, planned_memory, planned_runs
from safetyrepro.plan import make_plan
from safetyrepro.probe import probe
from safetyrepro.render.foreseen import print_memory, print_runs
from safetyrepro.render.planned import print_plan
from safetyrepro.selection import shipped_studies
from safetyrepro.study import parse_study
from test_plan_and_run import TEXT, prompts_csv

CHECKPOINTS = shipped_studies()["quickstart"].parent / "checkpoints"


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """A folder with a made-up suite."""
    (tmp_path / "xstest").mkdir()
    (tmp_path / "xstest" / "xstest_prompts.csv").write_text(prompts_csv())
    return tmp_path


def plan_of(folder: Path, text: str):
    return make_plan(parse_study(text, where="study"), folder / "study.yaml", need_data=False)


def test_without_a_tokenizer_requests_are_compared_and_the_plan_says_so(suite: Path, capsys):
    plan = plan_of(suite, TEXT)

    found = planned_runs(plan)

    expected = PlannedRuns(
        benchmark="xstest",
        models=("kind", "blunt"),
        n_configurations=4,
        n_distinct_runs=2,
        alike=(),
        tokenized=False,
        n_items=4,
    )
    assert found == (expected,)
    print_runs(found)
    printed = " ".join(capsys.readouterr().out.split())
    assert "xstest: 4 configurations, 2 distinct runs Compared as requests, since no tokenizer is at hand" in printed
    assert foresight_document(found, ())["runs"][0]["n_distinct_runs"] == 2


def test_a_benchmark_without_data_at_hand_has_no_runs_to_count(tmp_path: Path):
    assert planned_runs(plan_of(tmp_path, TEXT)) == ()


def test_an_order_that_a_few_items_keep_by_chance_is_not_called_alike(tmp_path: Path):
    folder = tmp_path / "toxigen"
    folder.mkdir()
    study = {
        "name": "orders",
        "seed": 3,
        "backend": "replay",
        "models": [{"name": "kind"}],
        "benchmarks": [
            {
                "name": "toxigen",
                "data": str(CHECKPOINTS.parent / "suite" / "toxigen"),
                "items": 40,
                "factors": {"template": ["helm_letters"], "order": ["as_listed", "seeded"], "scoring": ["letter_token"]},
            }
        ],
    }
    plan = plan_of(tmp_path, yaml.safe_dump(study))
    (benchmark,) = plan.benchmarks
    # The few items that are looked at first are one item, which both orders leave as it is.
    settings = dict.fromkeys(benchmark.envelope.configurations)
    kept = next(
        item
        for item in benchmark.items
        if len({benchmark.module.requests(item, one, benchmark.examples(plan.study.models[0])) for one in settings}) == 1
    )
    others = [item for item in benchmark.items if item is not kept]
    items = tuple(kept if place % 9 == 0 else others[place] for place in range(36))
    crafted = dataclasses.replace(plan, benchmarks=(dataclasses.replace(benchmark, items=items),))

    (found,) = planned_runs(crafted)

    assert (found.n_distinct_runs, found.alike, found.n_items) == (2, (), 32)


def test_models_that_are_asked_differently_have_a_line_each(capsys):
    alike = AlikeLevels(factor="system_prompt", levels=("none", "chat_default"), n_alike=3, n_pairs=3)
    lines = [
        PlannedRuns(
            benchmark="xstest",
            models=models,
            n_configurations=48,
            n_distinct_runs=n_runs,
            alike=found,
            tokenized=True,
            n_items=4,
        )
        for models, n_runs, found in ((("one", "[red]two"), 9, (alike,)), (("three",), 1, ()))
    ]

    print_runs(lines)

    assert capsys.readouterr().out.splitlines() == [
        "xstest: 48 configurations, 9 distinct runs for one, [red]two; the same is asked under system_prompt none = chat_default",
        "xstest: 48 configurations, 1 distinct run for three",
    ]


@pytest.mark.model
def test_levels_that_a_chat_template_makes_alike_are_named_where_the_tokenizer_is_at_hand(suite: Path):
    study = {
        "name": "toys",
        "seed": 1,
        "models": [{"name": name, "path": str(CHECKPOINTS / name)} for name in ("tiny-llama", "tiny-qwen2")],
        "benchmarks": [
            {
                "name": "xstest",
                "data": "xstest",
                "items": 8,
                "factors": {
                    "system_prompt": ["none", "helpful", "chat_default"],
                    "decoding": ["greedy_256", "greedy_512", "model_sampling"],
                    "scoring": ["prefix_match", "substring_match"],
                },
            }
        ],
    }
    (suite / "study.yaml").write_text(yaml.safe_dump(study))

    shown = CliRunner().invoke(app, ["plan", str(suite / "study.yaml"), "--json"])

    (found,) = json.loads(shown.stdout)["runs"]
    assert (found["models"], found["n_configurations"], found["n_distinct_runs"]) == (["tiny-llama", "tiny-qwen2"], 18, 4)
    assert [(entry["factor"], entry["levels"]) for entry in found["alike"]] == [
        ("system_prompt", ["none", "chat_default"]),
        ("decoding", ["greedy_512", "model_sampling"]),
    ]


PAPER = """
name: two
seed: 1
load: {quantization: [nf4], dtype: [bfloat16]}
models:
  - {name: known, repository: mistralai/Mistral-7B-Instruct-v0.3}
  - {name: odd, repository: somebody/something}
judge: {name: judge, repository: Qwen/Qwen2.5-7B-Instruct}
benchmarks: [{name: xstest, data: xstest, items: 8}]
"""


def test_a_plan_foresees_memory_of_models_it_knows_and_names_those_it_does_not(suite: Path, monkeypatch, capsys):
    monkeypatch.setenv("HF_HOME", str(suite))
    plan = plan_of(suite, PAPER)
    costs = plan_costs(plan)

    memory = planned_memory(plan, costs)
    print_memory(memory)

    printed = capsys.readouterr().out
    assert [(entry.load, entry.footprint is None) for entry in memory] == [("known", False), ("odd", True), ("judge", False)]
    assert 256 < memory[0].longest == costs[0].longest < 300
    assert printed.splitlines()[:4] == [
        "Memory at most, one loading at a time:",
        "  known: 10.2 GB, of which 3.9 are weights",
        "  odd: not known before loading",
        "  judge: 9.4 GB, of which 5.2 are weights",
    ]
    rows = foresight_document((), memory)["memory"]
    assert [row["total"] is None for row in rows] == [False, True, False]
    assert planned_memory(plan_of(suite, TEXT), ()) == ()
    assert planned_memory(plan_of(suite, PAPER.replace("quantization: [nf4], ", "") + "backend: vllm\n"), costs) == ()


@pytest.mark.model
def test_tokens_of_a_plan_are_those_of_a_probe_where_the_tokenizer_is_at_hand(
    suite: Path, monkeypatch: pytest.MonkeyPatch, capsys
):
    study = {
        "name": "toys",
        "seed": 1,
        "models": [{"name": "toy", "path": str(CHECKPOINTS / "tiny-llama")}],
        "engine": {"device": "cpu", "threads": 1},
        "benchmarks": [
            {"name": "xstest", "data": "xstest", "items": 8, "factors": {"system_prompt": ["none", "helpful", "chat_default"]}},
            {"name": "toxigen", "data": str(CHECKPOINTS.parent / "suite" / "toxigen"), "items": 8},
        ],
    }
    plan = plan_of(suite, yaml.safe_dump(study))
    encoders = encoders_at_hand(plan)
    assert encoders_at_hand(plan_of(suite, yaml.safe_dump(study | {"backend": "vllm"}))).keys() == encoders.keys()

    costs = plan_costs(plan, encoders)

    (load,) = probe(plan, seconds=0.0).loads
    assert [(cost.tokens_naive, cost.tokens, cost.tokens_limit, cost.requests) for cost in costs] == [
        (unit.tokens_naive, unit.tokens_planned, unit.tokens_limit, unit.requests) for unit in load.units
    ]
    assert {cost.tokens_by for cost in costs} == {TokensBy.TOKENIZER}
    print_plan(plan, costs)
    printed = capsys.readouterr().out
    assert "tokens are counted by the models' own tokenizers" in printed
    assert "~" not in printed
    assert "…" not in printed

    monkeypatch.setattr(costing, "LARGEST_TEXT", 300)
    monkeypatch.setattr(costing, "PART_TEXT", 300)
    for part, whole in zip(plan_costs(plan, encoders), costs, strict=True):
        assert (part.tokens_by, part.tokens_limit) == (TokensBy.PART, None)
        assert part.tokens_naive == pytest.approx(whole.tokens_naive, rel=0.25)
