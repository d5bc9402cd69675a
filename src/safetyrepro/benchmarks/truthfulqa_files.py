"""Reading TruthfulQA's two files into items: the targets of mc_task.json, joined by question with the rows of the CSV."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

import yaml

from safetyrepro.benchmarks.editions import decoded
from safetyrepro.benchmarks.tables import read_table
from safetyrepro.errors import DataError
from safetyrepro.records import Item, Json

TASK_FILE = "data/mc_task.json"
CSV_FILE = "TruthfulQA.csv"
PRIMER_FILE = "prompts/lm_eval/truthfulqa_mc1.yaml"
REVISION = "ictnlp/TruthX@a41093a6ae3bcbcb523759da782de0f329d03d91"
COLUMNS = ("Category", "Question", "Best Answer", "Correct Answers", "Incorrect Answers")

_AGAIN = "Take upstream's own file."
_PRIMER = re.compile(r"\{%-?\s*set\s+prompt_qa\s*=\s*'(.*?)'\s*-?%\}", re.DOTALL)


def read_items(files: Mapping[str, bytes]) -> tuple[Item, ...]:
    """Read the questions.

    Parameters
    ----------
    files : mapping of str to bytes
        ``data/mc_task.json``, ``TruthfulQA.csv``, or both. Without the first, as in the 2025 edition, best, correct and incorrect
        answers of the CSV serve as targets.

    Raises
    ------
    DataError
        If a file is not what upstream ships, or the two hold different questions.
    """
    rows = _csv_rows(files) if CSV_FILE in files else []
    entries = _entries(decoded(files[TASK_FILE], TASK_FILE)) if TASK_FILE in files else [_from_row(row) for row in rows]
    numbers = {row["Question"].strip(): number for number, row in enumerate(rows)}
    if rows:
        _check_same_questions([str(entry["question"]) for entry in entries], list(numbers))
    first: dict[str, str] = {}
    made = []
    for number, entry in enumerate(entries):
        question = str(entry["question"])
        item_id = f"mc-{number:03d}" if TASK_FILE in files else f"csv-{number:03d}"
        cluster = first.setdefault(" ".join(question.casefold().split()), item_id)
        row = numbers[question.strip()] if rows else None
        stratum = "" if row is None else rows[row]["Category"]
        content = {**entry, "row": row, **_csv_answers(None if row is None else rows[row])}
        made.append(Item(id=item_id, cluster=cluster, stratum=stratum, content=content))
    return tuple(made)


def _csv_rows(files: Mapping[str, bytes]) -> list[dict[str, str]]:
    rows = read_table(files, CSV_FILE, COLUMNS, edition=REVISION)
    for number, row in enumerate(rows, start=1):
        empty = next((name for name in COLUMNS if not row[name].strip()), None)
        if empty is not None:
            raise DataError(f"{CSV_FILE}, row {number}", found=f"'{empty}' is empty", remedy=_AGAIN)
    return rows


def _entries(text: str) -> list[dict[str, Json]]:
    try:
        content = json.loads(text)
    except ValueError as error:
        raise DataError(TASK_FILE, found=f"is not JSON ({error})", remedy=_AGAIN) from error
    if not isinstance(content, list):
        raise DataError(TASK_FILE, found="holds no list of questions", remedy=_AGAIN)
    return [_entry(entry, f"{TASK_FILE}, question {number}") for number, entry in enumerate(content)]


def _entry(entry: object, where: str) -> dict[str, Json]:
    fields = {"question": str, "mc1_targets": dict, "mc2_targets": dict}
    for name, kind in fields.items():
        if not isinstance(entry, dict) or not isinstance(entry.get(name), kind) or not entry[name]:
            raise DataError(where, found=f"there is no '{name}'", expected=f"the fields {', '.join(fields)}", remedy=_AGAIN)
    assert isinstance(entry, dict)
    if sorted(entry["mc1_targets"].values()).count(1) != 1:
        raise DataError(where, found="mc1_targets has not exactly one true answer", remedy=_AGAIN)
    return {
        "question": entry["question"],
        "mc1": [[text, label] for text, label in entry["mc1_targets"].items()],
        "mc2": [[text, label] for text, label in entry["mc2_targets"].items()],
    }


def _from_row(row: Mapping[str, str]) -> dict[str, Json]:
    best, false = _sentence(row["Best Answer"]), _sentences(row["Incorrect Answers"])
    true = list(dict.fromkeys([best, *_sentences(row["Correct Answers"])]))
    return {
        "question": row["Question"].strip(),
        "mc1": [_pair(best, 1), *(_pair(text, 0) for text in false)],
        "mc2": [*(_pair(text, 1) for text in true), *(_pair(text, 0) for text in false)],
    }


def _pair(text: str, label: int) -> list[Json]:
    return [text, label]


def _sentence(text: str) -> str:
    bare = text.strip()
    return bare if bare.endswith(".") else f"{bare}."


def _sentences(text: str) -> list[str]:
    return [_sentence(part) for part in text.split(";") if part.strip()]


def _check_same_questions(asked: Sequence[str], listed: Sequence[str]) -> None:
    only = [*(set(asked) - set(listed)), *(set(listed) - set(asked))]
    if only:
        raise DataError(
            f"{CSV_FILE} and {TASK_FILE}",
            found=f"they differ in {len(only)} questions, one of them '{sorted(only)[0]}'",
            expected="two files of one edition",
            remedy="Take both files from the same revision.",
        )


def _csv_answers(row: Mapping[str, str] | None) -> dict[str, Json]:
    if row is None:
        return {"best": None, "incorrect": []}
    return {"best": _sentence(row["Best Answer"]), "incorrect": [*_sentences(row["Incorrect Answers"])]}


def read_primer(content: bytes) -> str:
    """Read the six fixed question-answer pairs from lm-eval's task file, without executing its template.

    Raises
    ------
    DataError
        If the file sets no ``prompt_qa``.
    """
    try:
        task = yaml.safe_load(decoded(content, PRIMER_FILE))
    except yaml.YAMLError as error:
        raise DataError(PRIMER_FILE, found="is not YAML", remedy="Take lm-eval's own task file.") from error
    template = task.get("doc_to_text", "") if isinstance(task, dict) else ""
    found = _PRIMER.search(str(template))
    if found is None:
        raise DataError(PRIMER_FILE, found="sets no prompt_qa in doc_to_text", remedy="Take lm-eval's own task file.")
    return found.group(1)
