"""Store -> records of Every Eval Ever, with our factors in their extension place.

What a form cannot hold is counted and said, not invented: an item without a value has no line in Every Eval Ever, whose schema
demands a number, and the record says how many such items there are.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from shlex import quote

from safetyrepro.analysis import AnalysisOptions, table_of
from safetyrepro.envelope import Configuration
from safetyrepro.errors import SafetyReproError, StoreError
from safetyrepro.estimands import Aggregation, Direction, Estimand
from safetyrepro.harnesses.eee_ours import FACTOR, SOURCE, UNEVEN_MEAN, UNSCORED
from safetyrepro.manifest import NOT_RECORDED, BenchmarkEntry
from safetyrepro.parquet import write_whole
from safetyrepro.records import AGGREGATE_ITEM, ItemRecord, Json, question_key
from safetyrepro.store import Store

SCHEMA_VERSION = "0.3.0"
RELATIONSHIPS = ("first_party", "third_party", "collaborative", "other")
_UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class EverySource:
    """Who measured, as Every Eval Ever wants it said."""

    organization: str = _UNKNOWN
    """Name of the organization that provides the results."""
    relationship: str = "other"
    """Its relation to the models' makers, one of `RELATIONSHIPS`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What was written."""

    paths: tuple[Path, ...]
    """The files."""
    n_results: int
    """Aggregate results, or rows of the table."""
    n_without_value: int
    """Items that have no value and so no line."""
    n_aggregates: int = 0
    """Rows of the table that are aggregates of cells without items."""
    n_without_score: int = 0
    """Cells that have records and no score, for which a form that demands a number has no place."""
    notes: tuple[str, ...] = ()
    """What the form cannot say, one sentence each."""
    read_back: str = ""
    """The command that makes a store of it again, with what the form itself cannot say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cell:
    """One aggregate result and the items below it."""

    entry: BenchmarkEntry
    estimand: Estimand
    configuration: Configuration
    score: float | None
    records: tuple[ItemRecord, ...]

    @property
    def identifier(self) -> str:
        return f"{self.entry.name}.{self.estimand.name}.{self.configuration.digest}"

    @property
    def aggregation(self) -> str:
        """What the score is of the items; a mean in which they do not count alike is told apart from a plain one."""
        uneven = any(record.weight != 1.0 or record.repeat for record in self.records)
        plain = self.estimand.aggregation is Aggregation.MEAN
        return UNEVEN_MEAN if plain and uneven else self.estimand.aggregation.value


def export_every_eval_ever(store: Store, folder: Path, *, source: EverySource | None = None) -> Exported:
    """Write one record, and one file of instances, for each model and package of a store.

    Parameters
    ----------
    store : Store
        What is exported.
    folder : Path
        Where ``data/STUDY/DEVELOPER/MODEL/`` is made; existing files of other names are left alone.
    source : EverySource, optional
        Who measured.

    Returns
    -------
    Exported

    Notes
    -----
    The levels of a configuration stand in ``generation_config.additional_details`` as ``factor.NAME``. Same store, same bytes.
    """
    source = source or EverySource()
    if source.relationship not in RELATIONSHIPS:
        raise SafetyReproError(
            f"--relationship {source.relationship}",
            found="is no relationship",
            expected=", ".join(RELATIONSHIPS),
            remedy="Choose one.",
        )
    paths: list[Path] = []
    n_results = n_missing = n_left = 0
    answered = store.questions()
    for model in store.manifest.models:
        by_package: dict[tuple[str, str], list[_Cell]] = {}
        for cell in _cells(store, model, answered):
            by_package.setdefault(_package(store, cell.configuration), []).append(cell)
        for package, cells in by_package.items():
            scored = [cell for cell in cells if cell.score is not None]
            n_left += len(cells) - len(scored)
            if not scored:
                continue
            written, missing = _write_record(store, folder, model, package, cells=scored, source=source)
            paths += written
            n_results += len(scored)
            n_missing += missing
    back = f"safetyrepro ingest every-eval-ever {quote(str(folder))} -o STORE"
    return Exported(paths=tuple(paths), n_results=n_results, n_without_value=n_missing, n_without_score=n_left, read_back=back)


def _cells(store: Store, model: str, answered: AbstractSet[tuple[str, str, str]]) -> Iterator[_Cell]:
    for entry in store.manifest.benchmarks:
        for estimand in entry.estimands:
            if (model, entry.name, estimand.name) in answered:
                yield from _cells_of(store, model, entry, estimand)


def _cells_of(store: Store, model: str, entry: BenchmarkEntry, estimand: Estimand) -> Iterator[_Cell]:
    read = store.records(entry.name, estimand.name)
    table = table_of(store, read, entry, estimand, AnalysisOptions(models=(model,)))
    records = _by_configuration(read, model)
    for place, configuration in enumerate(table.configurations):
        if configuration.digest in records:
            yield _Cell(
                entry=entry,
                estimand=estimand,
                configuration=configuration,
                score=float(table.raw[0, place]) if table.scored[0, place] else None,
                records=tuple(records[configuration.digest]),
            )


def _by_configuration(records: Sequence[ItemRecord], model: str) -> dict[str, list[ItemRecord]]:
    grouped: dict[str, list[ItemRecord]] = {}
    for record in records:
        if record.cell.model == model:
            grouped.setdefault(record.cell.configuration, []).append(record)
    return grouped


def _package(store: Store, configuration: Configuration) -> tuple[str, str]:
    """The package that evaluated, with its version."""
    if "harness" in configuration.as_dict():
        version = configuration.get("harness_version", _UNKNOWN)
        return configuration["harness"], _UNKNOWN if version == NOT_RECORDED else version
    return "safetyrepro", store.manifest.stamp.package_version


def _write_record(
    store: Store, folder: Path, model: str, package: tuple[str, str], *, cells: Sequence[_Cell], source: EverySource
) -> tuple[list[Path], int]:
    moment = _epoch(store)
    identifier = f"{store.manifest.study}/{model}/{'@'.join(package)}/{moment}"
    developer, _, short = model.rpartition("/")
    place = Path("data", _part(store.manifest.study), _part(developer or _UNKNOWN), _part(short))
    name = _uuid(identifier)
    record = _record(store, model, package, cells=cells, source=source) | {"evaluation_id": identifier}
    lines, missing = _instances(store, model, identifier, cells)
    paths = [folder / place / f"{name}.json"]
    if lines:
        samples = "".join(f"{line}\n" for line in lines).encode()
        record["detailed_evaluation_results"] = {
            "format": "jsonl",
            "file_path": (place / f"{name}_samples.jsonl").as_posix(),
            "hash_algorithm": "sha256",
            "checksum": hashlib.sha256(samples).hexdigest(),
            "total_rows": len(lines),
            "additional_details": {"items_without_a_value": str(missing)},
        }
        paths.append(folder / place / f"{name}_samples.jsonl")
        _write(paths[1], samples)
    _write(paths[0], (json.dumps(record, ensure_ascii=False, indent=1) + "\n").encode())
    return paths, missing


def _record(
    store: Store, model: str, package: tuple[str, str], *, cells: Sequence[_Cell], source: EverySource
) -> dict[str, Json]:
    return {
        "schema_version": SCHEMA_VERSION,
        "retrieved_timestamp": _epoch(store),
        "source_metadata": {
            "source_name": SOURCE,
            "source_type": "evaluation_run",
            "source_organization_name": source.organization,
            "evaluator_relationship": source.relationship,
        },
        "eval_library": {"name": package[0], "version": package[1]},
        "model_info": _model_info(store, model),
        "evaluation_results": [_result(cell) for cell in cells],
    }


def _model_info(store: Store, model: str) -> Json:
    loads = [load for load in store.manifest.loads if load.name == model]
    details: dict[str, Json] = {"deployment_type": _UNKNOWN, "model_availability": _UNKNOWN}
    if loads:
        details |= {"weights_sha256": loads[0].weights, "tokenizer_sha256": loads[0].tokenizer, "revision": loads[0].revision}
    developer = model.rpartition("/")[0] or _UNKNOWN
    return {"name": model, "id": model, "developer": developer, "additional_details": details}


def _result(cell: _Cell) -> Json:
    estimand = cell.estimand
    counts = Counter(record.status for record in cell.records if record.item_id != AGGREGATE_ITEM)
    factors: dict[str, Json] = {f"{FACTOR}{name}": level for name, level in cell.configuration.settings}
    details: dict[str, Json] = {f"items_{status.value}": str(count) for status, count in sorted(counts.items(), key=str)}
    lacking = [_unscored(record) for record in cell.records if record.item_id != AGGREGATE_ITEM and record.value is None]
    if lacking:
        details[UNSCORED] = json.dumps(lacking, ensure_ascii=False)
    return {
        "evaluation_result_id": cell.identifier,
        "evaluation_name": cell.entry.name,
        "source_data": {"dataset_name": cell.entry.name, "source_type": "other"},
        "metric_config": {
            "metric_name": estimand.name,
            "evaluation_description": estimand.about,
            "lower_is_better": estimand.orientation.direction is Direction.LOWER,
            "score_type": "continuous",
            "min_score": estimand.low,
            "max_score": estimand.high,
            "additional_details": {
                "orientation": str(estimand.orientation),
                "aggregation": cell.aggregation,
                "configuration": cell.configuration.digest,
            },
        },
        "score_details": {"score": cell.score, "details": details},
        "generation_config": {"additional_details": factors},
    }


def _unscored(record: ItemRecord) -> list[Json]:
    """An item without a value, in the fields that `UNSCORED` names."""
    told = (record.item_id, record.repeat, record.status.value, record.reason, record.cluster, record.stratum, record.weight)
    return list(told)


def _instances(store: Store, model: str, identifier: str, cells: Sequence[_Cell]) -> tuple[list[str], int]:
    """Lines for the items that have a value, and the number of those that have none."""
    items = [(cell, record) for cell in cells for record in cell.records if record.item_id != AGGREGATE_ITEM]
    texts = store.prompts({key for _, record in items for key in (question_key(record.item_id), record.prompt_digest)})
    known = [(cell, record, record.value) for cell, record in items if record.value is not None]
    common: dict[str, Json] = {"schema_version": SCHEMA_VERSION, "evaluation_id": identifier, "model_id": model}
    lines = [json.dumps(common | _line(cell, record, value, texts), ensure_ascii=False) for cell, record, value in known]
    return lines, len(items) - len(known)


def _line(cell: _Cell, record: ItemRecord, value: float, texts: Mapping[str, str]) -> dict[str, Json]:
    question = json.loads(texts.get(question_key(record.item_id), "{}"))
    prompt = texts.get(record.prompt_digest)
    return {
        "evaluation_name": cell.entry.name,
        "evaluation_result_id": cell.identifier,
        "sample_id": record.item_id,
        "interaction_type": "single_turn",
        "input": {
            "raw": question.get("text", prompt or ""),
            "formatted": prompt,
            "reference": [question["gold"]] if question.get("gold") else [],
            "choices": question.get("options") or None,
        },
        "output": {"raw": []},
        "answer_attribution": [],
        "evaluation": {"score": value, "is_correct": value == cell.estimand.high},
        "metadata": _metadata(record),
    }


def _metadata(record: ItemRecord) -> dict[str, Json]:
    fields = {
        "cluster": record.cluster,
        "stratum": record.stratum,
        "repeat": str(record.repeat),
        "token_digest": record.token_digest,
        "weight": "" if record.weight == 1.0 else repr(record.weight),
    }
    return {name: value for name, value in fields.items() if value}


def _epoch(store: Store) -> str:
    stated = store.manifest.stamp.finished if store.manifest.stamp.finished != NOT_RECORDED else store.manifest.stamp.started
    try:
        return str(int(datetime.fromisoformat(stated.replace("Z", "+00:00")).timestamp()))
    except ValueError:
        return "0"


def _uuid(text: str) -> str:
    """An identifier of the form that the schema asks for (version 4), drawn from a digest and so the same every time."""
    digits = hashlib.sha256(text.encode()).hexdigest()
    variant = "89ab"[int(digits[16], 16) % 4]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:32]}"


def _part(text: str) -> str:
    """A name as one part of a path; nothing in it can lead elsewhere."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", text).strip(".") or _UNKNOWN


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)
    except OSError as error:
        raise StoreError(str(path), found=f"cannot be written ({error.strerror})", remedy="Choose another --out.") from error
