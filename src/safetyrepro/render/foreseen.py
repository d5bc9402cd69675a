"""What a plan foresees of a run, on the terminal: the different runs behind the configurations, and the memory of each loading."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from safetyrepro.alike import alike_text
from safetyrepro.render.console import clean

if TYPE_CHECKING:
    from safetyrepro.foresight import PlannedMemory, PlannedRuns


def print_runs(runs: Sequence[PlannedRuns]) -> None:
    """Print one line for each benchmark, or for each group of its models that differ in it."""
    from rich.console import Console

    console = Console(highlight=False)
    for entry in runs:
        console.print(_line(entry, several=sum(other.benchmark == entry.benchmark for other in runs) > 1), soft_wrap=True)
    if any(not entry.tokenized for entry in runs):
        console.print(
            "[dim]Compared as requests, since no tokenizer is at hand: a chat template may make further levels alike.[/dim]"
        )


def print_memory(memory: Sequence[PlannedMemory]) -> None:
    """Print the largest memory that the loadings take, one at a time."""
    from rich.console import Console

    console = Console(highlight=False)
    if memory:
        console.print("Memory at most, one loading at a time:")
    for entry in memory:
        console.print(f"  {clean(entry.load)}: {_parts(entry)}", soft_wrap=True)
    if any(entry.footprint is not None for entry in memory):
        console.print("[dim]By arithmetic from configurations; a smaller batch_tokens takes less, and --probe measures.[/dim]")


def _parts(entry: PlannedMemory) -> str:
    if entry.footprint is None:
        return "not known before loading"
    return f"{_gigabytes(entry.footprint.total)} GB, of which {_gigabytes(entry.footprint.weights)} are weights"


def _gigabytes(n_bytes: int) -> str:
    return f"{n_bytes / 2**30:.2g}" if n_bytes < 2**30 else f"{n_bytes / 2**30:.1f}"


def _line(entry: PlannedRuns, *, several: bool) -> str:
    models = f" for {', '.join(clean(name) for name in entry.models)}" if several else ""
    number = f"{entry.n_distinct_runs} distinct run{'' if entry.n_distinct_runs == 1 else 's'}"
    alike = f"; the same is asked under {clean(alike_text(entry.alike), 400)}" if entry.alike else ""
    return f"{clean(entry.benchmark)}: {entry.n_configurations} configurations, [bold]{number}[/bold]{models}{alike}"
