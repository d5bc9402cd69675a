"""What came of other packages' files, for the terminal: how many were read and refused, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from safetyrepro.match import Likeness
from safetyrepro.render.console import clean
from safetyrepro.render.text import counted

if TYPE_CHECKING:
    from safetyrepro.errors import SafetyReproError
    from safetyrepro.harnesses.discovery import Checked, Reading
    from safetyrepro.match import SourceMatching

MAX_SHOWN = 20
_UNKNOWN = "not recognised"
WAYS: Mapping[Likeness, str] = MappingProxyType(
    {
        Likeness.CONTENT: "by content: the same question and the same options",
        Likeness.OPTIONS: "by the question; the options differ or one side does not keep them",
        Likeness.PROMPT: "by the prompt in which they were asked",
        Likeness.INSIDE: "by a question that stands inside the other's text",
    }
)
"""How items were found to be one, as a reader is told."""


def print_checked(checked: Sequence[Checked]) -> None:
    """Print one line for each file with its runs and items, then the number of each kind."""
    from rich.console import Console

    console = Console(highlight=False)
    for one in checked:
        name = clean(str(one.reading.path), 400)
        if one.reading.part_of is not None:
            console.print(f"[dim]{name}: read with {clean(one.reading.part_of.name)}[/dim]", soft_wrap=True)
        elif one.refusal is None:
            console.print(f"{name}: {one.reading.harness}, {counted(one.n_runs, 'run')}, {_items(one)}", soft_wrap=True)
        else:
            console.print(f"[yellow]refused[/yellow] {clean(one.refusal.sentence, 1000)}", soft_wrap=True)
    _print_counts([(one.reading, one.refusal) for one in checked])


def _items(one: Checked) -> str:
    if not one.n_items:
        return "aggregates only"
    scored = "" if one.n_scored == one.n_items else f", {one.n_scored or 'none'} of them with a score"
    return f"{counted(one.n_items, 'item')}{scored}"


def print_readings(readings: Sequence[Reading], notes: Sequence[str]) -> None:
    """Print why files were refused, what must be known of the others, and the number of each kind."""
    from rich.console import Console

    console = Console(highlight=False)
    refused = [reading.refusal for reading in readings if reading.refusal is not None]
    for refusal in refused[:MAX_SHOWN]:
        console.print(f"[yellow]refused[/yellow] {clean(refusal.sentence, 1000)}", soft_wrap=True)
    for note in notes[:MAX_SHOWN]:
        console.print(f"[dim]note: {clean(note, 400)}[/dim]", soft_wrap=True)
    hidden = max(len(refused) - MAX_SHOWN, 0) + max(len(notes) - MAX_SHOWN, 0)
    if hidden:
        console.print(f"[dim]{hidden} more lines; --dry-run shows every file.[/dim]")
    _print_counts([(reading, reading.refusal) for reading in readings])


def _print_counts(pairs: Sequence[tuple[Reading, SafetyReproError | None]]) -> None:
    from rich.console import Console

    console = Console(highlight=False)
    read, together, refused = Counter[str](), Counter[str](), Counter[str]()
    for reading, refusal in pairs:
        name = reading.harness or _UNKNOWN
        if refusal is not None:
            refused[name] += 1
        elif reading.part_of is not None:
            together[name] += 1
        else:
            read[name] += 1
    for name in sorted({*read, *together, *refused}):
        console.print(f"  {name}: {read[name]} ingested, {together[name]} read with another file, {refused[name]} refused")
    console.print(f"[bold]{read.total()} ingested, {together.total()} read with another file, {refused.total()} refused[/bold]")


def print_matchings(found: Sequence[SourceMatching], *, otherwise: str) -> None:
    """Print for every two sources of a benchmark how many items joined, and how; or a sentence where there is nothing."""
    from rich.console import Console

    console = Console(highlight=False)
    if not found:
        console.print(clean(otherwise, 1000), soft_wrap=True)
    for one in found:
        matching = one.matching
        n_all = len(matching.pairs) + len(matching.only_a) + len(matching.only_b)
        console.print(
            f"[bold]{clean(one.benchmark)}[/bold]  {clean(one.a)} and {clean(one.b)}: "
            f"{len(matching.pairs)} of {n_all} items are shared"
        )
        for likeness in Likeness:
            if matching.count(likeness):
                console.print(f"    {matching.count(likeness)} {WAYS[likeness]}")
        for name, only in ((one.a, matching.only_a), (one.b, matching.only_b)):
            if only:
                console.print(f"    {len(only)} only in {clean(name)}, such as {clean(only[0])}")
        for name, twice in ((one.a, matching.duplicates_a), (one.b, matching.duplicates_b)):
            if twice:
                console.print(f"    {len(twice)} questions stand more than once in {clean(name)}")
        if matching.unsearched:
            console.print(f"    {matching.unsearched} items are too many to be searched for inside each other's texts")
