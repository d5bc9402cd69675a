"""What is read of a row's logits, against its definition."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safetyrepro.backends.prefix import Scorable, plan_prefixes
from safetyrepro.backends.shared import _Reading

pytestmark = pytest.mark.model

VOCABULARY = 5
values = st.one_of(st.floats(-80, 80, width=32), st.sampled_from([0.0, -0.0, 1.0, 1.5, 30.0, -1e4, 3.4e38, float("-inf")]))
rows = st.lists(values, min_size=VOCABULARY, max_size=VOCABULARY).filter(lambda row: max(row) > float("-inf"))


@st.composite
def scorables(draw):
    ids = draw(st.lists(st.integers(0, VOCABULARY - 1), min_size=2, max_size=7))
    return Scorable(tuple(ids), draw(st.integers(1, len(ids) - 1)))


def read(sequences, logits_of, dtype="float32", cuts=()):
    """Read a whole plan, in rows cut as told; `logits_of` maps a prefix to its logits."""
    import torch

    plan = plan_prefixes(sequences)
    paths = {int(place): ids for one, ids in _prefixes(sequences, plan) for place, ids in zip(one, ids, strict=True)}
    reading = _Reading(plan)
    edges = sorted({0, len(plan.tokens), *(cut for cut in cuts if cut < len(plan.tokens))})
    found = {}
    for start, stop in itertools.pairwise(edges):
        kept = reading.places(start, stop) + start
        logits = torch.tensor([logits_of[paths[int(place)]] for place in kept], dtype=getattr(torch, dtype))
        with torch.inference_mode():
            reading.read(logits.reshape(len(kept), VOCABULARY).clone().float(), start, stop)
        found.update(reading.completed(start, stop))
    return found


def _prefixes(sequences, plan):
    for index, one in enumerate(sequences):
        places = plan.read_at[plan.offsets[index] : plan.offsets[index + 1]]
        behind = range(len(one.ids) - one.n_scored, len(one.ids))
        yield places, [one.ids[:length] for length in behind]


def expected(one, logits_of, dtype="float32"):
    """Log-probability by its definition in double precision, and the first of the largest."""
    import torch

    logprobs, greedy = [], True
    for length in range(len(one.ids) - one.n_scored, len(one.ids)):
        row = torch.tensor(logits_of[one.ids[:length]], dtype=getattr(torch, dtype)).double().numpy()
        top = row.max()
        logprobs.append(float(row[one.ids[length]] - top - np.log(np.exp(row - top).sum())))
        greedy &= int(np.flatnonzero(row == top)[0]) == one.ids[length]
    return logprobs, greedy


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@given(sequences=st.lists(scorables(), min_size=1, max_size=8), cuts=st.sets(st.integers(1, 30), max_size=4), data=st.data())
@settings(max_examples=60, deadline=None)
def test_log_probabilities_and_the_first_of_the_largest_are_read(dtype, sequences, cuts, data):
    prefixes = sorted({one.ids[:length] for one in sequences for length in range(1, len(one.ids))})
    finite = rows if dtype == "float32" else rows.filter(lambda row: max(map(abs, row)) <= 1e4)
    logits_of = {prefix: data.draw(finite) for prefix in prefixes}
    found = read(sequences, logits_of, dtype, cuts)
    assert sorted(found) == list(range(len(sequences)))
    for index, one in enumerate(sequences):
        logprobs, greedy = expected(one, logits_of, dtype)
        assert found[index].greedy == greedy
        assert found[index].logprobs == pytest.approx(logprobs, rel=1e-6, abs=1e-6)


def test_of_several_that_are_equally_likely_the_first_is_the_likeliest():
    logits_of = {(0,): [1.0, 3.0, 3.0, 0.0, 3.0]}
    found = read([Scorable((0, token), 1) for token in range(VOCABULARY)], logits_of)
    assert [found[token].greedy for token in range(VOCABULARY)] == [False, True, False, False, False]
    assert found[1].logprobs == found[2].logprobs == found[4].logprobs


def test_many_sequences_that_read_one_row_are_read_alike():
    logits_of = {(0,): [0.0, 1.0, 5.0, 0.0, 0.0], (0, 2): [0.0, 0.0, 0.0, 0.0, 9.0]}
    found = read([Scorable((0, 2, token), 2) for token in (4, 4, 3, 4)], logits_of)
    assert [found[index].greedy for index in range(4)] == [True, True, False, True]
    assert found[0] == found[1] == found[3]


def test_what_cannot_be_is_minus_infinity_and_what_is_no_number_stays_none():
    nothing = float("nan")
    logits_of = {(0,): [0.0, float("-inf"), 1.0, 0.0, 0.0], (1,): [0.0, nothing, 1.0, 0.0, 0.0]}
    never, unknown = read([Scorable((0, 1), 1), Scorable((1, 2), 1)], logits_of).values()
    assert never.logprobs == (float("-inf"),)
    assert np.isnan(unknown.logprobs[0])
    assert not never.greedy
    assert not unknown.greedy
