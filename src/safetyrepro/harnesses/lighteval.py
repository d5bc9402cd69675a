"""lighteval: results files and the Parquet tables of details, of both shapes that its versions wrote.

Older tables (to 0.8) have a column for each field and no item ids; newer ones have three columns, ``doc``, ``metric`` and
``model_response``. The number of examples is the last part of a task's name, ``suite|task|shots``. Tables are read by DuckDB, a
thousand rows at a time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from safetyrepro.errors import IngestError
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
from safetyrepro.harnesses.bounded import Sniff, json_header, sniff
from safetyrepro.harnesses.lighteval_details import columns_of, is_details, items_of, metrics_of
from safetyrepro.harnesses.metrics import direction_known, estimand_of
from safetyrepro.records import Json

NAME = "lighteval"
TITLE = "lighteval"
VERSIONS = ("0.8.1", "0.13.0")

_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d(?:\.\d+)?")
_DETAILS = re.compile(r"^details_(?P<task>.+)_(?P<stamp>\d{4}-\d\d-\d\dT[\d.-]+)\.parquet$")
_AVERAGE = frozenset({"all"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Results:
    """A results file, opened."""

    path: Path
    content: dict[str, Json]
    details: Mapping[str, Path]

    @property
    def general(self) -> dict[str, Json]:
        return object_at(self.content, "config_general")

    @property
    def model_config(self) -> dict[str, Json]:
        return object_at(self.general, "model_config") or self.general

    @property
    def model(self) -> str | None:
        return text_at(self.general, "model_name") or text_at(self.model_config, "model_name") or None

    @property
    def generation(self) -> dict[str, Json]:
        return object_at(self.model_config, "generation_parameters") or object_at(self.general, "generation_parameters")


def recognises(sniffed: Sniff) -> Part | None:
    """Whether lighteval wrote the file, and whether it holds results or details."""
    if sniffed.kind == "parquet":
        return Part.ITEMS if is_details(sniffed.path) else None
    return Part.RUN if sniffed.kind == "object" and {"config_general", "results"} <= sniffed.names else None


def read(path: Path) -> Iterator[ForeignRun]:
    """Read the runs of a results file, or of a table of details with the results it belongs to.

    Raises
    ------
    IngestError
        If the file is damaged or is neither.
    """
    if sniff(path).kind == "parquet":
        yield from _runs_of_details(path)
        return
    results = _opened(path)
    tasks = [name for name in object_at(results.content, "results") if name not in _AVERAGE]
    if not tasks:
        raise IngestError(
            str(path), found="names no task under 'results'", expected="results of lighteval", remedy="Run it to its end."
        )
    for task in tasks:
        yield _run(results, task)


def _opened(path: Path) -> _Results:
    return _Results(path=path, content=json_header(path), details=_details_of(path))


def _details_of(results: Path) -> dict[str, Path]:
    """Task -> table, from details/MODEL/STAMP beside results/MODEL, and from the folder itself."""
    stamps = _STAMP.findall(results.name)
    if not stamps:
        return {}
    folders = [results.parent]
    for above in results.parents:
        if above.name == "results":
            folders.append(above.parent / "details" / results.parent.relative_to(above) / stamps[-1])
            break
    found = {}
    for folder in folders:
        for path in sorted(folder.glob("details_*.parquet")) if folder.is_dir() else ():
            named = _DETAILS.match(path.name)
            if named and named["stamp"] == stamps[-1]:
                found[named["task"]] = path
    return found


def _runs_of_details(path: Path) -> Iterator[ForeignRun]:
    named = _DETAILS.match(path.name)
    task = named["task"] if named else path.stem
    for results in _results_of(path):
        opened = _opened(results)
        if task in object_at(opened.content, "results"):
            yield _run(opened, task)
            return
    benchmark, shots = _split(task)
    metrics = metrics_of(path)
    yield ForeignRun(
        harness=NAME,
        harness_version=None,
        benchmark=benchmark,
        model=None,
        settings=levels((("harness", NAME), ("shots", shots))),
        undisclosed=not_stated({"shots": shots}) + _directions(metrics, {}),
        provenance={"task": task},
        estimands=tuple(estimand_of(metric) for metric in metrics),
        open_items=_opener(path),
        files=(path,),
        notes=("No results file belongs to the details, so model, version and settings are not recorded.",),
    )


def _results_of(details: Path) -> Iterator[Path]:
    named = _DETAILS.match(details.name)
    if not named:
        return
    name = f"results_{named['stamp']}.json"
    candidates = [details.parent / name]
    for above in details.parents:
        if above.name == "details":
            candidates.append(above.parent / "results" / details.parent.parent.relative_to(above) / name)
            break
    yield from (path for path in candidates if path.is_file())


def _run(results: _Results, task: str) -> ForeignRun:
    config = object_at(results.content, "config_tasks", task)
    config = config or object_at(results.content, "config_tasks", task.rpartition("|")[0])
    row = object_at(results.content, "results", task)
    reported = {name: finite_or_none(value) for name, value in row.items() if not name.endswith("_stderr")}
    directions = _stated_directions(config)
    details = results.details.get(task)
    stated = _stated(results, task, config)
    return ForeignRun(
        harness=NAME,
        harness_version=None,
        benchmark=_split(task)[0],
        model=results.model,
        settings=_settings(stated),
        undisclosed=not_stated(stated) + _directions(tuple(reported), directions),
        provenance=_provenance(results, task, config),
        estimands=tuple(estimand_of(metric, higher_is_better=directions.get(metric)) for metric in reported),
        reported=reported,
        open_items=_opener(details) if details else None,
        n_declared=_declared(config),
        files=(results.path, details) if details else (results.path,),
    )


def _opener(details: Path) -> Callable[[], Iterator[ForeignItem]]:
    columns = columns_of(details)

    def items() -> Iterator[ForeignItem]:
        return items_of(details, columns)

    return items


def _split(task: str) -> tuple[str, str]:
    """Name and number of examples out of ``suite|task|shots``; newer versions leave the suite out."""
    parts = task.split("|")
    shots = parts.pop() if len(parts) > 1 and parts[-1].isdigit() else ""
    return parts[-1] or task, shots


def _stated(results: _Results, task: str, config: dict[str, Json]) -> dict[str, Json]:
    """Disclosure -> what the files say; None or empty where they say nothing."""
    model, generation = results.model_config, results.generation
    shots = _split(task)[1]
    categories = sorted({word(at(metric, "category")) for metric in _metrics(config)} - {""})
    categories = [name for name in categories if not name.isdigit()]  # older versions write the number of an enumeration
    return {
        "model": results.model,
        "model revision": text_at(model, "revision"),
        "dtype": (text_at(model, "dtype") or text_at(results.general, "model_dtype")).removeprefix("torch."),
        "template": text_at(config, "prompt_function"),
        "chat template": _switch(model.get("use_chat_template")),
        "system prompt": _system_prompt(model),
        "shots": shots,
        "few-shot examples": "none" if shots == "0" else text_at(config, "few_shots_select"),
        "decoding": _decoding(generation),
        "max tokens": finite_or_none(generation.get("max_new_tokens")),
        "seed": finite_or_none(model.get("seed")),
        "scoring rule": "+".join(categories),
        "data revision": text_at(config, "hf_revision"),
    }


def _settings(stated: Mapping[str, Json]) -> dict[str, str]:
    template = word(stated["template"])
    return levels(
        (
            ("harness", NAME),
            ("dtype", word(stated["dtype"])),
            ("template", f"{NAME}:{template}" if template else ""),
            ("shots", word(stated["shots"])),
            ("chat_template", word(stated["chat template"])),
            ("system_prompt", word(stated["system prompt"])),
            ("decoding", word(stated["decoding"])),
            ("max_tokens", word(stated["max tokens"])),
            ("scoring", word(stated["scoring rule"])),
        )
    )


def _metrics(config: dict[str, Json]) -> list[Json]:
    return list_at(config, "metrics") or list_at(config, "metric")


def _switch(value: Json) -> str:
    return word(value) if isinstance(value, bool) else ""


def _system_prompt(model: dict[str, Json]) -> str:
    if "system_prompt" not in model:
        return ""
    return word(model["system_prompt"]) or "none"


def _decoding(generation: dict[str, Json]) -> str:
    temperature = number_of(generation.get("temperature"))
    if temperature is None:
        return ""
    return "greedy" if temperature == 0 else f"sampled(temperature={temperature:g})"


def _stated_directions(config: dict[str, Json]) -> dict[str, bool]:
    found: dict[str, bool] = {}
    for metric in _metrics(config):
        better = at(metric, "higher_is_better")
        named = at(metric, "metric_name")
        names = named if isinstance(named, list) else [named]
        for name in names:
            each = at(better, str(name)) if isinstance(better, dict) else better
            if isinstance(name, str) and isinstance(each, bool):
                found[name] = each
    return found


def _directions(metrics: tuple[str, ...], directions: Mapping[str, bool]) -> tuple[str, ...]:
    return tuple(
        f"direction of '{metric}' (read as: higher is better)"
        for metric in metrics
        if not direction_known(metric, higher_is_better=directions.get(metric))
    )


def _declared(config: dict[str, Json]) -> int | None:
    count = config.get("effective_num_docs")
    return count if isinstance(count, int) and count >= 0 else None


def _provenance(results: _Results, task: str, config: dict[str, Json]) -> dict[str, Json]:
    sha = text_at(results.general, "lighteval_sha")
    found: dict[str, Json] = {
        "task": task,
        "task_version": at(results.content, "versions", task),
        "lighteval_sha": "" if sha == "?" else sha,
        "model_sha": results.general.get("model_sha"),
        "dataset": config.get("hf_repo"),
        "dataset_name": config.get("hf_subset"),
        "limit": results.general.get("max_samples"),
        "hashes": at(results.content, "summary_tasks", task, "hashes"),
    }
    return {name: value for name, value in found.items() if value not in (None, "", {})}
