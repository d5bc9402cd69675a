"""Items of foreign runs -> names by what they ask, in memory that hardly grows: a few whole numbers for each item, no objects.

A log of a million items would fill half a gigabyte with the texts by which duplicates are found. Kept are 64 bits of a digest of each
name and 32 bits of each identifier. Two names that agree in those 64 bits (of a million, with a chance below one in ten million)
would be told apart as one question under two identifiers is: both stay items.
"""

from __future__ import annotations

import hashlib
import zlib
from array import array
from dataclasses import dataclass

from safetyrepro.harnesses.base import ForeignItem
from safetyrepro.harnesses.content import content_digest

MAX_REPEATS = 1000
"""Repetitions of an item in one run that are told apart."""
_FIRST_SLOTS = 1024


class KeyTable:
    """Whole numbers by a 64-bit key, in arrays: open addressing with linear probing, at most three quarters full.

    Parameters
    ----------
    kinds : str
        One type code of `array` for each column of numbers.
    """

    def __init__(self, kinds: str) -> None:
        self._kinds = kinds
        self._n = 0
        self._make(_FIRST_SLOTS)

    def __len__(self) -> int:
        return self._n

    def get(self, key: int) -> tuple[int, ...] | None:
        """Return the numbers under a key; None where it is absent."""
        slot = self._slot(key or 1)
        return tuple(column[slot] for column in self._columns) if self._keys[slot] else None

    def put(self, key: int, *numbers: int) -> None:
        """Keep numbers under a key, in place of those that it had."""
        key = key or 1
        slot = self._slot(key)
        if not self._keys[slot]:
            self._n += 1
            if 4 * self._n > 3 * len(self._keys):
                self._grow()
                slot = self._slot(key)
            self._keys[slot] = key
        for column, number in zip(self._columns, numbers, strict=True):
            column[slot] = number

    def _slot(self, key: int) -> int:
        """Place of a key, or the free place where it belongs."""
        keys, mask = self._keys, len(self._keys) - 1
        slot = key & mask
        while keys[slot] and keys[slot] != key:
            slot = (slot + 1) & mask
        return slot

    def _make(self, n_slots: int) -> None:
        self._keys = array("Q", bytes(8 * n_slots))
        self._columns = [array(kind, bytes(array(kind).itemsize * n_slots)) for kind in self._kinds]

    def _grow(self) -> None:
        keys, columns = self._keys, self._columns
        self._make(2 * len(keys))
        for old, key in enumerate(keys):
            if key:
                slot = self._slot(key)
                self._keys[slot] = key
                for column, before in zip(self._columns, columns, strict=True):
                    column[slot] = before[old]


@dataclass(frozen=True, slots=True)
class Placed:
    """Where an item of a run belongs."""

    name: str
    """Its name in the benchmark."""
    repeat: int
    """The number of its repetition in the run."""
    fresh: bool
    """Whether no item of the benchmark had this name before."""


class ItemNames:
    """Names of a benchmark's items: what they ask, or the package's id where a file holds no question.

    In one run a question under two ids is two items, an id twice (under one metric) is a repetition. An item without a question gets the
    name of the item that had its id in another run of the same package.

    Parameters
    ----------
    several_runs : bool
        Whether more than one run of the benchmark is read, so that one may hold the questions that another lacks.
    """

    def __init__(self, *, several_runs: bool = True) -> None:
        self._met = KeyTable("II")
        self._by_id = KeyTable("QQ") if several_runs else None
        self._run = 0
        self._harness = ""
        self._start()

    def __len__(self) -> int:
        """Number of different items."""
        return len(self._met)

    def start_run(self, harness: str) -> None:
        """Begin a run of a package: its repetitions are counted anew."""
        self._run += 1
        self._harness = harness
        self._start()

    def _start(self) -> None:
        self._repeats = KeyTable("")
        self._apart = KeyTable("")
        self._later: set[str] = set()
        self._others: dict[str, dict[str, int]] = {}
        self._next: dict[str, int] = {}

    def place(self, item: ForeignItem) -> Placed:
        """Return the name and the repetition of the run's next item."""
        name = self._name(item)
        identifier = zlib.crc32(item.id.encode("utf-8", "replace"))
        fresh, first = self._meet(name, identifier)
        if first is not None and first != identifier:
            others = self._others.setdefault(name, {})
            name = f"{name}~{others.setdefault(item.id, len(others) + 2)}"
            fresh, first = self._meet(name, identifier)
        met, repeated = first is not None, name
        if item.apart:
            repeated = f"{name}\0{item.apart}"
            met = self._apart.get(_key(repeated)) is not None
            self._apart.put(_key(repeated))
        return Placed(name, min(self._repeat(repeated, item.repeat, met=met), MAX_REPEATS - 1), fresh)

    def _meet(self, name: str, identifier: int) -> tuple[bool, int | None]:
        """Whether a name is new to the benchmark, and the id under which this run asked it before; None where it did not."""
        key = _key(name)
        found = self._met.get(key)
        if found is not None and found[1] == self._run:
            return False, found[0]
        self._met.put(key, identifier, self._run)
        return found is None, None

    def _repeat(self, name: str, repeat: int, *, met: bool) -> int:
        """The repetition that an item is: the one that it states, or the next free one where that is taken."""
        if not met and repeat == 0:
            return 0
        if not met:
            self._later.add(name)
        if self._taken(name, repeat):
            repeat = self._next.get(name, repeat) + 1
            self._next[name] = repeat
        self._take(name, repeat)
        return repeat

    def _taken(self, name: str, repeat: int) -> bool:
        # The first meeting stands for repetition 0 unless it was another one; so most items need no entry of their own.
        return name not in self._later if repeat == 0 else self._repeats.get(_key(f"{name}#{repeat}")) is not None

    def _take(self, name: str, repeat: int) -> None:
        if repeat == 0:
            self._later.discard(name)
        else:
            self._repeats.put(_key(f"{name}#{repeat}"))

    def _name(self, item: ForeignItem) -> str:
        if item.name:
            return item.name
        digest = content_digest(item.text, item.options)
        if self._by_id is None:
            return digest or f"id:{item.id}"
        at = _key(f"{self._harness}\0{item.id}")
        known = self._by_id.get(at)
        if digest:
            if known is None:
                text, _, options = digest.partition("-")
                self._by_id.put(at, int(text, 16), int(options, 16) + 1 if options else 0)
            return digest
        if known is None:
            return f"id:{item.id}"
        return f"{known[0]:016x}-{known[1] - 1:08x}" if known[1] else f"{known[0]:016x}"


def _key(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest())
