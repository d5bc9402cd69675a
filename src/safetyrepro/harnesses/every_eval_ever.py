"""Every Eval Ever: aggregate records of every schema version, and the instance-level JSON Lines beside them.

A record holds one model and many results. Before 0.2 the source of the data belonged to the record, later to each result; the name
of a result is a benchmark, a benchmark with its metric (``MMLU - EM``), or the method of the package it was converted from. A
score outside the range that the record declares is a placeholder (-1 for "not measured" is common) and is read as unknown.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from safetyrepro.errors import IngestError
from safetyrepro.estimands import Estimand
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
from safetyrepro.harnesses.eee_instances import first_instance, is_instances, opener
from safetyrepro.harnesses.eee_ours import estimand, factors, has_items, is_ours, mean_of_items, unscored
from safetyrepro.harnesses.metrics import direction_known, estimand_of
from safetyrepro.records import Json

NAME = "every-eval-ever"
TITLE = "Every Eval Ever"
VERSIONS = ("0.0.1", "0.1.0", "0.2.0", "0.2.1", "0.3.0")

_UNKNOWN = frozenset({"", "unknown", "none"})
_SAMPLES = "detailed_evaluation_results_per_samples"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Result:
    """One entry of ``evaluation_results``, with its names made unique in its run."""

    benchmark: str
    metric: str
    entry: dict[str, Json]

    @property
    def bounds(self) -> tuple[float, float] | None:
        low = number_of(at(self.entry, "metric_config", "min_score"))
        high = number_of(at(self.entry, "metric_config", "max_score"))
        if low is None or high is None or math.isnan(low) or math.isnan(high) or low >= high:
            return None
        return low, high

    @property
    def better(self) -> bool | None:
        lower = at(self.entry, "metric_config", "lower_is_better")
        return not lower if isinstance(lower, bool) else None

    @property
    def score(self) -> float | None:
        score = finite_or_none(at(self.entry, "score_details", "score"))
        bounds = self.bounds
        if score is None or (bounds is not None and not bounds[0] <= score <= bounds[1]):
            return None
        unknown_level = at(self.entry, "metric_config", "has_unknown_level") is True
        return None if unknown_level and score == -1 else score


def recognises(sniffed: Sniff) -> Part | None:
    """Whether the file follows the schema, and whether it holds a record or instances."""
    if is_instances(sniffed):
        return Part.ITEMS
    wanted = {"schema_version", "evaluation_id", "model_info"}
    return Part.RUN if sniffed.kind == "object" and wanted <= sniffed.names else None


def read(path: Path) -> Iterator[ForeignRun]:
    """Read the runs of a record, one for each benchmark in it, or the run of an instance-level file.

    Raises
    ------
    IngestError
        If the file is damaged or is neither.
    """
    if is_instances(sniff(path)):
        yield from _runs_of_instances(path)
        return
    yield from _runs(path, instances=_instances_beside(path))


def _instances_beside(record: Path) -> Path | None:
    beside = record.with_name(f"{record.stem}_samples.jsonl")
    return beside if beside.is_file() else None


def _runs_of_instances(path: Path) -> Iterator[ForeignRun]:
    record = path.with_name(f"{path.name.removesuffix('_samples.jsonl')}.json")
    if path.name.endswith("_samples.jsonl") and record.is_file():
        yield from (run for run in _runs(record, instances=path) if not run.aggregates_only)
        return
    first = first_instance(path)
    yield ForeignRun(
        harness=NAME,
        harness_version=None,
        benchmark=first.benchmark or path.stem,
        model=first.model or None,
        settings=levels((("harness", NAME),)),
        undisclosed=not_stated({"model": first.model}),
        provenance={"schema_version": first.schema_version, "evaluation_id": first.evaluation_id},
        estimands=(estimand_of(first.metric),),
        open_items=opener(path, {"": first.metric}, benchmark=first.benchmark),
        files=(path,),
        notes=("No record lies beside the instances, so package, version and settings are not recorded.",),
    )


def _runs(path: Path, *, instances: Path | None) -> Iterator[ForeignRun]:
    record = json_header(path, without=frozenset({_SAMPLES}))
    results = [entry for entry in list_at(record, "evaluation_results") if isinstance(entry, dict)]
    if not results:
        raise IngestError(
            str(path),
            found="holds no evaluation result",
            expected="a record of Every Eval Ever with 'evaluation_results'",
            remedy="Name a record, not the schema or an index of records.",
        )
    ours = is_ours(record)
    groups: dict[tuple[str, tuple[tuple[str, str], ...]], list[_Result]] = {}
    for entry in results:
        benchmark = text_at(entry, "evaluation_name") if ours else _benchmark(record, entry)
        group = groups.setdefault((benchmark, tuple(factors(entry).items()) if ours else ()), [])
        group.append(_Result(benchmark=benchmark, metric=_unique(_metric(record, entry), entry, group), entry=entry))
    for group in groups.values():
        run = _run(path, record, group, instances=instances)
        yield _as_it_was(run, group, instances=instances) if ours else run


def _unique(metric: str, entry: dict[str, Json], group: list[_Result]) -> str:
    taken = {result.metric for result in group}
    tab = text_at(entry, "score_details", "details", "tab")
    name = f"{metric} [{tab}]" if tab and metric in taken else metric
    wanted, number = name, 2
    while name in taken:
        name, number = f"{wanted} #{number}", number + 1
    return name


def _converted(record: dict[str, Json]) -> bool:
    """Whether a record of an early schema was converted from one package's run, with one data set for all its results."""
    return bool(text_at(record, "source_data", "dataset_name"))


def _benchmark(record: dict[str, Json], entry: dict[str, Json]) -> str:
    if _converted(record):
        return text_at(record, "source_data", "dataset_name")
    name = text_at(entry, "evaluation_name").partition(" - ")[0]
    dataset = text_at(entry, "source_data", "dataset_name")
    return name if not dataset or dataset in name else f"{dataset}/{name}"


def _metric(record: dict[str, Json], entry: dict[str, Json]) -> str:
    config = object_at(entry, "metric_config")
    if not _converted(record):
        behind = text_at(entry, "evaluation_name").partition(" - ")[2]
        return text_at(config, "metric_name") or text_at(config, "metric_id") or behind or "score"
    description = text_at(config, "evaluation_description")
    name = description if description and " " not in description else text_at(entry, "evaluation_name") or "score"
    details = object_at(entry, "score_details", "details")
    split = text_at(details, "split")
    changed = object_at(details, "perturbation")
    perturbation = f"{text_at(changed, 'name')},{text_at(changed, 'computed_on')}" if changed else ""
    return name + (f":{split}" if split else "") + (f"[{perturbation}]" if perturbation else "")


def _run(path: Path, record: dict[str, Json], group: list[_Result], *, instances: Path | None) -> ForeignRun:
    estimands = tuple(_estimand(result) for result in group)
    first = group[0]
    stated = _stated(record, first.entry)
    metrics = {text_at(result.entry, "evaluation_result_id"): result.metric for result in group}
    items = opener(instances, metrics, benchmark=text_at(first.entry, "evaluation_name")) if instances else None
    unknown = [result.metric for result in group if not direction_known(result.metric, higher_is_better=result.better)]
    return ForeignRun(
        harness=NAME,
        harness_version=word(stated["harness version"]) or None,
        benchmark=first.benchmark,
        model=text_at(record, "model_info", "id") or text_at(record, "model_info", "name") or None,
        settings=_settings(record, stated),
        undisclosed=not_stated(stated) + tuple(f"direction of '{name}' (read as: higher is better)" for name in unknown),
        provenance=_provenance(record, first.entry),
        estimands=estimands,
        reported={result.metric: result.score for result in group},
        open_items=items,
        n_declared=_declared(record, first.entry),
        files=(path, instances) if instances else (path,),
        notes=_notes(record, group),
    )


def _as_it_was(run: ForeignRun, group: list[_Result], *, instances: Path | None) -> ForeignRun:
    """A run of ours with the questions, factors and items that the store had from which its record was written."""
    metrics = {text_at(result.entry, "evaluation_result_id"): result.metric for result in group}
    scored = opener(instances, metrics, benchmark="", ours=True) if instances else lambda: iter(())

    def items() -> Iterator[ForeignItem]:
        yield from (replace(item, apart=item.apart or run.estimands[0].name) for item in scored())
        for result in group:
            yield from unscored(result.entry, result.metric)

    of_items = any(has_items(result.entry) for result in group)
    return replace(
        run,
        settings=factors(group[0].entry),
        estimands=tuple(estimand(result.entry, _estimand(result)) for result in group),
        reported_within=0.0 if all(mean_of_items(result.entry) for result in group) else math.inf,
        open_items=items if of_items else None,
        n_declared=None,
        files=run.files if of_items else run.files[:1],
        in_our_words=True,
    )


def _estimand(result: _Result) -> Estimand:
    return estimand_of(result.metric, higher_is_better=result.better, bounds=result.bounds)


def _library(record: dict[str, Json]) -> str:
    named = text_at(record, "eval_library", "name")
    if named.lower() not in _UNKNOWN:
        return named
    ran = text_at(record, "source_metadata", "source_type") == "evaluation_run"
    return text_at(record, "source_metadata", "source_name") if ran else ""


def _stated(record: dict[str, Json], entry: dict[str, Json]) -> dict[str, Json]:
    """Disclosure -> what the record says; None or empty where it says nothing."""
    given = object_at(entry, "generation_config")
    generation = {**given, **object_at(given, "generation_args")}
    temperature = number_of(generation.get("temperature"))
    decoding = "" if temperature is None else "greedy" if temperature == 0 else f"sampled(temperature={temperature:g})"
    version = text_at(record, "eval_library", "version")
    engine = text_at(record, "model_info", "inference_engine", "name") or text_at(record, "model_info", "inference_platform")
    return {
        "harness version": "" if version.lower() in _UNKNOWN else version,
        "model": text_at(record, "model_info", "id"),
        "model revision": text_at(record, "model_info", "additional_details", "revision"),
        "dtype": text_at(record, "model_info", "additional_details", "precision"),
        "engine": "" if engine.lower() in _UNKNOWN else engine,
        "template": text_at(generation, "prompt_template"),
        "decoding": decoding,
        "max tokens": finite_or_none(generation.get("max_tokens")),
        "scoring rule": text_at(entry, "evaluation_name")
        if _converted(record)
        else text_at(entry, "metric_config", "metric_kind"),
        "data revision": text_at(entry, "source_data", "revision"),
    }


def _settings(record: dict[str, Json], stated: Mapping[str, Json]) -> dict[str, str]:
    return levels(
        (
            ("harness", _library(record) or NAME),
            ("harness_version", word(stated["harness version"])),
            ("engine", word(stated["engine"])),
            ("dtype", word(stated["dtype"])),
            ("template", word(stated["template"])),
            ("decoding", word(stated["decoding"])),
            ("max_tokens", word(stated["max tokens"])),
            ("source", text_at(record, "source_metadata", "source_organization_name")),
        )
    )


def _declared(record: dict[str, Json], entry: dict[str, Json]) -> int | None:
    counts = (
        at(entry, "score_details", "uncertainty", "num_samples"),
        # A file has a line for each sample and result, so that only one result has as many items as there are lines.
        at(record, "detailed_evaluation_results", "total_rows") if len(list_at(record, "evaluation_results")) == 1 else None,
        len(list_at(record, "source_data", "sample_ids")) or None,
    )
    return next((count for count in counts if isinstance(count, int) and not isinstance(count, bool)), None)


def _provenance(record: dict[str, Json], entry: dict[str, Json]) -> dict[str, Json]:
    found: dict[str, Json] = {
        "schema_version": record.get("schema_version"),
        "evaluation_id": record.get("evaluation_id"),
        "evaluated": record.get("evaluation_timestamp") or entry.get("evaluation_timestamp"),
        "retrieved": record.get("retrieved_timestamp"),
        "source": text_at(record, "source_metadata", "source_name"),
        "source_type": text_at(record, "source_metadata", "source_type"),
        "relationship": text_at(record, "source_metadata", "evaluator_relationship"),
        "developer": text_at(record, "model_info", "developer"),
        "data": entry.get("source_data") or record.get("source_data"),
    }
    return {name: value for name, value in found.items() if value not in (None, "", [], {})}


def _notes(record: dict[str, Json], group: list[_Result]) -> tuple[str, ...]:
    notes = []
    unknown = sum(result.score is None for result in group)
    if unknown:
        notes.append(f"{unknown} of {len(group)} scores are placeholders or lie outside the range the record declares.")
    if text_at(record, "source_metadata", "source_type") == "documentation":
        notes.append("The numbers were taken from a document, not from a run.")
    return tuple(notes)
