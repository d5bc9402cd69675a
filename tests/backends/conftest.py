"""Tiny checkpoints, made once a session."""

from __future__ import annotations

from pathlib import Path

import pytest

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
