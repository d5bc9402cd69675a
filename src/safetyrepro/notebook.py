"""Results in a notebook: a caption and a table, with every foreign text escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape


def notebook_table(caption: str, heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A small HTML table.

    Parameters
    ----------
    caption : str
        What stands above it.
    heads : sequence of str
        Names of the columns.
    rows : iterable of sequence
        Values; None is shown as a dash, a float with three decimals.
    """
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in heads)
    body = "".join(f"<tr>{''.join(f'<td>{_shown(value)}</td>' for value in row)}</tr>" for row in rows)
    return f"<table><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _shown(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.3f}" if isinstance(value, float) else escape(str(value))
