"""The walk on real items of all five benchmarks with the toy checkpoints: killed, resumed, and held against a plain loop."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from safetyrepro.records import RequestKind
from safetyrepro.selection import shipped_studies
from safetyrepro.store import Store, open_store

pytestmark = [pytest.mark.model, pytest.mark.long]

ITEMS = int(os.environ.get("SAFETYREPRO_REAL_ITEMS", "12"))
FACTORS = {
    "truthfulqa": {"template": ["cloze", "cloze_chat"], "scoring": ["sum", "per_token"]},
    "bbq": {"template": ["cloze", "cloze_chat"], "scoring": ["sum", "per_character"]},
    "toxigen": {"template": ["cloze", "cloze_chat"], "scoring": ["sum", "per_character"]},
    "crows_pairs": {"template": ["sentence", "assistant_turn"], "scoring": ["sum", "shared_tokens"]},
    "xstest": {"decoding": ["greedy_256"], "scoring": ["prefix_match", "substring_match"]},
}


@pytest.fixture
def study_file(tmp_path: Path, shared: Path) -> Path:
    """Three toys over a subset of every benchmark's real items."""
    checkpoints = shipped_studies()["quickstart"].parent / "checkpoints"
    study = {
        "name": "real-items",
        "seed": 11,
        "models": [{"name": folder.name, "path": str(folder)} for folder in sorted(checkpoints.iterdir()) if folder.is_dir()],
        "engine": {"group_size": 64, "device": "cpu", "threads": 1},
        "benchmarks": [
            {"name": name, "data": str(shared / "data" / name), "items": ITEMS, "factors": factors}
            for name, factors in FACTORS.items()
        ],
    }
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(study))
    return path


def command(study: Path, out: Path) -> list[str]:
    return [sys.executable, "-m", "safetyrepro", "run", str(study), "--out", str(out), "--quiet"]


def n_parts(folder: Path) -> int:
    return len(list((folder / "responses").glob("*.parquet"))) if folder.exists() else 0


def killed_run(study: Path, out: Path, *, parts: int) -> None:
    """Start a run and kill it as soon as it has finished so many more parts."""
    wanted = n_parts(out) + parts
    with subprocess.Popen(command(study, out), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        deadline = time.monotonic() + 300
        while process.poll() is None and n_parts(out) < wanted and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)


def all_records(store: Store) -> list:
    return [
        row for entry in store.manifest.benchmarks for one in entry.estimands for row in store.records(entry.name, one.name)
    ]


def test_a_run_that_is_killed_twice_ends_as_an_undisturbed_one(study_file: Path, tmp_path: Path):
    for parts in (1, 9):
        killed_run(study_file, tmp_path / "killed", parts=parts)
    assert not open_store(tmp_path / "killed").manifest.complete

    subprocess.run(command(study_file, tmp_path / "killed"), check=True, capture_output=True)
    subprocess.run(command(study_file, tmp_path / "whole"), check=True, capture_output=True)

    killed, whole = open_store(tmp_path / "killed"), open_store(tmp_path / "whole")
    assert killed.manifest.complete
    assert all_records(killed) == all_records(whole)
    assert {entry.key for entry in killed.responses()} == {entry.key for entry in whole.responses()}
    check_against_a_plain_loop(study_file, whole)


def check_against_a_plain_loop(study_file: Path, store: Store) -> None:
    """Every 37th stored log-likelihood equals one unbatched pass of transformers, on all three architectures."""
    from transformers import AutoModelForCausalLM

    from oracles.plain_model import plain_scores
    from safetyrepro.backends import backend_module
    from safetyrepro.plan import cell_requests, make_plan
    from safetyrepro.study import read_study

    plan = make_plan(read_study(study_file), study_file)
    stored = {entry.key: entry for entry in store.responses()}
    checked = 0
    for load in plan.loads:
        assert load.model.path is not None
        plain = AutoModelForCausalLM.from_pretrained(load.model.path, dtype="float32").eval()
        with backend_module("hf").open_backend(
            load.model, dict(load.settings), plan.study.engine, folder=plan.folder
        ) as backend:
            for benchmark in plan.benchmarks:
                examples = benchmark.examples(load.model)
                cells = cell_requests(benchmark, plan.configurations(load, benchmark), examples)
                asked = list(dict.fromkeys(request for _, _, requests in cells for request in requests))
                for entry in backend.encode(asked)[::37]:
                    if entry.request.kind is RequestKind.LOGLIKELIHOOD:
                        expected, greedy = plain_scores(plain, entry.context_ids, entry.continuation_ids)
                        assert stored[entry.key].token_logprobs == pytest.approx(expected, abs=1e-4)
                        assert stored[entry.key].greedy == greedy
                        checked += 1
    assert checked > 20
