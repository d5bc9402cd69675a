"""JSON that a stranger wrote, one value at a time, within limits: result files are untrusted and may hold gigabytes.

Nothing here trusts a file's name. JSON Lines in a ``.json`` file, one array in a ``.jsonl`` file and an object whose samples do
not fit into memory are all read through the same reader, which holds one value at a time and refuses what is too large, too
deep or broken with one sentence.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TextIO

from safetyrepro.errors import IngestError
from safetyrepro.records import Json

MAX_VALUE_CHARS = 64 * 2**20
"""Longest single record that is read; a file may hold any number of them."""
MAX_SNIFF_CHARS = 4 * 2**20
"""How far a file is read to find out what it is."""
MAX_DEPTH = 200
"""Deepest nesting of lists and objects that is read."""
_CHUNK = 2**18
_NEAR_END = 64
_LONGEST_TAIL = 3
_DECODER = json.JSONDecoder()
_SPACE = re.compile(r"[ \t\n\r]*")


class TooLarge(IngestError):
    """A single value is longer than the limit."""


class TextSource(Protocol):
    """Text that is read forward."""

    def read(self, size: int, /) -> str:
        """Return up to about `size` characters; empty only at the end."""


class JsonReader:
    """Decodes the values of a stream of text one after the other.

    Parameters
    ----------
    stream : TextSource
        Where the text comes from; it is read forward only.
    where : str
        What errors call it.
    max_chars : int
        Longest single value.
    """

    def __init__(self, stream: TextSource, where: str, *, max_chars: int = MAX_VALUE_CHARS) -> None:
        self._stream = stream
        self._where = where
        self._max_chars = max_chars
        self._buffer = ""
        self._at = 0
        self._ended = False
        self._passed = 0

    @property
    def position(self) -> int:
        """Number of characters read so far."""
        return self._passed + self._at

    def peek(self) -> str:
        """Return the next character that is not white space; empty at the end."""
        while True:
            self._at = _past_space(self._buffer, self._at)
            if self._at < len(self._buffer):
                return self._buffer[self._at]
            if self._ended:
                return ""
            self._more()

    def value(self) -> Json:
        """Decode the next value.

        Raises
        ------
        IngestError
            If it is not JSON, cut off, longer than the limit or nested too deeply.
        """
        self.peek()
        while True:
            try:
                found, end = _DECODER.raw_decode(self._buffer, self._at)
            except RecursionError as error:
                raise self._too_deep() from error
            except json.JSONDecodeError as error:
                if self._ended or not self._cut(error):
                    raise self._broken(error.msg, error.pos) from error
                self._more()
                continue
            except ValueError as error:
                raise self._broken("a number has thousands of digits", self._at) from error
            # A number may go on behind the end of what was read: "1" of "1.5e-7" is a whole number by itself.
            unsure = _LONGEST_TAIL if isinstance(found, (int, float)) else 0
            if end + unsure >= len(self._buffer) and not self._ended:
                self._more()
                continue
            return self._taken(found, end)

    def members(self) -> Iterator[str]:
        """Yield the names of the object at hand; the caller takes the value of each before the next."""
        self._expect("{")
        while self.peek() != "}":
            name = self.value()
            if not isinstance(name, str):
                raise self._broken("a member has no name", self._at)
            self._expect(":")
            yield name
            if self.peek() != ",":
                break
            self._expect(",")
        self._expect("}")

    def elements(self) -> Iterator[Json]:
        """Yield the elements of the list at hand."""
        self._expect("[")
        while self.peek() != "]":
            yield self.value()
            if self.peek() != ",":
                break
            self._expect(",")
        self._expect("]")

    def skip(self) -> None:
        """Pass over the next value without keeping it; a list is passed element by element."""
        if self.peek() == "[":
            for _ in self.elements():
                pass
        else:
            self.value()

    def _expect(self, character: str) -> None:
        found = self.peek()
        if found != character:
            raise self._broken(f"'{found}' stands where '{character}' should" if found else "the text ends early", self._at)
        self._at += 1

    def _taken(self, found: Json, end: int) -> Json:
        buffer, start = self._buffer, self._at
        self._at = end
        openings = buffer.count("[", start, end) + buffer.count("{", start, end)
        if openings > MAX_DEPTH and _depth(found) > MAX_DEPTH:
            raise self._too_deep()
        if buffer.find("\\ud", start, end) >= 0 or buffer.find("\\uD", start, end) >= 0:
            return _mended(found)
        return found

    def _cut(self, error: json.JSONDecodeError) -> bool:
        return error.msg.startswith("Unterminated string") or error.pos > len(self._buffer) - _NEAR_END

    def _more(self) -> None:
        held = self._buffer[self._at :]
        if len(held) > self._max_chars:
            raise TooLarge(
                self._where,
                found=f"a single record is longer than {self._max_chars // 2**20} million characters",
                expected="one record for each item",
                remedy="Split the file, or leave out the parts of a record that hold no result.",
            )
        self._passed += self._at
        try:
            new = self._stream.read(max(_CHUNK, len(held)))
        except UnicodeDecodeError as error:
            raise IngestError(
                self._where, found="is not UTF-8 text", expected="JSON", remedy="Name the result file itself."
            ) from error
        self._ended = not new
        self._buffer, self._at = held + new, 0

    def _broken(self, what: str, at: int) -> IngestError:
        return IngestError(
            self._where,
            found=f"is not JSON at character {self._passed + at} ({what})",
            expected="whole JSON values",
            remedy="The file is damaged or was cut off; copy it again, or run the evaluation to its end.",
        )

    def _too_deep(self) -> IngestError:
        return IngestError(
            self._where,
            found=f"is nested more than {MAX_DEPTH} levels deep",
            remedy="No evaluation package writes such a file.",
        )


def _past_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _depth(value: Json) -> int:
    deepest, waiting = 0, [(value, 1)]
    while waiting:
        at, depth = waiting.pop()
        deepest = max(deepest, depth)
        if deepest > MAX_DEPTH:
            break
        inside = at.values() if isinstance(at, dict) else at if isinstance(at, list) else ()
        waiting.extend((below, depth + 1) for below in inside if isinstance(below, (dict, list)))
    return deepest


def _mended(value: Json) -> Json:
    # Half of a surrogate pair is legal in JSON text and cannot be written as UTF-8.
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_mended(entry) for entry in value]
    if isinstance(value, dict):
        return {str(_mended(name)): _mended(entry) for name, entry in value.items()}
    return value


@contextmanager
def opened(path: Path) -> Iterator[TextIO]:
    """Open a file as UTF-8 text, with or without a byte-order mark.

    Raises
    ------
    IngestError
        If it cannot be opened.
    """
    try:
        file = path.open("rb")
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error
    with file, io.TextIOWrapper(file, encoding="utf-8-sig", newline="") as stream:
        yield stream


def unreadable(path: Path, error: Exception) -> IngestError:
    """Return the sentence for a file that the system does not give."""
    reason = getattr(error, "strerror", None) or str(error)
    return IngestError(str(path), found=f"cannot be read ({reason})", remedy="Name an existing file.")


def json_records(path: Path) -> Iterator[Json]:
    """Yield the records of a file, whether it holds JSON Lines, one list, or one object."""
    with opened(path) as stream:
        reader = JsonReader(stream, str(path))
        while reader.peek():
            if reader.peek() == "[":
                yield from reader.elements()
            else:
                yield reader.value()


def json_header(path: Path, *, without: frozenset[str] = frozenset()) -> dict[str, Json]:
    """Return the object that a file holds, passing over the members named in `without`."""
    with opened(path) as stream:
        return read_header(JsonReader(stream, str(path)), str(path), without=without)


def read_header(reader: JsonReader, where: str, *, without: frozenset[str] = frozenset()) -> dict[str, Json]:
    """Return the object at hand, passing over the members named in `without`."""
    kept: dict[str, Json] = {}
    held = 0
    for name in reader.members():
        start = reader.position
        if name in without:
            reader.skip()
            continue
        kept[name] = reader.value()
        held += reader.position - start
        if held > MAX_VALUE_CHARS:
            raise TooLarge(where, found="the part of the file that describes the run is too long")
    return kept


def json_member(path: Path, name: str) -> Iterator[Json]:
    """Yield the elements of the list that a file's object holds under `name`; nothing where it holds none."""
    with opened(path) as stream:
        reader = JsonReader(stream, str(path))
        for member in reader.members():
            if member == name and reader.peek() == "[":
                yield from reader.elements()
            else:
                reader.skip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sniff:
    """What the beginning of a file says about it."""

    path: Path
    """The file."""
    kind: str
    """``object``, ``list``, ``lines``, ``zip``, ``parquet`` or ``other``."""
    names: frozenset[str] = frozenset()
    """Member names of the object, or of the first record."""
    inner: frozenset[str] = frozenset()
    """Member names of the object's members, for those that are small objects: ``eval.task``."""


_UTF_16 = (b"\xff\xfe", b"\xfe\xff", b"{\0", b"[\0", b"\0{", b"\0[")
"""How JSON begins where two bytes stand for a letter."""


def sniff(path: Path) -> Sniff:
    """Read as much of a file as tells which package wrote it; a file that cannot be read is ``other``.

    Raises
    ------
    IngestError
        If the file cannot be opened.
    """
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error
    if magic.startswith(b"PK"):
        return Sniff(path=path, kind="zip")
    if magic == b"PAR1":
        return Sniff(path=path, kind="parquet")
    if magic.startswith(_UTF_16):
        return Sniff(path=path, kind="utf-16")
    with opened(path) as stream:
        return _sniffed(path, JsonReader(stream, str(path), max_chars=MAX_SNIFF_CHARS))


def _sniffed(path: Path, reader: JsonReader) -> Sniff:
    names: dict[str, Json] = {}
    kind = "other"
    try:
        first = reader.peek()
        if first == "[":
            kind, names = "list", _names_of(next(reader.elements(), None))
        elif first == "{":
            kind = "object"
            for name in reader.members():
                names[name] = None
                names[name] = reader.value()
            kind = "lines" if reader.peek() else "object"
    except IngestError:
        # Enough may have been seen before the damage; the reader that is chosen says what is wrong.
        pass
    inner = {f"{name}.{below}" for name, value in names.items() if isinstance(value, dict) for below in value}
    return Sniff(path=path, kind=kind, names=frozenset(names), inner=frozenset(inner))


def _names_of(value: Json) -> dict[str, Json]:
    return dict(value) if isinstance(value, dict) else {}
