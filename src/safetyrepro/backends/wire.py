"""JSON over HTTP to a server that may be slow, busy or broken: every call ends, with an answer or with the reason why there is none.

What may pass by itself (no connection, a cut one, a time-out, too many requests, a server error, a body that is no JSON) is tried again,
after a wait that doubles and is drawn at random so that clients do not come back together; a wait that the server asks for is honoured by
all calls. What will not pass (a refusal with a reason) fails at once. A call has a limit for the whole of it, so that a body that drips
cannot hold it open.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from safetyrepro.errors import RequestFailed
from safetyrepro.records import Json

if TYPE_CHECKING:
    import httpx

BUSY = frozenset({408, 425, 429, 500, 502, 503, 504, 529})
"""Statuses that may pass by themselves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How patient a client is."""

    attempts: int = 6
    """How often a call is tried."""
    seconds: float = 300.0
    """Longest duration of one try, from the first byte sent to the last received."""
    first_wait: float = 0.5
    """Mean wait in seconds before the second try; it doubles from try to try."""
    longest_wait: float = 60.0
    """Longest wait in seconds, also where the server asks for more."""
    body_bytes: int = 32_000_000
    """Largest body that is read."""


class _PassingError(Exception):
    """A try that failed in a way that may pass."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


class Wire:
    """A connection to one server.

    Parameters
    ----------
    url : str
        Its address, with or without ``/v1`` at the end.
    limits : Limits
        How patient to be.
    key : str or None
        What to send as bearer token; never printed.
    sleep, clock : callable
        How to wait, and how to tell the time in seconds.

    Attributes
    ----------
    retries : int
        Number of tries that failed and were repeated.
    """

    def __init__(
        self,
        url: str,
        *,
        limits: Limits,
        key: str | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        import httpx

        self.root = url.rstrip("/").removesuffix("/v1")
        self.retries = 0
        self._limits = limits
        self._sleep = sleep
        self._clock = clock
        self._lock = threading.Lock()
        self._not_before = 0.0
        self._rng = np.random.default_rng(0)
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._client = httpx.Client(headers=headers, timeout=limits.seconds)

    def post(self, path: str, body: Mapping[str, Json]) -> dict[str, Json]:
        """Send a body and return the object that comes back.

        Raises
        ------
        RequestFailed
            If the server refuses, or every try fails; the sentence holds the last reason.
        """
        return self._tried("POST", path, body)

    def get(self, path: str) -> dict[str, Json]:
        """Return the object behind a path; raises as `post` does."""
        return self._tried("GET", path, None)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _tried(self, method: str, path: str, body: Mapping[str, Json] | None) -> dict[str, Json]:
        reason = ""
        for attempt in range(self._limits.attempts):
            self._await_turn()
            try:
                return self._once(method, path, body)
            except _PassingError as failure:
                reason = str(failure)
                if attempt + 1 < self._limits.attempts:
                    self._postpone(attempt, failure.wait)
        raise RequestFailed(
            f"{self.root}{path}",
            found=f"{self._limits.attempts} tries failed, the last one: {reason}",
            remedy="Check that the server runs; then start the run again, it asks only for what is absent.",
        )

    def _once(self, method: str, path: str, body: Mapping[str, Json] | None) -> dict[str, Json]:
        import httpx

        deadline = self._clock() + self._limits.seconds
        try:
            with self._client.stream(method, self.root + path, json=body) as response:
                text = self._read(response, deadline)
        except httpx.TimeoutException as error:
            raise _PassingError("no answer in time") from error
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise _PassingError(f"{type(error).__name__}: {error}") from error
        if response.status_code in BUSY:
            wait = _seconds(response.headers.get("retry-after"))
            raise _PassingError(f"status {response.status_code}: {_excerpt(text)}", wait)
        if response.status_code != httpx.codes.OK:
            raise RequestFailed(
                f"{self.root}{path}",
                found=f"the server refuses with status {response.status_code}: {_excerpt(text)}",
                remedy="Correct what it names.",
            )
        return _parsed(text)

    def _read(self, response: httpx.Response, deadline: float) -> bytes:
        parts, size = [], 0
        for part in response.iter_bytes():
            parts.append(part)
            size += len(part)
            if self._clock() > deadline:
                raise _PassingError(f"the answer was not whole after {self._limits.seconds:g} seconds")
            if size > self._limits.body_bytes:
                raise _PassingError(f"the answer is longer than {self._limits.body_bytes} bytes")
        return b"".join(parts)

    def _await_turn(self) -> None:
        with self._lock:
            wait = self._not_before - self._clock()
        if wait > 0:
            self._sleep(wait)

    def _postpone(self, attempt: int, asked: float | None) -> None:
        """Wait before the next try; a wait that the server asked for holds for every call."""
        with self._lock:
            self.retries += 1
            drawn = float(self._rng.uniform(0.5, 1.5)) * self._limits.first_wait * 2.0**attempt
            wait = min(self._limits.longest_wait, drawn if asked is None else max(asked, drawn))
            if asked is not None:
                self._not_before = max(self._not_before, self._clock() + wait)
        if asked is None:
            self._sleep(wait)


def _parsed(text: bytes) -> dict[str, Json]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise _PassingError(f"the answer is not JSON: {_excerpt(text)}") from error
    if not isinstance(found, dict):
        raise _PassingError(f"the answer is no JSON object: {_excerpt(text)}")
    return found


def _excerpt(text: bytes) -> str:
    return " ".join(text[:300].decode("utf-8", "replace").split()) or "(empty)"


def _seconds(text: str | None) -> float | None:
    """The wait of a Retry-After header in seconds; None where there is none, or where it is a date."""
    try:
        return None if text is None else max(0.0, float(text))
    except ValueError:
        return None
