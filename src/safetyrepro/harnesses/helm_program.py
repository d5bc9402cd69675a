"""How HELM is run: its stock run entries on a local checkpoint, from a seeded file in place of its download.

HELM shows examples from the first fifth of TruthfulQA's file and evaluates the rest, so the file that it finds holds as many rows of
the pool of examples before the evaluated ones as make that fifth. Of BBQ it evaluates the last thousand of all rows and shows five of
the others; a study's rows are no more than a thousand and leave it none to show, so it is told to show none, in its own words
(``max_train_instances=0``).
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping

from safetyrepro.harnesses.program import CHECKPOINT, OUTPUT, Job, Launch, Question, no_task
from safetyrepro.records import Json

READER = "helm"
RELEASES = ("0.5.16", "0.5.5")
UNWANTED: tuple[str, ...] = ("torchvision",)
EMPTY_FILES: tuple[str, ...] = ()
QUESTIONS: Mapping[str, Question] = {
    "truthfulqa": Question(metric="exact_match", estimand="mc1"),
    "bbq": Question(metric="exact_match", estimand="accuracy"),
}

SHOWN_SHARE = 0.2
"""Share of the file's rows that HELM keeps for examples."""
MOST_BBQ_ROWS = 1000
"""Rows of BBQ that HELM evaluates; a longer file loses its first rows to the examples."""
_FILE = f"{OUTPUT}/scenarios/truthful_qa/data/TruthfulQA.csv"
_ENTRIES = {
    "truthfulqa": "truthful_qa:task=mc_single,method=multiple_choice_joint",
    "bbq": "bbq:subject=all,method=multiple_choice_joint,max_train_instances=0",
}
"""Benchmark -> run entry."""
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
_COLUMNS = ("Type", "Category", "Question", "Best Answer", "Correct Answers", "Incorrect Answers", "Source")


def refusal(job: Job) -> str:
    """Why it cannot run a job, one sentence; empty where it can."""
    if job.benchmark == "truthfulqa" and n_shown(len(job.rows)) > len(job.pool):
        return (
            f"helm shows one fifth of its file as examples, which for {len(job.rows)} items is {n_shown(len(job.rows))}, "
            f"and the data leave {len(job.pool)}"
        )
    if job.benchmark == "bbq" and len(job.rows) > MOST_BBQ_ROWS:
        return f"helm evaluates {MOST_BBQ_ROWS} rows of bbq and takes the other {len(job.rows) - MOST_BBQ_ROWS} for examples"
    if job.benchmark == "xstest":
        return "helm grades answers to xstest by models behind a network, and packages are run without one"
    if job.version == "0.5.5" and job.dtype != "float32":
        return f"helm 0.5.5 reads weights as float32 and has no option for {job.dtype}"
    return no_task("helm", job.benchmark, QUESTIONS)


def older_transformers(version: str) -> bool:
    """Whether the release runs with transformers 4."""
    return version == "0.5.5"


def n_shown(n_items: int) -> int:
    """Rows before the evaluated ones that make the fifth which HELM keeps for examples."""
    return next(count for count in range(n_items + 2) if int((n_items + count) * SHOWN_SHARE) == count)


def launch(job: Job) -> Launch:
    """The words that start a job."""
    return Launch(
        module="helm.benchmark.run",
        arguments=(
            *("-r", f"{_ENTRIES[job.benchmark]},model=huggingface/{CHECKPOINT}"),
            *("--enable-local-huggingface-models", CHECKPOINT, "--suite", "study", "-o", OUTPUT),
            *("--max-eval-instances", str(len(job.rows)), "-n", "1", "--disable-cache"),
        ),
        seeds=_bbq_files(job.rows) if job.benchmark == "bbq" else {_FILE: _table([*_shown(job), *job.rows])},
    )


def _shown(job: Job) -> tuple[Mapping[str, Json], ...]:
    return job.pool[: n_shown(len(job.rows))]


def _bbq_files(rows: tuple[Mapping[str, Json], ...]) -> dict[str, str]:
    """A file for each category, since HELM reads all; those without rows are empty."""
    lines: dict[str, str] = dict.fromkeys(_CATEGORIES, "")
    for row in rows:
        lines[str(row["category"])] += f"{json.dumps(row)}\n"
    return {f"{OUTPUT}/scenarios/bbq/data/{name}": text for name, text in lines.items()}


def _table(rows: list[Mapping[str, Json]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for row in rows:
        writer.writerow(["", "", row["question"], *(_joined(row, label) for label in ("best", "true", "false")), ""])
    return text.getvalue()


def _joined(row: Mapping[str, Json], which: str) -> str:
    name, label = {"best": ("mc1_targets", 1), "true": ("mc2_targets", 1), "false": ("mc1_targets", 0)}[which]
    targets = row[name]
    assert isinstance(targets, dict)
    choices, labels = targets["choices"], targets["labels"]
    assert isinstance(choices, list)
    assert isinstance(labels, list)
    return "; ".join(str(text) for text, found in zip(choices, labels, strict=True) if found == label)
