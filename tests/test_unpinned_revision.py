"""A repository without a commit is fixed by the first run: later runs of the store ask for the revision that it found."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from safetyrepro.plan import make_plan
from safetyrepro.run import run
from safetyrepro.selection import shipped_studies
from safetyrepro.study import parse_study

pytestmark = pytest.mark.model

FIRST, SECOND = "a" * 40, "b" * 40
TEXT = """
name: moving
models: [{name: m, repository: x/m}]
engine: {device: cpu, threads: 1}
benchmarks:
  - {name: crows_pairs, data: suite/crows_pairs, items: 4, factors: {template: [sentence], scoring: [sum]}}
"""


class Hub:
    """A repository whose main branch moves; remembers the revisions that were asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.main, self.asked = folder, FIRST, list[str | None]()

    def __call__(self, repository: str, *, revision: str | None = None, allow_patterns: object = None) -> str:
        self.asked.append(revision)
        return str(self.folder / (revision or self.main))


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    import huggingface_hub

    quickstart = shipped_studies()["quickstart"].parent
    for revision, name in ((FIRST, "tiny-llama"), (SECOND, "tiny-qwen2")):
        shutil.copytree(quickstart / "checkpoints" / name, tmp_path / "hub" / revision)
    shutil.copytree(quickstart / "suite", tmp_path / "suite")
    hub = Hub(tmp_path / "hub")
    monkeypatch.setattr(huggingface_hub, "snapshot_download", hub)
    return hub


def revisions(store: Path) -> list[str]:
    return [entry["revision"] for entry in json.loads((store / "study.lock.json").read_text())["models"]]


def ran(folder: Path, text: str = TEXT) -> None:
    path = folder / "study.yaml"
    path.write_text(text)
    run(make_plan(parse_study(text, where=str(path)), path), folder / "store")


def test_a_repository_that_moved_is_still_read_where_the_first_run_found_it(tmp_path: Path, hub: Hub):
    ran(tmp_path)
    records = sorted(path.name for path in (tmp_path / "store" / "records").iterdir())
    hub.main = SECOND
    ran(tmp_path)

    assert hub.asked == [None, FIRST]
    assert revisions(tmp_path / "store") == [FIRST]
    assert sorted(path.name for path in (tmp_path / "store" / "records").iterdir()) == records


def test_a_revision_that_the_study_names_is_obeyed_whatever_the_store_held(tmp_path: Path, hub: Hub):
    ran(tmp_path)
    ran(tmp_path, TEXT.replace("repository: x/m", f"repository: x/m, revision: {SECOND}"))

    assert hub.asked == [None, SECOND]
    assert revisions(tmp_path / "store") == [SECOND]
