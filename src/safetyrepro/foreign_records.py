"""Items of a foreign run -> records, a batch at a time: names by content, repetitions, aggregates that stand for a cell."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field

from safetyrepro.harnesses.base import ForeignItem, Mark
from safetyrepro.harnesses.content import content_digest, text_digest, tokens_digest
from safetyrepro.harnesses.mapping import Cell
from safetyrepro.records import AGGREGATE_ITEM, CellKey, ItemRecord, Status, question_key
from safetyrepro.store import Store

BATCH = 20_000
"""Records that are held before they are written."""


@dataclass(slots=True)
class Observed:
    """What the values of a question were seen to be."""

    low: float = math.inf
    """Smallest value."""
    high: float = -math.inf
    """Largest value."""
    n_items: int = 0
    """Items, repetitions counted apart; 0 where only an aggregate is known."""
    n_counted: int = 0
    """Items that the package itself averaged: those with a value, and those that it could not read."""
    total: list[float] = field(default_factory=list)
    """Partial sums of the values that the package averaged."""

    def add(self, mark: Mark, *, worst: float, held: bool) -> None:
        """Count an item, as one that the file holds or as one that it only lists."""
        self.n_items += held
        value = worst if mark.status is Status.UNPARSED else mark.value
        if mark.value is not None:
            self.low, self.high = min(self.low, mark.value), max(self.high, mark.value)
        if value is not None and math.isfinite(value):
            self.n_counted += 1
            self.total.append(value)
            if len(self.total) > BATCH:
                self.total = [math.fsum(self.total)]

    def bound(self, value: float) -> None:
        """Widen the range by an aggregate."""
        self.low, self.high = min(self.low, value), max(self.high, value)

    def merge(self, other: Observed) -> None:
        """Widen the range by another cell's."""
        self.low, self.high = min(self.low, other.low), max(self.high, other.high)

    @property
    def package_mean(self) -> float | None:
        """Mean as the package forms it, in which an unread answer is the worst; None without items."""
        return math.fsum(self.total) / self.n_counted if self.n_counted else None


class Batches:
    """Records and prompts of any number of cells on their way into a store, written when enough have come together.

    Parameters
    ----------
    store : Store
        Held for writing.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._records: list[ItemRecord] = []
        self._prompts: dict[str, str] = {}
        self._parts = 0

    def add(self, record: ItemRecord, prompt: str = "") -> None:
        """Take a record in, with the prompt that its digest stands for."""
        self._records.append(record)
        if prompt:
            self._prompts[record.prompt_digest] = prompt
        if len(self._records) >= BATCH:
            self.flush()

    def ask(self, name: str, item: ForeignItem) -> None:
        """Keep the question of an item under its name, once for a benchmark."""
        if item.text:
            self._prompts[question_key(name)] = json.dumps({"text": item.text, "options": item.options, "gold": item.gold})

    def flush(self) -> None:
        """Write what is held."""
        if not self._records:
            return
        self._parts += 1
        benchmarks = list(dict.fromkeys(record.cell.benchmark for record in self._records))
        shown = ", ".join(benchmarks[:3]) + (", ..." if len(benchmarks) > 3 else "")
        unit = f"part {self._parts}: {shown}"
        self._store.replace_records(self._records, unit)
        self._store.add_prompts(self._prompts, unit)
        self._records, self._prompts = [], {}


class CellWriter:
    """Turns one cell into records.

    Parameters
    ----------
    batches : Batches
        Where the records go.
    key : CellKey
        The cell's place.
    cell : Cell
        What is written.
    repeat : int
        How many runs of the same configuration were written before.
    """

    def __init__(self, batches: Batches, key: CellKey, cell: Cell, *, repeat: int) -> None:
        self._batches, self._key, self._cell, self._repeat = batches, key, cell, repeat
        self._occurrences = _Occurrences()

    def write(self, items: ItemNames) -> dict[str, Observed]:
        """Write the cell's records and return what was seen of each question; the names of its items are added to `items`."""
        if self._cell.run.aggregates_only:
            return self._write_aggregates()
        seen = {estimand.name: Observed() for estimand in self._cell.estimands.values()}
        for item in self._cell.run.items():
            name, repeat = self._occurrences.place(items.name(item, self._cell.run.harness), item)
            if name not in items.names:
                items.names.add(name)
                self._batches.ask(name, item)
            held = bool(item.text) or any(mark.value is not None for mark in item.marks.values())
            for metric, mark in item.marks.items():
                estimand = self._cell.estimands.get(metric)
                if estimand is not None:
                    seen[estimand.name].add(mark, worst=estimand.worst, held=held)
                    self._batches.add(self._record(item, name, repeat, estimand=estimand.name, mark=mark), item.prompt)
        return seen

    def _record(self, item: ForeignItem, name: str, repeat: int, *, estimand: str, mark: Mark) -> ItemRecord:
        return ItemRecord(
            cell=self._key,
            estimand=estimand,
            item_id=name,
            cluster=item.cluster or name,
            stratum=item.stratum,
            repeat=self._repeat * _Occurrences.MAX_REPEATS + repeat,
            value=mark.value,
            weight=1.0,
            status=mark.status,
            reason=mark.reason,
            prompt_digest=text_digest(item.prompt),
            token_digest=tokens_digest(item.tokens),
        )

    def _write_aggregates(self) -> dict[str, Observed]:
        seen = {}
        item = ForeignItem(id=AGGREGATE_ITEM, text="", cluster=AGGREGATE_ITEM)
        for name, value in self._cell.reported.items():
            seen[name] = Observed()
            mark = Mark(value=value, status=Status.SCORED) if value is not None else _PLACEHOLDER
            if value is not None:
                seen[name].bound(value)
            self._batches.add(self._record(item, AGGREGATE_ITEM, 0, estimand=name, mark=mark))
        return seen


_PLACEHOLDER = Mark(value=None, status=Status.UNKNOWN, reason="the file reports a placeholder")


class ItemNames:
    """Names of a benchmark's items: what they ask, or the package's id where a file holds no question.

    An item without a question gets the name of the item that had its id in another run of the same package.
    """

    def __init__(self) -> None:
        self._by_id: dict[tuple[str, str], str] = {}
        self.names: set[str] = set()

    def name(self, item: ForeignItem, harness: str) -> str:
        """Return the name of an item, before duplicates in its run are told apart."""
        at = (harness, item.id)
        digest = content_digest(item.text, item.options)
        if digest:
            self._by_id.setdefault(at, digest)
            return digest
        return self._by_id.get(at, f"id:{item.id}")


class _Occurrences:
    """Tells the items of one run apart: a question under two ids is two items, an id twice is a repetition."""

    MAX_REPEATS = 1000

    def __init__(self) -> None:
        self._first: dict[str, str] = {}
        self._others: dict[str, dict[str, int]] = {}
        self._taken: set[str | tuple[str, int]] = set()
        self._next: dict[str, int] = {}

    def place(self, name: str, item: ForeignItem) -> tuple[str, int]:
        """Return the item's final name, and the number of its repetition."""
        if self._first.setdefault(name, item.id) != item.id:
            others = self._others.setdefault(name, {})
            name = f"{name}~{others.setdefault(item.id, len(others) + 2)}"
        repeat = item.repeat
        at = (name, repeat) if repeat else name
        if at in self._taken:
            repeat = self._next.get(name, repeat) + 1
            self._next[name] = repeat
            at = (name, repeat)
        self._taken.add(at)
        return name, min(repeat, self.MAX_REPEATS - 1)
