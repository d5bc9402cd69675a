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
    """A log; 0.3.21 reads the file beside its task."""
    del behaviour
    task = arguments[1].removeprefix("inspect_evals/").rpartition("@")[2]
    if not sets:
        sets = {"": {"": [json.loads(line) for line in Path("truthfulqa.jsonl").read_text().splitlines()]}}
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
    del sets, behaviour
    bbq = arguments[arguments.index("-r") + 1].startswith("bbq:")
    if bbq:
        lines = [line for path in sorted(Path("out/scenarios/bbq/data").iterdir()) for line in path.read_text().splitlines()]
        rows = [json.loads(line) for line in lines]
        asked = [(f"{row['context']}\nQuestion: {row['question']}", row["ans0"]) for row in rows]
    else:
        with Path("out/scenarios/truthful_qa/data/TruthfulQA.csv").open(encoding="utf-8", newline="") as opened:
            rows = list(csv.DictReader(opened))
        asked = [(row["Question"], row["Best Answer"]) for row in rows[int(len(rows) * 0.2) :]]
    adapter = {"method": "multiple_choice_joint", "model": "huggingface/checkpoint", "max_train_instances": 5}
    states, stats = [], []
    for number, (text, answer_text) in enumerate(asked):
        instance = {
            "id": f"id{number}",
            "split": "test",
            "input": {"text": text},
            "references": [{"output": {"text": answer_text}, "tags": ["correct"]}],
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
    """Results and a table of details for each task."""
    del behaviour
    import duckdb

    results, details = Path("out/results/checkpoint"), Path(f"out/details/checkpoint/{STAMP}")
    results.mkdir(parents=True)
    details.mkdir(parents=True)
    tasks = arguments[2].split(",")
    metric = {"truthfulqa:mc|0": "truthfulqa_mc1", "toxigen|0": "acc"}.get(tasks[0], "em")
    metrics = [{"metric_name": metric, "higher_is_better": True}]
    content = {
        "config_general": {"model_config": {"model_name": "checkpoint", "dtype": "float32"}, "lighteval_sha": "?"},
        "results": {task: {metric: 0.5} for task in tasks},
        "config_tasks": {task: {"prompt_function": "stock", "metrics": metrics} for task in tasks},
    }
    (results / f"results_{STAMP}.json").write_text(json.dumps(content))
    number = 0
    for task, splits in zip(tasks, sets.values(), strict=True):
        with duckdb.connect() as connection:
            connection.execute(
                f"CREATE TABLE t (doc STRUCT(id VARCHAR, query VARCHAR, choices VARCHAR[], gold_index INT[]), metric STRUCT({metric} DOUBLE), model_response STRUCT(text VARCHAR[], logprobs DOUBLE[]))"
            )
            for row in list(splits.values())[-1]:
                doc = {"id": str(number), "query": lighteval_query(row), "choices": ["yes", "no"], "gold_index": [0]}
                answer = {"text": ["yes"], "logprobs": [-1.0, -2.0]}
                connection.execute("INSERT INTO t VALUES (?, ?, ?)", [doc, {metric: number % 2}, answer])
                number += 1
            connection.execute(f"COPY t TO '{details}/details_{task}_{STAMP}.parquet' (FORMAT parquet)")


def lighteval_query(row: dict) -> str:
    """The whole prompt, which is all that the package keeps of a question."""
    if "text" in row:
        return f"Statement: '{row['text']}'"
    if "context" not in row:
        return f"Q: {row['question']}\nA:"
    options = "".join(f"\n{letter}. {text}" for letter, text in zip("ABC", row["choices"], strict=True))
    return f"Choose.\nPassage: {row['context']}\nQuestion: {row['question']}{options}\nAnswer:"


WRITERS = {"lm_eval": lm_eval, "inspect_ai": inspect, "helm.benchmark.run": helm, "lighteval": lighteval}


if __name__ == "__main__":
    main()
