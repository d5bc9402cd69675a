"""The executor of this process, the table of executors, and what an error keeps on its way from a worker."""

from __future__ import annotations

import pickle

import pytest

from safetyrepro.errors import ExecutorError, MissingDependency, ModelError, SafetyReproError, StoreError
from safetyrepro.executors import EXECUTORS, executor_module
from safetyrepro.executors.base import ExecutorOptions, Opening
from safetyrepro.study import EngineSpec, ModelSpec


def told(text: str) -> None:
    raise AssertionError(text)


def test_pieces_are_done_in_order():
    seen = []
    with executor_module("local").open_executor(ExecutorOptions(), note=told) as executor:
        found = executor.spread(lambda piece: seen.append(piece) or piece * 2, [3, 1, 2])

    assert (seen, found) == ([3, 1, 2], [6, 2, 4])


@pytest.mark.parametrize("options", [ExecutorOptions(address="h:1"), ExecutorOptions(gpus=1.0)])
def test_an_option_that_nobody_would_obey_is_refused(options: ExecutorOptions):
    with (
        pytest.raises(ExecutorError, match="the executor 'local' does not obey it"),
        executor_module("local").open_executor(options, note=told),
    ):
        pass


def test_an_unknown_executor_is_refused_with_the_names_of_the_known():
    with pytest.raises(ExecutorError, match=r"'dask' is not an executor; expected one of local, ray"):
        executor_module("dask")


@pytest.mark.parametrize("name", EXECUTORS)
def test_every_executor_is_called_by_its_own_name(name: str):
    assert name == executor_module(name).NAME


@pytest.mark.parametrize("backend", ["hf", "vllm", "server", "replay"])
def test_only_a_backend_that_loads_weights_weighs(backend: str, tmp_path):
    opening = Opening(backend=backend, model=ModelSpec(name="m"), settings={}, engine=EngineSpec(), folder=tmp_path)

    assert opening.weighs is (backend in {"hf", "vllm"})


@pytest.mark.parametrize(
    "error",
    [
        ModelError("model 'm'", found="is absent", expected="a folder", remedy="Name one."),
        StoreError("s", found="is full"),
        MissingDependency("torch", purpose="backend hf", extra="hf"),
    ],
)
def test_an_error_arrives_from_another_process_with_all_its_parts(error: SafetyReproError):
    arrived = pickle.loads(pickle.dumps(error))

    assert type(arrived) is type(error)
    assert arrived.__dict__ == error.__dict__
    assert str(arrived) == error.sentence
