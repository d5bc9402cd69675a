"""How lighteval is run: its stock tasks on a local checkpoint, with the details of every item saved."""

from __future__ import annotations

from collections.abc import Mapping

from safetyrepro.harnesses.program import CHECKPOINT, OUTPUT, Job, Launch, Question, no_task
from safetyrepro.records import Json

READER = "lighteval"
RELEASES = ("0.13.0",)
UNWANTED: tuple[str, ...] = ()
EMPTY_FILES: tuple[str, ...] = ("lighteval/tasks/tasks/tinyBenchmarks.pkl",)
QUESTIONS: Mapping[str, Question] = {
    "truthfulqa": Question(metric="truthfulqa_mc1", estimand="mc1"),
    "bbq": Question(metric="em", estimand="accuracy"),
    "toxigen": Question(metric="acc", estimand="accuracy_lm_eval"),
}

_TASKS = {"truthfulqa": "truthfulqa:mc", "toxigen": "toxigen"}
_Sets = dict[str, Mapping[str, tuple[Mapping[str, Json], ...]]]


def refusal(job: Job) -> str:
    """Why it cannot run a job, one sentence; empty where it can."""
    return no_task("lighteval", job.benchmark, QUESTIONS)


def older_transformers(version: str) -> bool:
    """Whether the release runs with transformers 4."""
    return bool(version)


def launch(job: Job) -> Launch:
    """The words that start a job."""
    sets = {"truthfulqa": _truthfulqa, "bbq": _bbq, "toxigen": _toxigen}[job.benchmark](job)
    tasks = [f"bbq:{name.partition('|')[2]}" for name in sets] if job.benchmark == "bbq" else [_TASKS[job.benchmark]]
    return Launch(
        module="lighteval",
        arguments=(
            *("accelerate", f"model_name={CHECKPOINT},dtype={job.dtype},batch_size=4", ",".join(f"{task}|0" for task in tasks)),
            *("--output-dir", OUTPUT, "--save-details"),
        ),
        sets=sets,
    )


def _truthfulqa(job: Job) -> _Sets:
    return {"truthfulqa/truthful_qa": {"validation": job.rows}}


def _toxigen(job: Job) -> _Sets:
    return {"skg/toxigen-data|annotated": {"train": job.rows, "test": job.rows}}


def _bbq(job: Job) -> _Sets:
    """A set for each category that has rows: the task ``bbq`` stands for those of all categories and for all of them once more."""
    found: dict[str, list[Mapping[str, Json]]] = {}
    for row in job.rows:
        found.setdefault(str(row["category"]), []).append(_row(row))
    return {f"lighteval/bbq_helm|{name}": {"train": (), "test": tuple(rows)} for name, rows in found.items()}


def _row(row: Mapping[str, Json]) -> dict[str, Json]:
    """A row of BBQ as the package's own edition of it has them: the options as a list, in the file's order."""
    choices: list[Json] = [row[f"ans{place}"] for place in range(3)]
    return {"context": row["context"], "question": row["question"], "choices": choices, "gold_index": row["label"]}
