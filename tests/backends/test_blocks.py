"""Attention in blocks against its definition."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safetyrepro.backends import blocks
from safetyrepro.backends.blocks import Block, as_runs, carrier

pytestmark = pytest.mark.model


@given(st.sets(st.integers(0, 40)))
def test_runs_are_the_columns_and_as_few_as_possible(columns):
    ordered = np.array(sorted(columns), dtype=np.int64)
    runs = as_runs(ordered)
    assert [column for first, length in runs for column in range(first, first + length)] == sorted(columns)
    assert all(first + length < after for (first, length), (after, _) in itertools.pairwise(runs))


def defined(query, key, value, seen, scaling):
    """(tokens, heads, width) attention in double precision, written slowly; groups of heads share keys."""
    heads, n_tokens, _ = query.shape
    found = np.zeros((n_tokens, heads, value.shape[-1]))
    for head in range(heads):
        shared = head * len(key) // heads
        for token in range(n_tokens):
            scores = np.where(seen[token], query[head, token] @ key[shared].T * scaling, -np.inf)
            weights = np.exp(scores - scores.max())
            found[token, head] = weights @ value[shared] / weights.sum()
    return found


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([(2, 2), (4, 2), (4, 1)]), st.integers(1, 12), st.integers(0, 9))
def test_each_block_attends_to_its_columns_alone(seed, heads, n_tokens, n_past):
    import torch

    rng = np.random.default_rng(seed)
    n_heads, n_groups = heads
    query = rng.normal(size=(n_heads, n_tokens, 4))
    key, value = rng.normal(size=(n_groups, n_past + n_tokens, 4)), rng.normal(size=(n_groups, n_past + n_tokens, 6))
    seen = rng.random((n_tokens, n_past + n_tokens)) < 0.4
    seen[np.arange(n_tokens), n_past + np.arange(n_tokens)] = True
    edges = sorted({0, n_tokens, *rng.integers(0, n_tokens + 1, 3).tolist()})
    parts = []
    for start, stop in itertools.pairwise(edges):
        columns = np.flatnonzero(seen[start:stop].any(axis=0))
        mask = np.where(seen[start:stop][:, columns], 0.0, np.finfo(np.float64).min)
        parts.append(Block(start, stop, as_runs(columns), torch.from_numpy(mask)[None, None]))
    tensors = [torch.from_numpy(one)[None] for one in (query, key, value)]
    found, _ = blocks._attend(torch.nn.Identity(), *tensors, carrier(parts), scaling=0.5)
    np.testing.assert_allclose(found[0].numpy(), defined(query, key, value, seen, 0.5), atol=1e-12)


@pytest.mark.parametrize("asked", [{}, {"softcap": 30.0}, {"position_bias": 1.0}])
def test_what_is_not_known_in_blocks_is_refused(asked):
    import torch

    states = torch.zeros((1, 2, 3, 4))
    mask = carrier([]) if asked else torch.zeros((1, 1, 3, 3))
    with pytest.raises(ValueError, match="Identity attends in a way that is not known in blocks"):
        blocks._attend(torch.nn.Identity(), states, states, states, mask, scaling=1.0, **asked)
