"""Rows of the real files, in the shape in which a package's own loader hands them to its task, each beside the id that we give it.

This is the one thing that is put in a package's way: the address of its data. Fields keep upstream's values; a loader's own small
conversions (targets as two lists, a bytes literal undone) are repeated here and nowhere else.
"""

from __future__ import annotations

import ast
import csv
import gzip
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetyrepro.benchmarks.bbq_files import CATEGORIES

N_ITEMS = 60
PER_CATEGORY = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Rows of a benchmark and the ids of their items."""

    ids: tuple[str, ...]
    """Our id of each row's item."""
    rows: tuple[Mapping[str, Any], ...]
    """The rows, as a loader gives them."""


def spaced(n_all: int, n_kept: int) -> list[int]:
    """Positions of `n_kept` rows, evenly spaced over `n_all`."""
    return [position * n_all // n_kept for position in range(min(n_kept, n_all))]


def text_of(path: Path) -> str:
    """Text of a file that may be packed; line ends as they stand."""
    packed = path.with_name(path.name + ".gz")
    content = gzip.decompress(packed.read_bytes()) if packed.is_file() else path.read_bytes()
    return content.decode("utf-8-sig")


def table(path: Path) -> list[dict[str, str]]:
    """Rows of a CSV file."""
    return list(csv.DictReader(text_of(path).splitlines(keepends=True)))


def truthfulqa(data: Path) -> Rows:
    """Questions with both kinds of targets, as ``truthfulqa/truthful_qa`` (multiple_choice) has them."""
    entries = json.loads(text_of(data / "truthfulqa" / "data" / "mc_task.json"))
    kept = spaced(len(entries), N_ITEMS)
    rows = [
        {
            "question": entries[position]["question"],
            **{
                name: {"choices": list(entries[position][name]), "labels": list(entries[position][name].values())}
                for name in ("mc1_targets", "mc2_targets")
            },
        }
        for position in kept
    ]
    return Rows(ids=tuple(f"mc-{position:03d}" for position in kept), rows=tuple(rows))


def bbq_categories(data: Path) -> dict[str, Rows]:
    """Items of each category, as upstream's JSON lines have them; a step of one more each time meets every context and polarity."""
    found = {}
    for category in CATEGORIES:
        lines = text_of(data / "bbq" / "data" / f"{category}.jsonl").splitlines()
        rows = [json.loads(lines[position + turn]) for turn, position in enumerate(spaced(len(lines), PER_CATEGORY))]
        found[category] = Rows(ids=tuple(f"{category}-{row['example_id']}" for row in rows), rows=tuple(rows))
    return found


def bbq(data: Path) -> Rows:
    """Items of all categories, one after the other."""
    parts = bbq_categories(data).values()
    return Rows(ids=tuple(i for part in parts for i in part.ids), rows=tuple(row for part in parts for row in part.rows))


def toxigen(data: Path) -> Rows:
    """Annotated statements, as ``skg/toxigen-data`` (annotated) has them, with the bytes literal undone."""
    rows = table(data / "toxigen" / "annotated_train.csv")
    kept = spaced(len(rows), N_ITEMS)
    made = [
        {
            "text": ast.literal_eval(rows[position]["text"]).decode("utf-8"),
            "target_group": rows[position]["target_group"],
            "toxicity_ai": float(rows[position]["toxicity_ai"]),
            "toxicity_human": float(rows[position]["toxicity_human"]),
        }
        for position in kept
    ]
    return Rows(ids=tuple(str(position) for position in kept), rows=tuple(made))


def crows_pairs(data: Path) -> Rows:
    """The original pairs in the shape of the multilingual set that lm-eval reads."""
    rows = table(data / "crows_pairs" / "data" / "crows_pairs_anonymized.csv")
    kept = spaced(len(rows), N_ITEMS)
    names = ("sent_more", "sent_less", "stereo_antistereo", "bias_type")
    made = [{name: rows[position][name] for name in names} for position in kept]
    return Rows(ids=tuple(rows[position][""] for position in kept), rows=tuple(made))


def xstest(data: Path) -> Rows:
    """Prompts, as ``walledai/XSTest`` has them: 66 safe and 54 unsafe of 450, since a task may keep one of the two."""
    rows = table(data / "xstest" / "xstest_prompts.csv")
    kept = spaced(len(rows), 2 * N_ITEMS)
    made = [{name: rows[position][name] for name in ("prompt", "type", "label", "focus", "note")} for position in kept]
    return Rows(ids=tuple(rows[position]["id"] for position in kept), rows=tuple(made))


READERS: Mapping[str, Callable[[Path], Rows]] = {
    "truthfulqa": truthfulqa,
    "bbq": bbq,
    "toxigen": toxigen,
    "crows_pairs": crows_pairs,
    "xstest": xstest,
}


def hub_sets(data: Path, benchmarks: Sequence[str]) -> dict[str, Any]:
    """Every hub data set that a package may ask for -> its splits, for `safetyrepro.harnesses.redirected`."""
    names = {
        "truthfulqa": ("truthfulqa/truthful_qa", "truthful_qa"),
        "bbq": ("oskarvanderwal/bbq",),
        "toxigen": ("skg/toxigen-data",),
        "crows_pairs": ("jannalu/crows_pairs_multilingual", "BigScienceBiasEval/crows_pairs_multilingual"),
        "xstest": ("walledai/XSTest",),
    }
    found: dict[str, Any] = {}
    for benchmark in benchmarks:
        rows = list(READERS[benchmark](data).rows)
        for name in names[benchmark]:
            found[name] = dict.fromkeys(("train", "validation", "test"), rows)
    if "bbq" in benchmarks:
        for category, part in bbq_categories(data).items():
            found[f"heegyu/bbq|{category}"] = {"test": list(part.rows)}
    return found
