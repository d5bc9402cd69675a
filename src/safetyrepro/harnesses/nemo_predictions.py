"""NVIDIA NeMo Evaluator: ``byob_predictions.jsonl``, one line for each item of a benchmark of one's own."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path

from safetyrepro.errors import IngestError
from safetyrepro.harnesses.base import ForeignItem, Mark, list_at, mark_of, number_of, object_at, text_at, word
from safetyrepro.harnesses.bounded import Sniff, json_records
from safetyrepro.harnesses.content import cluster_of, options_of, question_of, stratum_of
from safetyrepro.records import Json, Status

_STATUSES = {
    "skipped_missing_field": Status.NOT_RUN,
    "skipped_model_error": Status.FAILED,
    "skipped_scorer_error": Status.UNKNOWN,
}
_OTHER = Status.UNKNOWN


def is_predictions(sniffed: Sniff) -> bool:
    """Whether the records of a file are predictions."""
    return {"sample_id", "prompt", "response", "target", "scores", "status", "metadata"} <= sniffed.names


def metrics_of(path: Path) -> tuple[str, ...]:
    """Return the names of the scores of the first item that has any; none where no item has."""
    for line in json_records(path):
        scores = object_at(line, "scores")
        if scores:
            return tuple(name for name, value in scores.items() if number_of(value) is not None)
    return ()


def opener(path: Path, metrics: tuple[str, ...], *, asked_for_likelihoods: bool) -> Callable[[], Iterator[ForeignItem]]:
    """Return a function that reads the predictions from the start.

    Parameters
    ----------
    path : Path
        The file.
    metrics : tuple of str
        Names of the scores; an item that was left out has none of them and says why.
    asked_for_likelihoods : bool
        Whether answers were read from log-likelihoods, so that the response is a choice and no text of the model's.
    """

    def items() -> Iterator[ForeignItem]:
        return _items(path, metrics, asked_for_likelihoods)

    return items


def _items(path: Path, metrics: tuple[str, ...], likelihoods: bool) -> Iterator[ForeignItem]:
    n_rows = 0
    for number, line in enumerate(json_records(path), start=1):
        if not isinstance(line, dict) or "sample_id" not in line:
            raise IngestError(
                str(path),
                found=f"line {number} names no sample",
                expected="predictions with 'sample_id'",
                remedy="Name a file of predictions.",
            )
        repeat = _repeat(line)
        n_rows += repeat == 0
        yield _item(line, metrics, n_rows=n_rows, likelihoods=likelihoods)


def _repeat(line: dict[str, Json]) -> int:
    repeat = object_at(line, "metadata").get("_repeat")
    return repeat if isinstance(repeat, int) and not isinstance(repeat, bool) and 0 <= repeat < 2**31 else 0


def _item(line: dict[str, Json], metrics: tuple[str, ...], *, n_rows: int, likelihoods: bool) -> ForeignItem:
    row, repeat = object_at(line, "metadata"), _repeat(line)
    choices = tuple(str(choice) for choice in list_at(row, "_choices"))
    values = [number_of(value) for value in list_at(row, "_choices_logprobs")]
    finite = tuple(value for value in values if value is not None and math.isfinite(value))
    response = line.get("response")
    return ForeignItem(
        id=_id(line, n_rows if repeat else 0, repeat),
        text=question_of({name: value for name, value in row.items() if not name.startswith("_")}) or text_at(line, "prompt"),
        options=choices or options_of(row),
        gold=text_at(line, "target") or word(line.get("target")),
        cluster=cluster_of(row),
        stratum=stratum_of(row),
        repeat=repeat,
        marks=_marks(line, metrics),
        prompt=text_at(line, "prompt"),
        continuations=choices,
        response=response if isinstance(response, str) and not likelihoods else None,
        loglikelihoods=finite if len(finite) == len(values) == len(choices) else (),
    )


def _id(line: dict[str, Json], n_rows: int, repeat: int) -> str:
    """The row's number: a repetition is numbered on from the last row of the one before."""
    number = line["sample_id"]
    return str(number - repeat * n_rows) if isinstance(number, int) and not isinstance(number, bool) else word(number)


def _marks(line: dict[str, Json], metrics: tuple[str, ...]) -> dict[str, Mark]:
    status = text_at(line, "status")
    if status == "scored":
        scores = object_at(line, "scores")
        return {name: mark_of(scores[name]) for name in metrics if name in scores}
    reason = f"{status or 'no status'}: {word(line.get('error')) or 'the file gives no reason'}"
    return {name: Mark(value=None, status=_STATUSES.get(status, _OTHER), reason=reason) for name in metrics}
