"""HELM: instances with their scores, joined with the requests of another file as both are read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from safetyrepro.errors import IngestError
from safetyrepro.harnesses.base import (
    ForeignItem,
    Mark,
    at,
    finite_or_none,
    list_at,
    mark_of,
    number_of,
    object_at,
    text_at,
    word,
)
from safetyrepro.harnesses.bounded import json_member, json_records
from safetyrepro.records import Json, Status

MAX_WAITING = 200_000
"""Most requests that are held while the scores of their instances have not come up."""

_BOOKKEEPING = re.compile(
    r"^(num_\w+|training_\w+|inference_\w+|batch_size|finish_reason_\w+|prompt_truncated|max_prob|logprob|logprob_per_byte"
    r"|bits_per_byte|perplexity|estimated_\w+|train_trial_index)$"
)
_MATCHES = re.compile(r"^(quasi_)?(prefix_)?exact_match(@\d+)?$")


@dataclass(frozen=True, slots=True)
class Slice:
    """The part of a run's instances that one mean is over."""

    split: str
    """``test``, ``valid`` or ``train``."""
    perturbation: str
    """What was done to the instances; empty for the originals."""


@dataclass(frozen=True, slots=True)
class _Key:
    """What tells an instance of a run."""

    instance: str
    trial: int
    perturbation: str


def is_score(name: str) -> bool:
    """Whether a statistic measures answers, and not the run that produced them."""
    return _BOOKKEEPING.match(name) is None


def slice_of(name: Mapping[str, Json]) -> Slice | None:
    """Return the slice that a statistic's name states; None for one over several (``worst``, or no split)."""
    split, perturbation = name.get("split"), name.get("perturbation")
    if not isinstance(split, str):
        return None
    if not isinstance(perturbation, dict):
        return Slice(split, "")
    if perturbation.get("computed_on") != "perturbed":
        return None
    return Slice(split, text_at(dict(perturbation), "name"))


def items_of(folder: Path, part: Slice) -> Iterator[ForeignItem]:
    """Yield the instances of a slice with their scores, and with their requests where the folder holds them."""
    requests = _requests(folder)
    waiting: dict[_Key, dict[str, Json]] = {}
    for number, row in enumerate(json_records(folder / "per_instance_stats.json"), start=1):
        if not isinstance(row, dict) or "instance_id" not in row:
            raise IngestError(
                str(folder / "per_instance_stats.json"),
                found=f"row {number} names no instance",
                expected="'instance_id' and 'stats'",
                remedy="Copy the run folder again.",
            )
        marks = _marks(row, part)
        key = _Key(str(row["instance_id"]), _trial(row), text_at(row, "perturbation", "name"))
        state = _wait_for(key, requests, waiting)
        if marks:
            yield _item(key, state, marks)


def _requests(folder: Path) -> Iterator[dict[str, Json]]:
    """Request states; where the folder holds none, its instances in the same form."""
    if (folder / "scenario_state.json").is_file():
        for state in json_member(folder / "scenario_state.json", "request_states"):
            if isinstance(state, dict):
                yield state
    elif (folder / "instances.json").is_file():
        for instance in json_records(folder / "instances.json"):
            if isinstance(instance, dict):
                yield {"instance": instance, "train_trial_index": 0}


def _wait_for(key: _Key, requests: Iterator[dict[str, Json]], waiting: dict[_Key, dict[str, Json]]) -> dict[str, Json]:
    # Both files list the instances in one order, so little is held; a folder in which they do not is held up to a limit.
    if key in waiting:
        return waiting.pop(key)
    for state in requests:
        found = _Key(text_at(state, "instance", "id"), _trial(state), text_at(state, "instance", "perturbation", "name"))
        if found == key:
            return state
        waiting.setdefault(found, state)
        if len(waiting) > MAX_WAITING:
            raise IngestError(
                str(key.instance),
                found=f"no request among {MAX_WAITING} belongs to this instance",
                expected="scenario_state.json and per_instance_stats.json of one run",
                remedy="Copy the run folder again.",
            )
    return {}


def _trial(row: dict[str, Json]) -> int:
    trial = finite_or_none(row.get("train_trial_index"))
    return int(trial) if trial is not None and 0 <= trial < 2**31 else 0


def _marks(row: dict[str, Json], part: Slice) -> dict[str, Mark]:
    marks = {}
    for stat in list_at(row, "stats"):
        name = text_at(stat, "name", "name")
        if not name or not is_score(name) or slice_of(object_at(stat, "name")) != part:
            continue
        count, total = number_of(at(stat, "count")), number_of(at(stat, "sum"))
        if count and total is not None:
            marks[name] = mark_of(total / count)
        else:
            marks[name] = Mark(value=None, status=Status.UNKNOWN, reason="the statistic has no value for this instance")
    return marks


def _item(key: _Key, state: dict[str, Json], marks: Mapping[str, Mark]) -> ForeignItem:
    references = [entry for entry in list_at(state, "instance", "references") if isinstance(entry, dict)]
    right = [text_at(entry, "output", "text") for entry in references if "correct" in list_at(entry, "tags")]
    completions = list_at(state, "result", "completions")
    response = text_at(completions[0], "text") if completions else None
    return ForeignItem(
        id=key.instance[:200],
        text=text_at(state, "instance", "input", "text"),
        options=tuple(text_at(entry, "output", "text") for entry in references),
        gold=" | ".join(right),
        stratum="",
        repeat=key.trial,
        marks=_honest(marks, state, response),
        prompt=text_at(state, "request", "prompt"),
        response=response,
    )


def _honest(marks: Mapping[str, Mark], state: dict[str, Json], response: str | None) -> dict[str, Mark]:
    """Marks in which a request that failed and a letter that was not offered are not wrong answers."""
    if at(state, "result", "success") is False:
        failed = Mark(value=None, status=Status.FAILED, reason=word(at(state, "result", "error")) or "the request failed")
        return dict.fromkeys(marks, failed)
    offered = object_at(state, "output_mapping")
    if response is None or not offered or response.strip() in offered:
        return dict(marks)
    unread = Mark(value=None, status=Status.UNPARSED, reason=f"the answer begins '{word(response)[:40]}', no offered letter")
    return {name: unread if _MATCHES.match(name) and mark.value == 0 else mark for name, mark in marks.items()}
