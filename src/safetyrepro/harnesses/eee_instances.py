"""Every Eval Ever: instance-level JSON Lines, one line for each sample and result."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from safetyrepro.errors import IngestError
from safetyrepro.harnesses.base import ForeignItem, Mark, at, list_at, mark_of, object_at, text_at, word
from safetyrepro.harnesses.bounded import Sniff, json_records
from safetyrepro.harnesses.eee_ours import named
from safetyrepro.records import Json, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstInstance:
    """What the first line tells about all."""

    benchmark: str
    """Name of the evaluation."""
    model: str
    """The model's name."""
    metric: str
    """Name of the metric; ``score``, because lines do not name it."""
    schema_version: str
    """Version of the schema."""
    evaluation_id: str
    """Identifier of the record the lines belong to."""


def is_instances(sniffed: Sniff) -> bool:
    """Whether the records of a file are instances of this schema."""
    return {"schema_version", "evaluation_id", "sample_id", "evaluation"} <= sniffed.names


def first_instance(path: Path) -> FirstInstance:
    """Return what the first line of a file tells.

    Raises
    ------
    IngestError
        If there is none.
    """
    line = next(json_records(path), None)
    if not isinstance(line, dict):
        raise IngestError(str(path), found="holds no instance", expected="one JSON object a line", remedy="Name another file.")
    return FirstInstance(
        benchmark=text_at(line, "evaluation_name"),
        model=text_at(line, "model_id"),
        metric="score",
        schema_version=text_at(line, "schema_version"),
        evaluation_id=text_at(line, "evaluation_id"),
    )


def opener(
    path: Path, metrics: Mapping[str, str], *, benchmark: str, ours: bool = False
) -> Callable[[], Iterator[ForeignItem]]:
    """Return a function that reads the instances of one benchmark from the start.

    Parameters
    ----------
    path : Path
        The file.
    metrics : mapping of str to str
        Identifier of a result -> name of its metric; a line that names no result belongs to the first.
    benchmark : str
        Name of the evaluation whose lines are read; empty for every line.
    ours : bool
        Whether this package wrote the lines, so that their names are those of a store.
    """

    def items() -> Iterator[ForeignItem]:
        for line, item in _items(path, metrics, benchmark):
            yield named(item, line) if ours else item

    return items


def _items(path: Path, metrics: Mapping[str, str], benchmark: str) -> Iterator[tuple[dict[str, Json], ForeignItem]]:
    default = next(iter(metrics.values()))
    for number, line in enumerate(json_records(path), start=1):
        if not isinstance(line, dict) or "sample_id" not in line:
            raise IngestError(
                str(path),
                found=f"line {number} names no sample",
                expected="instances with 'sample_id'",
                remedy="Name an instance-level file of Every Eval Ever.",
            )
        result = text_at(line, "evaluation_result_id")
        if result in metrics:
            yield line, _item(line, metrics[result], several=len(metrics) > 1)
        elif not result and (not benchmark or text_at(line, "evaluation_name") in ("", benchmark)):
            yield line, _item(line, default, several=len(metrics) > 1)


def _item(line: dict[str, Json], metric: str, *, several: bool) -> ForeignItem:
    given = object_at(line, "input")
    answers = at(line, "output", "raw")
    return ForeignItem(
        id=word(line["sample_id"]),
        text=text_at(given, "raw") or text_at(given, "prompt"),
        options=tuple(str(choice) for choice in list_at(given, "choices") if isinstance(choice, str)),
        gold=_joined(given.get("reference")),
        stratum=text_at(line, "metadata", "subject"),
        marks={metric: _mark(line)},
        prompt=text_at(given, "formatted") or text_at(given, "raw"),
        response=_joined(answers) if answers is not None else _last_message(line),
        apart=metric if several else "",
    )


def _mark(line: dict[str, Json]) -> Mark:
    error = line.get("error")
    if error not in (None, "", {}):
        return Mark(value=None, status=Status.FAILED, reason=word(error) or "the line holds an error")
    return mark_of(at(line, "evaluation", "score"))


def _joined(value: Json) -> str:
    if isinstance(value, list):
        return " | ".join(str(entry) for entry in value)
    return value if isinstance(value, str) else ""


def _last_message(line: dict[str, Json]) -> str | None:
    spoken = [message for message in list_at(line, "messages") if text_at(message, "role") == "assistant"]
    return text_at(spoken[-1], "content") if spoken else None
