"""Run by the Python of lm-evaluation-harness's own environment: several evaluations in one process, the model loaded once.

Usage: python lm_eval_program.py MODEL TASKS OUT RULE, where RULE is a scoring rule or ``all`` (the careful user: one evaluation with every
rule for each prompt cell). Writes the arguments and answers of the ``all`` evaluations to OUT.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path


def main() -> None:
    """Evaluate the grid."""
    from lm_eval import simple_evaluate
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager
    from workload import CELLS, SYSTEM, task_name

    model_folder, tasks, out, mode = sys.argv[1:5]
    model = HFLM(pretrained=model_folder, dtype="float32", device="cpu", batch_size=16)
    loaded = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    manager = TaskManager(include_path=tasks)
    begun = time.process_time()
    answers = []
    for cell in CELLS:
        found = simple_evaluate(
            model=model,
            tasks=[task_name(cell.template, None if mode == "all" else mode)],
            num_fewshot=cell.shots,
            task_manager=manager,
            apply_chat_template=cell.chat,
            fewshot_as_multiturn=cell.chat,
            system_instruction=SYSTEM if cell.chat else None,
            log_samples=mode == "all",
            bootstrap_iters=0,
        )
        answers += _answers(found, cell.name) if mode == "all" else []
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    result = {"seconds": time.process_time() - begun, "over_load_gb": peak - loaded, "answers": answers}
    Path(out).write_text(json.dumps(result), encoding="utf-8")


def _answers(found: dict, cell: str) -> list:
    rows = []
    for samples in found["samples"].values():
        for sample in samples:
            for arguments, response in zip(sample["arguments"], sample["resps"], strict=True):
                (loglikelihood, greedy), *_ = response
                rows.append([cell, sample["doc_id"], arguments[0], arguments[1], loglikelihood, greedy])
    return rows


if __name__ == "__main__":
    main()
