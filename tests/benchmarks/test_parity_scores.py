"""Our scores of one toy checkpoint are lm-evaluation-harness's to 1e-6, or the difference that is written down explains why not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

PARITY = Path(__file__).resolve().parents[2] / "bench" / "parity"
RECORD = json.loads((PARITY / "recorded" / "scores.json").read_text(encoding="utf-8"))
RUNS = {run["model"]: run for run in RECORD["runs"]}
TOLERANCE = 1e-6
WANTED = {
    "truthfulqa_mc1/acc",
    "truthfulqa_mc2/acc",
    "bbq/acc",
    "bbq/accuracy_amb",
    "bbq/accuracy_disamb",
    "bbq/amb_bias_score",
    "bbq/disamb_bias_score",
    "toxigen/acc",
    "toxigen/acc_norm",
    "crows_pairs_english/pct_stereotype",
}


def same(ours: float | None, theirs: float) -> bool:
    return ours is not None and abs(ours - theirs) <= TOLERANCE


def ours_again(shared: Path, *options: str) -> dict[str, dict[str, float | None]]:
    command = [sys.executable, str(PARITY / "scores.py"), "--data", str(shared / "data"), "--ours", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, dict[str, float | None]] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("model", RUNS)
def test_every_score_was_compared_and_every_inequality_is_explained(model: str) -> None:
    rows = {row["score"]: row for row in RUNS[model]["scores"]}
    assert set(rows) == WANTED
    unequal = {name for name, row in rows.items() if not same(row["ours"], row["theirs"])}
    assert unequal <= set(RECORD["differences"])
    assert unequal == {name for name, row in rows.items() if not row["equal"]}
    assert {name: row["theirs"] for name, row in rows.items()} == RUNS[model]["theirs"]


def test_only_a_bias_without_a_committed_answer_differs() -> None:
    unequal = [
        (model, row["score"], row["ours"], row["theirs"])
        for model, run in RUNS.items()
        for row in run["scores"]
        if not row["equal"]
    ]
    assert unequal == [("tiny-llama", "bbq/disamb_bias_score", None, 0.0)]


def test_the_likelihoods_that_the_harness_reported_give_its_scores_again(shared: Path) -> None:
    for model, scores in ours_again(shared, "recorded").items():
        for name, theirs in RUNS[model]["theirs"].items():
            assert same(scores[name], theirs) or name in RECORD["differences"], (model, name)


@pytest.mark.model
def test_our_engine_gives_the_harness_scores_on_the_same_checkpoint(shared: Path) -> None:
    (model, scores), *_ = ours_again(shared, "model", "--only", "toxigen,crows_pairs").items()
    assert len(scores) == 3
    assert all(same(value, RUNS[model]["theirs"][name]) for name, value in scores.items())
