"""`safetyrepro mend`: drop damaged parts, so that a run makes just those again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from safetyrepro.manifest import PartEntry

_RUN = {
    "responses": "answers that are asked again",
    "prompts": "prompts that are rendered again",
    "records": "records that are derived again",
}
_PROGRAMS = {"prompts": "prompts", "records": "records"}
_INGESTED = {
    "prompts": "questions and prompts, without which `match`, `explain` and `export` have less to show; the scores are untouched",
    "records": "records, which `analyze` and `card` now miss",
}


def mend(store: Annotated[Path, typer.Argument(help="A store with an absent or altered part.")]) -> None:
    """Drop every part that is absent or altered; damaged files are kept under another name.

    The next `safetyrepro run` of the same study makes again only what the dropped parts held: answers are asked, prompts rendered
    and records derived. A store of ingested results cannot be made again from itself; what it lost is said.
    """
    from safetyrepro.store import mend as mend_store
    from safetyrepro.store import open_store

    dropped = mend_store(store)
    for part in dropped:
        typer.echo(f"dropped {part.kind}/{part.name} ({part.unit}, {part.rows} rows)")
    if not dropped:
        typer.echo("Every part is whole: nothing to mend.")
        return
    typer.echo("1 part dropped." if len(dropped) == 1 else f"{len(dropped)} parts dropped.")
    for sentence in _way_back(dropped, open_store(store).manifest.source):
        typer.echo(sentence)


def _way_back(dropped: Sequence[PartEntry], source: str) -> Iterator[str]:
    """What brings the rows of the dropped parts back, or what is lost without them."""
    from safetyrepro.manifest import PROGRAMS

    if source == "run":
        yield f"Run the study again into this store; it lost {_counted(dropped, _RUN)}. Nothing else is asked."
    elif source == PROGRAMS:
        yield (
            f"Run the study again into this store; it lost {_counted(dropped, _PROGRAMS)}, which are read again from what the "
            "programs wrote beside it. A program that ended well does not run again."
        )
    else:
        yield f"This store was ingested and cannot be made again from itself; it lost {_counted(dropped, _INGESTED)}."
        yield "Ingest the same files into another folder to have them back."


def _counted(dropped: Sequence[PartEntry], words: dict[str, str]) -> str:
    counts = {kind: sum(part.rows for part in dropped if part.kind == kind) for kind in dict.fromkeys(p.kind for p in dropped)}
    return ", and ".join(f"{count or 'an unknown number of'} {words[kind]}" for kind, count in counts.items())
