"""A table of texts on the terminal, every cell inert."""

from __future__ import annotations

from collections.abc import Sequence

from safetyrepro.render.console import clean


def print_grid(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], *, n_fixed: int = 0, notes: Sequence[str] = ()
) -> None:
    """Print a table with a title above and notes below; a cell that repeats the one above is left empty in leading columns.

    Parameters
    ----------
    title : str
        What the table shows.
    columns : sequence of str
        Heads.
    rows : sequence of sequence of str
        Cells, as many as there are columns.
    n_fixed : int
        Number of leading columns that are never wrapped.
    notes : sequence of str
        Sentences printed below.
    """
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    table = Table(box=None, pad_edge=False, header_style="dim")
    for number, column in enumerate(columns):
        table.add_column(column, overflow="fold", no_wrap=number < n_fixed)
    before: Sequence[str] = ()
    for row in rows:
        table.add_row(*(clean(cell) for cell in _without_repeats(row, before)))
        before = row
    console.print(f"\n[bold]{clean(title)}[/bold]")
    console.print(table)
    for note in notes:
        console.print(f"[dim]{clean(note, 400)}[/dim]")


def _without_repeats(row: Sequence[str], before: Sequence[str]) -> list[str]:
    same = 0
    while same < len(before) - 1 and row[same] == before[same]:
        same += 1
    return ["" if index < same else cell for index, cell in enumerate(row)]
