"""Drawing one token: against its slow definition, and against transformers' own."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracles.decoding import kept_weights, penalized
from safetyrepro.backends.drafts import Draft, Drafting, drawn, nucleus
from safetyrepro.records import Decoding, Prompt, Request

pytestmark = pytest.mark.model

logits = st.lists(st.floats(-8, 8).map(lambda value: round(value, 3)), min_size=2, max_size=12, unique=True)


def draft(*, prompt=(0,), penalty=1.0, seed=None, **decoding):
    import torch

    generator = None if seed is None else torch.Generator().manual_seed(seed)
    asked = Decoding(max_tokens=decoding.pop("max_tokens", 4), seed=seed, **decoding)
    return Draft(prompt, asked, penalty, generator)


@settings(deadline=None)
@given(logits, st.floats(0.2, 3), st.integers(0, 13), st.floats(0.05, 1))
def test_the_tokens_that_may_be_drawn_are_those_of_the_definition(values, temperature, top_k, top_p):
    import torch

    decoding = Decoding(max_tokens=1, temperature=temperature, top_k=top_k, top_p=top_p)
    found = nucleus(torch.tensor(values, dtype=torch.float64), decoding).tolist()
    expected = kept_weights(values, temperature=temperature, top_k=top_k, top_p=top_p)
    assert found == pytest.approx(expected, abs=1e-9)


@settings(deadline=None)
@given(logits, st.floats(0.3, 2), st.integers(1, 12), st.floats(0.1, 0.99))
def test_the_tokens_that_may_be_drawn_are_those_that_transformers_keeps(values, temperature, top_k, top_p):
    import torch
    from transformers import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

    scores = torch.tensor([values], dtype=torch.float64)
    ids = torch.zeros((1, 1), dtype=torch.long)
    for warper in (TemperatureLogitsWarper(temperature), TopKLogitsWarper(top_k), TopPLogitsWarper(top_p)):
        scores = warper(ids, scores)
    expected = torch.softmax(scores[0], dim=0)
    decoding = Decoding(max_tokens=1, temperature=temperature, top_k=top_k, top_p=top_p)
    found = nucleus(torch.tensor(values, dtype=torch.float64), decoding)
    assert (found / found.sum()).tolist() == pytest.approx(expected.tolist(), abs=1e-9)


@settings(deadline=None)
@given(logits, st.floats(1.01, 2), st.sets(st.integers(0, 1), min_size=1))
def test_a_repetition_penalty_lowers_what_was_seen(values, penalty, seen):
    import torch

    expected = penalized(values, seen, penalty)
    found = drawn(torch.tensor(values, dtype=torch.float64), draft(prompt=tuple(seen), penalty=penalty))
    assert expected[found] == max(expected)


def test_draws_follow_their_weights():
    import torch

    values = torch.tensor([0.0, 1.0, 2.0, -1.0])
    expected = torch.softmax(values, dim=0).tolist()
    counts = [0] * 4
    one = draft(seed=7, temperature=1.0)
    for _ in range(4000):
        counts[drawn(values, one)] += 1
    for count, share in zip(counts, expected, strict=True):
        assert abs(count / 4000 - share) < 5 * (share * (1 - share) / 4000) ** 0.5


def test_a_draw_depends_on_the_seed_alone():
    import torch

    values = torch.randn(50, generator=torch.Generator().manual_seed(0))
    sequences = [[drawn(values, one) for _ in range(10)] for one in (draft(seed=seed, temperature=1.0) for seed in (1, 1, 2))]
    assert sequences[0] == sequences[1] != sequences[2]


def test_drawing_leaves_the_global_generator_alone():
    import torch

    before = torch.random.get_rng_state()
    drawn(torch.zeros(9), draft(seed=1, temperature=1.0))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_token_of_weight_zero_is_never_drawn():
    import torch

    values = torch.tensor([0.0, -1e9, 0.0, -1e9])
    one = draft(seed=3, temperature=1.0)
    assert {drawn(values, one) for _ in range(300)} == {0, 2}


class Letters:
    """Decodes tokens as letters."""

    def decode(self, ids):
        return "".join(chr(97 + token) for token in ids)


class Settings:
    eos_token_id = [25, 24]
    do_sample = True
    temperature, top_p, top_k, repetition_penalty = 0.5, None, None, 1.2


def one_hot(token):
    import torch

    return torch.nn.functional.one_hot(torch.tensor(token), 26).float()


def extended(one, tokens, *, drafting=None):
    drafting = drafting or Drafting(Letters(), None, eos=25)
    for token in tokens:
        drafting.extend(one, one_hot(token))
    return one.finished


def test_an_answer_ends_at_the_limit():
    found = extended(draft(max_tokens=3), [0, 1, 2])
    assert (found.text, found.finish, found.ids) == ("abc", "length", (0, 1, 2))


def test_an_answer_ends_at_an_ending_token_which_is_not_part_of_its_text():
    found = extended(draft(), [0, 25])
    assert (found.text, found.finish, found.ids) == ("a", "stop", (0, 25))


def test_every_ending_token_of_the_settings_ends_an_answer():
    drafting = Drafting(Letters(), Settings(), eos=23)
    assert drafting.ends == {23, 24, 25}
    assert extended(draft(), [0, 24], drafting=drafting).text == "a"


def test_an_answer_ends_at_the_first_stop_text_however_tokens_cut_it():
    found = extended(draft(max_tokens=9, stop=("zz", "cd", "bcd")), [0, 1, 2, 3])
    assert (found.text, found.finish) == ("a", "stop"), "the earliest place counts, not the first in the list"


def test_an_empty_stop_text_stops_nothing():
    assert extended(draft(max_tokens=2, stop=("",)), [0, 1]).finish == "length"


def test_an_answer_that_has_ended_takes_no_more_tokens():
    drafting = Drafting(Letters(), None, eos=25)
    one = draft(max_tokens=1)
    extended(one, [0], drafting=drafting)
    assert drafting.extend(one, one_hot(7)) == 0
    assert one.ids == [0]


def test_the_models_own_settings_hold_only_where_asked():
    class Encoded:
        context_ids = (1, 2)

        def __init__(self, decoding):
            self.request = Request(prompt=Prompt.plain("x"), decoding=decoding)

    drafting = Drafting(Letters(), Settings(), eos=None)
    own = drafting.begin(Encoded(Decoding(max_tokens=3, model_default=True, seed=1)))
    stated = drafting.begin(Encoded(Decoding(max_tokens=3)))
    assert (own.penalty, own.decoding.temperature, own.decoding.top_k) == (1.2, 0.5, 50)
    assert (stated.penalty, stated.decoding.temperature, stated.generator) == (1.0, 0.0, None)
    assert own.generator is not None
    assert own.longest == 3
