"""A study on a Ray of one node: the same store, also when a worker dies or falls silent; and what is said where there is no Ray."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from safetyrepro.errors import ExecutorError, MissingDependency, ModelError
from safetyrepro.executors import cluster, executor_module
from safetyrepro.executors.base import Executor, ExecutorOptions, Opening
from safetyrepro.executors.cluster import NODE_LABEL, Cluster, Need, wanted
from safetyrepro.run import run
from safetyrepro.study import EngineSpec, ModelSpec
from test_plan_and_run import TEXT, plan_of, prompts_csv, record

OPENING = Opening(backend="hf", model=ModelSpec(name="m"), settings={}, engine=EngineSpec(), folder=Path())


class Pretended(Cluster):
    """A cluster as it says it is."""

    def __init__(self, sizes: dict[str, float], gpus: float = 0.0) -> None:
        self.sizes = sizes
        self.count = gpus

    def nodes(self, need: Need) -> set[str]:
        return {name for name, cpus in self.sizes.items() if cpus >= need.cpus}

    def gpus(self) -> float:
        return self.count


@pytest.mark.parametrize(
    ("device", "backend", "asked", "in_cluster", "expected"),
    [
        ("auto", "hf", None, 8.0, 1.0),
        ("auto", "hf", None, 0.0, 0.0),
        ("auto", "vllm", None, 8.0, 1.0),
        ("cpu", "vllm", None, 8.0, 0.0),
        ("cuda", "hf", None, 0.0, 1.0),
        ("cpu", "hf", None, 8.0, 0.0),
        ("auto", "server", None, 8.0, 0.0),
        ("auto", "replay", None, 8.0, 0.0),
        ("auto", "hf", 4.0, 8.0, 4.0),
        ("cpu", "hf", 0.5, 8.0, 0.5),
    ],
)
def test_a_load_takes_a_gpu_exactly_where_it_can_use_one(device, backend, asked, in_cluster, expected):
    opening = replace(OPENING, backend=backend, engine=EngineSpec(device=device, threads=3))

    assert wanted(opening, ExecutorOptions(gpus=asked), Pretended({}, in_cluster)) == Need(3.0, expected)


@pytest.mark.parametrize(
    ("avoided", "expected"),
    [
        ([], {}),
        (["a"], {NODE_LABEL: "!in(a)"}),
        (["b", "a", "a"], {NODE_LABEL: "!in(a,b)"}),
        (["small"], {}),
        (["gone"], {}),
        (["a", "b", "c"], {}),
    ],
)
def test_a_node_that_failed_is_avoided_as_long_as_another_is_large_enough(avoided: Sequence[str], expected):
    found = Pretended({"a": 4.0, "b": 4.0, "c": 4.0, "small": 1.0}).elsewhere(Need(2.0, 0.0), avoided)

    assert found == expected


def test_resources_fit_where_both_kinds_suffice():
    assert Need(2.0, 1.0).fits({"CPU": 2.0, "GPU": 1.0})
    assert not Need(2.0, 1.0).fits({"CPU": 2.0})
    assert not Need(2.0, 0.0).fits({"CPU": 1.5})


def test_where_ray_is_not_installed_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)

    with pytest.raises(MissingDependency, match=r"pip install 'safetyrepro\[ray\]'"), opened():
        pass


@pytest.mark.parametrize("address", ["10.0.0.1", "http://h:1", "ray://h:10001", ":6379", "h:port", ""])
def test_an_address_that_is_none_is_refused_with_its_form(address: str):
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'safetyrepro[ray]'")

    if address:
        with pytest.raises(ExecutorError, match="is not an address of a cluster; expected HOST:PORT"), opened(address=address):
            pass


def test_an_address_at_which_nobody_answers_is_refused_with_the_remedy():
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'safetyrepro[ray]'")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"

    with pytest.raises(ExecutorError, match=r"cannot be reached .*Start it with `ray start --head"), opened(address=address):
        pass


@pytest.mark.long
def test_a_port_that_accepts_and_says_nothing_is_given_up(monkeypatch):
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'safetyrepro[ray]'")
    monkeypatch.setattr(cluster, "HEALTH_SECONDS", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"

        with pytest.raises(ExecutorError, match="did not answer within 1 seconds"), opened(address=address):
            pass


def opened(**options):
    return executor_module("ray").open_executor(ExecutorOptions(**options), note=lambda _: None)


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    """A study of two recorded models."""
    folder = tmp_path_factory.mktemp("study")
    for name in ("xstest", "recorded"):
        (folder / name).mkdir()
    (folder / "xstest" / "xstest_prompts.csv").write_text(prompts_csv())
    (folder / "study.yaml").write_text(TEXT)
    record(plan_of(folder / "study.yaml"), folder / "recorded")
    return folder / "study.yaml"


NOTES: list[str] = []


@pytest.fixture(scope="module")
def executor(tmp_path_factory) -> Iterator[Executor]:
    """A Ray of one node, for all tests of this file."""
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'safetyrepro[ray]'")
    options = ExecutorOptions(group_timeout=60.0)
    with executor_module("ray").open_executor(options, note=NOTES.append) as opened_here:
        yield opened_here


class Disturbing:
    """Disturbs a worker once some groups are in the store."""

    def __init__(self, disturb, after: int = 16) -> None:
        self._left = after
        self._disturb = disturb
        self._lock = threading.Lock()

    def begin(self, label: str, total: int, done: int) -> None:
        pass

    def note(self, text: str) -> None:
        pass

    def advance(self, count: int) -> None:
        with self._lock:
            before, self._left = self._left, self._left - count
            if before > 0 >= self._left:
                self._disturb()


def parts(folder: Path):
    manifest = json.loads((folder / "manifest.json").read_text())
    return manifest["complete"], manifest["parts"], manifest["loads"], manifest["tokens"]


@pytest.mark.long
@pytest.mark.parametrize("kind", [signal.SIGKILL, signal.SIGSTOP])
def test_a_worker_that_dies_or_falls_silent_changes_nothing_in_the_store(study: Path, executor, tmp_path, monkeypatch, kind):
    monkeypatch.setattr(executor, "options", ExecutorOptions(group_timeout=60.0 if kind is signal.SIGKILL else 4.0))
    NOTES.clear()
    plan = plan_of(study)
    seats = []
    monkeypatch.setattr(executor, "open", lambda opening, ask=executor.open: seats.append(ask(opening)) or seats[-1])

    run(plan, tmp_path / "local")
    stopped: list[int] = []

    def disturb() -> None:
        stopped.append(next(seat._place.process for seat in seats if seat._place))
        os.kill(stopped[0], kind)

    run(plan, tmp_path / "ray", progress=Disturbing(disturb), executor=executor)

    assert parts(tmp_path / "ray") == parts(tmp_path / "local")
    assert any("a worker was given up" in note for note in NOTES)


@pytest.mark.long
def test_a_model_that_cannot_be_loaded_is_refused_with_the_sentence_of_a_local_run(study: Path, executor, tmp_path):
    plan = plan_of(study)
    plan = replace(plan, study=plan.study.model_copy(update={"engine": EngineSpec(recorded="nowhere")}))
    with pytest.raises(ModelError) as here:
        run(plan, tmp_path / "local")

    with pytest.raises(ModelError) as there:
        run(plan, tmp_path / "ray", executor=executor)

    assert there.value.sentence.replace("blunt", "kind") == here.value.sentence.replace("blunt", "kind")
    executor.stopping.clear()


@pytest.mark.long
def test_requests_that_fail_on_a_worker_fail_with_the_reason_of_a_local_run(study: Path, executor, tmp_path):
    plan = plan_of(study)
    folder = tmp_path / "study"
    (folder / "recorded").mkdir(parents=True)
    record(plan, folder / "recorded", leave_out=3)
    cut = replace(plan, folder=folder)

    run(cut, tmp_path / "local")
    run(cut, tmp_path / "ray", executor=executor)

    assert parts(tmp_path / "ray") == parts(tmp_path / "local")


@pytest.mark.long
def test_workers_that_are_lost_again_and_again_stop_the_run_with_one_sentence(study: Path, executor, tmp_path, monkeypatch):
    monkeypatch.setattr(executor, "options", ExecutorOptions(group_timeout=0.001))

    with pytest.raises(ExecutorError, match=r"3 workers in a row were lost .*no answer within 0\.001 seconds") as caught:
        executor.open(replace(OPENING, backend="replay", engine=EngineSpec(recorded="recorded"), folder=study.parent))

    assert "\n" not in caught.value.sentence
