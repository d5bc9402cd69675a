"""Score tables over a product grid, from plain lists of scores."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np

from builders import estimand, record
from safetyrepro.envelope import Configuration
from safetyrepro.records import ItemRecord
from safetyrepro.robustness import Layout
from safetyrepro.scores import FailurePolicy, ScoreTable, build_table

Grid = Mapping[str, Sequence[str]]
"""Factor -> levels."""


def members(grid: Grid) -> tuple[Configuration, ...]:
    """Every combination of levels, the last factor turning fastest."""
    return tuple(Configuration.of(dict(zip(grid, levels, strict=True))) for levels in itertools.product(*grid.values()))


def rows_of(
    scores: Mapping[str, Sequence[float | None]],
    configurations: Sequence[Configuration],
    *,
    n_items: int = 1,
    benchmark: str = "bench",
) -> list[ItemRecord]:
    """One record for each item of each cell; a score of None makes no record."""
    return [
        record(model=model, settings=member.as_dict(), item=f"i{item}", value=value, benchmark=benchmark)
        for model, values in scores.items()
        for member, value in zip(configurations, values, strict=True)
        for item in range(n_items)
        if value is not None
    ]


def table_of(
    rows: Sequence[ItemRecord],
    models: Sequence[str],
    configurations: Sequence[Configuration],
    *,
    orientation: str = "higher",
    policy: FailurePolicy = FailurePolicy.WRONG,
) -> ScoreTable:
    """The table of some records."""
    return build_table(
        rows,
        benchmark="bench",
        estimand=estimand(orientation=orientation),
        models=models,
        configurations=configurations,
        policy=policy,
    )


def made(scores: Mapping[str, Sequence[float | None]], grid: Grid) -> ScoreTable:
    """A table with one item in each cell."""
    configurations = members(grid)
    return table_of(rows_of(scores, configurations), tuple(scores), configurations)


def layout_of(table: ScoreTable, *, core: Sequence[int] = (), n_not_run: int = 0) -> Layout:
    """Where the configurations of a table lie, with the named ones in the core tier."""
    factors = tuple(name for name, _ in table.configurations[0].settings)
    columns = [[configuration[name] for configuration in table.configurations] for name in factors]
    levels = np.array([[list(dict.fromkeys(column)).index(level) for level in column] for column in columns], dtype=np.int64)
    return Layout(
        levels=levels.T,
        factors=factors,
        core=tuple(c in core for c in range(len(table.configurations))),
        n_not_run=n_not_run,
    )
