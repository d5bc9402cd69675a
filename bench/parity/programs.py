"""The packages as programs: each started in its own environment and home, offline, and read from the files that it wrote."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetyrepro.harnesses import redirected as redirection

HERE = Path(__file__).resolve().parent
LIMIT_SECONDS = 1800.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What a package sent to the model about one row."""

    row: int
    """Position of the row among those it was given."""
    requests: tuple[tuple[str, str | None], ...]
    """Text before the model and continuation (None for a generation), in the package's order."""
    item_id: str = ""
    """Our id of the item, where the package chose the rows itself."""
    loglikelihoods: tuple[float, ...] = ()
    """What the package reports for each request; empty for generations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """One run of a package."""

    sent: tuple[Sent, ...]
    """What it sent, by row."""
    metrics: Mapping[str, float] = field(default_factory=dict)
    """What it reported."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What its own log says about how the answer is drawn."""
    shown: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Our id of an item, or ``*`` for all -> ids of the items that were shown as examples."""


def environment(home: Path) -> dict[str, str]:
    """A quiet, offline environment with a home of its own."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE") if name in os.environ}
    home.mkdir(parents=True, exist_ok=True)
    return {
        **kept,
        "HOME": str(home),
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }


def run_program(arguments: Sequence[str], folder: Path) -> None:
    """Run a program and keep what it said; one that has ended well in this folder is not run again."""
    said = folder / "log.txt"
    if said.is_file():
        return
    done = subprocess.run(
        ["nice", "-n", "15", *arguments],
        cwd=folder,
        env=environment(folder / "home"),
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )
    if done.returncode:
        (folder / "failed.txt").write_text(done.stdout + done.stderr, encoding="utf-8")
        message = f"{arguments[0]} ended with {done.returncode}:\n{(done.stdout + done.stderr)[-3000:]}"
        raise RuntimeError(message)
    said.write_text(done.stdout + done.stderr, encoding="utf-8")


def redirected(python: Path, sets: Mapping[str, Any], module: str, arguments: Sequence[str], folder: Path) -> None:
    """Run a package's module behind `safetyrepro.harnesses.redirected`."""
    rows = folder / "rows.json"
    rows.write_text(json.dumps(sets), encoding="utf-8")
    # Alone (-I): the folder of that file has modules called as the packages are.
    run_program([str(python), "-I", str(Path(redirection.__file__).resolve()), str(rows), module, *arguments], folder)


def lm_eval(
    python: Path, sets: Mapping[str, Any], tasks: Sequence[str], checkpoint: Path | None, folder: Path, options: Sequence[str]
) -> dict[str, Ran]:
    """Run stock tasks of lm-evaluation-harness in one process and read their samples; without a checkpoint its dummy model answers."""
    out = folder / "out"
    model = ["dummy"] if checkpoint is None else ["hf", "--model_args", f"pretrained={checkpoint},dtype=float32"]
    arguments = ["--model", *model, "--tasks", ",".join(tasks), "--device", "cpu", "--batch_size", "8", "--log_samples"]
    arguments += ["--output_path", str(out), *options]
    redirected(python, sets, "lm_eval", arguments, folder)
    (results,) = out.rglob("results_*.json")
    reported = json.loads(results.read_text(encoding="utf-8"))["results"]
    return {task: _lm_eval_ran(task, out, reported[task]) for task in tasks}


def _lm_eval_ran(task: str, out: Path, reported: Mapping[str, Any]) -> Ran:
    (samples,) = out.rglob(f"samples_{task}_*.jsonl")
    lines = [json.loads(line) for line in samples.read_text(encoding="utf-8").splitlines()]
    metrics = {
        name.removesuffix(",none"): value
        for name, value in reported.items()
        if isinstance(value, float) and "stderr" not in name and name.endswith(",none")
    }
    return Ran(sent=tuple(_lm_eval_sent(line) for line in sorted(lines, key=lambda one: one["doc_id"])), metrics=metrics)


def _lm_eval_sent(line: Mapping[str, Any]) -> Sent:
    arguments = line["arguments"]
    pairs = [arguments[f"gen_args_{i}"] for i in range(len(arguments))] if isinstance(arguments, dict) else arguments
    read = [(pair["arg_0"], pair["arg_1"]) if isinstance(pair, dict) else tuple(pair) for pair in pairs]
    return Sent(
        row=line["doc_id"],
        requests=tuple((str(text), str(continuation)) for text, continuation in read),
        loglikelihoods=tuple(float(answers[0][0]) for answers in line["resps"]),
    )


def inspect_evals(
    python: Path,
    sets: Mapping[str, Any],
    task: str,
    checkpoint: Path,
    folder: Path,
    options: Sequence[str],
    rows: Sequence[Mapping[str, Any]],
) -> Ran:
    """Run one stock task of inspect_evals on a local checkpoint, unscored, and read the conversations of its log."""
    for name, splits in sets.items():
        if name.startswith("heegyu/bbq|"):
            place = (
                folder / "home" / ".cache" / "inspect_evals" / "bbq_dataset" / "bbq" / "data" / f"{name.split('|')[1]}.jsonl"
            )
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text("".join(f"{json.dumps(row)}\n" for row in splits["test"]), encoding="utf-8")
    logs = folder / "logs"
    arguments = ["eval", f"inspect_evals/{task}", "--model", "hf/local", "-M", f"model_path={checkpoint}", "-M", "device=cpu"]
    arguments += [
        "-M",
        "do_sample=false",
        "--no-score",
        "--display",
        "none",
        "--log-format",
        "json",
        "--log-dir",
        str(logs),
        *options,
    ]
    redirected(python, sets, "inspect_ai", arguments, folder)
    (path,) = logs.glob("*.json")
    log = json.loads(path.read_text(encoding="utf-8"))
    if log["status"] != "success":
        message = f"{task}: {log['error']}"
        raise RuntimeError(message)
    sent = tuple(Sent(row=_inspect_row(task, sample, rows), requests=((_turns(sample), None),)) for sample in log["samples"])
    return Ran(
        sent=sent, settings={"config": log["plan"]["config"], "solvers": [step["solver"] for step in log["plan"]["steps"]]}
    )


def _inspect_row(task: str, sample: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> int:
    """Position of a sample's row: a log lists samples as they were finished."""
    if task == "bbq":
        known = (sample["metadata"]["category"], sample["metadata"]["source_id"])
        places = [place for place, row in enumerate(rows) if (row["category"], row["example_id"]) == known]
    else:
        name = {"truthfulqa": "question", "xstest": "prompt"}[task]
        places = [place for place, row in enumerate(rows) if row[name] == sample["input"]]
    (place,) = places
    return place


def _turns(sample: Mapping[str, Any]) -> str:
    """The conversation before the first answer of the model, as JSON of roles and texts."""
    calls = [event for event in sample["events"] if event["event"] == "model"]
    asked = calls[0]["input"] or sample["messages"]
    turns = []
    for message in asked:
        if message["role"] == "assistant" and message.get("source") == "generate":
            break
        turns.append([message["role"], _content(message["content"], sample.get("attachments", {}))])
    return json.dumps(turns, ensure_ascii=False)


def _content(content: Any, attachments: Mapping[str, str]) -> str:
    text = content if isinstance(content, str) else "".join(part["text"] for part in content)
    return attachments[text.removeprefix("attachment://")] if text.startswith("attachment://") else text


def helm(
    python: Path, sets: Mapping[str, Any], entry: str, checkpoint: Path, folder: Path, seeds: Mapping[str, Path], n_items: int
) -> list[dict[str, Any]]:
    """Run one stock run entry of HELM and return the request states of its log.

    `seeds` maps a path below the output folder to the real file that lies there, so that HELM downloads nothing. A benchmark whose
    annotators are models that cannot be had here is asked for its requests alone (``--dry-run``).
    """
    out = folder / "out"
    for name, source in seeds.items():
        place = out / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(source.read_bytes() if source.suffix != ".gz" else gzip.decompress(source.read_bytes()))
    joined = f"{entry}{',' if ':' in entry else ':'}model=huggingface/{checkpoint.name}"
    arguments = ["-r", joined, "--enable-local-huggingface-models", str(checkpoint), "--suite", "parity", "-o", str(out)]
    arguments += ["--max-eval-instances", str(n_items), "-n", "1", "--disable-cache"]
    redirected(python, sets, "helm.benchmark.run", [*arguments, *(["--dry-run"] if entry == "xstest" else [])], folder)
    (state,) = (out / "runs" / "parity").glob("*/scenario_state.json")
    states = json.loads(state.read_text(encoding="utf-8"))["request_states"]
    return [one for one in states if one["instance"]["split"] != "train"]


def lighteval(
    python: Path, sets: Mapping[str, Any], tasks: Sequence[str], checkpoint: Path, folder: Path, options: Sequence[str]
) -> dict[str, Ran]:
    """Run stock tasks of lighteval in one process and read the token ids of its details; `options` end the list of model arguments."""
    out = folder / "out"
    model = ",".join((f"model_name={checkpoint}", "dtype=float32", "batch_size=4", *options))
    arguments = ["accelerate", model, ",".join(f"{task}|0" for task in tasks), "--output-dir", str(out), "--save-details"]
    redirected(python, sets, "lighteval", arguments, folder)
    (results,) = out.rglob("results_*.json")
    reported = json.loads(results.read_text(encoding="utf-8"))["results"]
    return {task: _lighteval_ran(task, out, reported) for task in tasks}


def _lighteval_ran(task: str, out: Path, reported: Mapping[str, Mapping[str, float]]) -> Ran:
    import duckdb

    (details,) = out.rglob(f"details_{task}|0_*.parquet")
    columns = "doc.id, model_response.input_tokens, model_response.output_tokens, model_response.logprobs"
    rows = duckdb.sql(f"SELECT {columns} FROM read_parquet($name)", params={"name": str(details)}).fetchall()
    sent = tuple(_lighteval_sent(*row) for row in sorted(rows, key=lambda row: int(row[0])))
    metrics = next(scores for name, scores in reported.items() if name.startswith(f"{task}:") or name == f"{task}|0")
    return Ran(sent=sent, metrics={name: value for name, value in metrics.items() if "stderr" not in name})


def _lighteval_sent(row: str, context: list[int], continuations: list[list[int]], likelihoods: list[float]) -> Sent:
    kept = [_unpadded(ids) for ids in (context, *continuations)]
    return Sent(row=int(row), requests=tuple((kept[0], ids) for ids in kept[1:]), loglikelihoods=tuple(likelihoods))


def _unpadded(ids: Sequence[int]) -> str:
    """Token ids as JSON; -1 fills up the rows of a batch."""
    return json.dumps([number for number in ids if number >= 0])
