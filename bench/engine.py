"""What an envelope costs: the engine against lm-evaluation-harness on the measuring grid, in one run on one machine.

    python bench/engine.py --shared FOLDER --harness VENV [--out bench/results/engine.json]

FOLDER holds ``data/bbq`` in upstream's format. VENV is an environment of its own with ``lm_eval[hf]==0.4.13 accelerate torch==2.13.0
transformers==5.23.0``; the harness is only ever run as a program. CPU seconds are of whole processes, one thread each, imports included.
Ours is repeated and interleaved with the references; of the 48 command-line processes a random sample is run and scaled. Ours is fed the
arguments that the harness itself wrote down, so prompt rendering is in the harness's time and not in ours.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from machine import installed, machine
from models import make_model
from workload import CELLS, RULES, SYSTEM, Cell, task_name, write_tasks

HERE = Path(__file__).parent
N_OURS, N_PROCESSES = 3, 8


def main() -> None:
    """Measure, and write JSON and Markdown."""
    options = _options()
    with tempfile.TemporaryDirectory() as scratch:
        run = _Run(Path(scratch), Path(options.harness).resolve())
        run.prepare(Path(options.shared).resolve())
        found = {name: _measure(run, name) for name in ("default", "fixed")}
        result = {
            "machine": machine(),
            "harness": {"lm_eval": "0.4.13"},
            "grid": "BBQ Age, 100 items, 3 templates x {0, 5} shots x {plain, chat + system} x 4 scoring rules = 48",
            "samplers": found,
        }
    out = Path(options.out)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    out.with_suffix(".md").write_text(as_markdown(result), encoding="utf-8")
    print(out.with_suffix(".md").read_text(encoding="utf-8"))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", default=os.environ.get("SAFETYREPRO_SHARED", str(HERE.parent.parent / "shared")))
    parser.add_argument("--harness", required=True, help="virtual environment of lm-evaluation-harness")
    parser.add_argument("--out", default=str(HERE / "results" / "engine.json"))
    return parser.parse_args()


class _Run:
    """One folder with model and tasks, and the programs that are run on them."""

    def __init__(self, folder: Path, harness: Path) -> None:
        self.folder = folder
        self.model = folder / "model"
        self.python = harness / "bin" / "python"

    def prepare(self, shared: Path) -> None:
        """Write model and tasks."""
        lines = (shared / "data" / "bbq" / "data" / "Age.jsonl").read_text(encoding="utf-8").splitlines()
        make_model(self.model, [f"{json.loads(line)['context']} {json.loads(line)['question']}" for line in lines])
        for name in ("default", "fixed"):
            write_tasks(shared, self.folder / name, fixed=name == "fixed")

    def timed(self, *command: object) -> dict[str, float]:
        """Run a program, and say what it took."""
        environment = {
            **os.environ,
            "HOME": str(self.folder / "home"),
            "PYTHONPATH": os.pathsep.join([str(HERE.parent / "src"), str(HERE)]),
            **dict.fromkeys(("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "OMP_NUM_THREADS"), "1"),
            "TOKENIZERS_PARALLELISM": "false",
        }
        (self.folder / "home").mkdir(exist_ok=True)
        with (self.folder / "log.txt").open("ab") as log:
            child = subprocess.Popen([str(part) for part in command], env=environment, stdout=log, stderr=log)
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            raise SystemExit((self.folder / "log.txt").read_text(errors="replace")[-3000:])
        return {"cpu_seconds": usage.ru_utime + usage.ru_stime, "peak_gb": usage.ru_maxrss / 2**20}

    def in_process(self, sampler: str, mode: str, out: Path) -> dict[str, float]:
        """Several evaluations in one process of the harness."""
        program = HERE / "lm_eval_program.py"
        return self.timed(self.python, program, self.model, self.folder / sampler, out, mode)

    def by_command(self, sampler: str, cell: Cell, rule: str) -> dict[str, float]:
        """One evaluation by the harness's command line."""
        chat = ["--apply_chat_template", "--fewshot_as_multiturn", "--system_instruction", SYSTEM] if cell.chat else []
        return self.timed(
            self.python, "-m", "lm_eval", "--model", "hf", "--device", "cpu", "--batch_size", 16,
            "--model_args", f"pretrained={self.model},dtype=float32", "--include_path", self.folder / sampler,
            "--tasks", task_name(cell.template, rule), "--num_fewshot", cell.shots,
            "--output_path", self.folder / "out", *chat,
        )  # fmt: skip

    def ours(self, answers: Path, out: Path) -> dict[str, float]:
        """Everything in one process of ours."""
        return self.timed(sys.executable, HERE / "engine_program.py", self.model, answers, out)


def _measure(run: _Run, sampler: str) -> dict[str, object]:
    """The measurements under one sampler of examples."""
    answers, out = run.folder / f"answers-{sampler}.json", run.folder / f"ours-{sampler}.json"
    careful = run.in_process(sampler, "all", answers)
    print(sampler, "careful user", careful, flush=True)
    found: dict[str, object] = {"careful_user": careful | {"over_load_gb": _over_load(answers)}}
    ours = [run.ours(answers, out)]
    print(sampler, "ours", ours, flush=True)
    if sampler == "default":
        rules = {rule: run.in_process(sampler, rule, run.folder / "ignored.json") for rule in ("acc", "acc_mutual_info")}
        print(sampler, "in one process", rules, flush=True)
        found["one_process"] = {
            "measured": rules,
            "note": "12 evaluations for each of two rules; acc_norm and acc_bytes ask what acc asks, so acc counts three times",
            "cpu_seconds": 3 * rules["acc"]["cpu_seconds"] + rules["acc_mutual_info"]["cpu_seconds"],
            "peak_gb": max(entry["peak_gb"] for entry in rules.values()),
        }
    ours.append(run.ours(answers, out))
    if sampler == "default":
        found["processes"] = _processes(run, sampler)
        print(sampler, "by command", found["processes"], flush=True)
    while len(ours) < N_OURS:
        ours.append(run.ours(answers, out))
    median = statistics.median(entry["cpu_seconds"] for entry in ours)
    found["ours"] = {"runs": ours, "cpu_seconds": median, "peak_gb": max(entry["peak_gb"] for entry in ours)}
    return found | json.loads(out.read_text(encoding="utf-8"))


def _over_load(out: Path) -> float:
    """Peak memory over what imports and weights took, in GB."""
    return float(json.loads(out.read_text(encoding="utf-8"))["over_load_gb"])


def _processes(run: _Run, sampler: str) -> dict[str, object]:
    drawn = random.Random(0).sample([(cell, rule) for cell in CELLS for rule in RULES], N_PROCESSES)
    seconds = [run.by_command(sampler, cell, rule) for cell, rule in drawn]
    return {
        "sample": [f"{cell.name} {rule}" for cell, rule in drawn],
        "measured": seconds,
        "note": f"a random {N_PROCESSES} of 48 processes, scaled to 48",
        "cpu_seconds": 48 * statistics.mean(entry["cpu_seconds"] for entry in seconds),
        "peak_gb": max(entry["peak_gb"] for entry in seconds),
    }


def as_markdown(result: dict[str, object]) -> str:
    """The result as a page."""
    about = result["machine"]
    lines = [
        "# What an envelope costs",
        "",
        (
            f"{result['grid']}. Measured by `bench/engine.py` on {about['processor']}, {about['cores']} cores shared with other work (load"
            f" {about['load_average']} at the end), one thread, float32; CPU seconds of whole processes. Python {about['python']},"
            f" torch {installed('torch')}, transformers {installed('transformers')}, lm_eval 0.4.13."
        ),
        "",
    ]
    for name, found in result["samplers"].items():
        tokens, ours = found["tokens"], found["ours"]
        lines += [
            f"## Examples: {'drawn anew for every item' if name == 'default' else 'one fixed block'}",
            "",
            "| how | CPU s | against ours | peak GB |",
            "|---|---:|---:|---:|",
        ]
        names = {
            "processes": "48 processes (sample of 8, scaled)",
            "one_process": "one process, 48 evaluations (24 measured, scaled)",
            "careful_user": "one process, 12 evaluations with all rules",
        }
        lines += [
            f"| {text} | {found[key]['cpu_seconds']:.1f} | {found[key]['cpu_seconds'] / ours['cpu_seconds']:.1f}x |"
            f" {found[key]['peak_gb']:.2f} |"
            for key, text in names.items()
            if key in found
        ]
        lines += [
            f"| **ours, all 48** (median of {len(ours['runs'])}) | **{ours['cpu_seconds']:.1f}** | 1 | {ours['peak_gb']:.2f} |",
            "",
            (
                f"Tokens: {tokens['naive48']:,} for the 48 configurations one by one, {tokens['limit']:,} at the limit (every shared prefix"
                f" once), {tokens['computed']:,} computed ({tokens['computed'] / tokens['limit']:.3f} of the limit),"
                f" {tokens['padded']:,} with padding ({tokens['padded'] / tokens['limit']:.3f}): "
                f"**{tokens['naive48'] / tokens['computed']:.1f} times fewer**."
            ),
            "",
            (
                f"Of {found['compared']:,} log-likelihoods the largest difference from lm_eval's is {found['largest_difference']:.1e}"
                f" (allowed: 1e-4 + 1e-6 of its size; {found['outside']} outside), greedy flags differ in {found['greedy_differs']},"
                f" the best option in {found['choice_differs']} of {found['choices']} choices. Seconds inside ours: {found['parts']}."
                f" Peak memory over imports and weights: {found['over_load_gb']:.2f} GB, the careful user's"
                f" {found['careful_user']['over_load_gb']:.2f} GB."
            ),
            "",
        ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
