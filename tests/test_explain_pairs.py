"""Real runs with a planted cause: `explain` puts it on top, and the committed measurement says how often."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "bench" / "results"


def group(written: dict, name: str) -> dict:
    return next(one for one in written["groups"] if one["group"] == name)


@pytest.mark.model
@pytest.mark.long
def test_one_planted_cause_is_on_top_in_real_runs_over_real_items(shared: Path, tmp_path: Path) -> None:
    output = tmp_path / "pairs.json"
    command = [sys.executable, "bench/explain_pairs.py", "--pairs", "14", "--two", "0", "--data", str(shared / "data")]
    subprocess.run([*command, "--output", str(output)], cwd=ROOT, check=True, capture_output=True, text=True)
    found = group(json.loads(output.read_text(encoding="utf-8")), "one planted cause")
    assert (found["pairs"], found["with a harmless difference"]) == (14, 7)
    assert found["on top"] == 14, found["not on top"]
    assert len(found["by cause"]) == 7
    assert found["largest distance of parts from gap"] <= 1e-12


def test_the_committed_measurement_of_explain_keeps_its_bounds() -> None:
    written = json.loads((RESULTS / "explain_pairs.json").read_text(encoding="utf-8"))
    one, two = group(written, "one planted cause"), group(written, "two planted causes")
    assert one["pairs"] >= 200
    assert one["share"] >= 0.95
    assert two["pairs"] >= 100
    assert two["share"] >= 0.9
    for found in (one, two):
        assert 2 * found["with a harmless difference"] == found["pairs"]
        assert found["largest distance of parts from gap"] <= 1e-12


def test_the_record_of_the_newest_packages_holds_a_run_of_each_whose_items_were_read() -> None:
    written = json.loads((RESULTS / "drift.json").read_text(encoding="utf-8"))
    assert set(written) == {"lm-eval", "inspect", "helm", "lighteval"}
    assert all(found["items"] == found["items with"]["text"] == 10 for found in written.values())
    assert all(not found["files refused"] for found in written.values())
