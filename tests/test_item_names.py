"""Items are named as if every name and identifier were remembered, in memory that holds a few numbers for each."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harnesses import written
from safetyrepro.harnesses import lm_eval_samples
from safetyrepro.harnesses.base import ForeignItem
from safetyrepro.harnesses.content import content_digest
from safetyrepro.ingest_foreign import ingest_foreign
from safetyrepro.item_names import ItemNames, KeyTable

KEYS = st.integers(0, 12) | st.integers(0, 2**64 - 1)


@given(st.lists(st.tuples(KEYS, st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1))))
def test_a_table_of_keys_says_what_a_dictionary_says(entries: list[tuple[int, int, int]]) -> None:
    table, plain = KeyTable("IQ"), dict[int, tuple[int, int]]()
    for key, first, second in entries:
        # Zero marks a free place, so it shares the entry of one.
        assert table.get(key) == plain.get(key or 1)
        table.put(key, first, second)
        plain[key or 1] = (first, second)
    assert len(table) == len(plain)
    assert all(table.get(key) == numbers for key, numbers in plain.items())


def test_a_table_keeps_everything_while_it_grows() -> None:
    table = KeyTable("I")
    keys = [(number * 0x9E3779B97F4A7C15) % 2**64 for number in range(1, 20_000)]
    for number, key in enumerate(keys):
        table.put(key, number)
    assert [table.get(key) for key in keys] == [(number,) for number in range(len(keys))]
    assert table.get(keys[0] ^ 1) is None


class PlainNames:
    """The definition: every name, identifier and repetition of every run is remembered as it is."""

    def __init__(self) -> None:
        self.by_id: dict[tuple[str, str], str] = {}
        self.names: set[str] = set()

    def start_run(self, harness: str) -> None:
        self.harness = harness
        self.first: dict[str, str] = {}
        self.others: dict[str, dict[str, int]] = {}
        self.taken: set[tuple[str, int]] = set()
        self.next: dict[str, int] = {}

    def place(self, item: ForeignItem) -> tuple[str, int, bool]:
        digest = content_digest(item.text, item.options)
        if digest:
            self.by_id.setdefault((self.harness, item.id), digest)
        name = digest or self.by_id.get((self.harness, item.id), f"id:{item.id}")
        if self.first.setdefault(name, item.id) != item.id:
            others = self.others.setdefault(name, {})
            name = f"{name}~{others.setdefault(item.id, len(others) + 2)}"
        repeat = item.repeat
        if (name, repeat) in self.taken:
            repeat = self.next.get(name, repeat) + 1
            self.next[name] = repeat
        self.taken.add((name, repeat))
        fresh = name not in self.names
        self.names.add(name)
        return name, min(repeat, 999), fresh


ITEMS = st.builds(
    ForeignItem,
    id=st.sampled_from(["1", "2", "3", "é"]),
    text=st.sampled_from(["", "Why?", "How?", " why? "]),
    options=st.sampled_from([(), ("a", "b"), ("b", "A")]),
    repeat=st.integers(0, 3),
)


@given(st.lists(st.tuples(st.sampled_from(["lm-eval", "helm"]), st.lists(ITEMS, max_size=12)), max_size=4))
def test_names_and_repetitions_are_those_of_the_plain_definition(runs: list[tuple[str, list[ForeignItem]]]) -> None:
    plain, names = PlainNames(), ItemNames()
    for harness, items in runs:
        plain.start_run(harness)
        names.start_run(harness)
        for item in items:
            placed = names.place(item)
            assert (placed.name, placed.repeat, placed.fresh) == plain.place(item)
    assert len(names) == len(plain.names)


@given(st.lists(ITEMS.filter(lambda item: bool(item.text)), max_size=20))
def test_one_run_that_holds_its_questions_needs_no_identifiers(items: list[ForeignItem]) -> None:
    one, several = ItemNames(several_runs=False), ItemNames(several_runs=True)
    one.start_run("lm-eval")
    several.start_run("lm-eval")
    assert [one.place(item) for item in items] == [several.place(item) for item in items]


def test_an_item_costs_a_few_numbers_and_no_objects() -> None:
    names = ItemNames(several_runs=False)
    names.start_run("lm-eval")
    tracemalloc.start()
    try:
        for number in range(3000):
            names.place(ForeignItem(id=str(number), text=f"Question {number}?"))
        held, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # Sixteen bytes in a table that is between three eighths and three quarters full, and its half while it grows.
    assert held < 3000 * 45
    assert peak < 3000 * 70


def test_the_items_of_a_run_are_read_once_however_many_rules_read_its_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    plain = lm_eval_samples._items

    def counted(samples: lm_eval_samples.SamplesFile, filter_name: str) -> Iterator[ForeignItem]:
        read.append(filter_name)
        return plain(samples, filter_name)

    monkeypatch.setattr(lm_eval_samples, "_items", counted)
    written.lm_eval_samples(tmp_path)
    store = ingest_foreign([written.lm_eval_results(tmp_path)], tmp_path / "store").store
    assert {member["scoring"] for member in store.manifest.benchmark("toy").envelope} == {"sum", "per_character"}
    assert read == ["none"]
