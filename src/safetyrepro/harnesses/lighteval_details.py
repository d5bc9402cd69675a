"""lighteval: rows of a table of details, in either of its two shapes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path

from safetyrepro.errors import IngestError
from safetyrepro.harnesses.base import ForeignItem, Mark, list_at, mark_of, number_of, object_at, text_at
from safetyrepro.records import Json

_BATCH = 1000
_MEMORY = "1GB"
_NEW = frozenset({"doc", "metric", "model_response"})
_OLD = frozenset({"metrics", "full_prompt"})
_GLOB = str.maketrans({"[": "[[]", "*": "[*]", "?": "[?]"})


def is_details(path: Path) -> bool:
    """Whether a Parquet table has the columns of details; a table that cannot be read has none."""
    try:
        columns = columns_of(path)
    except IngestError:
        # Only the magic number says Parquet; which package damaged the file cannot be told, so its name decides.
        return path.name.startswith("details_")
    return columns >= _NEW or columns >= _OLD


def columns_of(path: Path) -> frozenset[str]:
    """Return the names of a table's columns.

    Raises
    ------
    IngestError
        If it is no Parquet table.
    """
    return frozenset(str(row[0]) for row in _rows(path, "DESCRIBE SELECT * FROM read_parquet(?)"))


def metrics_of(path: Path) -> tuple[str, ...]:
    """Return the names of the metrics in a table's first row."""
    columns = columns_of(path)
    for row in _records(path, columns, limit=1):
        return tuple(object_at(row, "metric") or object_at(row, "metrics"))
    return ()


def items_of(path: Path, columns: frozenset[str]) -> Iterator[ForeignItem]:
    """Yield the rows of a table as items."""
    new = columns >= _NEW
    for number, row in enumerate(_records(path, columns)):
        yield _new_item(row, number) if new else _old_item(row, number)


def _new_item(row: dict[str, Json], number: int) -> ForeignItem:
    doc, answer = object_at(row, "doc"), object_at(row, "model_response")
    options = tuple(str(choice).strip() for choice in list_at(doc, "choices"))
    texts = list_at(answer, "text_post_processed") or list_at(answer, "text")
    prompt = answer.get("input")
    return ForeignItem(
        id=text_at(doc, "id") or f"row {number}",
        text=text_at(doc, "original_query") or text_at(doc, "query"),
        options=options,
        gold=_gold(options, doc.get("gold_index")),
        marks=_marks(object_at(row, "metric")),
        prompt=prompt if isinstance(prompt, str) else text_at(doc, "query"),
        response=str(texts[0]) if texts else None,
        loglikelihoods=_numbers(list_at(answer, "logprobs")),
        tokens=_tokens(answer.get("input_tokens")),
    )


def _old_item(row: dict[str, Json], number: int) -> ForeignItem:
    options = tuple(str(choice).strip() for choice in list_at(row, "choices"))
    answers = list_at(row, "predictions")
    likelihoods = _numbers([at_first(answer) for answer in answers])
    said = answers[0] if answers and isinstance(answers[0], str) else None
    return ForeignItem(
        id=f"row {number}",
        text=text_at(row, "example") or text_at(row, "full_prompt"),
        options=options,
        gold=_gold(options, row.get("gold_index")),
        marks=_marks(object_at(row, "metrics")),
        prompt=text_at(row, "full_prompt"),
        response=said if isinstance(said, str) else None,
        loglikelihoods=likelihoods,
        tokens=_tokens(row.get("input_tokens")),
    )


def _marks(values: dict[str, Json]) -> dict[str, Mark]:
    # A column of exact decimals or a map with numbers as keys is legal Parquet.
    return {str(name): mark_of(float(value) if isinstance(value, Decimal) else value) for name, value in values.items()}


def at_first(value: Json) -> Json:
    """Return the first entry of a list, or the value itself: a log-likelihood is written alone or with its greediness."""
    return (value[0] if value else None) if isinstance(value, list) else value


def _gold(options: tuple[str, ...], index: Json) -> str:
    indices = index if isinstance(index, list) else [index]
    right = [options[i] for i in indices if isinstance(i, int) and 0 <= i < len(options)]
    return " | ".join(right)


def _numbers(values: list[Json]) -> tuple[float, ...]:
    numbers = [number_of(value) for value in values if not isinstance(value, (str, bool))]
    kept = tuple(number for number in numbers if number is not None)
    return kept if len(kept) == len(values) else ()


def _tokens(value: Json) -> tuple[int, ...]:
    inner = value[0] if isinstance(value, list) and value and isinstance(value[0], list) else value
    return tuple(token for token in inner if isinstance(token, int)) if isinstance(inner, list) else ()


def _records(path: Path, columns: frozenset[str], *, limit: int | None = None) -> Iterator[dict[str, Json]]:
    wanted = sorted(
        columns & (_NEW | {"metrics", "full_prompt", "example", "choices", "gold_index", "predictions", "input_tokens"})
    )
    names = ", ".join(f'"{name}"' for name in wanted)
    end = f" LIMIT {limit}" if limit is not None else ""
    for row in _rows(path, f"SELECT {names} FROM read_parquet(?){end}"):  # noqa: S608 - names are a closed set
        yield dict(zip(wanted, row, strict=True))


def _rows(path: Path, query: str) -> Iterator[tuple[Json, ...]]:
    import duckdb

    settings: Mapping[str, str] = {"memory_limit": _MEMORY, "threads": "1", "autoinstall_known_extensions": "false"}
    try:
        with duckdb.connect(config=dict(settings)) as connection:
            found = connection.execute(query, [str(path).translate(_GLOB)])
            while batch := found.fetchmany(_BATCH):
                yield from batch
    except (duckdb.Error, UnicodeDecodeError, OverflowError) as error:
        reason = " ".join(str(error).split())[:200]
        raise IngestError(
            str(path),
            found=f"is not a whole Parquet table ({reason})",
            expected="a table of details",
            remedy="Copy the file again, or run with --save-details.",
        ) from error
