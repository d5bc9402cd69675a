"""Run by the Python of lm-evaluation-harness's own environment: some evaluations of the whole grid in one process, the model loaded once.

Usage: python lm_eval_grid_program.py MODEL TASKS OUT EVALUATIONS, where EVALUATIONS is a JSON list of [benchmark, template, shots, chat, rule];
a rule of null is every rule. ``record`` instead of a list asks nothing of the model: it writes down what the 48 prompt cells would ask.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path


def main() -> None:
    """Evaluate, or record."""
    from grid_workload import READERS
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager
    from workload import CELLS

    model_folder, tasks, out, wanted = sys.argv[1:5]
    model = HFLM(pretrained=model_folder, dtype="float32", device="cpu", batch_size=16)
    loaded = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    recording = wanted == "record"
    if recording:
        model.loglikelihood = lambda requests, **_: [(-1.0, False) for _ in requests]
        evaluations = [[name, cell.template, cell.shots, cell.chat, None] for name in READERS for cell in CELLS]
    else:
        evaluations = json.loads(wanted)
    manager = TaskManager(include_path=tasks)
    answers, seconds = [], []
    for evaluation in evaluations:
        begun = time.process_time()
        found = _evaluate(model, manager, evaluation)
        seconds.append(time.process_time() - begun)
        answers += _answers(found, evaluation, recording)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    result = {
        "seconds": seconds,
        "start": time.process_time() - sum(seconds),
        "over_load_gb": peak - loaded,
        "answers": answers,
    }
    Path(out).write_text(json.dumps(result), encoding="utf-8")


def _evaluate(model: object, manager: object, evaluation: list) -> dict:
    from grid_workload import task_name
    from lm_eval import simple_evaluate
    from workload import SYSTEM

    benchmark, template, shots, chat, rule = evaluation
    return simple_evaluate(
        model=model,
        tasks=[task_name(benchmark, template, rule)],
        num_fewshot=shots,
        task_manager=manager,
        apply_chat_template=chat,
        fewshot_as_multiturn=chat,
        system_instruction=SYSTEM if chat else None,
        log_samples=True,
        bootstrap_iters=0,
    )


def _answers(found: dict, evaluation: list, recording: bool) -> list:
    cell = "-".join(str(part) for part in evaluation[:4])
    rows = []
    for samples in found["samples"].values():
        for sample in samples:
            for arguments, response in zip(sample["arguments"], sample["resps"], strict=True):
                (loglikelihood, greedy), *_ = response
                measured = [None, None] if recording else [loglikelihood, greedy]
                rows.append([cell, sample["doc_id"], arguments[0], arguments[1], *measured])
    return rows


if __name__ == "__main__":
    main()
