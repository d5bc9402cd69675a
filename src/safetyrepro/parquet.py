"""Rows to zstd Parquet and back through DuckDB, written whole under a temporary name and renamed."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from safetyrepro.errors import StoreError
from safetyrepro.records import CellKey, ItemRecord, RequestKind, Response, Status

RECORD_COLUMNS = (
    "model, benchmark, configuration, estimand, item_id, cluster, stratum, repeat, value, weight, status, reason, keys, "
    "prompt_digest, token_digest"
)
RESPONSE_COLUMNS = (
    "key, kind, prompt_digest, token_digest, n_prompt_tokens, token_logprobs, tokens, greedy, text, finish, truncated, error"
)


@dataclass(frozen=True, slots=True)
class WrittenPart:
    """A part that lies on disk, whole."""

    name: str
    """File name: the first 16 hexadecimal digits of the digest."""
    sha256: str
    """Digest of the file's bytes."""
    rows: int
    """Number of rows."""


def write_records(folder: Path, records: Sequence[ItemRecord]) -> WrittenPart:
    """Write records as one part below `folder`; equal records give equal bytes."""
    columns = {
        "model": _texts(record.cell.model for record in records),
        "benchmark": _texts(record.cell.benchmark for record in records),
        "configuration": _texts(record.cell.configuration for record in records),
        "estimand": _texts(record.estimand for record in records),
        "item_id": _texts(record.item_id for record in records),
        "cluster": _texts(record.cluster for record in records),
        "stratum": _texts(record.stratum for record in records),
        "repeat": np.array([record.repeat for record in records], dtype=np.int64),
        "value_filled": np.array([0.0 if record.value is None else record.value for record in records]),
        "has_value": np.array([record.value is not None for record in records], dtype=bool),
        "weight": np.array([record.weight for record in records], dtype=np.float64),
        "status": _texts(record.status.value for record in records),
        "reason": _texts(record.reason for record in records),
        "keys": _texts(json.dumps(record.keys) if record.keys else "[]" for record in records),
        "prompt_digest": _texts(record.prompt_digest for record in records),
        "token_digest": _texts(record.token_digest for record in records),
    }
    select = RECORD_COLUMNS.replace("value,", "CASE WHEN has_value THEN value_filled END AS value,")
    return _write(folder, columns, select)


def write_responses(folder: Path, responses: Sequence[Response]) -> WrittenPart:
    """Write responses as one part below `folder`."""
    columns = {
        "key": _texts(response.key for response in responses),
        "kind": _texts(response.kind.value for response in responses),
        "prompt_digest": _texts(response.prompt_digest for response in responses),
        "token_digest": _texts(response.token_digest for response in responses),
        "n_prompt_tokens": np.array([response.n_prompt_tokens for response in responses], dtype=np.int64),
        "token_logprobs": _texts(json.dumps(response.token_logprobs) for response in responses),
        "tokens": _texts(json.dumps(response.tokens) for response in responses),
        "greedy": _texts(json.dumps(response.greedy) for response in responses),
        "text": _texts(json.dumps(response.text) for response in responses),
        "finish": _texts(json.dumps(response.finish) for response in responses),
        "truncated": np.array([response.truncated for response in responses], dtype=np.int64),
        "error": _texts(json.dumps(response.error) for response in responses),
    }
    return _write(folder, columns, RESPONSE_COLUMNS)


def write_texts(folder: Path, texts: dict[str, str]) -> WrittenPart:
    """Write digest -> text as one part below `folder`."""
    columns = {"digest": _texts(texts), "text": _texts(texts.values())}
    return _write(folder, columns, "digest, text")


def read_records(paths: Sequence[Path], condition: dict[str, str]) -> list[ItemRecord]:
    """Read the records of several parts whose named columns equal the given values, in the order of the parts."""
    rows = []
    for row in _read(paths, RECORD_COLUMNS, condition):
        rows.append(
            ItemRecord(
                cell=CellKey(row[0], row[1], row[2]),
                estimand=row[3],
                item_id=row[4],
                cluster=row[5],
                stratum=row[6],
                repeat=row[7],
                value=row[8],
                weight=row[9],
                status=Status(row[10]),
                reason=row[11],
                keys=tuple(json.loads(row[12])),
                prompt_digest=row[13],
                token_digest=row[14],
            )
        )
    return rows


def read_questions(paths: Sequence[Path]) -> set[tuple[str, str, str]]:
    """Read which model answered which question: model, benchmark, estimand, without the records."""
    return set(_read(paths, "DISTINCT model, benchmark, estimand", {}))


def read_responses(paths: Sequence[Path]) -> Iterator[Response]:
    """Read the responses of several parts."""
    for row in _read(paths, RESPONSE_COLUMNS, {}):
        yield Response(
            key=row[0],
            kind=RequestKind(row[1]),
            prompt_digest=row[2],
            token_digest=row[3],
            n_prompt_tokens=row[4],
            token_logprobs=tuple(json.loads(row[5])),
            tokens=tuple(json.loads(row[6])),
            greedy=json.loads(row[7]),
            text=json.loads(row[8]),
            finish=json.loads(row[9]),
            truncated=row[10],
            error=json.loads(row[11]),
        )


def read_texts(paths: Sequence[Path], digests: set[str]) -> dict[str, str]:
    """Read the texts whose digests are named."""
    return {digest: text for digest, text in _read(paths, "digest, text", {}) if digest in digests}


def read_digests(paths: Sequence[Path]) -> set[str]:
    """Read the digests under which several parts hold texts, without the texts."""
    return {digest for (digest,) in _read(paths, "digest", {})}


def sql_text(value: object) -> str:
    """A path, or any text, as a literal of SQL."""
    return "'{}'".format(str(value).replace("'", "''"))


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, read in blocks."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole or not at all: temporary name, flush, rename, flush of the folder."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise _full(path, error) from error


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries to disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _texts(values: object) -> np.ndarray[tuple[int], np.dtype[np.object_]]:
    listed = list(values)  # type: ignore[call-overload]  # any iterable of str
    column = np.empty(len(listed), dtype=object)
    column[:] = listed
    return column


def _write(folder: Path, columns: Mapping[str, np.ndarray[tuple[int], np.dtype[np.generic]]], select: str) -> WrittenPart:
    import duckdb

    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".part.{os.getpid()}.tmp"
    rows = len(next(iter(columns.values())))
    if rows == 0:
        raise ValueError("a part needs at least one row")
    try:
        with duckdb.connect(config={"threads": 1}) as connection:
            connection.register("columns", columns)
            written = f"COPY (SELECT {select} FROM columns) TO {sql_text(temporary)} (FORMAT parquet, COMPRESSION zstd)"  # noqa: S608 (fixed names)
            connection.execute(written)
        with temporary.open("rb+") as stream:
            os.fsync(stream.fileno())
        digest = file_digest(temporary)
        temporary.replace(folder / f"{digest[:16]}.parquet")
        sync_folder(folder)
    except (OSError, duckdb.Error) as error:
        temporary.unlink(missing_ok=True)
        raise _full(folder, error) from error
    return WrittenPart(f"{digest[:16]}.parquet", digest, rows)


def _read(paths: Sequence[Path], select: str, condition: dict[str, str]) -> Iterator[tuple]:  # type: ignore[type-arg]  # rows of a foreign library
    import duckdb

    where = " AND ".join(f"{name} = ?" for name in condition) or "TRUE"
    for path in paths:
        try:
            with duckdb.connect(config={"threads": 1}) as connection:
                query = f"SELECT {select} FROM read_parquet({sql_text(path)}, hive_partitioning=false) WHERE {where}"  # noqa: S608 (fixed column names)
                yield from connection.execute(query, list(condition.values())).fetchall()
        except duckdb.Error as error:
            raise StoreError(
                str(path),
                found=f"cannot be read as Parquet ({str(error).splitlines()[0][:160]})",
                remedy="Delete this part and run the study again: only what it held is asked anew.",
            ) from error


def _full(path: Path, error: Exception) -> StoreError:
    return StoreError(
        str(path),
        found=f"could not be written ({error})",
        remedy="Free space or choose another folder; finished parts are intact and the same command goes on from there.",
    )
