"""The benches of the statistics run, and what they write can be read."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_the_calibration_repeats_every_simulation_and_says_which_bounds_are_kept(tmp_path):
    command = [sys.executable, "bench/calibration/run.py", "--runs", "2", "--output", str(tmp_path / "few")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    written = json.loads((tmp_path / "few.json").read_text(encoding="utf-8"))
    letters = {figure["simulation"].split()[0] for figure in written["figures"]}
    assert letters == {"A", "B", "C", "D", "E", "F", "G", "I", "N", "failure"}
    assert "bounds kept" in (tmp_path / "few.txt").read_text(encoding="utf-8")
    assert all(0.0 <= figure["value"] <= 1.0 for figure in written["figures"])


@pytest.mark.long
def test_the_scale_bench_gives_the_p_values_of_the_plain_loop(tmp_path):
    command = [sys.executable, "bench/stats_scale.py", "small", "--draws", "100", "--output", str(tmp_path / "small.json")]
    subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    written = json.loads((tmp_path / "small.json").read_text(encoding="utf-8"))
    assert written["p_values_equal_to_the_loop"] is True
    assert written["limits"]["sgemm_gflop_per_s"] > 0


def test_the_committed_calibration_kept_every_bound():
    written = json.loads((ROOT / "bench" / "results" / "calibration.json").read_text(encoding="utf-8"))
    kept = [figure for figure in written["figures"] if figure["holds"] is not None]
    assert len(kept) > 90
    assert all(figure["holds"] for figure in kept)
