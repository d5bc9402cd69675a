"""The vLLM backend with a module of vLLM's shape that does not tell the truth: refused before the first cell, and never a number."""

from __future__ import annotations

import pytest

from fake_vllm import Logprob
from safetyrepro.errors import ModelError
from safetyrepro.records import Prompt, Request
from vllm_questions import SCORES, WRITES, answered, opened

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def folder(checkpoint):
    return checkpoint("llama", bos=True)


def shift_left(output):
    if output.prompt_logprobs:
        output.prompt_logprobs = [None, *output.prompt_logprobs[2:], output.outputs[0].logprobs[0]]
    return output


def shift_values(output):
    if output.prompt_logprobs:
        rows = output.prompt_logprobs
        values = [next(iter(row.values())).logprob for row in rows[1:]]
        moved = [*values[1:], -3.0]
        output.prompt_logprobs = [None] + [
            {token: Logprob(moved[place]) for token in list(row)[:1]} | dict(list(row.items())[1:])
            for place, row in enumerate(rows[1:])
        ]
    return output


def cut(output):
    if output.prompt_logprobs:
        output.prompt_logprobs = output.prompt_logprobs[:-1]
    return output


def no_none(output):
    if output.prompt_logprobs:
        output.prompt_logprobs[0] = output.prompt_logprobs[-1]
    return output


def nothing(output):
    output.prompt_logprobs = None
    return output


def narrowed(output):
    """Log-probabilities after the choice was narrowed to one token."""
    if len(output.outputs[0].logprobs or []) == 1 and output.prompt_logprobs is None:
        output.outputs[0].logprobs = [{output.outputs[0].token_ids[0]: Logprob(0.0, 1)}]
    return output


def positive(output):
    for entry in output.outputs[0].logprobs or []:
        for told in entry.values():
            told.logprob = 0.5
    return output


def drops_drawn(output):
    output.outputs[0].logprobs = None
    return output


def writes_others(output):
    if len(output.outputs[0].token_ids) == 2:
        output.outputs[0].token_ids = [3, 3]
        output.outputs[0].logprobs = [{3: Logprob(-9.0)}, {3: Logprob(-9.0)}]
    return output


def writes_less(output):
    if len(output.outputs[0].token_ids) == 2:
        output.outputs[0].token_ids = output.outputs[0].token_ids[:1]
    return output


def rounded(output):
    """What one and the same token is said to be differs between two prompts, by as much as half precision explains."""
    shift = 0.1 * (len(output.prompt_token_ids) % 2)
    entries = [*(output.prompt_logprobs or []), *(output.outputs[0].logprobs or [])]
    for told in {id(told): told for entry in entries if entry for told in entry.values()}.values():
        told.logprob = told.logprob - shift
    return output


@pytest.mark.parametrize(
    ("fault", "part"),
    [
        (shift_left, "says nothing of token"),
        (shift_values, "they are shifted|change when a token is added"),
        (cut, "lists .* log-probabilities for a prompt of"),
        (no_none, "the first token, which follows nothing"),
        (nothing, "lists 0 log-probabilities"),
        (narrowed, "two tokens are scored 0.0000, 0.0000 and were drawn at -"),
        (positive, "stands for a log-probability"),
        (drops_drawn, "vLLM drew 1 tokens; expected one, with its log-probability|vLLM drew 1 tokens"),
        (writes_less, "1 tokens are written; expected 2|1 tokens are written"),
        (writes_others, r"tokens \[3, 3\] are written"),
    ],
)
def test_an_engine_whose_log_probabilities_are_not_right_is_refused_before_the_first_cell(vllm, folder, fault, part):
    vllm.fault = fault
    with pytest.raises(ModelError, match=f"vLLM is not believed about its log-likelihoods: .*({part})"):
        opened(folder)
    assert vllm.closed == 1


def test_what_rounding_explains_in_half_precision_is_refused_in_single(vllm, folder):
    vllm.fault = rounded
    opened(folder, load={"dtype": "bfloat16"}).close()
    with pytest.raises(ModelError, match="they are shifted"):
        opened(folder)


@pytest.mark.parametrize(("fault", "part"), [(cut, "lists"), (drops_drawn, "drew"), (positive, "stands for")])
def test_an_engine_that_goes_wrong_later_costs_requests_and_gives_no_number(vllm, folder, fault, part):
    requests = [Request(prompt=Prompt.plain("the lake"), continuation=" the old tower is not right"), SCORES[0]]
    with opened(folder, share_prefixes=False) as backend:
        vllm.fault = fault
        found = answered(backend, requests)
    assert part in found[0].error
    assert all(one.error is not None or one.token_logprobs for one in found)


def aborted(output):
    output.outputs[0].finish_reason = "abort"
    output.outputs[0].token_ids = output.outputs[0].token_ids[:2]
    return output


def aborted_at_the_limit(output):
    output.outputs[0].finish_reason = "abort"
    return output


def ends_early(output):
    output.outputs[0].token_ids = output.outputs[0].token_ids[:2]
    output.outputs[0].finish_reason = "stop"
    return output


@pytest.mark.parametrize(
    ("fault", "part"),
    [
        (aborted, "for the reason 'abort'"),
        (aborted_at_the_limit, "for the reason 'abort'"),
        (ends_early, "for the reason 'stop'"),
    ],
)
def test_an_answer_that_ended_for_no_reason_of_ours_is_a_failure(vllm, folder, fault, part):
    with opened(folder) as backend:
        vllm.fault = fault
        (found,) = answered(backend, [WRITES[2]])
    assert part in found.error
    assert found.text is None
