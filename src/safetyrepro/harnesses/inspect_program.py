"""How Inspect is run: its stock tasks on a local checkpoint, greedily, with at most 64 tokens an answer.

The tasks of 0.3.285 are those of inspect_evals. 0.3.21 is older than every inspect_evals that installs; its tasks lay in its repository
(``benchmarks/`` of UKGovernmentBEIS/inspect_ai) and in no package. Its TruthfulQA is written out here as that file had it: the solver
``multiple_choice`` with shuffled options, given as ``plan``, because 0.3.21 swallows ``solver`` without a word, and the scorer ``choice``.
Two things differ from it: the shuffle has a seed, so that the run can be repeated, and the rows are the study's. That release always
samples; one candidate token (``--top-k 1``) leaves it nothing to choose.
"""

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

OLDER = "0.3.21"
"""Release that has no inspect_evals."""
_TASK_FILE = "task.py"
_ROWS_FILE = "truthfulqa.jsonl"
_TASK = f"""from random import Random

from inspect_ai import Task, task
from inspect_ai.dataset import Sample, json_dataset
from inspect_ai.scorer import choice
from inspect_ai.solver import multiple_choice


def sample(row):
    targets = row["mc1_targets"]
    right = [chr(ord("A") + place) for place, label in enumerate(targets["labels"]) if label == 1]
    return Sample(input=row["question"], choices=targets["choices"], target=right)


@task
def truthfulqa():
    return Task(
        dataset=json_dataset("{_ROWS_FILE}", sample),
        plan=[multiple_choice(multiple_correct=False, shuffle=Random(0))],
        scorer=choice(),
    )
"""
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
    if job.benchmark == "xstest":
        return "inspect grades answers to xstest by a model behind a network (openai/gpt-4o), and packages are run without one"
    if job.version == OLDER and job.benchmark in QUESTIONS and job.benchmark != "truthfulqa":
        return (
            f"inspect {OLDER} is older than every inspect_evals that installs, and its repository had no task for {job.benchmark}; "
            "name inspect==0.3.285"
        )
    return no_task("inspect", job.benchmark, QUESTIONS)


def older_transformers(version: str) -> bool:
    """Whether the release runs with transformers 4."""
    return version == OLDER


def launch(job: Job) -> Launch:
    """The words that start a job."""
    return _older_launch(job) if job.version == OLDER else _launch(job)


def _older_launch(job: Job) -> Launch:
    return Launch(
        module="inspect_ai",
        arguments=(
            *("eval", f"{_TASK_FILE}@{job.benchmark}", "--model", "hf/local"),
            *("-M", f"model_path={CHECKPOINT}", "-M", f"tokenizer_path={CHECKPOINT}"),
            *("-M", f"torch_dtype={job.dtype}", "-M", f"device={job.device}"),
            *("--top-k", "1", "--max-tokens", "64", "--seed", "0", "--log-dir", OUTPUT),
        ),
        seeds={_TASK_FILE: _TASK, _ROWS_FILE: "".join(f"{json.dumps(row)}\n" for row in job.rows)},
    )


def _launch(job: Job) -> Launch:
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
