"""Draws: seeded, nested, in file order, and apart from the pool."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from safetyrepro.benchmarks import draws
from safetyrepro.records import Item


def made(sizes: list[int]) -> list[Item]:
    """Strata of the given sizes; two items share a cluster, four a group."""
    return [
        Item(id=f"s{stratum}-{number}", cluster=f"s{stratum}-c{number // 2}", stratum=f"s{stratum}")
        for stratum, size in enumerate(sizes)
        for number in range(size)
    ]


strata = st.lists(st.integers(1, 12), min_size=1, max_size=4)


@given(strata, st.integers(0, 50), st.integers(0, 9))
def test_a_larger_draw_contains_a_smaller_one_in_file_order(sizes: list[int], n_items: int, seed: int) -> None:
    items = made(sizes)
    small = draws.drawn(items, n_items, np.random.default_rng(seed))
    large = draws.drawn(items, n_items + 3, np.random.default_rng(seed))
    assert len(small) == min(n_items, len(items))
    assert {item.id for item in small} <= {item.id for item in large}
    assert [items.index(item) for item in small] == sorted(items.index(item) for item in small)


@given(strata, st.integers(0, 9))
def test_turns_hold_every_item_once_and_no_stratum_runs_ahead(sizes: list[int], seed: int) -> None:
    items = made(sizes)
    order = draws.turns(items, np.random.default_rng(seed), key=lambda item: item.stratum)
    assert sorted(item.id for item in order) == sorted(item.id for item in items)
    shortest = min(sizes)
    head = [item.stratum for item in order[: shortest * len(sizes)]]
    assert all(head.count(f"s{number}") == shortest for number in range(len(sizes)))


@given(strata, st.integers(0, 9))
def test_one_cluster_of_every_stratum_that_has_two_is_reserved(sizes: list[int], seed: int) -> None:
    items = made(sizes)
    reserved = draws.reserved_clusters(items, np.random.default_rng(seed))
    strata_with_two = {item.stratum for item in items if item.cluster.endswith("c1")}
    assert sorted(name.split("-")[0] for name in reserved) == sorted(strata_with_two)


@given(strata, st.integers(0, 40), st.integers(0, 9))
def test_groups_are_drawn_whole_and_the_number_is_not_exceeded(sizes: list[int], n_items: int, seed: int) -> None:
    items = made([4 * size for size in sizes])

    def group(item: Item) -> str:
        stratum, number = item.id.split("-")
        return f"{stratum}-{int(number) // 4}"

    kept = draws.balanced_groups(items, n_items, np.random.default_rng(seed), group=group)
    assert len(kept) == min(n_items // 4 * 4, len(items))
    names = [group(item) for item in kept]
    assert all(names.count(name) == 4 for name in names)
    larger = draws.balanced_groups(items, n_items + 4, np.random.default_rng(seed), group=group)
    assert {item.id for item in kept} <= {item.id for item in larger}


def test_apart_drops_items_or_their_clusters() -> None:
    items = made([4])
    assert draws.apart(items, items[:1]) == tuple(items[1:])
    assert draws.apart(items, items[:1], by_cluster=True) == tuple(items[2:])
