"""Patience: what is tried again, how long is waited, and what is not tried again."""

from __future__ import annotations

import json

import httpx
import pytest

from safetyrepro.backends.wire import Limits, Wire
from safetyrepro.errors import RequestFailed


def wired(answers, **limits):
    """A wire whose server gives these answers in turn, and whose waits are noted instead of kept."""
    waits = []
    wire = Wire("http://somewhere/v1/", limits=Limits(**limits), sleep=waits.append, clock=lambda: 100.0 + sum(waits))
    queue = list(answers)

    def answer(request):
        found = queue.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    wire._client = httpx.Client(transport=httpx.MockTransport(answer))
    return wire, waits


def ok(value):
    return httpx.Response(200, content=json.dumps(value))


def test_an_address_is_taken_with_or_without_its_version():
    for url in ("http://somewhere", "http://somewhere/", "http://somewhere/v1", "http://somewhere/v1/"):
        assert Wire(url, limits=Limits()).root == "http://somewhere"


def test_an_answer_is_returned_without_waiting():
    wire, waits = wired([ok({"a": 1})])
    assert wire.post("/v1/x", {}) == {"a": 1}
    assert waits == []
    assert wire.retries == 0


def test_waits_double_and_vary():
    wire, waits = wired([httpx.Response(500)] * 5 + [ok({})], first_wait=1.0)
    assert wire.get("/v1/x") == {}
    assert len(waits) == wire.retries == 5
    for attempt, wait in enumerate(waits):
        assert 0.5 * 2**attempt <= wait <= 1.5 * 2**attempt
    assert len({round(wait / 2**attempt, 6) for attempt, wait in enumerate(waits)}) == 5


def test_a_wait_that_the_server_asks_for_is_kept_by_every_call():
    wire, waits = wired([httpx.Response(429, headers={"retry-after": "7"}), ok({}), ok({})])
    wire.get("/v1/x")
    assert waits == [pytest.approx(7.0)]
    wire, waits = wired([httpx.Response(429, headers={"retry-after": "7"})] * 2 + [ok({})], attempts=1)
    with pytest.raises(RequestFailed):
        wire.get("/v1/x")
    assert waits == [], "the last try is not followed by a wait"


def test_no_wait_is_longer_than_the_longest():
    wire, waits = wired([httpx.Response(429, headers={"retry-after": "900"}), ok({})], longest_wait=3.0)
    wire.get("/v1/x")
    assert waits == [pytest.approx(3.0)]


@pytest.mark.parametrize(
    "failure",
    [httpx.ConnectError("refused"), httpx.ReadTimeout("slow"), httpx.RemoteProtocolError("cut"), httpx.ReadError("reset")],
)
def test_a_broken_connection_is_tried_again(failure):
    wire, _ = wired([failure, ok({"a": 1})])
    assert wire.get("/v1/x") == {"a": 1}


def test_a_refusal_is_not_tried_again_and_its_reason_is_kept():
    wire, waits = wired([httpx.Response(400, content=b'{"error": "prompt too long"}')])
    with pytest.raises(RequestFailed, match=r"status 400: .*prompt too long"):
        wire.get("/v1/x")
    assert waits == []


def test_the_last_reason_is_told():
    wire, _ = wired([httpx.Response(500), httpx.Response(503, content=b"loading")], attempts=2)
    with pytest.raises(RequestFailed, match=r"http://somewhere/v1/x: 2 tries failed, the last one: status 503: loading"):
        wire.get("/v1/x")
