"""How far a run is, with an honest estimate of what is left."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from safetyrepro.render.console import clean
from safetyrepro.run import Progress, Silent


class BarProgress:
    """A bar for each unit on standard error; where that is no terminal, one line for each unit."""

    def __init__(self, bar: object, console: object) -> None:
        from rich.console import Console
        from rich.progress import Progress as Bar

        assert isinstance(bar, Bar)
        assert isinstance(console, Console)
        self._bar = bar
        self._console = console
        self._tasks: dict[int, int] = {}

    def begin(self, label: str, total: int, done: int) -> None:
        """Start the bar of a unit; what the store holds already counts as done."""
        label = clean(label)
        stored = f" [dim]({done} in the store)[/dim]" if done else ""
        if not self._console.is_terminal:
            self._console.print(f"{label}: {total - done} requests to ask, {done} in the store", highlight=False)
        self._tasks[threading.get_ident()] = self._bar.add_task(f"{label}{stored}", total=total, completed=done)

    def advance(self, count: int) -> None:
        """Move the bar of the unit that the calling thread began."""
        task = self._tasks.get(threading.get_ident())
        if task is not None:
            from rich.progress import TaskID

            self._bar.advance(TaskID(task), count)

    def note(self, text: str) -> None:
        """Print a line above the bars."""
        text = clean(text, 400)
        self._console.print(f"[dim]{text}[/dim]" if self._console.is_terminal else text, highlight=False)


@contextmanager
def progress_bar(*, quiet: bool = False) -> Iterator[Progress]:
    """Give a progress that draws on standard error, or one that says nothing."""
    if quiet:
        yield Silent()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("elapsed"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=console, disable=not console.is_terminal) as bar:
        yield BarProgress(bar, console)
