"""A worker's side: one process of the cluster in which one model is loaded and asked."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from safetyrepro import __version__
from safetyrepro.backends.base import Backend, Encoded, ModelIdentity
from safetyrepro.executors.base import Opening
from safetyrepro.manifest import TokenCounts
from safetyrepro.records import Request, Response


@dataclass(frozen=True, slots=True)
class Place:
    """Where a worker sits."""

    node: str
    """The cluster's name for the node."""
    address: str
    """The node's own address."""
    version: str
    """The version of safetyrepro that is installed there."""
    process: int
    """Process id of the worker."""


@dataclass(frozen=True, slots=True)
class Report:
    """Answers to a group, with what the backend counted and noted so far."""

    responses: tuple[Response, ...]
    """The answers."""
    counters: TokenCounts | None
    """Tokens since the model was loaded; None where the backend does not count."""
    notes: tuple[str, ...]
    """What a reader of the run should know."""


class Seat:
    """One load in a process of its own."""

    def __init__(self) -> None:
        self._backend: Backend | None = None

    def place(self) -> Place:
        """Say where this is; the first call, answered as soon as the cluster has found room."""
        import ray

        context = ray.get_runtime_context()
        return Place(context.get_node_id(), ray.util.get_node_ip_address(), __version__, os.getpid())

    def open(self, opening: Opening) -> ModelIdentity:
        """Load the model."""
        self._backend = opening.open()
        return self._backend.identity

    def encode(self, requests: Sequence[Request]) -> list[Encoded]:
        """Render and tokenize requests."""
        return self._opened().encode(requests)

    def answer(self, group: Sequence[Encoded]) -> Report:
        """Answer a group."""
        backend = self._opened()
        responses = tuple(backend.answer(group))
        counters = getattr(backend, "counters", None)
        return Report(responses, counters if isinstance(counters, TokenCounts) else None, tuple(getattr(backend, "notes", ())))

    def close(self) -> None:
        """Give memory back."""
        if self._backend is not None:
            self._backend.close()
            self._backend = None

    def _opened(self) -> Backend:
        if self._backend is None:
            raise ValueError("a seat is opened before it is asked")
        return self._backend
