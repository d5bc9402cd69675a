"""Other packages at the releases that the paper names, each run once on real items, and our own engine on the same requests.

    python bench/paper_releases.py ENVIRONMENTS DATA [--work DIR] [--items 12] [--output bench/results/paper_releases.json]

ENVIRONMENTS holds the environments that `safetyrepro harness install` makes, DATA the benchmarks' files. Every release that has a task
for a benchmark runs it on a toy checkpoint, as a study with `harness` does. Then each request that a package's own log holds is put to
our engine, in every way in which the text may have reached the model: with the tokenizer's first token or without one, as plain text or
as a turn. What is written down is how many items came back with which status, and in which of these ways ours is the same: the largest
difference of a log-likelihood, or the share of equal texts.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from safetyrepro.backends import hf
from safetyrepro.environments import VARIABLE
from safetyrepro.harnesses.base import ForeignItem, ForeignRun
from safetyrepro.harnesses.joining import join
from safetyrepro.harnesses.program import PROGRAMS, Release, program
from safetyrepro.plan import make_plan
from safetyrepro.programs import Cell, plan_programs, read_run, run_programs
from safetyrepro.records import Decoding, Prefix, Prompt, Request, Role, Turn
from safetyrepro.study import EngineSpec, ModelSpec, parse_study

CHECKPOINTS = Path(__file__).resolve().parents[1] / "src" / "safetyrepro" / "quickstart" / "checkpoints"
CHECKPOINT = "tiny-llama"
BENCHMARKS = ("truthfulqa", "bbq", "toxigen", "crows_pairs")
PAPER = ("lm-eval==0.4.5", "inspect==0.3.21", "helm==0.5.5")
WAYS = {
    "plain, no first token": (False, Prefix.NONE),
    "plain, the tokenizer's first token": (False, Prefix.TOKENIZER),
    "plain, a beginning-of-sequence token": (False, Prefix.BOS),
    "a turn of a chat": (True, Prefix.TOKENIZER),
}
MAX_TOKENS = {"inspect": 64, "helm": 1, "lighteval": 1}


def releases() -> list[str]:
    """Every release that can be run, those of the paper first."""
    known = [Release(name, version).text for name in PROGRAMS for version in program(name).RELEASES]
    return [*PAPER, *(text for text in known if text not in PAPER)]


def requests(item: ForeignItem, way: str, max_tokens: int) -> list[Request]:
    """What a package asked about an item, as our engine is asked it."""
    chat, prefix = WAYS[way]
    prompt = Prompt(turns=(Turn(Role.USER, item.prompt),), chat=chat, prefix=prefix)
    if item.loglikelihoods:
        return [Request(prompt=prompt, continuation=text) for text in item.continuations]
    return [Request(prompt=prompt, decoding=Decoding(max_tokens=max_tokens))]


def agreement(items: Sequence[ForeignItem], backend: Any, way: str, max_tokens: int) -> dict[str, Any]:
    """How far our engine's answers to a package's requests are from the package's own."""
    asked = [(item, request) for item in items for request in requests(item, way, max_tokens)]
    encoded = backend.encode([request for _, request in asked])
    answers = {response.key: response for response in backend.answer(list({one.key: one for one in encoded}.values()))}
    got = [answers[one.key] for one in encoded]
    if items[0].loglikelihoods:
        theirs = [value for item in items for value in item.loglikelihoods]
        worst = max(abs(answer.loglikelihood - value) for answer, value in zip(got, theirs, strict=True))
        return {"requests": len(got), "largest difference": round(worst, 6)}
    pairs = zip(got, asked, strict=True)
    return {
        "requests": len(got),
        "equal texts": sum((answer.text or "").strip() == (item.response or "").strip() for answer, (item, _) in pairs),
    }


def compared(cell: Cell, run: ForeignRun, backend: Any) -> dict[str, Any]:
    """What came of one run, and in which way our engine says the same."""
    items = list(join(cell.benchmark.items, run.items()).found.values())
    usable = [
        item
        for item in items
        if item.prompt and (item.response is not None or len(item.continuations) == len(item.loglikelihoods) > 0)
    ]
    found: dict[str, Any] = {
        "items": len(items),
        "values": {str(value): count for value, count in sorted(Counter(_value(cell, item) for item in items).items())},
        "states": dict(run.settings),
    }
    if not usable:
        return {**found, "ours": "the log does not hold the whole request"}
    ways = {way: agreement(usable, backend, way, MAX_TOKENS.get(cell.release.package, 64)) for way in WAYS}
    best = min(ways, key=lambda way: (ways[way].get("largest difference", 0.0), -ways[way].get("equal texts", 0)))
    return {
        **found,
        "ours": {"the same way": best, **ways[best]},
        "other ways": {way: told for way, told in ways.items() if way != best},
    }


def _value(cell: Cell, item: ForeignItem) -> str:
    mark = item.marks.get(cell.question.metric)
    return "absent" if mark is None else mark.status.value if mark.value is None else f"{mark.value:g}"


def measured(benchmark: str, data: Path, work: Path, n_items: int) -> dict[str, Any]:
    """Every release on one benchmark."""
    content = {
        "name": f"releases-{benchmark}",
        "harness": releases(),
        "engine": {"device": "cpu", "program_seconds": 1200},
        "models": [{"name": CHECKPOINT, "path": str(CHECKPOINTS / CHECKPOINT)}],
        "benchmarks": [{"name": benchmark, "data": str(data / benchmark), "items": n_items}],
    }
    plan = make_plan(parse_study(json.dumps(content), where="study"), work / "study.yaml")
    programs = plan_programs(plan)
    store = run_programs(plan, work / benchmark)
    backend = hf.open_backend(
        ModelSpec(name=CHECKPOINT, path=CHECKPOINT),
        {"dtype": "float32"},
        EngineSpec(device="cpu", threads=1),
        folder=CHECKPOINTS,
    )
    runs = {
        cell.release.text: compared(cell, read_run(cell, work / f"{benchmark}.programs"), backend) for cell in programs.cells
    }
    refused = {one.condition["harness"][0]: one.reason for one in programs.refused[benchmark]}
    n_records = len(store.records(benchmark, programs.cells[0].question.estimand))
    return {"records": n_records, "runs": runs, "cannot": refused}


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("environments", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--items", type=int, default=12)
    parser.add_argument("--only", default=",".join(BENCHMARKS))
    parser.add_argument("--output", type=Path, default=Path(__file__).resolve().parent / "results" / "paper_releases.json")
    return parser.parse_args()


def main(given: argparse.Namespace) -> None:
    """Run, compare, write."""
    os.environ[VARIABLE] = str(given.environments.resolve())
    with tempfile.TemporaryDirectory() as scratch:
        work = (given.work or Path(scratch)).resolve()
        work.mkdir(parents=True, exist_ok=True)
        found = {}
        for name in given.only.split(","):
            found[name] = measured(name, given.data.resolve(), work, given.items)
            for release, told in found[name]["runs"].items():
                print(f"{name:12} {release:18} {told['items']} items {told['values']} ours: {told['ours']}", flush=True)
            for release, reason in found[name]["cannot"].items():
                print(f"{name:12} {release:18} cannot: {reason}", flush=True)
    result = {"checkpoint": CHECKPOINT, "items": given.items, "benchmarks": found}
    given.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(arguments())
