"""How well `plan --probe` foretells what `run` takes: time and peak memory, on local checkpoints of two sizes.

    python bench/plan_estimate.py [--shared FOLDER] [--out bench/results/plan_estimate.json]

Random weights of Qwen2's shape; BBQ, CrowS-Pairs and XSTest in upstream's files under FOLDER/data. Both commands are run as programs, one
after the other; seconds are CPU seconds of the process, start of the program included: with one thread, what the wall clock shows on a
machine that has nothing else to do. The probe is read with the same clock.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from grid_workload import texts
from machine import machine
from models import make_model

from safetyrepro.plan import make_plan
from safetyrepro.probe import probe
from safetyrepro.study import read_study

HERE = Path(__file__).parent
SIZES = {"5 M": {"layers": 4, "width": 256, "heads": 4}, "40 M": {"layers": 8, "width": 640, "heads": 10}}
ITEMS = {"5 M": {"items": 120, "pairs": 300, "written": 8}, "40 M": {"items": 60, "pairs": 120, "written": 4}}
STUDY = """
name: estimate
backend: hf
engine: {{device: cpu, threads: 1}}
models: [{{name: model, path: {model}}}]
benchmarks:
  - name: bbq
    data: {data}/bbq
    items: {items}
    factors: {{template: [cloze, cloze_chat], shots: ["0", "5"], scoring: [sum, per_character]}}
  - name: crows_pairs
    data: {data}/crows_pairs
    items: {pairs}
    factors: {{template: [sentence, assistant_turn], scoring: [sum, per_token]}}
  - name: xstest
    data: {data}/xstest
    items: {written}
    factors: {{scoring: [prefix_match, substring_match]}}
"""


def main() -> None:
    """Measure, and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", default=os.environ.get("SAFETYREPRO_SHARED", str(HERE.parent.parent / "shared")))
    parser.add_argument("--out", default=str(HERE / "results" / "plan_estimate.json"))
    parser.add_argument("--times", type=int, default=2)
    parser.add_argument("--estimate", help="a study: only print its estimate in CPU seconds, as this program does for itself")
    options = parser.parse_args()
    if options.estimate:
        path = Path(options.estimate)
        print(json.dumps(probe(make_plan(read_study(path), path), seconds=3.0, clock=time.process_time).document()))
        return
    shared = Path(options.shared).resolve()
    with tempfile.TemporaryDirectory() as scratch:
        found = {size: _measure(Path(scratch) / size.replace(" ", ""), size, shared, options.times) for size in SIZES}
    result = {"machine": machine(), "threads": 1, "checkpoints": found}
    Path(options.out).write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))


def _measure(folder: Path, size: str, shared: Path, times: int) -> dict[str, object]:
    """Estimate and run, in turn."""
    make_model(folder / "model", texts(shared), **SIZES[size])
    study = STUDY.format(model=folder / "model", data=shared / "data", **ITEMS[size])
    (folder / "study.yaml").write_text(study, encoding="utf-8")
    weights = (folder / "model" / "model.safetensors").stat().st_size
    pairs = [_pair(folder, number) for number in range(times)]
    print(size, json.dumps(pairs), flush=True)
    return {"parameters_million": round(weights / 4e6, 1), "items": ITEMS[size], "pairs": pairs}


def _pair(folder: Path, number: int) -> dict[str, object]:
    plan = _command(HERE / "plan_estimate.py", "--estimate", folder / "study.yaml")
    estimate = json.loads(plan["output"])
    store = folder / f"store{number}"
    run = _command("-m", "safetyrepro", "run", folder / "study.yaml", "--quiet", "--out", store)
    tokens = json.loads((store / "manifest.json").read_text(encoding="utf-8"))["tokens"]
    units = [unit for load in estimate["loads"] for unit in load["units"]]
    return {
        "estimated_seconds": round(estimate["seconds"], 2),
        "run_seconds": round(run["seconds"], 2),
        "seconds_ratio": round(estimate["seconds"] / run["seconds"], 3),
        "estimated_peak_gb": round(estimate["peak_memory_gb"], 3),
        "run_peak_gb": round(run["peak_gb"], 3),
        "peak_ratio": round(estimate["peak_memory_gb"] / run["peak_gb"], 3),
        "plan_seconds": round(plan["seconds"], 2),
        "probed_share": round(sum(unit["probed"] for unit in units) / sum(unit["requests"] for unit in units), 3),
        "estimated_tokens": {name: sum(unit[f"tokens_{name}"] for unit in units) for name in ("naive", "planned", "limit")},
        "run_tokens": tokens,
        "parts": [
            {key: round(unit[key], 2) for key in ("seconds_prepared", "seconds_asked", "seconds_recorded")} for unit in units
        ],
        "seconds_loaded": round(estimate["loads"][0]["seconds_loaded"], 2),
        "seconds_started": round(estimate["seconds_started"], 2),
    }


def _command(*words: object) -> dict[str, object]:
    """Run a command of the program; seconds, peak memory and what it printed."""
    environment = os.environ | {
        "PYTHONPATH": f"{HERE.parent / 'src'}{os.pathsep}{HERE}",
        "OMP_NUM_THREADS": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        child = subprocess.Popen([sys.executable, *map(str, words)], env=environment, stdout=output, stderr=errors)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        if child.returncode:
            errors.seek(0)
            raise SystemExit(errors.read()[-3000:] + output.read()[-3000:])
        return {"seconds": usage.ru_utime + usage.ru_stime, "peak_gb": usage.ru_maxrss / 2**20, "output": output.read()}


if __name__ == "__main__":
    main()
