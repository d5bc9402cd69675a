"""YAML that a stranger wrote, within limits, as the values that JSON has.

Tags are not followed: what a file calls a Python object is the list, object or text that it is written as, and nothing is made or run.
Dates stay text. An anchor is read once, however often it is named, so a file can still be small and mean billions of values; such a
file is refused.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from safetyrepro.errors import IngestError
from safetyrepro.harnesses.bounded import MAX_DEPTH, unreadable
from safetyrepro.records import Json

if TYPE_CHECKING:
    import yaml

MAX_BYTES = 4 * 2**20
"""Longest file that is read: it holds a configuration and aggregates, never items."""
MAX_VALUES = 1_000_000
"""Most values that a file may stand for, with every anchor counted as often as it is named."""
_HEAD_BYTES = 2**20
_MEMBER = re.compile(rb"^([A-Za-z_]\w*):(?:\s|$)", re.MULTILINE)
_JSON_TAGS = frozenset(f"tag:yaml.org,2002:{name}" for name in ("bool", "int", "float", "null"))


def yaml_names(path: Path) -> frozenset[str]:
    """Return the names that begin the lines of a text, which for a block of YAML are its outermost members; nothing is parsed.

    Raises
    ------
    IngestError
        If the file cannot be opened.
    """
    return frozenset(name.decode("ascii") for name in _MEMBER.findall(_bytes(path, _HEAD_BYTES)))


def yaml_object(path: Path) -> dict[str, Json]:
    """Return the object that a file holds.

    Raises
    ------
    IngestError
        If it is no YAML, longer or deeper than the limits, or holds anything but an object.
    """
    import yaml

    text = _bytes(path, MAX_BYTES + 1)
    if len(text) > MAX_BYTES:
        raise IngestError(str(path), found=f"is longer than {MAX_BYTES // 2**20} MB", expected="a file of scores, not of items")
    if not text.endswith(b"\n"):
        raise IngestError(
            str(path), found="is cut off: its last line has no end", remedy="Name a file that was written to its end."
        )
    try:
        node = yaml.compose(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        content = None if node is None else _Values(str(path)).value(node, 1)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())[:160]
        raise IngestError(
            str(path), found=f"is not YAML ({reason})", remedy="Name a file that the run wrote to its end."
        ) from error
    except RecursionError as error:
        raise _deep(str(path)) from error
    if not isinstance(content, dict):
        raise IngestError(str(path), found="holds no object", expected="an object", remedy="Name the file that the run wrote.")
    return content


def _bytes(path: Path, n_bytes: int) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(n_bytes)
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error


def _deep(where: str) -> IngestError:
    return IngestError(where, found=f"is nested more than {MAX_DEPTH} deep", remedy="Name the file that the run wrote.")


class _Values:
    """Turns nodes into values and counts them."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._count = 0

    def value(self, node: yaml.Node, depth: int) -> Json:
        """The value of a node; a scalar that is none of JSON's is its text."""
        import yaml

        self._count += 1
        if depth > MAX_DEPTH:
            raise _deep(self._where)
        if self._count > MAX_VALUES:
            raise IngestError(self._where, found=f"stands for more than {MAX_VALUES} values", remedy="Name a file of scores.")
        if isinstance(node, yaml.MappingNode):
            return {_name(key): self.value(below, depth + 1) for key, below in node.value}
        if isinstance(node, yaml.SequenceNode):
            return [self.value(below, depth + 1) for below in node.value]
        return _scalar(node)


def _name(node: yaml.Node) -> str:
    return str(node.value) if isinstance(node.value, str) else ""


def _scalar(node: yaml.Node) -> Json:
    from yaml.constructor import ConstructorError, SafeConstructor

    if node.tag not in _JSON_TAGS:
        return str(node.value)
    try:
        found: Json = SafeConstructor().construct_object(node)
    except (ConstructorError, ValueError, KeyError, IndexError):
        return str(node.value)
    return found
