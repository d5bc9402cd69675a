"""A tidy table of anybody's results: the format that needs no package.

Columns ``model``, ``benchmark``, ``item_id``, ``score``; optional ``cluster``, ``stratum``, ``status``, ``repeat``; every other
column is a factor. An empty score is missing. CSV (also gzipped, also ``;`` or tab separated) and Parquet are read.
"""

from __future__ import annotations

import csv
import gzip
import io
import math
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from safetyrepro.errors import IngestError
from safetyrepro.parquet import sql_text
from safetyrepro.records import Status

if TYPE_CHECKING:
    from typing_extensions import Buffer

REQUIRED = ("model", "benchmark", "item_id", "score")
OPTIONAL = ("cluster", "stratum", "status", "repeat")
MAX_UNPACKED_BYTES = 16_000_000_000
GZIP_MAGIC = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class TableRow:
    """One observation of a tidy table."""

    row: int
    """Number of the row as an editor counts lines; the header is 1."""
    model: str
    """Name of the model."""
    benchmark: str
    """Name of the benchmark."""
    settings: tuple[str, ...]
    """Level of each factor, in the order of the header."""
    item_id: str
    """Id of the item."""
    cluster: str
    """Cluster of the item; its id where the table has no such column."""
    stratum: str
    """Stratum of the item; empty where the table has no such column."""
    repeat: int
    """Number of the repeat; 0 where the table has no such column."""
    score: float | None
    """The score; None where the field is empty."""
    status: Status
    """What the table says became of the item."""


@dataclass(frozen=True, slots=True)
class TidyTable:
    """A tidy table, read whole."""

    factors: tuple[str, ...]
    """Names of the factor columns, in the order of the header."""
    rows: tuple[TableRow, ...]
    """The observations, in order."""


def read_table(path: Path) -> TidyTable:
    """Read a tidy table.

    Raises
    ------
    IngestError
        If the file is absent, empty, not a table, lacks a column, or a row cannot be read; the sentence names the row.
    """
    lines = _parquet_lines(path) if path.suffix == ".parquet" else _csv_lines(path)
    header = [name.strip() for name in next(lines, [])]
    _check_header(path, header)
    factors = tuple(name for name in header if name not in (*REQUIRED, *OPTIONAL))
    reader = _RowReader(path, header, factors)
    rows = tuple(reader.read(number, fields) for number, fields in enumerate(lines, start=2) if fields)
    if not rows:
        raise IngestError(str(path), found="holds a header and no row", remedy="Name a table with results.")
    return TidyTable(factors, rows)


def _check_header(path: Path, header: Sequence[str]) -> None:
    if not header:
        raise IngestError(str(path), found="is empty", expected=f"a header with {', '.join(REQUIRED)}")
    absent = [name for name in REQUIRED if name not in header]
    if absent:
        raise IngestError(
            str(path),
            found=f"has no column {', '.join(absent)} (columns: {', '.join(header)[:300]})",
            expected=f"the columns {', '.join(REQUIRED)}; every column beyond these is a factor",
            remedy="Rename the columns.",
        )
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice or "" in header:
        raise IngestError(str(path), found=f"names the column '{(twice or [''])[0]}' twice or not at all in its header")


class _RowReader:
    """Turns the fields of one row into a `TableRow`; equal texts are kept once."""

    def __init__(self, path: Path, header: Sequence[str], factors: tuple[str, ...]) -> None:
        self._path = path
        self._width = len(header)
        self._at = {name: i for i, name in enumerate(header)}
        self._factor_columns = [self._at[name] for name in factors]
        self._texts: dict[str, str] = {}
        self._settings: dict[tuple[str, ...], tuple[str, ...]] = {}

    def read(self, row: int, fields: Sequence[str]) -> TableRow:
        if len(fields) != self._width:
            raise self._error(row, found=f"has {len(fields)} fields", expected=f"{self._width}, as the header")
        score = self._score(row, fields[self._at["score"]])
        item_id = self._named(row, fields, "item_id")
        settings = tuple(fields[column].strip() for column in self._factor_columns)
        return TableRow(
            row=row,
            model=self._named(row, fields, "model"),
            benchmark=self._named(row, fields, "benchmark"),
            settings=self._settings.setdefault(settings, settings),
            item_id=item_id,
            cluster=self._optional(fields, "cluster") or item_id,
            stratum=self._optional(fields, "stratum"),
            repeat=self._repeat(row, self._optional(fields, "repeat")),
            score=score,
            status=self._status(row, self._optional(fields, "status"), score),
        )

    def _named(self, row: int, fields: Sequence[str], column: str) -> str:
        text = fields[self._at[column]].strip()
        if not text:
            raise self._error(row, found=f"column '{column}' is empty", expected="a name")
        return self._texts.setdefault(text, text)

    def _optional(self, fields: Sequence[str], column: str) -> str:
        text = fields[self._at[column]].strip() if column in self._at else ""
        return self._texts.setdefault(text, text)

    def _score(self, row: int, text: str) -> float | None:
        text = text.strip()
        if not text:
            return None
        try:
            value = float(text)
        except ValueError:
            value = math.nan
            if text.lower() not in ("nan", "na", "n/a"):
                raise self._error(
                    row,
                    found=f"score '{text[:40]}' is not a number",
                    expected="a number, or an empty field where it is missing",
                ) from None
        if not math.isfinite(value):
            raise self._error(
                row, found=f"score '{text[:40]}' is not finite", expected="a number, or an empty field where it is missing"
            )
        return value

    def _repeat(self, row: int, text: str) -> int:
        if not text:
            return 0
        if not text.isdecimal():
            raise self._error(row, found=f"repeat '{text[:40]}' is not a count", expected="0, 1, 2, ...")
        return int(text)

    def _status(self, row: int, text: str, score: float | None) -> Status:
        if not text:
            return Status.UNKNOWN if score is None else Status.SCORED
        words = {status.value: status for status in Status}
        status = words.get(text.lower())
        if status is None:
            raise self._error(row, found=f"status '{text[:40]}' is no status", expected=f"one of {', '.join(words)}")
        if (status is Status.SCORED) != (score is not None):
            has = "no score" if score is None else f"the score {score:g}"
            raise self._error(
                row,
                found=f"status '{status.value}' stands beside {has}",
                expected="a score exactly where the status is 'scored'",
            )
        return status

    def _error(self, row: int, *, found: str, expected: str) -> IngestError:
        return IngestError(
            f"{self._path}, row {row}", found=found, expected=expected, remedy="Correct the row and ingest again."
        )


@contextmanager
def _opened(path: Path) -> Iterator[io.BufferedReader]:
    try:
        with path.open("rb") as raw, _unpacked(raw, path) as stream:
            yield stream
    except (OSError, EOFError, zlib.error) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise IngestError(str(path), found=f"cannot be read ({reason})", remedy="Name an existing, whole file.") from error


@contextmanager
def _unpacked(raw: io.BufferedReader, path: Path) -> Iterator[io.BufferedReader]:
    if raw.peek(2)[:2] != GZIP_MAGIC:
        yield raw
        return
    with gzip.open(raw) as unpacked:
        yield io.BufferedReader(_Limited(unpacked, path))


class _Limited(io.RawIOBase):
    """A gzip stream that refuses to unpack without end."""

    def __init__(self, stream: gzip.GzipFile, path: Path) -> None:
        self._stream = stream
        self._path = path
        self._left = MAX_UNPACKED_BYTES

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer, /) -> int:
        view = memoryview(buffer).cast("B")
        block = self._stream.read1(len(view))
        self._left -= len(block)
        if self._left < 0:
            raise IngestError(str(self._path), found="unpacks to more than 16 GB", remedy="Split the table.")
        view[: len(block)] = block
        return len(block)


def _csv_lines(path: Path) -> Iterator[list[str]]:
    with _opened(path) as stream:
        text = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
        try:
            first = text.readline()
            separator = max(",;\t", key=first.count) if first else ","
            yield from csv.reader([first], delimiter=separator)
            yield from csv.reader(text, delimiter=separator, strict=True)
        except UnicodeDecodeError as error:
            raise IngestError(str(path), found=f"is not UTF-8 text (byte {error.start})", remedy="Save it as UTF-8.") from error
        except csv.Error as error:
            raise IngestError(str(path), found=f"is not a table ({error})", expected="CSV with a header") from error


def _parquet_lines(path: Path) -> Iterator[list[str]]:
    import duckdb

    try:
        with duckdb.connect(config={"threads": 1}) as connection:
            result = connection.execute(f"SELECT * FROM read_parquet({sql_text(path)}, hive_partitioning=false)")  # noqa: S608 (a quoted path)
            yield [column[0] for column in result.description]
            while block := result.fetchmany(10_000):
                yield from (["" if value is None else str(value) for value in row] for row in block)
    except duckdb.Error as error:
        raise IngestError(str(path), found=f"is not Parquet ({str(error).splitlines()[0][:160]})") from error
