"""Reading BBQ's files into items: one JSON-lines file a category, and the metadata that say which answer counts as biased."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping

from safetyrepro.benchmarks.editions import decoded
from safetyrepro.benchmarks.tables import read_table
from safetyrepro.errors import DataError
from safetyrepro.records import Item, Json

CATEGORIES = (
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
METADATA_FILE = "analysis_scripts/additional_metadata.csv"
METADATA_COLUMNS = ("category", "question_index", "example_id", "target_loc", "label_type")
REVISION = "nyu-mll/BBQ@bea11bd97d79217245b5871acd247b9d6eb24598"
UNKNOWN = "unknown"
N_OPTIONS = 3

_FIELDS: Mapping[str, type | tuple[type, ...]] = {
    "example_id": int,
    "question_index": (str, int),
    "question_polarity": str,
    "context_condition": str,
    "category": str,
    "answer_info": dict,
    "additional_metadata": dict,
    "context": str,
    "question": str,
    "ans0": str,
    "ans1": str,
    "ans2": str,
    "label": int,
}
_REMEDY = f"Restore the file of {REVISION}."


def category_file(category: str) -> str:
    """Path of a category's file below the data folder."""
    return f"data/{category}.jsonl"


def read_items(files: Mapping[str, bytes]) -> tuple[Item, ...]:
    """Read the items of every category that is given, in the order of `CATEGORIES` and of the files.

    Parameters
    ----------
    files : mapping of str to bytes
        Category files, and the metadata where the official bias scores are wanted.

    Raises
    ------
    DataError
        If no category is given, a line is not an item, a group of four is incomplete, or an item is not in the metadata.
    """
    metadata = _metadata(files)
    made: list[Item] = []
    for category in CATEGORIES:
        path = category_file(category)
        if path in files:
            made.extend(_category_items(decoded(files[path], path), path, metadata))
    if not made:
        raise DataError(
            "BBQ data",
            found="no category file",
            expected=f"some of {', '.join(map(category_file, CATEGORIES))}",
            remedy=_REMEDY,
        )
    return tuple(made)


def _metadata(files: Mapping[str, bytes]) -> Mapping[tuple[str, str], tuple[int | None, str]] | None:
    """(category, example) -> (location of the biased answer, kind of name); None where the file is not given.

    The 64 items of Gender_identity question 12 stand in the file twice; the first row counts, or a join would double them.
    """
    if METADATA_FILE not in files:
        return None
    found: dict[tuple[str, str], tuple[int | None, str]] = {}
    for number, row in enumerate(read_table(files, METADATA_FILE, METADATA_COLUMNS, edition=REVISION), start=1):
        location = row["target_loc"]
        if location not in ("0", "1", "2", "NA"):
            raise DataError(
                f"{METADATA_FILE}, row {number}",
                found=f"target_loc is '{location}'",
                expected="0, 1, 2 or NA",
                remedy=_REMEDY,
            )
        key = (row["category"], row["example_id"])
        found.setdefault(key, (None if location == "NA" else int(location), row["label_type"]))
    return found


def _category_items(text: str, path: str, metadata: Mapping[tuple[str, str], tuple[int | None, str]] | None) -> list[Item]:
    made = []
    groups: dict[str, list[tuple[Json, Json]]] = defaultdict(list)
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        entry = _entry(line, f"{path}, line {number}")
        content = _content(entry, metadata, f"{path}, line {number}")
        category = str(entry["category"])
        groups[str(content["four"])].append((content["polarity"], content["condition"]))
        made.append(
            Item(
                id=f"{category}-{entry['example_id']}",
                cluster=f"{category}-{entry['question_index']}",
                stratum=category,
                content=content,
            )
        )
    broken = next((name for name, kinds in groups.items() if len(kinds) != 4 or len(set(kinds)) != 4), None)
    if broken is not None:
        raise DataError(
            f"{path}, group {broken}",
            found=f"holds {len(groups[broken])} items",
            expected="four, one of each context and polarity",
            remedy=_REMEDY,
        )
    return made


def _entry(line: str, where: str) -> dict[str, Json]:
    try:
        entry = json.loads(line)
    except ValueError as error:
        raise DataError(where, found=f"is not JSON ({error})", remedy=_REMEDY) from error
    for name, kind in _FIELDS.items():
        if not isinstance(entry, dict) or not isinstance(entry.get(name), kind):
            raise DataError(where, found=f"there is no '{name}'", expected=f"the fields {', '.join(_FIELDS)}", remedy=_REMEDY)
    assert isinstance(entry, dict)
    return entry


def _content(
    entry: dict[str, Json], metadata: Mapping[tuple[str, str], tuple[int | None, str]] | None, where: str
) -> dict[str, Json]:
    info, more = entry["answer_info"], entry["additional_metadata"]
    assert isinstance(info, dict)
    assert isinstance(more, dict)
    assert isinstance(entry["example_id"], int)
    groups = [info.get(f"ans{index}") for index in range(N_OPTIONS)]
    unknown = [index for index, group in enumerate(groups) if isinstance(group, list) and group[-1:] == [UNKNOWN]]
    stereotyped = more.get("stereotyped_groups")
    if len(unknown) != 1 or not isinstance(stereotyped, list):
        raise DataError(
            where,
            found="no single answer stands for unknown, or stereotyped_groups is absent",
            expected="an answer_info with one group 'unknown'",
            remedy=_REMEDY,
        )
    target, kind = _official(entry, metadata, where)
    return {
        "context": entry["context"],
        "question": entry["question"],
        "options": [entry[f"ans{index}"] for index in range(N_OPTIONS)],
        "groups": groups,
        "label": entry["label"],
        "unknown": unknown[0],
        "polarity": entry["question_polarity"],
        "condition": entry["context_condition"],
        "category": entry["category"],
        "stereotyped_groups": stereotyped,
        "target_loc": target,
        "label_type": kind,
        "four": f"{entry['category']}-{entry['example_id'] // 4}",
    }


def _official(
    entry: dict[str, Json], metadata: Mapping[tuple[str, str], tuple[int | None, str]] | None, where: str
) -> tuple[int | None, str | None]:
    if metadata is None:
        return None, None
    key = (str(entry["category"]), str(entry["example_id"]))
    if key not in metadata:
        raise DataError(
            where,
            found=f"example {key[1]} of {key[0]} has no row in {METADATA_FILE}",
            remedy=f"Restore both files of {REVISION}.",
        )
    return metadata[key]
