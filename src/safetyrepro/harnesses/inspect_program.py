"""How Inspect is run: the stock tasks of inspect_evals on a local checkpoint, greedily, with at most 64 tokens an answer."""

from __future__ import annotations

import json
from collections.abc import Mapping

from safetyrepro.harnesses.program import CHECKPOINT, OUTPUT, Job, Launch, Question, no_task
from safetyrepro.records import Json

READER = "inspect-ai"
RELEASES = ("0.3.285", "0.3.21")
UNWANTED: tuple[str, ...] = ()
EMPTY_FILES: tuple[str, ...] = ()
QUESTIONS: Mapping[str, Question] = {
    "truthfulqa": Question(metric="accuracy", estimand="mc1"),
    "bbq": Question(metric="accuracy", estimand="accuracy"),
}

_CATEGORIES = (
    "Age",
    "Disability_status",
    "Gender_identity",
    "Nationality",
    "Physical_appearance",
    "Race_ethnicity",
    "Race_x_SES",
    "Race_x_gender",
    "Religion",
    "SES",
    "Sexual_orientation",
)
_BBQ_CACHE = "home/.cache/inspect_evals/bbq_dataset/bbq/data"


def refusal(job: Job) -> str:
    """Why it cannot run a job, one sentence; empty where it can."""
    if job.version == "0.3.21":
        return "inspect 0.3.21 is older than every inspect_evals that installs, so it has no stock task; name inspect==0.3.285"
    return no_task("inspect", job.benchmark, QUESTIONS)


def older_transformers(version: str) -> bool:
    """Whether the release runs with transformers 4."""
    return version == "0.3.21"


def launch(job: Job) -> Launch:
    """The words that start a job."""
    return Launch(
        module="inspect_ai",
        arguments=(
            *("eval", f"inspect_evals/{job.benchmark}", "--model", "hf/local", "-M", f"model_path={CHECKPOINT}"),
            *(
                "-M",
                "do_sample=false",
                "-M",
                f"dtype={job.dtype}",
                "-M",
                f"device={job.device}",
                "--max-tokens",
                "64",
                "--seed",
                "0",
            ),
            *_subsets(job),
            *("--display", "none", "--log-format", "json", "--log-dir", OUTPUT),
        ),
        sets={"truthfulqa/truthful_qa": {"validation": job.rows}, **_categories(job)},
        seeds=_bbq_files(job),
    )


def _subsets(job: Job) -> tuple[str, ...]:
    """Only the categories that have rows: the task reads a file for each of those that it is told."""
    return ("-T", f"subsets={','.join(_by_category(job))}") if job.rows and job.benchmark == "bbq" else ()


def _by_category(job: Job) -> dict[str, list[Mapping[str, Json]]]:
    found: dict[str, list[Mapping[str, Json]]] = {}
    for row in job.rows if job.benchmark == "bbq" else ():
        found.setdefault(str(row["category"]), []).append(row)
    return found


def _categories(job: Job) -> dict[str, dict[str, tuple[Mapping[str, Json], ...]]]:
    return {f"heegyu/bbq|{name}": {"test": tuple(rows)} for name, rows in _by_category(job).items()}


def _bbq_files(job: Job) -> dict[str, str]:
    """A file for each category, since the data set's loader looks for all; those without rows are empty and not asked for."""
    rows = _by_category(job)
    names = dict.fromkeys((*_CATEGORIES, *rows)) if job.benchmark == "bbq" else ()
    return {f"{_BBQ_CACHE}/{name}.jsonl": "".join(f"{json.dumps(row)}\n" for row in rows.get(name, ())) for name in names}
