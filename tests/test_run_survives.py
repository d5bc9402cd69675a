"""A run that is killed, or whose disk is full, or whose parts cannot be read: reported in one sentence, and finished as if undisturbed."""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from safetyrepro.errors import StoreError
from safetyrepro.run import run
from safetyrepro.store import mend, open_store
from test_plan_and_run import TEXT, Counting, all_records, plan_of, prompts_csv, record

LIMITED = """
import resource, sys
from safetyrepro.cli import main
limit = int(sys.argv.pop(1))
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
print("ready", flush=True)
main()
"""
"""A file that may not grow stands for a full disk: the system call that writes fails, at a byte that the test chooses."""


@pytest.fixture(scope="module")
def study_file(tmp_path_factory) -> Path:
    """A study of two recorded models in small groups."""
    folder = tmp_path_factory.mktemp("study")
    for name in ("xstest", "recorded"):
        (folder / name).mkdir()
    (folder / "xstest" / "xstest_prompts.csv").write_text(prompts_csv())
    (folder / "study.yaml").write_text(TEXT.replace("group_size: 16", "group_size: 8"))
    record(plan_of(folder / "study.yaml"), folder / "recorded")
    return folder / "study.yaml"


def plan_in(study_file: Path):
    return plan_of(study_file, study_file.read_text())


@pytest.fixture(scope="module")
def undisturbed(study_file: Path, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed") / "store"
    run(plan_in(study_file), folder)
    return folder


def started(study_file: Path, out: Path, *, limit: int = 0) -> subprocess.Popen[str]:
    words = [sys.executable, "-c", LIMITED, str(limit), "run", str(study_file), "--out", str(out), "--quiet"]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def contents(folder: Path):
    store = open_store(folder)
    responses = {response.key: response for response in store.responses()}
    prompts = store.prompts({response.prompt_digest for response in responses.values()})
    return store.manifest.complete, responses, all_records(store), prompts


@pytest.mark.long
def test_a_run_that_is_killed_at_any_instant_is_finished_as_an_undisturbed_one(study_file, undisturbed, tmp_path):
    draw = random.Random(11)
    for _ in range(3):
        process = started(study_file, tmp_path / "store")
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(draw.uniform(0.05, 0.8))
        process.send_signal(signal.SIGKILL)
        process.communicate()

    run(plan_in(study_file), tmp_path / "store")

    assert contents(tmp_path / "store") == contents(undisturbed)


@pytest.mark.long
@pytest.mark.parametrize("share", [0.0, 0.9, 1.0])
def test_a_full_disk_is_reported_in_one_sentence_and_costs_nothing_that_was_stored(study_file, undisturbed, tmp_path, share):
    whole = (undisturbed / "manifest.json").stat().st_size
    process = started(study_file, tmp_path / "store", limit=max(64, int(share * whole) - 200))
    _, said = process.communicate(timeout=120)

    assert process.returncode == 2
    assert "could not be written" in said
    assert "Free space or choose another folder" in said
    assert "Traceback" not in said
    assert not list((tmp_path / "store").rglob(".*.tmp"))

    run(plan_in(study_file), tmp_path / "store")

    assert contents(tmp_path / "store") == contents(undisturbed)


@pytest.mark.parametrize("kind", ["responses", "records", "prompts"])
def test_a_part_that_the_disk_keeps_back_is_named_and_mended(study_file, undisturbed, tmp_path, kind):
    folder = tmp_path / "store"
    shutil.copytree(undisturbed, folder)
    path = sorted((folder / kind).glob("*.parquet"))[0]
    path.unlink()
    path.symlink_to("/proc/self/mem")  # a file that exists, and gives an input/output error when it is read
    if not path.is_file():
        pytest.skip("this system has no file that cannot be read even by its owner")

    with pytest.raises(StoreError, match=r"cannot be read \(Input/output error.*safetyrepro mend") as caught:
        open_store(folder).verified(kind)
    assert "\n" not in caught.value.sentence

    assert [part.name for part in mend(folder)] == [path.name]
    counting = Counting()
    run(plan_in(study_file), folder, progress=counting)
    assert counting.asked == (8 if kind == "responses" else 0)
    assert contents(folder) == contents(undisturbed)


def test_prompts_that_a_store_lost_are_rendered_again_and_nothing_is_asked(study_file, undisturbed, tmp_path):
    folder = tmp_path / "store"
    shutil.copytree(undisturbed, folder)
    parts = {path.name: path.read_bytes() for path in (folder / "prompts").glob("*.parquet")}
    for name in parts:
        (folder / "prompts" / name).write_bytes(b"broken")

    assert {part.name for part in mend(folder)} == parts.keys()
    assert open_store(folder).manifest.complete
    counting = Counting()
    run(plan_in(study_file), folder, progress=counting)

    assert counting.asked == 0
    told = [note for note in counting.notes if "rendered prompts that the store lacked are written again" in note]
    assert len(told) == 1, "both models are shown the same prompts, which are written once"
    assert {path.name: path.read_bytes() for path in (folder / "prompts").glob("*.parquet")} == parts
    assert contents(folder) == contents(undisturbed)

    counting = Counting()
    run(plan_in(study_file), folder, progress=counting)
    assert not [note for note in counting.notes if "prompts" in note]


def test_prompts_that_a_narrower_study_does_not_ask_stay_lost_and_that_is_said(study_file, undisturbed, tmp_path):
    folder = tmp_path / "store"
    shutil.copytree(undisturbed, folder)
    for path in (folder / "prompts").glob("*.parquet"):
        path.unlink()
    mend(folder)
    narrow = plan_of(study_file, study_file.read_text().replace("[none, helpful]", "[none]"))

    counting = Counting()
    run(narrow, folder, progress=counting)

    rendered = open_store(folder).prompt_digests()
    lost = {response.prompt_digest for response in open_store(folder).responses()} - rendered
    assert len(rendered) == 24
    assert [note for note in counting.notes if "stay absent" in note] == [
        f"{len(lost)} rendered prompts stay absent: this study does not ask them, and one that does writes them again"
    ]


def test_a_run_is_refused_by_a_store_with_a_part_that_cannot_be_read(study_file, undisturbed, tmp_path):
    folder = tmp_path / "store"
    shutil.copytree(undisturbed, folder)
    path = sorted((folder / "responses").glob("*.parquet"))[0]
    path.write_bytes(path.read_bytes()[:-1])
    before = {part.name: part.read_bytes() for part in folder.rglob("*.parquet")}

    with pytest.raises(StoreError, match=path.name):
        run(plan_in(study_file), folder)

    assert {part.name: part.read_bytes() for part in folder.rglob("*.parquet")} == before


def test_answers_that_were_gathered_in_several_stores_are_taken_in_by_one(study_file, undisturbed, tmp_path):
    plan = plan_in(study_file)
    for place, model in enumerate(plan.study.models):
        alone = plan.study.model_copy(update={"models": [model], "name": f"part-{place}"})
        text = json.loads(alone.model_dump_json())
        (study_file.parent / f"part-{place}.yaml").write_text(json.dumps(text))
        part = plan_of(study_file.parent / f"part-{place}.yaml", json.dumps(text))
        run(part, tmp_path / f"part-{place}")
        for kind in ("responses", "prompts"):
            shutil.copytree(tmp_path / f"part-{place}" / kind, tmp_path / "whole" / kind, dirs_exist_ok=True)

    counting = Counting()
    run(plan, tmp_path / "whole", progress=counting)

    assert counting.asked == 0
    assert contents(tmp_path / "whole") == contents(undisturbed)
