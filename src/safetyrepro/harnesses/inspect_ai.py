"""Inspect: ``.json`` logs and ``.eval`` archives, whatever became of the run.

What was done is read from ``plan.steps`` and from the messages of the samples, never from the arguments of the task: a solver
that a version ignored does not appear there. Scores are letters (C correct, P partial, I incorrect, N no answer), numbers, truth
values, texts of either, or objects of these; N is the scorer's word that there was no answer. A grader whose reply held no grade
is written as incorrect by the package and is kept here as a judge that did not judge.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from safetyrepro.errors import IngestError
from safetyrepro.estimands import Estimand
from safetyrepro.harnesses.archive import opened_archive
from safetyrepro.harnesses.base import (
    ForeignItem,
    ForeignRun,
    Part,
    at,
    finite_or_none,
    levels,
    list_at,
    not_stated,
    number_of,
    object_at,
    text_at,
    word,
)
from safetyrepro.harnesses.bounded import JsonReader, Sniff, json_header, json_member, read_header
from safetyrepro.harnesses.content import text_digest
from safetyrepro.harnesses.inspect_samples import (
    Scorer,
    item_of,
    item_of_reduction,
    message_text,
    missing_items,
    scorers_of,
)
from safetyrepro.harnesses.metrics import direction_known, estimand_of
from safetyrepro.records import Json

NAME = "inspect-ai"
TITLE = "Inspect"
VERSIONS = ("0.3.21", "0.3.41", "0.3.58", "0.3.75", "0.3.95", "0.3.133", "0.3.138", "0.3.154", "0.3.180", "0.3.208")

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_SAMPLE = re.compile(r"^samples/(?P<id>.+)_epoch_(?P<epoch>\d+)\.json$")
_MESSAGE_SOLVERS = frozenset({"system_message"})
_BULK = frozenset({"samples", "logging"})


def recognises(sniffed: Sniff) -> Part | None:
    """Whether Inspect wrote the file: an archive with its journal, or an object with its header."""
    if sniffed.kind == "zip":
        return Part.RUN if _is_log_archive(sniffed.path) else None
    if sniffed.kind == "object" and {"eval", "version"} <= sniffed.names and "eval.task" in sniffed.inner:
        return Part.RUN
    return None


def read(path: Path) -> Iterator[ForeignRun]:
    """Read the runs of a log, one for each scorer.

    Raises
    ------
    IngestError
        If the log is damaged or hostile, or never scored anything.
    MissingDependency
        If an archive is packed with Zstandard and the library that reads it is not installed.
    """
    archived = _is_zip(path)
    header = _archive_header(path) if archived else json_header(path, without=_BULK)
    if not object_at(header, "eval"):
        raise IngestError(
            str(path),
            found="has no header ('eval')",
            expected="a log of Inspect",
            remedy="Name the .json or .eval file that the run wrote into its log folder.",
        )
    yield from _runs(path, header, archived=archived)


def _is_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"PK"


def _is_log_archive(path: Path) -> bool:
    try:
        with opened_archive(path) as archive:
            return "header.json" in archive.members or "_journal/start.json" in archive.members
    except IngestError:
        # A damaged archive is told to its reader, which says what is wrong; the name is all that is left here.
        return path.suffix == ".eval"


def _archive_header(path: Path) -> dict[str, Json]:
    with opened_archive(path) as archive:
        name = "header.json" if "header.json" in archive.members else "_journal/start.json"
        header = read_header(JsonReader(archive.text(name), f"{path}:{name}"), f"{path}:{name}", without=_BULK)
        if "reductions.json" in archive.members and "reductions" not in header:
            header["reductions"] = JsonReader(archive.text("reductions.json"), f"{path}:reductions.json").value()
        header["samples_in_archive"] = sum(_SAMPLE.match(member) is not None for member in archive.members)
        return header


def _samples(path: Path, *, archived: bool) -> Iterator[dict[str, Json]]:
    if not archived:
        for sample in json_member(path, "samples"):
            if isinstance(sample, dict):
                yield sample
        return
    with opened_archive(path) as archive:
        for name in archive.members:
            if _SAMPLE.match(name):
                yield read_header(JsonReader(archive.text(name), f"{path}:{name}"), f"{path}:{name}")


def _runs(path: Path, header: dict[str, Json], *, archived: bool) -> Iterator[ForeignRun]:
    first = next(_samples(path, archived=archived), {})
    scorers = scorers_of(header, first)
    if not scorers:
        answered = "holds answers that nobody scored" if first else "holds neither samples nor scores"
        raise IngestError(
            str(path),
            found=f"{answered} (status '{text_at(header, 'status')}')",
            expected="at least one scorer",
            remedy="Score the log with `inspect score`, or run the task to its end.",
        )
    for scorer in scorers:
        yield _run(path, header, first, scorer, archived=archived)


def _run(path: Path, header: dict[str, Json], first: dict[str, Json], scorer: Scorer, *, archived: bool) -> ForeignRun:
    stated = _stated(header, first, scorer)
    estimands = tuple(estimand_of(name) for name in scorer.estimands)
    return ForeignRun(
        harness=NAME,
        harness_version=_version(header),
        benchmark=text_at(header, "eval", "task").rpartition("/")[2] or path.stem,
        model=text_at(header, "eval", "model") or None,
        settings=_settings(header, stated, scorer),
        undisclosed=not_stated(stated) + _directions(estimands),
        provenance=_provenance(header),
        estimands=estimands,
        reported=scorer.reported,
        open_items=_opener(path, header, scorer, archived=archived) if first or _reduced(header, scorer) else None,
        n_declared=_declared(header),
        files=(path,),
        notes=_notes(header, first),
    )


def _opener(path: Path, header: dict[str, Json], scorer: Scorer, *, archived: bool) -> Callable[[], Iterator[ForeignItem]]:
    def items() -> Iterator[ForeignItem]:
        seen: set[tuple[str, int]] = set()
        n_epochs = _epochs(header)
        for sample in _samples(path, archived=archived):
            item = item_of(sample, scorer)
            seen.add((item.id, item.repeat))
            yield item
        if not seen:
            n_epochs = 1
            for entry in _reduced(header, scorer):
                item = item_of_reduction(entry, scorer)
                seen.add((item.id, item.repeat))
                yield item
        yield from missing_items(header, scorer, seen, n_epochs=n_epochs)

    return items


def _epochs(header: dict[str, Json]) -> int:
    epochs = number_of(at(header, "eval", "config", "epochs"))
    return int(epochs) if epochs is not None and 1 <= epochs <= 1000 else 1


def _reduced(header: dict[str, Json], scorer: Scorer) -> list[dict[str, Json]]:
    for entry in list_at(header, "reductions"):
        if text_at(entry, "scorer") == scorer.name:
            return [sample for sample in list_at(entry, "samples") if isinstance(sample, dict)]
    return []


def _version(header: dict[str, Json]) -> str | None:
    return text_at(header, "eval", "packages", "inspect_ai") or None


def _declared(header: dict[str, Json]) -> int | None:
    total = at(header, "results", "total_samples")
    return total if isinstance(total, int) and not isinstance(total, bool) else None


def _settings(header: dict[str, Json], stated: Mapping[str, Json], scorer: Scorer) -> dict[str, str]:
    arguments = object_at(header, "eval", "task_args")
    return levels(
        (
            ("harness", NAME),
            ("harness_version", _version(header) or ""),
            ("engine", word(stated["engine"])),
            ("template", word(stated["template"])),
            ("system_prompt", word(stated["system prompt"])),
            ("decoding", word(stated["decoding"])),
            ("max_tokens", word(stated["max tokens"])),
            ("scoring", scorer.rule),
            ("task_args", _short(arguments) if arguments else ""),
        )
    )


def _stated(header: dict[str, Json], first: dict[str, Json], scorer: Scorer) -> dict[str, Json]:
    """Disclosure -> what the log says; None or empty where it says nothing."""
    provider, _, _ = text_at(header, "eval", "model").partition("/")
    generation = {
        **object_at(header, "eval", "model_generate_config"),
        **object_at(header, "plan", "config"),
    }
    return {
        "harness version": _version(header),
        "model": text_at(header, "eval", "model"),
        "model revision": text_at(header, "eval", "model_args", "revision"),
        "dtype": text_at(header, "eval", "model_args", "torch_dtype") or text_at(header, "eval", "model_args", "dtype"),
        "quantization": text_at(header, "eval", "model_args", "quantization"),
        "engine": provider,
        "template": _steps(header),
        "system prompt": _system_prompt(first),
        "few-shot seed": finite_or_none(at(header, "eval", "task_args", "fewshot_seed")),
        "decoding": _decoding(generation),
        "max tokens": finite_or_none(generation.get("max_tokens")),
        "seed": finite_or_none(generation.get("seed")),
        "scoring rule": scorer.rule,
        "data revision": text_at(header, "eval", "dataset", "revision"),
    }


def _steps(header: dict[str, Json]) -> str:
    """The solvers that ran, with a digest of what they were given; system messages are a factor of their own."""
    names, given = [], []
    for step in list_at(header, "plan", "steps"):
        name = text_at(step, "solver").rpartition("/")[2]
        if not name or name in _MESSAGE_SOLVERS:
            continue
        names.append(name)
        given.append({key: value for key, value in object_at(step, "params").items() if value not in (None, {}, [])})
    text = "+".join(names)
    # An object is written with its place in memory, which another run of the same task does not share.
    said = _ADDRESS.sub("", json.dumps(given, sort_keys=True))
    return f"{text}:{text_digest(said)[:8]}" if any(given) else text


def _system_prompt(first: dict[str, Json]) -> str:
    messages = list_at(first, "messages")
    if not messages:
        return ""
    spoken = [message_text(message, first) for message in messages if text_at(message, "role") == "system"]
    return f"sha256:{text_digest(chr(10).join(spoken))[:8]}" if spoken else "none"


def _decoding(generation: dict[str, Json]) -> str:
    temperature = number_of(generation.get("temperature"))
    if temperature == 0 or number_of(generation.get("top_k")) == 1:
        return "greedy"
    if temperature is None:
        return ""
    mass = number_of(generation.get("top_p"))
    return f"sampled(temperature={temperature:g}{f', top_p={mass:g}' if mass is not None else ''})"


def _directions(estimands: tuple[Estimand, ...]) -> tuple[str, ...]:
    unknown = [estimand.name for estimand in estimands if not direction_known(estimand.name, higher_is_better=None)]
    return tuple(f"direction of '{name}' (read as: higher is better)" for name in unknown)


def _provenance(header: dict[str, Json]) -> dict[str, Json]:
    run = object_at(header, "eval")
    names = (
        "task",
        "task_version",
        "task_file",
        "run_id",
        "created",
        "revision",
        "packages",
        "dataset",
        "model_args",
        "task_args",
    )
    found = {name: run.get(name) for name in names} | {
        "status": header.get("status"),
        "log_version": header.get("version"),
        "steps": [text_at(step, "solver") for step in list_at(header, "plan", "steps")],
        "limit": at(run, "config", "limit"),
        "epochs": at(run, "config", "epochs"),
        "completed_samples": at(header, "results", "completed_samples"),
    }
    return {name: value for name, value in found.items() if value not in (None, {}, [])}


def _notes(header: dict[str, Json], first: dict[str, Json]) -> tuple[str, ...]:
    notes = []
    status = text_at(header, "status")
    if status not in ("success", ""):
        reason = text_at(header, "error", "message")
        notes.append(f"The run ended as '{status}'{f': {word(reason)}' if reason else ''}.")
    if not first and list_at(header, "reductions"):
        notes.append("The log holds no samples; items are its reductions over epochs, without questions and answers.")
    if header.get("invalidated") is True:
        notes.append("Somebody marked the log as invalid.")
    return tuple(notes)


def _short(value: Json) -> str:
    text = json.dumps(value, sort_keys=True, ensure_ascii=False)
    return text if len(text) <= 200 else f"sha256:{text_digest(text)[:8]}"
