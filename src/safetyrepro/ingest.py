"""Results of others into a store: what a table holds, what its envelope is, and what it never says."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from safetyrepro.envelope import Configuration, Envelope, Exclusion, Factor, Level
from safetyrepro.errors import IngestError
from safetyrepro.estimands import Estimand, Orientation
from safetyrepro.harnesses.table import TableRow, TidyTable, read_table
from safetyrepro.manifest import BenchmarkEntry, DataEntry, Manifest
from safetyrepro.records import AGGREGATE_ITEM, CellKey, ItemRecord
from safetyrepro.stamp import make_stamp, now, stamp_time
from safetyrepro.store import Store
from safetyrepro.study import BenchmarkSpec, Study

ESTIMAND = "score"
MAX_LISTED = 1000
UNDISCLOSED = (
    "model digests",
    "harness and version",
    "data revision and digest",
    "subset rule and seed",
    "rendered prompts",
    "token ids",
    "few-shot example ids",
    "commit",
    "hardware",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TableOptions:
    """What a table cannot say about itself."""

    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Benchmark -> smallest and largest score; the empty name stands for every benchmark not named."""
    orientations: Mapping[str, Orientation] = field(default_factory=dict)
    """Benchmark -> direction; the empty name stands for every benchmark not named."""
    study: Study | None = None
    """A study that declares a larger envelope, ranges and orientations."""

    def estimand(self, benchmark: str) -> Estimand:
        """The estimand of a benchmark's scores."""
        spec = self.spec(benchmark)
        low, high = self.ranges.get(benchmark) or self.ranges.get("") or (spec.range if spec else (0.0, 1.0))
        declared = Orientation.parse(spec.orientation) if spec else Orientation()
        orientation = self.orientations.get(benchmark) or self.orientations.get("") or declared
        return Estimand(name=ESTIMAND, about="mean of the table's scores", low=low, high=high, orientation=orientation)

    def spec(self, benchmark: str) -> BenchmarkSpec | None:
        """What the declared study says of a benchmark; None where it says nothing."""
        specs = self.study.benchmarks if self.study else []
        return next((spec for spec in specs if spec.name == benchmark), None)


def ingest_table(path: Path, folder: Path, *, options: TableOptions | None = None) -> Store:
    """Read a tidy table into a store.

    Parameters
    ----------
    path : Path
        CSV (also gzipped) or Parquet.
    folder : Path
        Where the store is made.
    options : TableOptions, optional
        Ranges, orientations, a declared envelope.

    Returns
    -------
    Store

    Raises
    ------
    IngestError
        If the table cannot be read, holds two scores for one item of a cell, or a score outside its range.
    StoreError
        If the folder is occupied.
    """
    options = options or TableOptions()
    started = now()
    table = read_table(path)
    by_benchmark: dict[str, list[TableRow]] = {}
    for row in table.rows:
        by_benchmark.setdefault(row.benchmark, []).append(row)
    entries, records = [], []
    for name, rows in by_benchmark.items():
        _check_rows(path, rows, options.estimand(name))
        entry, its_records = _benchmark(path, table, rows, options)
        entries.append(entry)
        records.extend(its_records)
    manifest = Manifest(
        study=options.study.name if options.study else _study_name(path),
        question=options.study.question if options.study else "",
        source="table",
        benchmarks=tuple(entries),
        models=tuple(dict.fromkeys(row.model for row in table.rows)),
        stamp=make_stamp(path.resolve().parent, seed=None, started=started),
        undisclosed=UNDISCLOSED,
    )
    store = Store.create(folder, manifest)
    with store.writing():
        for entry in entries:
            own = [record for record in records if record.cell.benchmark == entry.name]
            store.replace_records(own, f"{entry.name}, from {path.name}")
        finished = store.manifest.stamp.model_copy(update={"finished": stamp_time(now())})
        store.update({"stamp": finished, "complete": True})
    return store


def _study_name(path: Path) -> str:
    stem = path.name.split(".")[0]
    return "".join(letter if letter.isalnum() or letter in "._-" else "-" for letter in stem) or "table"


def _check_rows(path: Path, rows: Sequence[TableRow], estimand: Estimand) -> None:
    seen: dict[tuple[str, tuple[str, ...], str, int], int] = {}
    for row in rows:
        at = (row.model, row.settings, row.item_id, row.repeat)
        if at in seen:
            raise IngestError(
                f"{path}, row {row.row}",
                found=f"a second score for item '{row.item_id}' of model '{row.model}' on '{row.benchmark}' (first in row {seen[at]})",
                expected="one row for each item of a cell",
                remedy="Remove one of the two, add the column that tells them apart, or number them in a column 'repeat'.",
            )
        seen[at] = row.row
        if row.score is not None and not estimand.low <= row.score <= estimand.high:
            raise IngestError(
                f"{path}, row {row.row}",
                found=f"score {row.score:g} of benchmark '{row.benchmark}' lies outside [{estimand.low:g}, {estimand.high:g}]",
                remedy=f"Declare its range with --range {row.benchmark}=LOW,HIGH, or correct the row.",
            )


def _benchmark(
    path: Path, table: TidyTable, rows: Sequence[TableRow], options: TableOptions
) -> tuple[BenchmarkEntry, list[ItemRecord]]:
    name = rows[0].benchmark
    columns = _used_columns(table, rows)
    observed = dict.fromkeys(_configuration(table, row, columns) for row in rows)
    envelope, n_product = _envelope(path, name, tuple(observed), options)
    absent = list(itertools.islice(_absent(envelope, set(observed)), MAX_LISTED))
    digests = {
        settings: _settings_configuration(table, settings, columns).digest for settings in {row.settings for row in rows}
    }
    records = [
        ItemRecord(
            cell=CellKey(row.model, name, digests[row.settings]),
            estimand=ESTIMAND,
            item_id=row.item_id,
            cluster=row.cluster,
            stratum=row.stratum,
            repeat=row.repeat,
            value=row.score,
            weight=1.0,
            status=row.status,
            reason="" if row.score is not None else "the table holds no score",
        )
        for row in rows
    ]
    entry = BenchmarkEntry(
        name=name,
        estimands=(options.estimand(name),),
        envelope=envelope,
        not_run=tuple(configuration.label for configuration in absent),
        n_not_run=n_product - len(observed),
        data=DataEntry(edition=f"table {path.name}", n_items=len({row.item_id for row in rows} - {AGGREGATE_ITEM})),
    )
    return entry, records


def _used_columns(table: TidyTable, rows: Sequence[TableRow]) -> list[int]:
    """Columns that hold anything for this benchmark; a factor that is empty throughout does not concern it."""
    return [i for i in range(len(table.factors)) if any(row.settings[i] for row in rows)]


def _configuration(table: TidyTable, row: TableRow, columns: Sequence[int]) -> Configuration:
    return _settings_configuration(table, row.settings, columns)


def _settings_configuration(table: TidyTable, settings: tuple[str, ...], columns: Sequence[int]) -> Configuration:
    return Configuration(tuple((table.factors[i], settings[i]) for i in columns))


def _envelope(path: Path, name: str, observed: tuple[Configuration, ...], options: TableOptions) -> tuple[Envelope, int]:
    """The envelope of a benchmark, and the size of the product of its levels."""
    spec = options.spec(name)
    declared = _declared(spec) if spec else ()
    if declared:
        unknown = [configuration for configuration in observed if configuration not in set(declared)]
        if unknown:
            raise IngestError(
                str(path),
                found=f"configuration '{unknown[0].label}' of '{name}' is not in the declared envelope",
                expected=f"one of its {len(declared)} configurations",
                remedy="Add its levels to the study, or leave out --envelope.",
            )
    ordered = tuple(sorted(observed, key=lambda configuration: configuration.settings))
    members = declared or ordered
    factors = _factors(members)
    size = len(members) if declared else math.prod(len(factor.levels) for factor in factors)
    core = frozenset(
        member
        for member in members
        if spec and any(member.matches({k: (v,) for k, v in condition.items()}) for condition in spec.core)
    )
    exclusions = (
        tuple(Exclusion(condition={k: tuple(v) for k, v in entry.when.items()}, reason=entry.reason) for entry in spec.exclude)
        if spec
        else ()
    )
    return Envelope(benchmark=name, factors=factors, configurations=members, core=core, exclusions=exclusions), size


def _declared(spec: BenchmarkSpec) -> tuple[Configuration, ...]:
    if spec.configurations:
        return tuple(Configuration.of(settings) for settings in spec.configurations)
    names = list(spec.factors)
    members = (Configuration(tuple(zip(names, levels, strict=True))) for levels in itertools.product(*spec.factors.values()))
    hidden = [{name: tuple(levels) for name, levels in entry.when.items()} for entry in spec.exclude]
    return tuple(member for member in members if not any(member.matches(condition) for condition in hidden)) if names else ()


def _factors(members: Sequence[Configuration]) -> tuple[Factor, ...]:
    levels: dict[str, dict[str, None]] = {}
    for member in members:
        for name, level in member.settings:
            levels.setdefault(name, {}).setdefault(level)
    return tuple(
        Factor(name=name, stage=None, levels=tuple(Level(name=level) for level in its_levels))
        for name, its_levels in levels.items()
    )


def _absent(envelope: Envelope, observed: set[Configuration]) -> Iterator[Configuration]:
    """Combinations of the levels that occur for no model; lazily, since the product of many factors is large."""
    members = set(envelope.configurations)
    if members - observed:
        yield from (member for member in envelope.configurations if member not in observed)
        return
    names = [factor.name for factor in envelope.factors]
    for levels in itertools.product(*(factor.names for factor in envelope.factors)):
        configuration = Configuration(tuple(zip(names, levels, strict=True)))
        if configuration not in observed:
            yield configuration
