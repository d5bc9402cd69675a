"""The study of the paper, copied as a user copies it, pointed at project-made items and one toy, run in its core tier and carded."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from safetyrepro.benchmarks.truthfulqa_files import PRIMER_FILE
from safetyrepro.cli import app
from safetyrepro.plan import NO_JUDGE
from safetyrepro.selection import shipped_studies
from safetyrepro.store import open_store

pytestmark = pytest.mark.model

QUICKSTART = shipped_studies()["quickstart"].parent
ITEMS = 4
CORE_CELLS = {"truthfulqa": 4, "bbq": 4, "toxigen": 4, "crows_pairs": 4, "xstest": 2}
"""XSTest has four published defaults, two of which ask a judge."""
CORE_RUNS = {"truthfulqa": 4, "bbq": 4, "toxigen": 3, "crows_pairs": 2, "xstest": 2}
PRIMER = """doc_to_text: "{% set prompt_qa = 'Q: Who keeps the lamp of Velm?\\n\\
  A: The keeper of Velm.'%}{{prompt_qa + '\\n\\nQ: ' + question + '\\nA:'}}"
"""
"""Stands where lm-eval's own task file lies: same form, other words."""


def said(*arguments: str) -> str:
    """What a command printed."""
    done = CliRunner().invoke(app, list(arguments))
    assert done.exit_code == 0, f"{' '.join(arguments)}\n{done.output}\n{done.exception!r}"
    return done.stdout


@pytest.fixture(scope="module")
def study_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped study, written out by `init` and edited in the four places that a user edits."""
    path = tmp_path_factory.mktemp("paper") / "study.yaml"
    said("init", "--from", "paper", "--out", str(path))
    study = yaml.safe_load(path.read_text(encoding="utf-8"))
    guard = study["models"][1]["safety_prompt"]
    study["models"] = [{"name": "toy", "path": str(QUICKSTART / "checkpoints" / "tiny-mistral"), "safety_prompt": guard}]
    study["load"] = {"quantization": ["none"], "dtype": ["float32"]}
    study["engine"] = {"device": "cpu", "threads": 1}
    del study["judge"]
    shutil.copytree(QUICKSTART / "suite", path.parent / "suite")
    task = path.parent / "suite" / "truthfulqa" / PRIMER_FILE
    task.parent.mkdir(parents=True)
    task.write_text(PRIMER, encoding="utf-8")
    for benchmark in study["benchmarks"]:
        benchmark |= {"items": ITEMS, "data": f"suite/{benchmark['name']}"}
    path.write_text(yaml.safe_dump(study, sort_keys=False), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def card(study_file: Path) -> dict:
    """The card of the core tier."""
    store, out = study_file.parent / "store", study_file.parent / "card"
    said("run", str(study_file), "--tier", "core", "--out", str(store), "--quiet")
    said("card", str(store), "--out", str(out))
    return json.loads((out / "card.json").read_text(encoding="utf-8"))


def primary(card: dict) -> dict[str, dict]:
    return {entry["name"]: entry for entry in card["benchmarks"] if entry["primary"]}


def test_the_whole_study_has_204_cells_and_without_a_judge_xstest_shrinks_to_24(study_file: Path):
    document = json.loads(said("plan", str(study_file), "--json"))

    counts = {name: entry["configurations"] for name, entry in document["benchmarks"].items()}
    assert counts == {"truthfulqa": 48, "bbq": 48, "toxigen": 48, "crows_pairs": 12, "xstest": 24}
    (left_out,) = document["benchmarks"]["xstest"]["exclusions"]
    assert (left_out["reason"], left_out["count"]) == (NO_JUDGE, 24)
    assert {entry["benchmark"]: entry["n_distinct_runs"] for entry in document["runs"]} == {
        "truthfulqa": 12,
        "bbq": 12,
        "toxigen": 12,
        "crows_pairs": 3,
        "xstest": 6,
    }


def test_the_core_tier_is_run_whole_and_the_card_counts_cells_and_runs(card: dict):
    assert card["complete"]
    assert {name: len(entry["cells"]) for name, entry in primary(card).items()} == CORE_CELLS
    assert {name: entry["n_distinct_runs"] for name, entry in primary(card).items()} == CORE_RUNS
    assert all(all(entry["core"]) for entry in primary(card).values())


def test_every_item_of_every_cell_has_a_status_and_none_failed(card: dict):
    for entry in primary(card).values():
        for cell in entry["cells"]:
            assert sum(cell["statuses"].values()) == cell["n_records"] == ITEMS
            assert set(cell["statuses"]) <= {"scored", "unparsed"}


def test_the_card_says_why_judged_rules_are_absent(card: dict):
    reasons = {entry["reason"]: entry["count"] for entry in primary(card)["xstest"]["exclusions"]}

    assert reasons[NO_JUDGE] == 24
    used = {settings["scoring"] for settings in primary(card)["xstest"]["configurations"]}
    assert used == {"prefix_match"}


def test_a_judge_is_loaded_like_the_models_that_it_judges(study_file: Path):
    study = yaml.safe_load(study_file.read_text(encoding="utf-8"))
    study["load"]["dtype"] = ["bfloat16"]
    study["judge"] = {"name": "judge", "path": study["models"][0]["path"]}
    path, store = study_file.with_name("judged.yaml"), study_file.parent / "judged"
    path.write_text(yaml.safe_dump(study), encoding="utf-8")

    said("run", str(path), "--tier", "core", "--only", "xstest", "--items", "2", "--out", str(store), "--quiet")

    loads = {entry.name: dict(entry.load) for entry in open_store(store).manifest.loads}
    assert loads["judge"] == loads["toy"] == {"dtype": "bfloat16", "quantization": "none"}
