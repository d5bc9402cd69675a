"""Reading a benchmark's CSV file so that a damaged one is refused with one sentence, never read askew."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence

from safetyrepro.benchmarks.editions import decoded
from safetyrepro.errors import DataError


def read_table(files: Mapping[str, bytes], path: str, columns: Sequence[str], *, edition: str) -> list[dict[str, str]]:
    """Rows of a CSV file, each as column -> text.

    Parameters
    ----------
    files : mapping of str to bytes
        Contents by path.
    path : str
        Which of them.
    columns : sequence of str
        Columns that have to be there; others are kept as well.
    edition : str
        Repository and commit of the pinned edition, for the remedy.

    Returns
    -------
    list of dict
        In file order. Line ends may be LF, CRLF or both; a mark of byte order is dropped.

    Raises
    ------
    DataError
        If the file is absent, not UTF-8, lacks a column, or has a row of another width.
    """
    remedy = f"Restore the file of {edition}."
    if path not in files:
        raise DataError(path, found="the file is absent", remedy=remedy)
    try:
        lines = list(csv.reader(io.StringIO(decoded(files[path], path), newline=""), strict=True))
    except csv.Error as error:
        raise DataError(path, found=f"is not a CSV file ({error})", remedy=remedy) from error
    header = lines[0] if lines else []
    absent = [column for column in columns if column not in header]
    if absent:
        raise DataError(
            path,
            found=f"has no column '{absent[0]}' but {', '.join(repr(name) for name in header) or 'no header'}",
            expected=f"the columns {', '.join(repr(name) for name in columns)}",
            remedy=remedy,
        )
    return [_row(header, line, f"{path}, row {number}", remedy) for number, line in enumerate(lines[1:], start=1)]


def _row(header: Sequence[str], line: Sequence[str], where: str, remedy: str) -> dict[str, str]:
    if len(line) != len(header):
        raise DataError(where, found=f"{len(line)} fields", expected=str(len(header)), remedy=remedy)
    return dict(zip(header, line, strict=True))


def check_numbering(numbers: Sequence[str], *, first: int, path: str, edition: str) -> None:
    """Refuse a file whose own row numbers have a gap, a repetition or another order.

    Raises
    ------
    DataError
        The sentence names the first row that does not follow its predecessor.
    """
    for position, number in enumerate(numbers):
        if number != str(first + position):
            raise DataError(
                f"{path}, row {position + 1}",
                found=f"the number is '{number}'",
                expected=f"'{first + position}', so a row is missing, added or moved",
                remedy=f"Restore the file of {edition}.",
            )
