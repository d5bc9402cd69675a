"""Small result files in the shapes of five packages, written by the tests themselves."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path


def lm_eval_results(folder: Path, *, stamp: str = "2025-01-02T03-04-05.678901", **changes: object) -> Path:
    """A results file of two tasks and their group."""
    content = {
        "results": {
            "toy": {
                "alias": "toy",
                "acc,none": 0.5,
                "acc_stderr,none": 0.1,
                "acc_norm,none": 0.75,
                "acc_norm_stderr,none": "N/A",
            },
            "toy_gen": {"exact_match,strict": 0.5, "exact_match,loose": 1.0},
            "toy_group": {"acc,none": 0.5},
        },
        "group_subtasks": {"toy_group": ["toy", "toy_gen"], "toy": []},
        "groups": {"toy_group": {"acc,none": 0.5}},
        "configs": {
            "toy": {"doc_to_text": "Q: {{question}}\nA:", "output_type": "multiple_choice"},
            "toy_gen": {
                "doc_to_text": "{{question}}",
                "output_type": "generate_until",
                "generation_kwargs": {"do_sample": False},
            },
        },
        "versions": {"toy": 1},
        "n-shot": {"toy": 2, "toy_gen": 0, "toy_group": 0},
        "n-samples": {"toy": {"original": 9, "effective": 4}},
        "higher_is_better": {"toy": {"acc": True}},
        "config": {"model": "hf", "model_args": "pretrained=org/small,dtype=float16", "fewshot_seed": 1234, "random_seed": 0},
        "model_name": "org/small",
        "lm_eval_version": "0.4.9",
        "chat_template": None,
        "system_instruction": None,
        **changes,
    }
    path = folder / f"results_{stamp}.json"
    path.write_text(json.dumps(content))
    return path


def lm_eval_samples(folder: Path, *, task: str = "toy", stamp: str = "2025-01-02T03-04-05.678901") -> Path:
    """Four samples of the task `toy`."""
    path = folder / f"samples_{task}_{stamp}.jsonl"
    path.write_text("\n".join(json.dumps(record) for record in lm_eval_records()))
    return path


def lm_eval_records() -> list[dict]:
    return [
        {
            "doc_id": number,
            "doc": {"question": f"How many is {number} and one?", "choices": ["one", "two"]},
            "target": "1",
            "arguments": {
                "gen_args_0": {"arg_0": f"Q: {number}\nA:", "arg_1": " one"},
                "gen_args_1": {"arg_0": "x", "arg_1": " two"},
            },
            "resps": [[["-1.5", "False"]], [["-0.5", "True"]]],
            "filtered_resps": [["-1.5", "False"], ["-0.5", "True"]],
            "filter": "none",
            "metrics": ["acc", "acc_norm"],
            "acc": float(number % 2),
            "acc_norm": float(number != 0),
        }
        for number in range(4)
    ]


def inspect_log(**changes: object) -> dict:
    """A log with two samples in two epochs, under two scorers."""
    samples = [
        {
            "id": number,
            "epoch": epoch,
            "input": f"Is {number} even?",
            "choices": ["yes", "no"],
            "target": "A",
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": f"Is {number} even?"},
                {"role": "assistant", "content": "A"},
            ],
            "output": {"choices": [{"message": {"role": "assistant", "content": "A"}}]},
            "scores": {"choice": {"value": "C" if number else "I", "answer": "A"}, "parts": {"value": {"x": True, "y": 2}}},
        }
        for number in range(2)
        for epoch in (1, 2)
    ]
    return {
        "version": 2,
        "status": "success",
        "eval": {
            "task": "org/even",
            "model": "openai/toy",
            "dataset": {"sample_ids": [0, 1]},
            "config": {"epochs": 2},
            "packages": {"inspect_ai": "0.3.99"},
        },
        "plan": {
            "steps": [
                {"solver": "system_message", "params": {"template": "Be brief."}},
                {"solver": "multiple_choice", "params": {"cot": True, "template": None}},
            ],
            "config": {"temperature": 0.5, "max_tokens": 7},
        },
        "results": {
            "total_samples": 4,
            "scores": [
                {"name": "choice", "scorer": "choice", "metrics": {"accuracy": {"value": 0.5}, "stderr": {"value": 0.1}}}
            ],
        },
        "samples": samples,
        **changes,
    }


def inspect_archive(path: Path, log: dict, *, method: int = zipfile.ZIP_DEFLATED) -> Path:
    """The same log as an archive."""
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("_journal/start.json", json.dumps({"version": 2, "eval": log["eval"], "plan": log["plan"]}))
        for sample in log["samples"]:
            archive.writestr(f"samples/{sample['id']}_epoch_{sample['epoch']}.json", json.dumps(sample))
        archive.writestr("header.json", json.dumps({key: value for key, value in log.items() if key != "samples"}))
    return path


def helm_run(folder: Path, *, n_items: int = 3) -> Path:
    """A run folder with one instance of the split valid and the others of test."""
    folder.mkdir(parents=True)
    adapter = {
        "method": "multiple_choice_joint",
        "instructions": "Answer.",
        "model": "org/small",
        "model_deployment": "together/small",
        "temperature": 0.0,
        "max_tokens": 1,
        "max_train_instances": 5,
    }
    states, rows, means = [], [], {}
    for number in range(n_items):
        split = "valid" if number == 0 else "test"
        right = number % 2 == 1
        instance = {
            "id": f"id{number}",
            "split": split,
            "input": {"text": f"Question {number}?"},
            "references": [{"output": {"text": "yes"}, "tags": ["correct"]}, {"output": {"text": "no"}, "tags": []}],
        }
        states.append(
            {
                "instance": instance,
                "train_trial_index": 0,
                "output_mapping": {"A": "yes", "B": "no"},
                "num_train_instances": 3,
                "request": {"prompt": f"Q{number}"},
                "result": {"success": True, "completions": [{"text": " A" if right else " Well"}]},
            }
        )
        name = {"name": "exact_match", "split": split}
        value = float(right)
        rows.append(
            {
                "instance_id": f"id{number}",
                "train_trial_index": 0,
                "stats": [
                    {"name": name, "count": 1, "sum": value, "mean": value},
                    {"name": {"name": "num_prompt_tokens", "split": split}, "count": 1, "sum": 9, "mean": 9},
                ],
            }
        )
        means.setdefault(split, []).append(value)
    stats = [
        {"name": {"name": "exact_match", "split": split}, "count": 1, "mean": sum(values) / len(values)}
        for split, values in means.items()
    ]
    spec = {"name": "toy:subject=x,method=multiple_choice_joint,model=org_small", "adapter_spec": adapter}
    for name, content in (
        ("run_spec", spec),
        ("scenario_state", {"adapter_spec": adapter, "request_states": states}),
        ("per_instance_stats", rows),
        ("stats", stats),
    ):
        (folder / f"{name}.json").write_text(json.dumps(content))
    return folder


def lighteval_run(folder: Path) -> Path:
    """Results of one task and its table of details, in the newer shape."""
    import duckdb

    stamp = "2025-05-05T05-05-05.000001"
    results = folder / "results" / "org" / "small"
    details = folder / "details" / "org" / "small" / stamp
    results.mkdir(parents=True)
    details.mkdir(parents=True)
    content = {
        "config_general": {
            "model_config": {"model_name": "org/small", "dtype": "bfloat16", "generation_parameters": {"temperature": 0}},
            "lighteval_sha": "?",
        },
        "results": {"toy|3": {"acc": 0.5, "acc_stderr": 0.5}, "all": {"acc": 0.5}},
        "versions": {},
        "config_tasks": {
            "toy|3": {"prompt_function": "toy_prompt", "metrics": [{"metric_name": "acc", "higher_is_better": True}]}
        },
    }
    path = results / f"results_{stamp}.json"
    path.write_text(json.dumps(content))
    rows = ", ".join(
        f"({{'id': 'i{number}', 'query': 'Q{number}?', 'choices': ['yes', 'no'], 'gold_index': [0]}}, {{'acc': {number}}}, "
        f"{{'text': ['yes'], 'logprobs': [-1e0, -2e0]}})"
        for number in range(2)
    )
    table = details / f"details_toy|3_{stamp}.parquet"
    with duckdb.connect() as connection:
        connection.execute(
            f"COPY (SELECT * FROM (VALUES {rows}) AS t(doc, metric, model_response)) TO '{table}' (FORMAT parquet)"
        )
    return path


def eee_record(folder: Path, **changes: object) -> Path:
    """A record of two results, one of them a placeholder, and its instances."""
    name = "0f0f0f0f-0000-4000-8000-000000000000"
    metric = {"metric_name": "accuracy", "lower_is_better": False, "score_type": "continuous", "min_score": 0, "max_score": 1}
    content = {
        "schema_version": "0.3.0",
        "evaluation_id": "toy/org_small/1",
        "source_metadata": {"source_type": "evaluation_run", "source_organization_name": "Org", "source_name": "toy"},
        "eval_library": {"name": "lm_eval", "version": "0.4.9"},
        "model_info": {"id": "org/small", "additional_details": {"precision": "float16"}},
        "evaluation_results": [
            {
                "evaluation_result_id": "toy.acc",
                "evaluation_name": "toy",
                "source_data": {"dataset_name": "toy"},
                "metric_config": metric,
                "score_details": {"score": 0.5},
            },
            {
                "evaluation_name": "toy",
                "source_data": {"dataset_name": "toy"},
                "metric_config": {**metric, "metric_name": "f1"},
                "score_details": {"score": -1.0},
            },
        ],
        **changes,
    }
    path = folder / f"{name}.json"
    path.write_text(json.dumps(content))
    lines = [
        {
            "schema_version": "0.3.0",
            "evaluation_id": "toy/org_small/1",
            "model_id": "org/small",
            "evaluation_name": "toy",
            "evaluation_result_id": "toy.acc",
            "sample_id": f"s{number}",
            "input": {"raw": f"Q{number}?", "reference": ["yes"], "choices": ["yes", "no"]},
            "output": {"raw": ["yes"]},
            "evaluation": {"score": float(number), "is_correct": bool(number)},
            "error": "time-out" if number == 2 else None,
        }
        for number in range(3)
    ]
    (folder / f"{name}_samples.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return path
