"""The whole grid of one model, 192 configurations of four benchmarks with one fixed block of examples: the engine against one process of
lm-evaluation-harness.

    python bench/grid.py --shared FOLDER --harness VENV [--out bench/results/grid.json]

The harness is measured on a random sample: of each benchmark one configuration for each number of examples with and without chat template,
16 of 192 in one process, scaled by 12; its start is counted once. Ours answers all 192 in one process, start included; it is fed the
arguments that the harness wrote down (a pass of the harness that asks nothing of the model). CPU seconds, one thread.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import statistics
import tempfile
from pathlib import Path

from engine import HERE, _Run
from grid_workload import READERS, texts, write_grid
from machine import installed, machine
from models import make_model
from workload import RULES

N_OURS = 3


def main() -> None:
    """Measure, and write JSON and Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", default=os.environ.get("SAFETYREPRO_SHARED", str(HERE.parent.parent / "shared")))
    parser.add_argument("--harness", required=True, help="virtual environment of lm-evaluation-harness")
    parser.add_argument("--out", default=str(HERE / "results" / "grid.json"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        run = _Run(Path(scratch), Path(options.harness).resolve())
        make_model(run.model, texts(Path(options.shared)))
        write_grid(Path(options.shared), run.folder / "tasks")
        result = measure(run)
    out = Path(options.out)
    out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    out.with_suffix(".md").write_text(as_markdown(result), encoding="utf-8")
    print(out.with_suffix(".md").read_text(encoding="utf-8"))


def drawn() -> list[list[object]]:
    """One configuration of each stratum: benchmark, number of examples, chat template."""
    rng = random.Random(0)
    strata = itertools.product(READERS, (0, 5), (False, True))
    return [[name, rng.randrange(3), shots, chat, rng.choice(RULES)] for name, shots, chat in strata]


def measure(run: _Run) -> dict[str, object]:
    """Ours between two parts of the harness's sample."""
    sample = drawn()
    halves = [sample[::2], sample[1::2]]
    recorded = _harness(run, "record")
    rows = {(row[0], row[1], row[2], row[3]): row for row in recorded["answers"]}
    measured, ours = [], []
    for half in (*halves, None):
        if half is not None:
            measured.append(_harness(run, json.dumps(half)))
            print("harness", measured[-1]["seconds"], flush=True)
            rows.update({(row[0], row[1], row[2], row[3]): row for row in measured[-1]["answers"]})
        (run.folder / "rows.json").write_text(json.dumps({"answers": list(rows.values())}), encoding="utf-8")
        ours.append(run.ours(run.folder / "rows.json", run.folder / "ours.json"))
        print("ours", ours[-1], flush=True)
    seconds = [second for part in measured for second in part["seconds"]]
    start = statistics.mean(part["start"] for part in measured)
    median = statistics.median(entry["cpu_seconds"] for entry in ours)
    scaled = start + 12 * sum(seconds)
    return {
        "machine": machine(),
        "grid": "4 benchmarks, 100 items each, 3 templates x {0, 5} shots x {plain, chat + system} x 4 scoring rules = 192",
        "harness": {
            "sample": [
                [*evaluation, round(second, 2)] for evaluation, second in zip([*halves[0], *halves[1]], seconds, strict=True)
            ],
            "start": start,
            "cpu_seconds": scaled,
            "note": "one of 12 of each of 16 strata, scaled by 12; start once",
            "peak_gb": max(part["peak_gb"] for part in measured),
            "over_load_gb": max(part["over_load_gb"] for part in measured),
        },
        "ours": {"runs": ours, "cpu_seconds": median, "peak_gb": max(entry["peak_gb"] for entry in ours)},
        "ratio": scaled / median,
        **json.loads((run.folder / "ours.json").read_text(encoding="utf-8")),
    }


def _harness(run: _Run, evaluations: str) -> dict[str, object]:
    out = run.folder / "harness.json"
    usage = run.timed(run.python, HERE / "lm_eval_grid_program.py", run.model, run.folder / "tasks", out, evaluations)
    return json.loads(out.read_text(encoding="utf-8")) | {"peak_gb": usage["peak_gb"]}


def as_markdown(result: dict[str, object]) -> str:
    """The result as a page."""
    about, harness, ours, tokens = result["machine"], result["harness"], result["ours"], result["tokens"]
    return "\n".join(
        [
            "# What the whole grid of one model costs",
            "",
            (
                f"{result['grid']}, one fixed block of examples. Measured by `bench/grid.py` on {about['processor']}, {about['cores']} cores"
                f" shared with other work (load {about['load_average']} at the end), one thread, float32, CPU seconds."
                f" Python {about['python']}, torch {installed('torch')}, transformers {installed('transformers')}, lm_eval 0.4.13."
            ),
            "",
            "| how | CPU s | against ours | peak GB | of it over imports and weights |",
            "|---|---:|---:|---:|---:|",
            (
                f"| lm_eval, one process, 192 evaluations (16 measured, {harness['note']}) | {harness['cpu_seconds']:.0f} |"
                f" {result['ratio']:.1f}x | {harness['peak_gb']:.2f} | {harness['over_load_gb']:.2f} |"
            ),
            (
                f"| **ours, all 192** (median of {len(ours['runs'])}) | **{ours['cpu_seconds']:.1f}** | 1 | {ours['peak_gb']:.2f} |"
                f" {result['over_load_gb']:.2f} |"
            ),
            "",
            (
                f"Tokens: {tokens['naive48']:,} one by one, {tokens['limit']:,} at the limit, {tokens['computed']:,} computed"
                f" ({tokens['computed'] / tokens['limit']:.3f} of the limit), {tokens['padded']:,} with padding:"
                f" **{tokens['naive48'] / tokens['computed']:.0f} times fewer**."
            ),
            "",
            (
                f"Of {result['compared']:,} log-likelihoods of the sample the largest difference from lm_eval's is"
                f" {result['largest_difference']:.1e} ({result['outside']} outside 1e-4 + 1e-6 of its size), greedy flags differ in"
                f" {result['greedy_differs']}, the best option in {result['choice_differs']} of {result['choices']} choices."
                f" Seconds inside ours: {result['parts']}."
            ),
            "",
        ]
    )


if __name__ == "__main__":
    main()
