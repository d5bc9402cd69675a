"""Here, in the process of the run: loads are opened one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from safetyrepro.backends.base import Backend
from safetyrepro.errors import ExecutorError
from safetyrepro.executors.base import Executor, ExecutorOptions, Note, Opening, Piece, Result

NAME = "local"


class LocalExecutor:
    """Carries loads out in this process, in order."""

    def open(self, opening: Opening) -> Backend:
        """Load a model here."""
        return opening.open()

    def spread(self, work: Callable[[Piece], Result], pieces: Sequence[Piece]) -> list[Result]:
        """Do one piece after the other: two models in one memory would only push each other out."""
        return [work(piece) for piece in pieces]


@contextmanager
def open_executor(options: ExecutorOptions, *, note: Note) -> Iterator[Executor]:
    """Give the executor of this process.

    Raises
    ------
    ExecutorError
        If an option was given that only a cluster obeys.
    """
    del note
    if options.address is not None or options.gpus is not None:
        name = "--address" if options.address is not None else "--gpus"
        raise ExecutorError(
            f"option {name}",
            found="the executor 'local' does not obey it",
            remedy="Add --executor ray, or leave the option out.",
        )
    yield LocalExecutor()
