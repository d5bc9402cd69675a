"""How lighteval is run: its stock tasks on a local checkpoint, with the details of every item saved."""

from __future__ import annotations

from collections.abc import Mapping

from safetyrepro.harnesses.program import CHECKPOINT, OUTPUT, Job, Launch, Question, no_task

READER = "lighteval"
RELEASES = ("0.13.0",)
UNWANTED: tuple[str, ...] = ()
EMPTY_FILES: tuple[str, ...] = ("lighteval/tasks/tasks/tinyBenchmarks.pkl",)
QUESTIONS: Mapping[str, Question] = {"truthfulqa": Question(metric="truthfulqa_mc1", estimand="mc1")}


def refusal(job: Job) -> str:
    """Why it cannot run a job, one sentence; empty where it can."""
    return no_task("lighteval", job.benchmark, QUESTIONS)


def older_transformers(version: str) -> bool:
    """Whether the release runs with transformers 4."""
    return bool(version)


def launch(job: Job) -> Launch:
    """The words that start a job."""
    return Launch(
        module="lighteval",
        arguments=(
            *("accelerate", f"model_name={CHECKPOINT},dtype={job.dtype},batch_size=4", "truthfulqa:mc|0"),
            *("--output-dir", OUTPUT, "--save-details"),
        ),
        sets={"truthfulqa/truthful_qa": {"validation": job.rows}},
    )
