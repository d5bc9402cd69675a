"""The server backend against a server that does not tell the truth, or hardly answers."""

from __future__ import annotations

import pytest

from safetyrepro.backends.wire import Limits
from safetyrepro.errors import ModelError
from server_faults import LASTING, MISBEHAVIOURS, PASSING, changed, raw
from server_questions import SCORES, WRITES, answered, opened

pytestmark = pytest.mark.model


@pytest.mark.parametrize("name", MISBEHAVIOURS)
def test_a_server_that_misbehaves_about_log_likelihoods_is_refused_before_the_first_cell(server, checkpoint, name):
    change, reason = MISBEHAVIOURS[name]
    server.break_next(changed(change))
    with opened(server, checkpoint) as backend:
        assert answered(backend, WRITES)[0].error is None, "generations do not need log-probabilities"
        with pytest.raises(ModelError, match=f"not believed about log-likelihoods: .*({reason})"):
            backend.encode(SCORES)


def test_there_are_at_least_forty_faults():
    assert len(PASSING) + len(LASTING) + len(MISBEHAVIOURS) >= 40


@pytest.mark.parametrize("name", PASSING)
def test_a_fault_that_passes_leaves_no_trace_in_the_answers(server, checkpoint, local, name):
    with opened(server, checkpoint) as backend:
        server.break_next(PASSING[name], times=2)
        found = answered(backend, [WRITES[0], SCORES[0]])
        assert "calls to the server were repeated" in backend.notes[0]
    for response, expected in zip(found, answered(local, [WRITES[0], SCORES[0]]), strict=True):
        assert response.error is None
        assert response.text == expected.text
        assert response.token_logprobs == pytest.approx(expected.token_logprobs, abs=1e-4)


@pytest.mark.parametrize("name", PASSING)
def test_a_fault_that_does_not_pass_is_a_failure_with_its_reason(server, checkpoint, name):
    with opened(server, checkpoint) as backend:
        server.break_next(PASSING[name])
        for response in answered(backend, [WRITES[0], SCORES[0]]):
            assert "3 tries failed, the last one: " in response.error
            assert response.text is None
            assert response.token_logprobs == ()


@pytest.mark.parametrize("name", LASTING)
def test_an_answer_that_is_none_is_a_failure_with_its_reason_and_not_asked_again(server, checkpoint, name):
    fault, reason = LASTING[name]
    with opened(server, checkpoint) as backend:
        server.seen.clear()
        server.break_next(fault)
        (response,) = answered(backend, WRITES[:1])
        assert reason in response.error
        assert response.text is None
        assert len(server.seen) == 1
        assert backend.notes == ()


@pytest.mark.parametrize("name", [name for name in MISBEHAVIOURS if name not in {"is off by one", "adds noise"}])
def test_a_server_that_begins_to_misbehave_is_met_in_each_answer(server, checkpoint, name):
    change, _ = MISBEHAVIOURS[name]
    unseen = {"names tokens that are none", "does not name tokens", "always says the same"}
    with opened(server, checkpoint) as backend:
        server.break_next(changed(change))
        (response,) = answered(backend, SCORES[:1])
        assert (response.error is None) == (name in unseen), "what only the self-test can see, it sees before the first cell"


def test_an_answer_that_drips_is_given_up_in_time(server, checkpoint):
    limits = Limits(attempts=2, seconds=0.3, first_wait=0.001)
    with opened(server, checkpoint, limits=limits) as backend:
        server.break_next(lambda handler, answer: handler.drip(answer, 0.05))
        (response,) = answered(backend, WRITES[:1])
    assert "was not whole after 0.3 seconds" in response.error


def test_an_answer_without_end_is_given_up(server, checkpoint):
    limits = Limits(attempts=2, seconds=5, first_wait=0.001, body_bytes=1000)
    with opened(server, checkpoint, limits=limits) as backend:
        server.break_next(raw(b" " * 100_000))
        (response,) = answered(backend, WRITES[:1])
    assert "longer than 1000 bytes" in response.error
