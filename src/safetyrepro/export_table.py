"""Store -> the tidy table that anybody reads: one row for each item of a cell, as CSV or Parquet."""

from __future__ import annotations

import csv
import gzip
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from shlex import quote
from typing import TextIO

from safetyrepro.errors import StoreError
from safetyrepro.estimands import Aggregation, Estimand
from safetyrepro.export import Exported
from safetyrepro.manifest import BenchmarkEntry
from safetyrepro.parquet import sql_text
from safetyrepro.records import AGGREGATE_ITEM, Status
from safetyrepro.store import Store

PARQUET = ".parquet"
_TYPES = {"score": "DOUBLE", "repeat": "BIGINT"}


def export_table(store: Store, path: Path) -> Exported:
    """Write every record of a store as the tidy table that `safetyrepro ingest table` reads.

    Parameters
    ----------
    store : Store
        What is exported.
    path : Path
        Parquet where the name ends in ``.parquet``, else CSV, gzipped where it ends in ``.gz``.

    Returns
    -------
    Exported

    Raises
    ------
    StoreError
        If it cannot be written; a file of that name is then left as it was.

    Notes
    -----
    A further question of a benchmark is written as a benchmark of its own, ``BENCHMARK:QUESTION``. Repetitions keep their number. A
    cell of which only the aggregate is known is one row whose item is called ``(aggregate)``; read back, it is no item again. A
    table says neither the range of a score nor which direction is safer: both stand in the command that reads it back. An item that
    has no weight in a question has no row of it, and a question that is no mean of its items is named.
    """
    factors = list(
        dict.fromkeys(name for entry in store.manifest.benchmarks for member in entry.envelope for name, _ in member.settings)
    )
    columns = ["model", "benchmark", "item_id", "score", "status", "cluster", "stratum", "repeat", *factors]
    counts = _Counts()
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _opened(unfinished, zipped=path.suffix == ".gz") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(columns)
            writer.writerows(counts.counted(_rows(store, factors)))
        if path.suffix == PARQUET:
            _as_parquet(unfinished, columns)
        unfinished.replace(path)
    except OSError as error:
        raise StoreError(str(path), found=f"cannot be written ({error.strerror})", remedy="Choose another --out.") from error
    finally:
        if path.parent.is_dir():
            unfinished.unlink(missing_ok=True)
    return Exported(
        paths=(path,),
        n_results=counts.rows,
        n_without_value=counts.missing,
        n_aggregates=counts.aggregates,
        read_back=_read_back(store, path),
        notes=_notes(store),
    )


class _Counts:
    """Counts rows on their way."""

    def __init__(self) -> None:
        self.rows = self.missing = self.aggregates = 0

    def counted(self, rows: Iterator[list[str]]) -> Iterator[list[str]]:
        for row in rows:
            self.rows += 1
            self.aggregates += row[2] == AGGREGATE_ITEM
            self.missing += row[3] == "" and row[2] != AGGREGATE_ITEM
            yield row


def _opened(path: Path, *, zipped: bool) -> TextIO:
    if zipped:
        return gzip.open(path, "wt", encoding="utf-8", newline="")
    return path.open("w", encoding="utf-8", newline="")


def _as_parquet(path: Path, columns: Sequence[str]) -> None:
    """Turn a CSV file into Parquet under the same name; scores and repetitions become numbers, every level stays a text."""
    import duckdb

    source, target = path, path.with_name(f"{path.name}.columns")
    names = {f"column{place}": name for place, name in enumerate(columns)}
    select = ", ".join(
        f"CAST({column} AS {_TYPES[name]}) AS {name}" if name in _TYPES else f"coalesce({column}, '') AS {_quoted(name)}"
        for column, name in names.items()
    )
    read = ", ".join(f"'{column}': 'VARCHAR'" for column in names)
    try:
        with duckdb.connect(config={"threads": 1}) as connection:
            connection.execute(
                f"COPY (SELECT {select} FROM read_csv({sql_text(source)}, header=true, auto_detect=false, delim=',', quote='\"', "  # noqa: S608 (quoted names and paths)
                f"escape='\"', new_line='\\n', max_line_size=100000000, columns={{{read}}})) "
                f"TO {sql_text(target)} (FORMAT parquet, COMPRESSION zstd)"
            )
        target.replace(source)
    except duckdb.Error as error:
        raise OSError(0, str(error).splitlines()[0][:160]) from error
    finally:
        target.unlink(missing_ok=True)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _named(store: Store) -> Iterator[tuple[str, BenchmarkEntry, Estimand]]:
    """Every question with the name under which a table calls it."""
    for entry in store.manifest.benchmarks:
        for place, estimand in enumerate(entry.estimands):
            yield (f"{entry.name}:{estimand.name}" if place else entry.name), entry, estimand


def _rows(store: Store, factors: Sequence[str]) -> Iterator[list[str]]:
    for name, entry, estimand in _named(store):
        settings = {member.digest: member.as_dict() for member in entry.envelope}
        for record in store.records(entry.name, estimand.name):
            if record.weight == 0:
                continue
            levels = settings[record.cell.configuration]
            yield [
                record.cell.model,
                name,
                record.item_id,
                repr(record.value) if record.value is not None else "",
                record.status.value if record.status is not Status.SCORED else "",
                record.cluster,
                record.stratum,
                str(record.repeat),
                *(levels.get(factor, "") for factor in factors),
            ]


def _notes(store: Store) -> tuple[str, ...]:
    other = [name for name, _, estimand in _named(store) if estimand.aggregation is not Aggregation.MEAN]
    return (f"A table is read as means over items, which these questions are not: {', '.join(other)}.",) if other else ()


def _read_back(store: Store, path: Path) -> str:
    """The command that reads a table, with the ranges and directions that are not the usual ones."""
    words = [f"safetyrepro ingest table {quote(str(path))} -o STORE"]
    usual = Estimand(name="", about="")
    for name, _, estimand in _named(store):
        if (estimand.low, estimand.high) != (usual.low, usual.high):
            words.append(f"--range {quote(f'{name}={estimand.low!r},{estimand.high!r}')}")
        if estimand.orientation != usual.orientation:
            words.append(f"--orientation {quote(f'{name}={estimand.orientation}')}")
    return " ".join(words)
