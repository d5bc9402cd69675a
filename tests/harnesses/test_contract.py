"""What every reader of the family promises, on a small run of its package."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from harnesses import written
from safetyrepro.errors import IngestError
from safetyrepro.harnesses import HARNESSES, harness
from safetyrepro.harnesses.base import DISCLOSURES, STAGES, Part
from safetyrepro.harnesses.bounded import sniff
from safetyrepro.harnesses.discovery import check, discover
from safetyrepro.records import Status


def inspect_file(folder: Path) -> Path:
    path = folder / "log.json"
    path.write_text(json.dumps(written.inspect_log()))
    return path


def lm_eval_file(folder: Path) -> Path:
    written.lm_eval_samples(folder)
    return written.lm_eval_results(folder)


def helm_file(folder: Path) -> Path:
    return written.helm_run(folder / "run") / "run_spec.json"


def nemo_file(folder: Path) -> Path:
    """The folder that nemo-evaluator 0.2.8 wrote about eight invented questions."""
    shutil.copytree(DATA / "nemo" / "letters", folder / "run")
    return folder / "run" / "results.yml"


WRITERS: dict[str, Callable[[Path], Path]] = {
    "lm-eval": lm_eval_file,
    "inspect-ai": inspect_file,
    "helm": helm_file,
    "lighteval": written.lighteval_run,
    "every-eval-ever": written.eee_record,
    "nemo": nemo_file,
}
DATA = Path(__file__).resolve().parents[1] / "data"
names = pytest.mark.parametrize("name", list(HARNESSES))


def test_every_reader_has_a_small_run_here() -> None:
    assert list(WRITERS) == list(HARNESSES)


@names
def test_a_reader_names_itself_and_the_versions_it_was_checked_with(name: str) -> None:
    module = harness(name)
    assert name == module.NAME
    assert module.TITLE
    assert module.VERSIONS


@names
def test_a_file_is_recognised_by_its_own_reader_only(name: str, tmp_path: Path) -> None:
    seen = sniff(WRITERS[name](tmp_path))
    recognised = {other: harness(other).recognises(seen) for other in HARNESSES}
    assert recognised == {other: Part.RUN if other == name else None for other in HARNESSES}


@names
def test_a_run_says_what_it_knows_and_what_it_does_not(name: str, tmp_path: Path) -> None:
    for run in harness(name).read(WRITERS[name](tmp_path)):
        assert run.harness == name
        assert run.settings["harness"]
        assert all(isinstance(level, str) and level for level in run.settings.values())
        assert not (set(run.settings) - set(STAGES) - {"task_args", "source"})
        plain = [field for field in run.undisclosed if not field.startswith("direction of")]
        assert plain == [field for field in DISCLOSURES if field in plain]
        assert set(run.reported) <= {estimand.name for estimand in run.estimands} or run.harness == "inspect-ai"
        assert all(path.is_file() for path in run.files)
        assert run.model


@names
def test_items_can_be_read_twice_and_every_mark_is_honest(name: str, tmp_path: Path) -> None:
    runs = [run for run in harness(name).read(WRITERS[name](tmp_path)) if not run.aggregates_only]
    assert runs
    for run in runs:
        items = list(run.items())
        assert items == list(run.items())
        for item in items:
            assert set(item.marks) <= {estimand.name for estimand in run.estimands}
            assert all((mark.value is None) != (mark.status is Status.SCORED) for mark in item.marks.values())
            assert all(mark.reason for mark in item.marks.values() if mark.value is None)


@names
def test_a_cut_file_is_refused_with_one_sentence(name: str, tmp_path: Path) -> None:
    path = WRITERS[name](tmp_path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    with pytest.raises(IngestError) as caught:
        for run in harness(name).read(path):
            list(run.items())
    assert "\n" not in caught.value.sentence


@names
def test_one_walk_reads_a_run_once_with_all_its_files(name: str, tmp_path: Path) -> None:
    lead = WRITERS[name](tmp_path)
    readings = list(discover([tmp_path]))
    assert [reading.path for reading in readings if reading.runs] == [lead]
    assert all(reading.part_of == lead for reading in readings if not reading.runs)
    assert check(next(reading for reading in readings if reading.runs)).n_items > 0


def test_only_the_asked_package_is_read(tmp_path: Path) -> None:
    path = lm_eval_file(tmp_path)
    (reading,) = discover([path], package="helm")
    assert "is not a result file that is known" in str(reading.refusal)
    assert "what helm writes" in str(reading.refusal)


def test_a_path_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(IngestError, match="does not exist"):
        list(discover([tmp_path / "absent"]))


def test_links_to_folders_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "walked").mkdir()
    lm_eval_file(tmp_path / "real")
    (tmp_path / "walked" / "link").symlink_to(tmp_path / "real")
    assert list(discover([tmp_path / "walked"])) == []
