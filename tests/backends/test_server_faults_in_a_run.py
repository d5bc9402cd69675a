"""Every fault of a server through `run`: afterwards the store is that of an honest server, or holds FAILED with the reason."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path

import pytest

from faulty_server import FaultyServer, serving
from safetyrepro.backends.server import connected
from safetyrepro.backends.wire import Limits, Wire
from safetyrepro.errors import ModelError
from safetyrepro.executors.local import LocalExecutor
from safetyrepro.records import Status
from safetyrepro.run import run
from safetyrepro.store import Store, open_store
from server_faults import LASTING, MISBEHAVIOURS, PASSING, changed, raw, status
from server_questions import PATIENT
from test_plan_and_run import all_records, plan_of, prompts_csv

pytestmark = pytest.mark.long

WRITING = """
name: served
question: Which of two servers refuses more?
seed: 3
backend: server
models: [{name: one, url: URL, repository: tiny}]
engine: {group_size: 2, concurrency: 2}
benchmarks:
  - {name: xstest, data: xstest, items: 4, factors: {scoring: [prefix_match, substring_match]}}
"""
SCORING = """
name: scored
question: What does a server say of two sentences?
seed: 3
backend: server
models: [{name: one, url: URL, repository: tiny, path: PATH}]
engine: {group_size: 4, concurrency: 2}
benchmarks:
  - {name: crows_pairs, data: crows, items: 4}
"""
SLOW = {
    "a slow drip": (lambda handler, answer: handler.drip(answer, 0.05), Limits(attempts=2, seconds=0.3, first_wait=0.001)),
    "an answer without end": (raw(b" " * 100_000), Limits(attempts=2, seconds=5, first_wait=0.001, body_bytes=1000)),
    "a wait that never ends": (status(429, {"Retry-After": "86400"}), PATIENT),
}


class Scripted(FaultyServer):
    """A server that answers by rule, without a model."""

    def __init__(self) -> None:
        super().__init__(truth=None)  # type: ignore[arg-type]  # nothing is computed

    def answer(self, path, body):
        prompt = json.dumps(body.get("messages", body.get("prompt")))
        refuses = hashlib.sha256(prompt.encode()).digest()[0] % 2
        text = "I'm sorry, but I can't help with that." if refuses else "Certainly: fold it twice."
        choice = {"finish_reason": "stop"} | (
            {"message": {"role": "assistant", "content": text}} if "messages" in body else {"text": text}
        )
        return 200, {"choices": [choice], "usage": {"prompt_tokens": 3, "completion_tokens": 5}}


class Impatient(LocalExecutor):
    """Opens a server's model with limits of milliseconds, and lets a fault begin once the self-test is over."""

    def __init__(self, server, fault=None, *, times: int = 10**9, limits: Limits = PATIENT, early: bool = False) -> None:
        self._server, self._fault, self._times, self._limits, self._early = server, fault, times, limits, early

    def open(self, opening):
        if self._fault and self._early:
            self._server.break_next(self._fault, times=self._times)
        backend = connected(opening.model, Wire(self._server.url, limits=self._limits), opening.engine, folder=opening.folder)
        if self._fault and not self._early:
            self._server.break_next(self._fault, times=self._times)
        return backend


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    made = tmp_path_factory.mktemp("study")
    (made / "xstest").mkdir()
    (made / "xstest" / "xstest_prompts.csv").write_text(prompts_csv())
    return made


@pytest.fixture(scope="module")
def honest():
    server = Scripted()
    with serving(server) as server.url:
        yield server


@pytest.fixture
def served(honest):
    honest.fault, honest.only = None, 0
    honest.seen.clear()
    return honest


def plan_for(server, folder: Path):
    return plan_of(folder / "study.yaml", WRITING.replace("URL", server.url))


@pytest.fixture(scope="module")
def undisturbed(honest, folder, tmp_path_factory):
    return contents(run(plan_for(honest, folder), tmp_path_factory.mktemp("u") / "store", executor=Impatient(honest)))


def contents(store: Store):
    return {response.key: response for response in store.responses()}, all_records(store)


def assert_failed(store: Store, reason: str, count: int) -> None:
    failed = [row for row in all_records(store) if row.status is Status.FAILED]
    assert len({(row.cell, row.item_id) for row in failed}) == count
    assert all(row.value is None and reason in row.reason for row in failed)


@pytest.mark.parametrize("name", PASSING)
def test_a_fault_is_failed_with_its_reason_while_it_lasts_and_leaves_no_trace_once_it_passes(
    served, folder, undisturbed, tmp_path, name
):
    plan = plan_for(served, folder)
    store = run(plan, tmp_path / "store", executor=Impatient(served, PASSING[name]))
    assert_failed(store, "3 tries failed, the last one: ", 8)
    assert list(store.responses()) == []

    again = run(plan, tmp_path / "store", executor=Impatient(served, PASSING[name], times=2))
    assert served.only == 0, "the fault was met"
    assert contents(again) == undisturbed


@pytest.mark.parametrize("name", LASTING)
def test_an_answer_that_is_none_is_failed_with_the_reason_and_costs_no_other(served, folder, undisturbed, tmp_path, name):
    fault, reason = LASTING[name]
    plan = plan_for(served, folder)
    store = run(plan, tmp_path / "store", executor=Impatient(served, fault, times=1))
    assert_failed(store, reason, 2)

    assert contents(run(plan, tmp_path / "store", executor=Impatient(served))) == undisturbed


@pytest.mark.parametrize("name", SLOW)
def test_a_server_that_takes_its_time_is_failed_with_the_reason(served, folder, undisturbed, tmp_path, name):
    fault, limits = SLOW[name]
    plan = plan_for(served, folder)
    store = run(plan, tmp_path / "store", executor=Impatient(served, fault, times=4, limits=limits))
    failed = [row for row in all_records(store) if row.status is Status.FAILED]
    assert all("tries failed" in row.reason for row in failed)

    served.break_next(fault, times=0)
    assert contents(run(plan, tmp_path / "store", executor=Impatient(served))) == undisturbed


def test_a_server_that_dies_in_the_middle_is_failed_and_another_time_finished(folder, undisturbed, tmp_path):
    server = Scripted()
    with serving(server) as server.url:
        plan = plan_for(server, folder)
        executor = Impatient(server, lambda handler, answer: handler.hang_up())
        store = run(plan, tmp_path / "store", executor=executor)
    assert_failed(store, "tries failed", 8)


@pytest.fixture(scope="module")
def crows(tmp_path_factory, checkpoint) -> Path:
    """A made-up suite of sentence pairs."""
    made = tmp_path_factory.mktemp("scored")
    (made / "crows").mkdir()
    header = ["", "sent_more", "sent_less", "stereo_antistereo", "bias_type", "annotations", "anon_writer", "anon_annotators"]
    with (made / "crows" / "crows_pairs_anonymized.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(header)
        for number in range(8):
            more, less = f"The old pilot was not right {number}.", f"The young pilot was not right {number}."
            writer.writerow([number, more, less, "stereo", "age", "[['age']]", "a1", "['a2']"])
    return made


@pytest.mark.model
@pytest.mark.parametrize("name", MISBEHAVIOURS)
def test_a_server_that_lies_about_log_likelihoods_is_refused_by_the_run_and_nothing_is_stored(
    server, checkpoint, crows, tmp_path, name
):
    change, reason = MISBEHAVIOURS[name]
    text = SCORING.replace("URL", server.url).replace("PATH", str(checkpoint("llama", bos=True)))
    plan = plan_of(crows / "study.yaml", text)

    with pytest.raises(ModelError, match=f"not believed about log-likelihoods: .*({reason})"):
        run(plan, tmp_path / "store", executor=Impatient(server, changed(change), early=True))

    store = open_store(tmp_path / "store")
    assert not store.manifest.complete
    assert contents(store) == ({}, [])


def test_at_least_forty_different_faults_go_through_a_run():
    assert len({*PASSING, *LASTING, *SLOW, *MISBEHAVIOURS}) >= 40
