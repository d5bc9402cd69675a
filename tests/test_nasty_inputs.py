"""Inputs that nobody should give: one sentence, exit code 2, nothing written beside the named folder, an existing store as it was."""

from __future__ import annotations

import hashlib
import json
import os
import random
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from safetyrepro.cli import main
from safetyrepro.ingest_foreign import ingest_foreign
from test_ingest_foreign import samples

RESULTS = {
    "results": {"toy": {"acc,none": 0.5}},
    "versions": {},
    "configs": {"toy": {"output_type": "multiple_choice"}},
    "n-shot": {"toy": 0},
    "config": {"model_args": "pretrained=m"},
}
HEADER = json.dumps({"version": 2, "eval": {"task": "t", "model": "m"}, "status": "success"})


def bomb(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "bomb.eval", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("header.json", HEADER)
        with archive.open("samples/1_epoch_1.json", "w", force_zip64=True) as member:
            for _ in range(300):
                member.write(b"0" * (1 << 20))
    return folder / "bomb.eval"


def lies(folder: Path) -> Path:
    """An archive whose directory states sizes that its members do not have."""
    with zipfile.ZipFile(folder / "lies.eval", "w") as archive:
        archive.writestr("header.json", HEADER)
    content = bytearray((folder / "lies.eval").read_bytes())
    place = content.find(b"PK\x01\x02")
    content[place + 20 : place + 28] = b"\xf0\xff\xff\xff" * 2
    (folder / "lies.eval").write_bytes(content)
    return folder / "lies.eval"


def outside(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "outside.eval", "w") as archive:
        for name in ("../../slipped.txt", str(folder.parent / "absolute.txt"), "samples/../../../x_epoch_1.json"):
            archive.writestr(name, "{}")
    return folder / "outside.eval"


def loop(folder: Path) -> Path:
    (folder / "loop").mkdir()
    for name, target in (("self", "."), ("up", ".."), ("a.json", "b.json"), ("b.json", "a.json"), ("zero.json", "/dev/zero")):
        (folder / "loop" / name).symlink_to(target)
    return folder / "loop"


def pipe(folder: Path) -> Path:
    os.mkfifo(folder / "pipe.json")
    return folder / "pipe.json"


def text(name: str, content: bytes) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        (folder / name).write_bytes(content)
        return folder / name

    return write


NASTY: dict[str, tuple[Callable[[Path], Path], str]] = {
    "a bomb": (bomb, "looks like an archive made to fill a disk"),
    "sizes that are lies": (lies, "looks like an archive made to fill a disk"),
    "names that lead outside": (outside, "outside.eval"),
    "links in a circle": (loop, "holds no result file"),
    "a pipe that nobody writes to": (pipe, "is no file"),
    "a device": (lambda _: Path("/dev/zero"), "is no file"),
    "a name of 300 letters": (lambda folder: folder / ("a" * 300), "File name too long"),
    "a string without end": (text("long.json", b'{"results": {"t": {"acc,none": "' + b"A" * 5_000_000), "is not a result file"),
    "lists in lists": (text("deep.json", b'{"results":' + b"[" * 300_000 + b"]" * 300_000 + b"}"), "is not a result file"),
    "noise": (text("noise.jsonl", random.Random(1).randbytes(200_000)), "is not a result file"),
    "zeros": (text("samples_t_2025-01-02T03-04-05.jsonl", bytes(10_000)), "is not a result file"),
    "UTF-16": (text("wide.json", json.dumps(RESULTS).encode("utf-16")), "is text in UTF-16; expected UTF-8"),
    "UTF-16 without a mark": (text("wider.json", json.dumps(RESULTS).encode("utf-16-be")), "is text in UTF-16; expected UTF-8"),
    "nothing": (text("empty.json", b""), "is not a result file"),
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("good")
    return ingest_foreign([samples(folder / "logs", "one", [1.0, 0.0])], folder / "store").store.folder


def state(folder: Path) -> dict[str, str]:
    """Every file below a folder with the digest of its bytes; pipes and links by their names."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "other"
        for path in sorted(folder.rglob("*"))
        if path.is_symlink() or not path.is_dir()
    }


def refused(words: list[str | Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    monkeypatch.setattr(sys, "argv", ["safetyrepro", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert said.startswith("safetyrepro: ")
    assert said.count("\n") == 1, said
    return said


@pytest.mark.parametrize("name", NASTY)
def test_a_nasty_input_gets_one_sentence_and_changes_nothing(
    name: str, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "work").mkdir()
    make, reason = NASTY[name]
    path = make(tmp_path / "in")
    monkeypatch.chdir(tmp_path / "work")
    before = state(tmp_path / "in") | state(store)

    assert reason in refused(["ingest", "auto", path], monkeypatch, capsys)
    assert reason in refused(["explain", path, store], monkeypatch, capsys)
    refused(["explain", store, path], monkeypatch, capsys)
    refused(["match", path, store], monkeypatch, capsys)
    refused(["match", store, path], monkeypatch, capsys)

    assert state(tmp_path / "in") | state(store) == before
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["in", "work"]
    assert list((tmp_path / "work").iterdir()) == []


@pytest.mark.parametrize("out", ["store", "store/manifest.json", "store/manifest.json/er", "a" * 300, "/proc/no/where"])
def test_results_are_written_nowhere_but_into_a_folder_of_their_own(
    out: str, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(store.parent)
    logs = samples(tmp_path / "logs", "two", [1.0, 1.0])
    before = state(store)
    said = refused(["ingest", "auto", logs, "-o", out], monkeypatch, capsys)
    assert any(word in said for word in ("occupied", "cannot be written", "cannot be used"))
    assert state(store) == before


def test_a_file_is_no_store_and_the_way_to_one_is_named(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "results.json").write_text(json.dumps(RESULTS))
    said = refused(["match", tmp_path / "results.json", store], monkeypatch, capsys)
    assert "is a file and no store" in said
    assert "`safetyrepro ingest auto FILE -o STORE`" in said


def test_numbers_that_are_none_are_no_scores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    folder = samples(tmp_path / "logs", "one", [1.0, 0.0])
    for path in folder.iterdir():
        path.write_text(path.read_text().replace(": 1.0", ": NaN").replace(": 0.0", ": -Infinity").replace(": 0.5", ": NaN"))
    store = ingest_foreign([folder], tmp_path / "store").store
    assert {row.value for row in store.records("toy", "accuracy")} == {None}
    assert "has a value" in refused(["explain", store.folder, store.folder], monkeypatch, capsys)
