"""lm-evaluation-harness: samples files, whatever their name ends in, one record at a time.

The task is told by the file's name only, and the run by a results file of the same time stamp, or by the only results file of the
folder where neither has one. Records of versions before 0.4.6 do not say which filter they belong to: the k-th record of a
document is the k-th filter's, because the package writes one filter after the other.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from safetyrepro.errors import IngestError
from safetyrepro.harnesses.base import ForeignItem, Mark, list_at, mark_of, number_of, object_at, text_at
from safetyrepro.harnesses.bounded import Sniff, json_records, sniff
from safetyrepro.harnesses.content import cluster_of, options_of, question_of, stratum_of
from safetyrepro.records import Json, Status

NOT_METRICS = frozenset(
    {
        "doc_id",
        "doc",
        "target",
        "arguments",
        "resps",
        "filtered_resps",
        "filter",
        "metrics",
        "doc_hash",
        "prompt_hash",
        "target_hash",
        "task_name",
        "prompt",
        "schema_version",
    }
)
"""Members of a record that are no metrics; all others are, where the record does not list its metrics itself."""

INVALID = "[invalid]"
"""What the package's own extraction filters put where they found no answer."""

_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d(?:\.\d+)?")
_CORPUS = "the record holds what a corpus-level metric is computed from, not the value of one item"


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplesFile:
    """A samples file and the filters its records belong to."""

    path: Path
    """Where it lies."""
    filters: tuple[str, ...]
    """Names of the filters, in the order in which the package applies them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstRecord:
    """What the first record tells about all."""

    names: tuple[str, ...]
    """Its metrics."""
    filters: tuple[str, ...]
    """Its filter; ``none`` where it names none."""


def is_samples(sniffed: Sniff) -> bool:
    """Whether the records of a file are samples of this package."""
    return {"doc_id", "doc"} <= sniffed.names and bool(sniffed.names & {"filtered_resps", "resps", "arguments"})


def samples_beside(results: Path, tasks: Mapping[str, tuple[str, ...]]) -> dict[str, SamplesFile]:
    """Return task -> samples file, for the files in a results file's folder that belong to the same run.

    Parameters
    ----------
    results : Path
        The results file.
    tasks : mapping of str to tuple of str
        Its tasks, each with the names of its filters in order.
    """
    stamp = stamp_of(results)
    found = {}
    for path in sorted(results.parent.iterdir()):
        if path == results or path.suffix not in (".json", ".jsonl") or stamp_of(path) != stamp or not path.is_file():
            continue
        task = _longest_task(path, tasks)
        if task is not None and is_samples(sniff(path)):
            found[task] = SamplesFile(path=path, filters=tasks[task])
    return found


def task_in_name(path: Path) -> str:
    """Return the task that a samples file's name tells."""
    name = _STAMP.split(path.name)[0].partition(".json")[0]
    return name.removeprefix("samples_").strip("_.") or path.stem


def metrics_of_first(path: Path) -> FirstRecord:
    """Return the metrics and the filter of a file's first record.

    Raises
    ------
    IngestError
        If there is no record.
    """
    record = next(json_records(path), None)
    if not isinstance(record, dict):
        raise _no_record(path)
    return FirstRecord(names=tuple(_metric_names(record)), filters=(text_at(record, "filter") or "none",))


def opener(samples: SamplesFile, filter_name: str) -> Callable[[], Iterator[ForeignItem]]:
    """Return a function that reads the items of one filter from the start."""

    def items() -> Iterator[ForeignItem]:
        return _items(samples, filter_name)

    return items


def _items(samples: SamplesFile, filter_name: str) -> Iterator[ForeignItem]:
    several = samples.filters.index(filter_name) if len(samples.filters) > 1 and filter_name in samples.filters else None
    seen: Counter[str] = Counter()
    n_records = 0
    for number, record in enumerate(json_records(samples.path), start=1):
        if not isinstance(record, dict) or "doc_id" not in record:
            raise IngestError(
                str(samples.path),
                found=f"record {number} has no 'doc_id'",
                expected="samples of one task",
                remedy="Name the file that the run wrote as samples_*.jsonl.",
            )
        n_records = number
        named = text_at(record, "filter")
        if named and named != filter_name:
            continue
        if not named and several is not None:
            occurrence = seen[str(record["doc_id"])]
            seen[str(record["doc_id"])] += 1
            if occurrence % len(samples.filters) != several:
                continue
        yield _item(record)
    if not n_records:
        raise _no_record(samples.path)


def _item(record: dict[str, Json]) -> ForeignItem:
    doc = object_at(record, "doc")
    requests = _requests(record.get("arguments"))
    answers = list_at(record, "filtered_resps") or list_at(record, "resps")
    likelihoods = _likelihoods(answers)
    continuations = tuple(text.strip() for _, text in requests if text) if likelihoods else ()
    prompt = requests[0][0] if requests else ""
    target = record.get("target")
    return ForeignItem(
        id=str(record["doc_id"])[:200],
        text=question_of(doc) or prompt,
        options=options_of(doc) or continuations,
        gold="" if target is None or isinstance(target, (list, dict)) else str(target),
        cluster=cluster_of(doc),
        stratum=stratum_of(doc),
        marks=_marks(record, answers),
        prompt=prompt,
        continuations=tuple(text for _, text in requests) if likelihoods else (),
        # What the model said, not what a filter left of it: two extractions differ in their reading, not in the answer.
        response=None if likelihoods else _first_text(list_at(record, "resps") or answers),
        loglikelihoods=likelihoods,
    )


def _marks(record: Mapping[str, Json], answers: list[Json]) -> dict[str, Mark]:
    unparsed = _first_text(answers) == INVALID
    marks = {}
    for metric in _metric_names(record):
        mark = mark_of(record.get(metric), corpus=_CORPUS)
        if unparsed and mark.status is Status.SCORED:
            mark = Mark(value=None, status=Status.UNPARSED, reason=f"the filter found no answer and wrote '{INVALID}'")
        marks[metric] = mark
    return marks


def _metric_names(record: Mapping[str, Json]) -> list[str]:
    listed = record.get("metrics")
    if isinstance(listed, list):
        return [name for name in listed if isinstance(name, str)]
    return [name for name in record if name not in NOT_METRICS]


def _requests(arguments: Json) -> list[tuple[str, str]]:
    """Pairs of prompt and continuation; newer versions write an object, older ones a list of lists."""
    entries = list(arguments.values()) if isinstance(arguments, dict) else arguments if isinstance(arguments, list) else []
    pairs = []
    for entry in entries:
        parts = list(entry.values()) if isinstance(entry, dict) else entry if isinstance(entry, list) else []
        texts = [part if isinstance(part, str) else "" for part in parts[:2]]
        pairs.append((texts[0] if texts else "", texts[1] if len(texts) > 1 else ""))
    return pairs


def _likelihoods(answers: list[Json]) -> tuple[float, ...]:
    """Log-likelihoods, which are written as ``["-1.5", "False"]``; empty for generations."""
    values = []
    for answer in answers:
        pair = answer[0] if isinstance(answer, list) and len(answer) == 1 else answer
        number = number_of(pair[0]) if isinstance(pair, list) and len(pair) == 2 else None
        if number is None:
            return ()
        values.append(number)
    return tuple(values)


def _first_text(answers: list[Json]) -> str | None:
    answer: Json = answers[0] if answers else None
    while isinstance(answer, list):
        answer = answer[0] if answer else None
    return answer if isinstance(answer, str) else None


def _longest_task(path: Path, tasks: Mapping[str, tuple[str, ...]]) -> str | None:
    name = task_in_name(path)
    if name in tasks:
        return name
    return max((task for task in tasks if name.endswith(task)), key=len, default=None)


def stamp_of(path: Path) -> str:
    """Return the time stamp in a file's name; empty where it has none."""
    found = _STAMP.findall(path.name)
    return str(found[-1]) if found else ""


def _no_record(path: Path) -> IngestError:
    return IngestError(
        str(path), found="holds no record", expected="samples of one task", remedy="Run the evaluation with --log_samples."
    )
