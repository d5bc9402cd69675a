"""The whole study of the paper, 3 x (4 x 48 + 12) = 612 cells, over three toy checkpoints and a stated subset of real items.

It uses the commands that a user has: the shipped study is written out, its models, data and sizes are replaced, and `plan`, `run`
and `card` are called. `python bench/paper_on_toys.py --items 8 --out bench/results/paper_on_toys.json`
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from machine import machine

from safetyrepro.card import BenchmarkCard, levels_alike
from safetyrepro.render.files import read_card
from safetyrepro.selection import shipped_studies

SHARED = Path(os.environ.get("SAFETYREPRO_SHARED", "../shared"))


def toy_study(items: int, data: Path) -> dict[str, Any]:
    """The shipped study `paper` with toys for models, float32 for NF4, and few items."""
    study: dict[str, Any] = yaml.safe_load(shipped_studies()["paper"].read_text(encoding="utf-8"))
    checkpoints = shipped_studies()["quickstart"].parent / "checkpoints"
    guard = study["models"][1]["safety_prompt"]
    toys = sorted(folder for folder in checkpoints.iterdir() if folder.is_dir())
    study["name"] = "paper-on-toys"
    study["question"] = "Which of three toy checkpoints looks safer under the configurations of the paper?"
    study["note"] = (
        "Toys of about a million parameters at float32: they show that the study runs, and nothing about any real model."
    )
    study["load"] = {"quantization": ["none"], "dtype": ["float32"]}
    study["models"] = [{"name": folder.name, "path": str(folder), "safety_prompt": guard} for folder in toys]
    study["judge"] = {"name": "toy-judge", "path": str(toys[0])}
    study["engine"] = {"device": "cpu", "threads": 1}
    for benchmark in study["benchmarks"]:
        benchmark |= {"items": items, "data": str((data / benchmark["name"]).resolve())}
    return study


def timed(*arguments: str) -> tuple[str, dict[str, float]]:
    """What a command of the package printed, and what it took."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run([sys.executable, "-m", "safetyrepro", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(arguments)}: {done.stderr[-2000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return done.stdout, {"wall_s": round(time.perf_counter() - start, 1), "cpu_s": round(cpu, 1)}


def measure(items: int, data: Path, folder: Path) -> dict[str, Any]:
    """Plan, run and card of the study over the toys."""
    study, store, card = folder / "study.yaml", folder / "store", folder / "card"
    study.write_text(yaml.safe_dump(toy_study(items, data), sort_keys=False), encoding="utf-8")
    plan, planning = timed("plan", str(study), "--json")
    run = timed("run", str(study), "--out", str(store), "--quiet")[1]
    made = timed("card", str(store), "-o", str(card))[1]
    document = json.loads((card / "card.json").read_text(encoding="utf-8"))
    planned, read = json.loads(plan), read_card(card / "card.json")
    return {
        "items_per_benchmark": items,
        "planned_cells": planned["n_cells"],
        "planned_runs": [foreseen(entry) for entry in planned["runs"]],
        "seconds": {"plan": planning, "run": run, "card": made},
        "tokens": document["tokens"],
        "complete": document["complete"],
        "benchmarks": [
            shown(entry, document["analysis"], read.benchmarks[place])
            for place, entry in enumerate(document["benchmarks"])
            if entry["primary"]
        ],
        "bytes": {name: (card / name).stat().st_size for name in ("card.html", "card.json", "card.md")},
    }


def foreseen(entry: dict[str, Any]) -> dict[str, Any]:
    """What the plan says of one benchmark's runs: a level is alike by what it asks, however it is called."""
    alike = [f"{found['factor']} {' = '.join(found['levels'])}" for found in entry["alike"]]
    return {
        "name": entry["benchmark"],
        "models": len(entry["models"]),
        "distinct_runs": entry["n_distinct_runs"],
        "alike": alike,
    }


def shown(entry: dict[str, Any], analysis: dict[str, Any], card: BenchmarkCard) -> dict[str, Any]:
    """Cells, distinct runs, levels that change nothing, and orders of one benchmark."""
    pairs = analysis["benchmarks"][entry["name"]]["pairs"]
    return {
        "name": entry["name"],
        "cells": len(entry["cells"]),
        "scored_cells": sum(cell["score"] is not None for cell in entry["cells"]),
        "configurations": len(entry["configurations"]),
        "distinct_runs": entry["n_distinct_runs"],
        "alike": sorted({found.sentence for levels in levels_alike(card).values() for found in levels}),
        "reversals": sum(pair["reversal"] for pair in pairs),
        "pairs": len(pairs),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the bench from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=8, help="items of each benchmark, a multiple of four")
    parser.add_argument("--data", type=Path, default=SHARED / "data", help="folder with the five benchmarks")
    parser.add_argument("--keep", type=Path, help="folder for study, store and card; otherwise they are thrown away")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        result = {"machine": machine(), **measure(options.items, options.data, folder)}
    text = json.dumps(result, indent=2)
    print(text)
    if options.out:
        options.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
