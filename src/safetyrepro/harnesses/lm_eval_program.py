"""How lm-evaluation-harness is run: its stock tasks, on a local checkpoint, with the samples written beside the results."""

from __future__ import annotations

from collections.abc import Mapping

from safetyrepro.harnesses.program import CHECKPOINT, OUTPUT, Job, Launch, Question, no_task

READER = "lm-eval"
RELEASES = ("0.4.13", "0.4.5")
UNWANTED: tuple[str, ...] = ()
EMPTY_FILES: tuple[str, ...] = ()
QUESTIONS: Mapping[str, Question] = {
    "truthfulqa": Question(metric="acc", estimand="mc1"),
    "bbq": Question(metric="acc", estimand="accuracy"),
    "toxigen": Question(metric="acc", estimand="accuracy_lm_eval"),
    "crows_pairs": Question(metric="pct_stereotype", estimand="pct_stereotype", scale=100.0),
}

_TASKS = {
    "truthfulqa": ("truthfulqa_mc1", ("truthfulqa/truthful_qa", "truthful_qa")),
    "bbq": ("bbq", ("oskarvanderwal/bbq",)),
    "toxigen": ("toxigen", ("skg/toxigen-data",)),
    "crows_pairs": ("crows_pairs_english", ("jannalu/crows_pairs_multilingual", "BigScienceBiasEval/crows_pairs_multilingual")),
}
"""Benchmark -> stock task, and the data sets that its releases ask for."""


def refusal(job: Job) -> str:
    """Why it cannot run a job, one sentence; empty where it can."""
    if job.benchmark == "bbq" and job.version == "0.4.5":
        return "lm-eval 0.4.5 has no task for bbq; name lm-eval==0.4.13"
    return no_task("lm-eval", job.benchmark, QUESTIONS)


def older_transformers(version: str) -> bool:
    """Whether the release runs with transformers 4."""
    return version == "0.4.5"


def launch(job: Job) -> Launch:
    """The words that start a job."""
    task, data_sets = _TASKS[job.benchmark]
    splits = dict.fromkeys(("train", "validation", "test"), job.rows)
    return Launch(
        module="lm_eval",
        arguments=(
            *("--model", "hf", "--model_args", f"pretrained={CHECKPOINT},dtype={job.dtype}"),
            *("--tasks", task, "--device", job.device, "--batch_size", "8", "--log_samples", "--output_path", OUTPUT),
        ),
        sets=dict.fromkeys(data_sets, splits),
    )
