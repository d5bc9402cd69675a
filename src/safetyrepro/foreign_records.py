"""Items of a foreign run -> records, a batch at a time; an aggregate stands for a cell without items."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from safetyrepro.estimands import Estimand
from safetyrepro.harnesses.base import ForeignItem, Mark
from safetyrepro.harnesses.content import text_digest, tokens_digest
from safetyrepro.harnesses.mapping import Cell
from safetyrepro.item_names import MAX_REPEATS, ItemNames, Placed
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

    def prompt(self, text: str) -> str:
        """Keep a prompt and return its digest; empty for none."""
        digest = text_digest(text)
        if digest:
            self._prompts[digest] = text
        return digest

    def add(self, record: ItemRecord) -> None:
        """Take a record in."""
        self._records.append(record)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedCell:
    """A cell with its place in the store."""

    cell: Cell
    """What is written."""
    key: CellKey
    """Where it belongs."""
    repeat: int
    """How many runs of the same configuration stand before it."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """A metric of the file, the cell and question that it answers, and what was seen of it."""

    metric: str
    place: PlacedCell
    estimand: Estimand
    seen: Observed


def write_run(batches: Batches, cells: Sequence[PlacedCell], names: ItemNames) -> list[dict[str, Observed]]:
    """Turn the cells of one run into records, in one pass over its items.

    Parameters
    ----------
    batches : Batches
        Where the records go.
    cells : sequence of PlacedCell
        Cells of the same run; they differ in how its answers are read.
    names : ItemNames
        Names of the benchmark's items; those of the run are added.

    Returns
    -------
    list of dict
        For each cell, what was seen of each question.
    """
    run = cells[0].cell.run
    if run.aggregates_only:
        return [_write_aggregates(batches, place) for place in cells]
    names.start_run(run.harness)
    found = [{estimand.name: Observed() for estimand in place.cell.estimands.values()} for place in cells]
    asked = [
        _Asked(metric, place, estimand, seen[estimand.name])
        for place, seen in zip(cells, found, strict=True)
        for metric, estimand in place.cell.estimands.items()
    ]
    for item in run.items():
        _write_item(batches, item, names.place(item), asked)
    return found


def _write_item(batches: Batches, item: ForeignItem, placed: Placed, asked: Sequence[_Asked]) -> None:
    if placed.fresh:
        batches.ask(placed.name, item)
    held = bool(item.text) or any(mark.value is not None for mark in item.marks.values())
    prompt, tokens = batches.prompt(item.prompt), tokens_digest(item.tokens)
    for one in asked:
        mark = item.marks.get(one.metric)
        if mark is None:
            continue
        one.seen.add(mark, worst=one.estimand.worst, held=held)
        batches.add(
            ItemRecord(
                cell=one.place.key,
                estimand=one.estimand.name,
                item_id=placed.name,
                cluster=item.cluster or placed.name,
                stratum=item.stratum,
                repeat=one.place.repeat * MAX_REPEATS + placed.repeat,
                value=mark.value,
                weight=item.weight,
                status=mark.status,
                reason=mark.reason,
                prompt_digest=prompt,
                token_digest=tokens,
            )
        )


def _write_aggregates(batches: Batches, place: PlacedCell) -> dict[str, Observed]:
    seen = {}
    for name, value in place.cell.reported.items():
        seen[name] = Observed()
        if value is not None:
            seen[name].bound(value)
        batches.add(
            ItemRecord(
                cell=place.key,
                estimand=name,
                item_id=AGGREGATE_ITEM,
                cluster=AGGREGATE_ITEM,
                stratum="",
                repeat=place.repeat * MAX_REPEATS,
                value=value,
                weight=1.0,
                status=Status.SCORED if value is not None else Status.UNKNOWN,
                reason="" if value is not None else "the file reports a placeholder",
            )
        )
    return seen
