"""A Ray cluster: one actor for each load, watched from here, and given to another worker when it fails or falls silent.

Ray places actors, counts GPUs and notices dead nodes. What it does not do is come to an end when a network falls silent, so every call has
a time limit of its own here: whoever does not answer in time is given up, and the same call goes to a worker on another node. Nothing is
written by workers; an answer of one that was given up has nobody to receive it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager, suppress
from types import TracebackType
from typing import Any, Self

from safetyrepro import __version__
from safetyrepro.backends.base import Backend, Encoded, ModelIdentity
from safetyrepro.errors import ExecutorError
from safetyrepro.executors.base import Executor, ExecutorOptions, Note, Opening, Piece, Result
from safetyrepro.executors.cluster import Cluster, Need, connected, wanted
from safetyrepro.executors.seat import Place, Report, Seat
from safetyrepro.manifest import TokenCounts
from safetyrepro.records import Request, Response

NAME = "ray"
ATTEMPTS = 3
"""Workers that are tried for one call before the run stops."""
MOST_LOADS = 256
"""Loads that are carried out side by side, at most."""
LOOK_SECONDS = 5.0
"""How often a load that waits for room looks whether the run has stopped."""


class Unanswered(Exception):
    """A worker was lost, or did not answer in time; says why."""


class RayExecutor:
    """Carries loads out in actors of a cluster.

    Parameters
    ----------
    cluster : Cluster
        The cluster that this process is connected to.
    options : ExecutorOptions
        Time limit and GPUs.
    note : callable
        Told which worker was given up, and why.
    """

    def __init__(self, cluster: Cluster, options: ExecutorOptions, note: Note) -> None:
        self.cluster = cluster
        self.options = options
        self.note = note
        self.stopping = threading.Event()
        self._actors: list[Any] = []  # Any: handles of a foreign library

    def open(self, opening: Opening) -> Backend:
        """Load a model on the cluster."""
        return RayBackend(self, opening)

    def spread(self, work: Callable[[Piece], Result], pieces: Sequence[Piece]) -> list[Result]:
        """Do all pieces side by side; the cluster lets an actor wait until there is room. The first error stops all."""
        with ThreadPoolExecutor(max_workers=max(1, min(len(pieces), MOST_LOADS))) as pool:
            futures = [pool.submit(work, piece) for piece in pieces]
            try:
                done, _ = wait(futures, return_when=FIRST_EXCEPTION)
                failed = next((future for future in futures if future in done and future.exception() is not None), None)
                if failed is None:
                    return [future.result() for future in futures]
            finally:
                if not all(future.done() for future in futures):
                    self._stop()
                    pool.shutdown(wait=False, cancel_futures=True)
            return [failed.result()]

    def start(self, need: Need, avoided: Sequence[str]) -> Any:  # Any: a handle of a foreign library
        """Ask the cluster for a worker, away from nodes that failed."""
        import ray

        seat = ray.remote(Seat).options(
            num_cpus=need.cpus,
            num_gpus=need.gpus,
            max_restarts=0,
            max_task_retries=0,
            label_selector=self.cluster.elsewhere(need, avoided),
        )
        actor = seat.remote()
        self._actors.append(actor)
        return actor

    def end(self, actor: Any) -> None:  # Any: a handle of a foreign library
        """End a worker, whatever it is doing."""
        import ray

        if actor in self._actors:
            self._actors.remove(actor)
        ray.kill(actor, no_restart=True)

    def _stop(self) -> None:
        """End every worker, so that whoever waits for one is woken."""
        self.stopping.set()
        for actor in list(self._actors):
            self.end(actor)


class RayBackend:
    """A backend whose model lies on a worker: the same questions, the same answers, another place when a worker is lost.

    Parameters
    ----------
    executor : RayExecutor
        The cluster and its options.
    opening : Opening
        What is loaded.
    """

    def __init__(self, executor: RayExecutor, opening: Opening) -> None:
        self._executor = executor
        self._opening = opening
        self._need = wanted(opening, executor.options, executor.cluster)
        self._avoided: list[str] = []
        self._actor: Any = None  # Any: a handle of a foreign library
        self._place: Place | None = None
        self._counted: TokenCounts | None = None
        self._earlier = TokenCounts()
        self._notes: tuple[str, ...] = ()
        self._seen: ModelIdentity | None = None
        with ExitStack() as stack:
            stack.callback(self._give_up)
            self.identity: ModelIdentity = self._persist(lambda: self._seen)
            stack.pop_all()

    @property
    def counters(self) -> TokenCounts | None:
        """Tokens so far, on all workers that carried this load; None where the backend does not count."""
        return None if self._counted is None else self._earlier.plus(self._counted)

    @property
    def notes(self) -> tuple[str, ...]:
        """What the backend noted."""
        return self._notes

    def encode(self, requests: Sequence[Request]) -> list[Encoded]:
        """Render and tokenize requests on the worker."""
        encoded: list[Encoded] = self._persist(lambda: self._call("encode", list(requests)))
        return encoded

    def answer(self, encoded: Sequence[Encoded]) -> Iterator[Response]:
        """Answer a group on the worker, within the time limit."""
        report: Report = self._persist(lambda: self._call("answer", list(encoded)))
        self._counted, self._notes = report.counters, report.notes
        return iter(report.responses)

    def close(self) -> None:
        """Give the place back."""
        if self._actor is not None:
            with suppress(Unanswered, ExecutorError):
                self._ask(self._actor.close.remote(), LOOK_SECONDS)
            self._give_up()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _persist(self, call: Callable[[], Any]) -> Any:  # Any: whatever the call gives
        """Make a call; where its worker is lost, make it again on another."""
        reasons: list[str] = []
        while len(reasons) < ATTEMPTS:
            try:
                if self._actor is None:
                    self._take_seat()
                return call()
            except Unanswered as error:
                where = self._place.address if self._place else "a worker that found no place"
                reasons.append(f"{where}: {error}")
                self._leave(reasons[-1])
        raise ExecutorError(
            f"load {self._opening.model.name}",
            found=f"{ATTEMPTS} workers in a row were lost ({'; '.join(reasons)})",
            expected="a worker that answers within --group-timeout",
            remedy="See that safetyrepro and the model are at hand on every node, or raise --group-timeout; the same command goes on from here.",
        )

    def _take_seat(self) -> None:
        """Find a place and load the model there."""
        self._actor = self._executor.start(self._need, self._avoided)
        self._place = self._placed(self._actor.place.remote())
        if self._place.version != __version__:
            raise ExecutorError(
                f"node {self._place.address}",
                found=f"has safetyrepro {self._place.version}, this is {__version__}",
                remedy="Install the same version on every node.",
            )
        found: ModelIdentity = self._call("open", self._opening)
        known = self._seen or found
        if found.digest != known.digest:
            raise ExecutorError(
                f"load {self._opening.model.name}",
                found=f"another node loads something else ({found.engine} on {found.device}, not {known.engine} on {known.device})",
                expected="the same weights, versions and kind of device on every node",
                remedy="Make the nodes alike, or name the device in the study's 'engine'.",
            )
        self._seen = found

    def _placed(self, reference: Any) -> Place:  # Any: a reference of a foreign library
        """Wait for room; without a limit while the cluster is full, within the limit once it says that there is room."""
        idle = 0.0
        while True:
            try:
                place: Place = self._ask(reference, LOOK_SECONDS, patient=True)
                return place
            except TimeoutError:
                idle = idle + LOOK_SECONDS if self._executor.cluster.has_room(self._need) else 0.0
                if idle >= self._executor.options.group_timeout:
                    raise Unanswered("the cluster has room and started no worker") from None

    def _call(self, name: str, argument: object) -> Any:  # Any: whatever the method gives
        if self._actor is None:
            raise Unanswered("there is no worker")
        return self._ask(getattr(self._actor, name).remote(argument), self._executor.options.group_timeout)

    def _ask(self, reference: Any, seconds: float, *, patient: bool = False) -> Any:  # Any: a reference, and what it refers to
        """What a call gave; an error of the backend is raised as it was there, a lost worker as Unanswered."""
        import ray.exceptions

        if self._executor.stopping.is_set():
            raise _stopped()
        try:
            return ray.get(reference, timeout=seconds)
        except ray.exceptions.GetTimeoutError as error:
            if patient:
                raise TimeoutError from error
            raise Unanswered(f"no answer within {seconds:g} seconds") from error
        except ray.exceptions.RayTaskError as error:
            raise (error.cause if isinstance(error.cause, Exception) else RuntimeError(str(error)[-300:])) from None
        except ray.exceptions.RayError as error:
            raise Unanswered(str(error).strip().splitlines()[0][:160]) from error

    def _leave(self, reason: str) -> None:
        """Give a worker up and keep away from its node."""
        if self._executor.stopping.is_set():
            raise _stopped()
        if self._place is not None:
            self._avoided.append(self._place.node)
        self._earlier = self._earlier.plus(self._counted or TokenCounts())
        self._counted = TokenCounts() if self._counted is not None else None
        self._executor.note(f"{self._opening.model.name}: a worker was given up ({reason})")
        self._give_up()

    def _give_up(self) -> None:
        if self._actor is not None:
            self._executor.end(self._actor)
        self._actor, self._place = None, None


def _stopped() -> ExecutorError:
    return ExecutorError("run", found="stopped because another load failed", remedy="Start it again: it goes on from here.")


@contextmanager
def open_executor(options: ExecutorOptions, *, note: Note) -> Iterator[Executor]:
    """Connect to a cluster, or start Ray on this machine.

    Raises
    ------
    ExecutorError
        If the cluster cannot be reached.
    MissingDependency
        If Ray is not installed.
    """
    with connected(options) as cluster:
        yield RayExecutor(cluster, options, note)
