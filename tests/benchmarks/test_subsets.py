"""A draw keeps the shares of the strata, is the same for the same seed, and a pool never meets the evaluated items."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from safetyrepro.benchmarks.subsets import alternating_pool, proportional, quotas
from safetyrepro.records import Item


def made(strata: str) -> tuple[Item, ...]:
    return tuple(Item(id=str(i), cluster=f"c{i}", stratum=name) for i, name in enumerate(strata))


def drawn(items, size, seed=0):
    return proportional(items, size, np.random.default_rng(seed), stratum=lambda item: item.stratum)


@given(st.lists(st.integers(0, 40), max_size=8), st.integers(0, 200))
def test_quotas_sum_to_the_draw_and_lie_within_one_of_the_exact_share(sizes, n_items):
    given_out = quotas(sizes, n_items)
    total = sum(sizes)
    assert sum(given_out) == min(n_items, total)
    for size, count in zip(sizes, given_out, strict=True):
        assert 0 <= count <= size
        if total:
            assert abs(count - Fraction(size * min(n_items, total), total)) < 1


@given(st.text("abc", max_size=40), st.integers(0, 50), st.integers(0, 5))
def test_a_draw_keeps_file_order_and_the_quota_of_each_stratum(strata, size, seed):
    items = made(strata)
    chosen = drawn(items, size, seed)
    assert [int(item.id) for item in chosen] == sorted({int(item.id) for item in chosen})
    names = list(dict.fromkeys(strata))
    counts = Counter(item.stratum for item in chosen)
    assert tuple(counts[name] for name in names) == quotas([strata.count(name) for name in names], size)


def test_the_same_seed_draws_the_same_items_and_another_seed_others():
    items = made("ab" * 50)
    assert drawn(items, 20, 1) == drawn(items, 20, 1)
    assert drawn(items, 20, 1) != drawn(items, 20, 2)


def test_a_negative_size_is_a_misuse():
    with pytest.raises(ValueError, match="negative"):
        drawn(made("ab"), -1)


def pooled(items, size, seed=0):
    return alternating_pool(items, size, np.random.default_rng(seed), label=lambda item: item.stratum)


@given(st.text("ab", max_size=30), st.integers(0, 20), st.integers(0, 5))
def test_every_beginning_of_a_pool_has_its_labels_within_one_of_each_other(strata, size, seed):
    pool = pooled(made(strata), size, seed)
    assert len(pool) <= size
    for k in range(len(pool) + 1):
        counts = Counter(item.stratum for item in pool[:k])
        if len(set(strata)) == 2:
            assert abs(counts["a"] - counts["b"]) <= 1


def test_the_most_frequent_label_comes_first():
    assert [item.stratum for item in pooled(made("aabbb"), 4)] == ["b", "a", "b", "a"]


def test_a_pool_takes_one_item_of_a_cluster():
    twins = tuple(Item(id=str(i), cluster="same", stratum="a") for i in range(4))
    assert len(pooled(twins, 4)) == 1
