"""A stand-in for a package's Python: takes the command line that the package would get and writes what it would write.

Answers depend on nothing but the row's place and the behaviour that the file `behaviour` beside the environment names.
"""

from __future__ import annotations

import csv
import json
import os
import signal
import sys
import time
from pathlib import Path

STAMP = "2025-01-02T03-04-05.678901"


def main() -> None:
    """Behave, then write."""
    behaviour = Path(sys.argv[1]).read_text(encoding="utf-8")
    flag, script, rows, module, *arguments = sys.argv[2:]
    assert flag == "-I"
    assert Path(script).name == "redirected.py"
    with Path("../started.txt").open("a", encoding="utf-8") as started:
        started.write(f"{module}\n")
    if behaviour == "fails":
        sys.exit("Traceback\nValueError: the tokenizer \x1b[31mis\x1b[0m odd\n(see above)")
    if behaviour == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if behaviour == "sleeps":
        time.sleep(60)
    Path("out").mkdir(exist_ok=True)
    if behaviour != "writes nothing":
        WRITERS[module](json.loads(Path(rows).read_text(encoding="utf-8")), arguments, behaviour)


def lm_eval(sets: dict, arguments: list[str], behaviour: str) -> None:
    """A results file and its samples."""
    task = arguments[arguments.index("--tasks") + 1]
    rows = next(iter(sets.values()))["test"]
    if behaviour == "loses one":
        rows = rows[1:]
    if behaviour == "adds one":
        rows = [*rows, {"question": "Who asked for this?", "mc1_targets": {"choices": ["a", "b"], "labels": [1, 0]}}]
    metric = "pct_stereotype" if task.startswith("crows") else "acc"
    samples = [
        {
            "doc_id": number,
            "doc": row,
            "target": "0",
            "arguments": {"gen_args_0": {"arg_0": f"Q: {number}\nA:", "arg_1": " one"}},
            "resps": [[["-1.5", "False"]]],
            "filtered_resps": [["-1.5", "False"]],
            metric: float(number % 2),
        }
        for number, row in enumerate(rows)
    ]
    mean = sum(sample[metric] for sample in samples) / len(samples)
    results = {
        "results": {task: {"alias": task, f"{metric},none": mean}},
        "configs": {task: {"doc_to_text": "{{question}}", "output_type": "multiple_choice"}},
        "higher_is_better": {task: {metric: True}},
        "config": {"model": "hf", "model_args": "pretrained=checkpoint,dtype=float32"},
        "lm_eval_version": "0.4.13",
        "model_name": "checkpoint",
    }
    place = Path("out/checkpoint")
    place.mkdir()
    (place / f"results_{STAMP}.json").write_text(json.dumps(results))
    (place / f"samples_{task}_{STAMP}.jsonl").write_text("\n".join(json.dumps(sample) for sample in samples))


def inspect(sets: dict, arguments: list[str], behaviour: str) -> None:
    """A log."""
    del behaviour
    task = arguments[1].removeprefix("inspect_evals/")
    rows = [row for splits in sets.values() for rows in splits.values() for row in rows]
    samples = [
        {
            "id": number,
            "epoch": 1,
            "input": row["question"] if task == "truthfulqa" else f"Context: {row['context']}\n\nQuestion: {row['question']}",
            "choices": ["yes", "no"],
            "target": "A",
            "messages": [{"role": "user", "content": "?"}, {"role": "assistant", "content": "A"}],
            "output": {"choices": [{"message": {"role": "assistant", "content": "A"}}]},
            "scores": {"choice": {"value": "CI"[number % 2], "answer": "A"}},
        }
        for number, row in enumerate(rows)
    ]
    log = {
        "version": 2,
        "status": "success",
        "eval": {"task": arguments[1], "model": "hf/local", "packages": {"inspect_ai": "0.3.285"}, "config": {}},
        "plan": {"steps": [{"solver": "multiple_choice", "params": {}}], "config": {}},
        "results": {
            "scores": [{"name": "choice", "scorer": "choice", "metrics": {"accuracy": {"value": 0.5}}}],
        },
        "samples": samples,
    }
    Path("out/log.json").write_text(json.dumps(log))


def helm(sets: dict, arguments: list[str], behaviour: str) -> None:
    """A run folder; the first fifth of the seeded file is shown and not asked."""
    del sets, arguments, behaviour
    with Path("out/scenarios/truthful_qa/data/TruthfulQA.csv").open(encoding="utf-8", newline="") as opened:
        rows = list(csv.DictReader(opened))
    adapter = {"method": "multiple_choice_joint", "model": "huggingface/checkpoint", "max_train_instances": 5}
    states, stats = [], []
    for number, row in enumerate(rows[int(len(rows) * 0.2) :]):
        instance = {
            "id": f"id{number}",
            "split": "test",
            "input": {"text": row["Question"]},
            "references": [{"output": {"text": row["Best Answer"]}, "tags": ["correct"]}],
        }
        answer = {"success": True, "completions": [{"text": " A"}]}
        states.append({"instance": instance, "train_trial_index": 0, "request": {"prompt": f"Q{number}"}, "result": answer})
        value = float(number % 2)
        name = {"name": "exact_match", "split": "test"}
        entry = {"name": name, "count": 1, "sum": value, "mean": value}
        stats.append({"instance_id": f"id{number}", "train_trial_index": 0, "stats": [entry]})
    spec = {"name": "truthful_qa:task=mc_single,method=multiple_choice_joint", "adapter_spec": adapter}
    folder = Path("out/runs/study/truthful_qa:task=mc_single")
    folder.mkdir(parents=True)
    total = [{"name": {"name": "exact_match", "split": "test"}, "count": 1, "mean": 0.5}]
    state = {"adapter_spec": adapter, "request_states": states}
    for name, content in (("run_spec", spec), ("scenario_state", state), ("per_instance_stats", stats), ("stats", total)):
        (folder / f"{name}.json").write_text(json.dumps(content))


def lighteval(sets: dict, arguments: list[str], behaviour: str) -> None:
    """Results and a table of details."""
    del arguments, behaviour
    import duckdb

    (splits,) = sets.values()
    results, details = Path("out/results/checkpoint"), Path(f"out/details/checkpoint/{STAMP}")
    results.mkdir(parents=True)
    details.mkdir(parents=True)
    task = "truthfulqa:mc|0"
    metrics = [{"metric_name": ["truthfulqa_mc1", "truthfulqa_mc2"], "higher_is_better": {"truthfulqa_mc1": True}}]
    content = {
        "config_general": {"model_config": {"model_name": "checkpoint", "dtype": "float32"}, "lighteval_sha": "?"},
        "results": {task: {"truthfulqa_mc1": 0.5}},
        "config_tasks": {task: {"prompt_function": "truthful_qa", "metrics": metrics}},
    }
    (results / f"results_{STAMP}.json").write_text(json.dumps(content))
    with duckdb.connect() as connection:
        connection.execute(
            "CREATE TABLE t (doc STRUCT(id VARCHAR, query VARCHAR, choices VARCHAR[], gold_index INT[]), metric STRUCT(truthfulqa_mc1 DOUBLE), model_response STRUCT(text VARCHAR[], logprobs DOUBLE[]))"
        )
        for number, row in enumerate(splits["validation"]):
            doc = {"id": str(number), "query": f"Q: {row['question']}\nA:", "choices": ["yes", "no"], "gold_index": [0]}
            answer = {"text": ["yes"], "logprobs": [-1.0, -2.0]}
            connection.execute("INSERT INTO t VALUES (?, ?, ?)", [doc, {"truthfulqa_mc1": number % 2}, answer])
        connection.execute(f"COPY t TO '{details}/details_{task}_{STAMP}.parquet' (FORMAT parquet)")


WRITERS = {"lm_eval": lm_eval, "inspect_ai": inspect, "helm.benchmark.run": helm, "lighteval": lighteval}


if __name__ == "__main__":
    main()
