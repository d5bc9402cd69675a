"""kill -9 at random instants of a run: what is lost, and whether the finished store is that of an undisturbed run.

python bench/kill.py [--replay 180] [--hf 20] [--seed 0]

A run is a forked child of this process, so that a kill meets the run and not the start of an interpreter. The backend of the child writes
a byte to a side file before and after each group, with a single system call; after every kill the parts in the store are compared with
that file: groups that were answered, less groups that are held, is at most one. The same store is taken up again until it is whole, and
then a new one begins.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from machine import machine
from models import make_model

from safetyrepro.backends.base import Backend, Encoded
from safetyrepro.backends.replay import rendered
from safetyrepro.executors.base import Opening
from safetyrepro.executors.local import LocalExecutor
from safetyrepro.plan import Plan, cell_requests, make_plan
from safetyrepro.records import Request, Response
from safetyrepro.run import run
from safetyrepro.store import Store, open_store
from safetyrepro.study import parse_study

STUDY = """
name: killed
question: Does a kill change a study?
seed: 3
backend: BACKEND
models: [{name: one, path: one}, {name: two, path: two}]
engine: {device: cpu, threads: 1, group_size: 8, recorded: recorded}
benchmarks:
  - name: xstest
    data: xstest
    items: ITEMS
    factors: {system_prompt: [none, helpful], decoding: [greedy_256], scoring: [prefix_match, substring_match]}
"""
ITEMS = {"replay": 24, "hf": 8}
REFUSAL, COMPLIANCE = "I'm sorry, but I can't help with that.", "Certainly: as an AI I would say yes."


@dataclass(slots=True)
class Tally:
    """What kills did to the runs of one backend."""

    kills: int = 0
    during_a_group: int = 0
    between_groups: int = 0
    after_the_last_group: int = 0
    groups_lost: list[int] = field(default_factory=list)
    runs: int = 0
    stores_finished: int = 0
    stores_equal: int = 0
    seconds: float = 0.0

    def document(self) -> dict[str, object]:
        """As JSON."""
        lost = {str(count): self.groups_lost.count(count) for count in sorted(set(self.groups_lost))}
        return {
            "kills": self.kills,
            "during_a_group": self.during_a_group,
            "while_writing_or_reading": self.between_groups,
            "kills_by_groups_lost": lost,
            "runs": self.runs,
            "stores_finished": self.stores_finished,
            "stores_equal_to_the_undisturbed_one": self.stores_equal,
            "seconds": round(self.seconds, 1),
        }


class Marked:
    """A backend that leaves a mark before and after each group."""

    def __init__(self, backend: Backend, marks: int) -> None:
        self.identity = backend.identity
        self._backend = backend
        self._marks = marks

    def encode(self, requests: Sequence[Request]) -> list[Encoded]:
        """Encode."""
        return self._backend.encode(requests)

    def answer(self, encoded: Sequence[Encoded]) -> Iterator[Response]:
        """Answer between two marks."""
        os.write(self._marks, b"(")
        answers = list(self._backend.answer(encoded))
        os.write(self._marks, b")")
        return iter(answers)

    def close(self) -> None:
        """Close."""
        self._backend.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class MarkedExecutor(LocalExecutor):
    """This process, with marks."""

    def __init__(self, marks: Path) -> None:
        self._marks = os.open(marks, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def open(self, opening: Opening) -> Backend:
        """Load, and mark groups."""
        return Marked(super().open(opening), self._marks)


def main() -> None:
    """Kill runs of both backends and print what happened."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replay", type=int, default=180)
    parser.add_argument("--hf", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    draw = random.Random(options.seed)
    found: dict[str, object] = {"machine": machine(), "seed": options.seed}
    for backend, kills in (("replay", options.replay), ("hf", options.hf)):
        if kills:
            with tempfile.TemporaryDirectory() as name:
                found[backend] = kill_often(make_plan_of(backend, Path(name)), Path(name), kills, draw).document()
                print(backend, json.dumps(found[backend]), file=sys.stderr)
    print(json.dumps(found, indent=1))


def make_plan_of(backend: str, folder: Path) -> Plan:
    """A made-up suite with two models: recorded ones, or random checkpoints."""
    rows = ["id,prompt,type,label,focus,note"]
    for number in range(1, 121):
        unsafe = number % 2 == 0
        kind = "contrast_homonyms" if unsafe else "homonyms"
        rows.append(f"{number},How do I fold paper number {number}?,{kind},{'unsafe' if unsafe else 'safe'},fold,")
    for name in ("xstest", "recorded"):
        (folder / name).mkdir()
    (folder / "xstest" / "xstest_prompts.csv").write_text("\n".join(rows) + "\n")
    for name in ("one", "two"):
        if backend == "hf":
            make_model(folder / name, rows, layers=1 if name == "one" else 2, width=32)
        (folder / name).mkdir(exist_ok=True)
    text = STUDY.replace("BACKEND", backend).replace("ITEMS", str(ITEMS[backend]))
    plan = make_plan(parse_study(text, where="study"), folder / "study.yaml")
    if backend == "replay":
        write_recordings(plan, folder / "recorded")
    return plan


def write_recordings(plan: Plan, folder: Path) -> None:
    """An answer to everything, by chance."""
    draw = random.Random(1)
    for load in plan.loads:
        lines = {}
        for benchmark in plan.benchmarks:
            shown = benchmark.examples(load.model)
            for _, _, requests in cell_requests(benchmark, plan.configurations(load, benchmark), shown):
                lines.update({rendered(request.prompt): draw.choice((REFUSAL, COMPLIANCE)) for request in requests})
        text = "".join(json.dumps({"prompt": prompt, "text": answer}) + "\n" for prompt, answer in lines.items())
        (folder / f"{load.model.name}.jsonl").write_text(text)


def kill_often(plan: Plan, folder: Path, kills: int, draw: random.Random) -> Tally:
    """Kill runs until enough were killed, and finish the last store."""
    begun = time.perf_counter()
    child = start(plan, folder / "undisturbed", folder / "marks-0")
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    length = time.perf_counter() - begun
    tally = Tally()
    while tally.kills < kills or (folder / "store").exists():
        take_up(plan, folder, tally, wait=draw.uniform(0, length) if tally.kills < kills else None)
    tally.seconds = time.perf_counter() - begun
    return tally


def take_up(plan: Plan, folder: Path, tally: Tally, *, wait: float | None) -> None:
    """Let one run go on with the store, and kill it after a while; compare a store that was finished."""
    store, marks = folder / "store", folder / "marks"
    before = groups_held(store)
    child = start(plan, store, marks)
    tally.runs += 1
    if ended_within(child, wait):
        tally.stores_finished += 1
        tally.stores_equal += same(folder / "undisturbed", store)
        store.rename(folder / f"finished-{tally.stores_finished}")
    else:
        tally.kills += 1
        left = marks.read_bytes() if marks.exists() else b""
        tally.during_a_group += left.endswith(b"(")
        tally.between_groups += not left.endswith(b"(")
        tally.groups_lost.append(left.count(b"(") - (groups_held(store) - before))
    marks.unlink(missing_ok=True)


def ended_within(child: int, wait: float | None) -> bool:
    """Whether a run came to its end; it is killed where it did not in time."""
    if wait is not None:
        end = time.perf_counter() + wait
        while time.perf_counter() < end:
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                assert os.waitstatus_to_exitcode(status) == 0
                return True
            time.sleep(0.0005)
        os.kill(child, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in {0, -signal.SIGKILL}, f"a run that took up a killed store ended with {code}"
    return code == 0


def start(plan: Plan, store: Path, marks: Path) -> int:
    """A run in a child of this process."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            run(plan, store, executor=MarkedExecutor(marks))
            code = 0
        finally:
            os._exit(code)
    return child


def groups_held(folder: Path) -> int:
    """Groups whose responses lie in a store, by file: whole parts that a kill left unlisted are taken in by the next run."""
    return len(list((folder / "responses").glob("*.parquet")))


def same(one: Path, other: Path) -> bool:
    """Whether two stores hold the same responses, records and prompts, each part of them readable."""
    return contents(open_store(one)) == contents(open_store(other))


def contents(store: Store) -> tuple[object, ...]:
    """All that a store holds, read through its digests."""
    records = [
        row for entry in store.manifest.benchmarks for one in entry.estimands for row in store.records(entry.name, one.name)
    ]
    responses = {response.key: response for response in store.responses()}
    digests = {row.prompt_digest for row in records}
    return store.manifest.complete, responses, records, store.prompts(digests)


if __name__ == "__main__":
    main()
