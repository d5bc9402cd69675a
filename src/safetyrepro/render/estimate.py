"""What a run will take, on the terminal: tokens, time and memory of each loading."""

from __future__ import annotations

from typing import TYPE_CHECKING

from safetyrepro.probe import RunEstimate
from safetyrepro.render.console import clean

if TYPE_CHECKING:
    from rich.table import Table


def print_estimate(estimate: RunEstimate) -> None:
    """Print an estimate: a row for each benchmark of each loading, and the whole."""
    from rich.console import Console

    console = Console(highlight=False)
    console.print(_table(estimate))
    cards = [load.device_memory_gb for load in estimate.loads if load.device_memory_gb is not None]
    on_card = f", {max(cards):.2f} GB on the graphics card" if cards else ""
    console.print(
        f"[bold]A run into an empty store takes about {duration(estimate.seconds)}[/bold] on this machine as it is now, "
        f"{estimate.peak_memory_gb:.2f} GB of memory{on_card}."
    )
    asked = [unit for load in estimate.loads for unit in load.units]
    console.print(
        f"[dim]Tokens are exact. Time and memory are from {sum(unit.probed for unit in asked):,} of "
        f"{sum(unit.requests for unit in asked):,} requests, asked in {duration(estimate.seconds_probed)}; nothing was stored.[/dim]\n"
    )


def duration(seconds: float) -> str:
    """A time in the largest unit that fits."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _table(estimate: RunEstimate) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    table.add_column("load", overflow="fold")
    table.add_column("benchmark", no_wrap=True)
    for title in ("tokens\nnaive", "tokens\nplanned", "tokens\nlimit", "prepare", "ask", "record"):
        table.add_column(title, justify="right", no_wrap=True)
    for load in estimate.loads:
        table.add_row(clean(load.load), "[dim]loading[/dim]", "", "", "", "", duration(load.seconds_loaded), "")
        for unit in load.units:
            tokens = (f"{number:,}" for number in (unit.tokens_naive, unit.tokens_planned, unit.tokens_limit))
            times = (unit.seconds_prepared, unit.seconds_asked, unit.seconds_recorded)
            table.add_row("", clean(unit.benchmark), *tokens, *map(duration, times))
    return table
