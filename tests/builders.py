"""Small values with sane defaults, so that a test names only what it is about."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from safetyrepro.envelope import Configuration, Envelope, Factor, Level
from safetyrepro.estimands import Estimand, Orientation
from safetyrepro.manifest import BenchmarkEntry, Manifest, Stamp
from safetyrepro.records import CellKey, ItemRecord, RequestKind, Response, Status

Cell = tuple[str, str, str, str, str]
"""Model, benchmark, level of factor f, item, score as text."""


def configuration(**settings: str) -> Configuration:
    """A configuration from keywords."""
    return Configuration.of(settings)


def estimand(*, name: str = "score", low: float = 0.0, high: float = 1.0, orientation: str = "higher") -> Estimand:
    """An estimand of means."""
    return Estimand(name=name, about="a mean", low=low, high=high, orientation=Orientation.parse(orientation))


def record(
    *,
    model: str = "a",
    settings: Mapping[str, str] | None = None,
    item: str = "i0",
    value: float | None = 1.0,
    status: Status | None = None,
    cluster: str = "",
    stratum: str = "",
    weight: float = 1.0,
    repeat: int = 0,
    benchmark: str = "bench",
) -> ItemRecord:
    """One row; the status follows from the value unless it is given."""
    chosen = status or (Status.SCORED if value is not None else Status.UNPARSED)
    return ItemRecord(
        cell=CellKey(model, benchmark, configuration(**(settings or {"f": "x"})).digest),
        estimand="score",
        item_id=item,
        cluster=cluster or item,
        stratum=stratum,
        repeat=repeat,
        value=value,
        weight=weight,
        status=chosen,
        reason="" if value is not None else "made so",
    )


def response(*, key: str = "k0", text: str | None = None, logprobs: Sequence[float] = (-1.0,)) -> Response:
    """An answer."""
    return Response(
        key=key,
        kind=RequestKind.LOGLIKELIHOOD if text is None else RequestKind.GENERATION,
        prompt_digest="p",
        token_digest="t",
        n_prompt_tokens=3,
        token_logprobs=() if text is not None else tuple(logprobs),
        greedy=None if text is not None else True,
        text=text,
        finish=None if text is None else "stop",
    )


def envelope(levels: Sequence[str], *, benchmark: str = "bench") -> Envelope:
    """An envelope of one factor ``f``."""
    return Envelope(
        benchmark=benchmark,
        factors=(Factor(name="f", stage=None, levels=tuple(Level(name=level) for level in levels)),),
        configurations=tuple(configuration(f=level) for level in levels),
    )


def manifest(*, levels: Sequence[str] = ("x", "y"), models: Sequence[str] = ("a", "b"), study: str = "made") -> Manifest:
    """A manifest of one benchmark without parts."""
    return Manifest(
        study=study,
        source="table",
        benchmarks=(BenchmarkEntry(name="bench", estimands=(estimand(),), envelope=envelope(levels)),),
        models=tuple(models),
        stamp=Stamp(package_version="0"),
    )


def write_table(
    path: Path, rows: Iterable[Sequence[object]], header: Sequence[str] = ("model", "benchmark", "f", "item_id", "score")
) -> Path:
    """Write a CSV."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(header)
        writer.writerows(rows)
    return path


REVERSAL: tuple[Cell, ...] = (
    ("a", "bench", "x", "i0", "1"),
    ("a", "bench", "x", "i1", "1"),
    ("b", "bench", "x", "i0", "0"),
    ("b", "bench", "x", "i1", "1"),
    ("a", "bench", "y", "i0", "0"),
    ("a", "bench", "y", "i1", "0"),
    ("b", "bench", "y", "i0", "1"),
    ("b", "bench", "y", "i1", "0"),
)
"""A ahead by 1/2 under x, B by 1/2 under y; item i0 turns."""
