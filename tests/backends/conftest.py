"""Tiny checkpoints, made once a session."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from fake_vllm import fake_modules
from faulty_server import FaultyServer, Truth, serving
from safetyrepro.backends import hf
from safetyrepro.backends.vllm_engine import VARIABLES
from safetyrepro.study import EngineSpec, ModelSpec
from tiny_checkpoints import make_checkpoint


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    """A function that makes a checkpoint, or returns the one it made before with the same arguments."""
    made: dict[str, Path] = {}

    def make(kind: str, **changes):
        name = repr((kind, sorted(changes.items())))
        if name not in made:
            made[name] = make_checkpoint(tmp_path_factory.mktemp(kind), kind, **changes)
        return made[name]

    return make


@pytest.fixture(scope="module")
def local(checkpoint):
    folder = checkpoint("llama", bos=True)
    with hf.open_backend(ModelSpec(name="m", path=str(folder)), {}, EngineSpec(device="cpu"), folder=folder) as backend:
        yield backend


@pytest.fixture
def server(local):
    found = FaultyServer(Truth(local))
    with serving(found) as found.url:
        yield found


@pytest.fixture
def vllm(monkeypatch):
    """The state of a module that stands in for vLLM."""
    state, modules = fake_modules()
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    return state
