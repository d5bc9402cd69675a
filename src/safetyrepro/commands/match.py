"""`safetyrepro match`: which items of several packages are the same question."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def match(
    store: Annotated[Path, typer.Argument(help="A store made by ingest from the files of several packages.")],
    other: Annotated[Path | None, typer.Argument(help="A second store: its items are joined with those of the first.")] = None,
) -> None:
    """Join the items of every two packages in a store, or of two stores, by what they ask, and say what did not join.

    Example:  safetyrepro ingest auto lab1/ lab2/ -o both && safetyrepro match both
    """
    from safetyrepro.match import match_store, match_stores, why_nothing
    from safetyrepro.render.foreign import print_matchings
    from safetyrepro.store import open_store

    first = open_store(store)
    second = open_store(other) if other else None
    found = match_stores(first, second) if second else match_store(first)
    print_matchings(found, otherwise="" if found else why_nothing(first, second))
