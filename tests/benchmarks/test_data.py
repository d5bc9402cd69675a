"""Files are found plain or packed, measured unpacked, named by edition, and refused with one sentence."""

from __future__ import annotations

import gzip
import hashlib
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import pytest

from safetyrepro.benchmarks import editions
from safetyrepro.benchmarks.base import DataFile, DataSource
from safetyrepro.benchmarks.data import load_data
from safetyrepro.errors import DataError

CONTENT = b"one\ntwo\n"
DIGEST = hashlib.sha256(CONTENT).hexdigest()


def benchmark(*files: DataFile, **names: object) -> ModuleType:
    """A stand-in for an adapter: the names that reading looks at."""
    module = ModuleType("tiny")
    module.NAME = "tiny"
    module.SOURCE = DataSource(files=files, revision="somebody/tiny@1", licence="CC0-1.0", citation="Nobody", n_items=2)
    for name, value in names.items():
        setattr(module, name, value)
    return module


ONE = DataFile(path="data/one.txt", sha256=(DIGEST,))
MORE = DataFile(path="more.txt", sha256=("0" * 64,), required=False)


def write(folder: Path, path: str, content: bytes) -> None:
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_bytes(content)


def test_a_pinned_file_is_recognised(tmp_path: Path) -> None:
    write(tmp_path, "data/one.txt", CONTENT)
    loaded = load_data(benchmark(ONE), tmp_path, strict=True)
    assert loaded.files == {"data/one.txt": CONTENT}
    assert loaded.digests == {"data/one.txt": DIGEST}
    assert (loaded.edition, loaded.notes) == ("pinned", ())


@pytest.mark.parametrize("path", ["data/one.txt.gz", "one.txt", "one.txt.gz"])
def test_packing_and_the_folder_level_do_not_matter(tmp_path: Path, path: str) -> None:
    write(tmp_path, path, gzip.compress(CONTENT) if path.endswith(".gz") else CONTENT)
    assert load_data(benchmark(ONE), tmp_path, strict=True).digests == {"data/one.txt": DIGEST}


def test_unknown_bytes_are_read_as_local_with_a_note_unless_that_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "data/one.txt", b"mine")
    loaded = load_data(benchmark(ONE), tmp_path)
    assert loaded.edition == "local"
    assert "data/one.txt is no known edition" in loaded.notes[0]
    with pytest.raises(DataError, match=f"no known edition; expected {DIGEST[:12]}"):
        load_data(benchmark(ONE), tmp_path, strict=True)


def test_editions_have_names_and_a_mixture_is_named(tmp_path: Path) -> None:
    other = DataFile(path="other.txt", sha256=("0" * 64, hashlib.sha256(b"old").hexdigest()))
    write(tmp_path, "data/one.txt", CONTENT)
    write(tmp_path, "other.txt", b"old")
    module = benchmark(ONE, other, EDITIONS={DIGEST: "2022", other.sha256[1]: "2021"})
    assert load_data(module, tmp_path, strict=True).edition == "2022 + 2021"


def test_a_git_blob_id_is_a_digest_as_git_computes_it(tmp_path: Path) -> None:
    write(tmp_path, "data/one.txt", CONTENT)
    git = subprocess.run(["git", "hash-object", tmp_path / "data/one.txt"], capture_output=True, text=True, check=True)
    blob = f"git-sha1:{git.stdout.strip()}"
    assert editions.git_blob_id(CONTENT) == blob
    assert load_data(benchmark(DataFile(path="data/one.txt", sha256=(blob,))), tmp_path, strict=True).edition == "pinned"


def test_an_optional_file_may_be_absent_but_not_all_of_them(tmp_path: Path) -> None:
    write(tmp_path, "data/one.txt", CONTENT)
    assert list(load_data(benchmark(ONE, MORE), tmp_path).files) == ["data/one.txt"]
    with pytest.raises(DataError, match=r"there is no more\.txt"):
        load_data(benchmark(MORE), tmp_path)


def test_an_absent_file_or_folder_is_named_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no data/one\.txt.*from somebody/tiny@1"):
        load_data(benchmark(ONE), tmp_path)
    with pytest.raises(DataError, match="there is no such folder"):
        load_data(benchmark(ONE), tmp_path / "nowhere")


@pytest.mark.parametrize(
    "content", [b"not gzip", gzip.compress(CONTENT, mtime=0)[:-9], gzip.compress(CONTENT, mtime=0)[:12] + b"\x00" * 20]
)
def test_a_damaged_packed_file_is_refused(tmp_path: Path, content: bytes) -> None:
    write(tmp_path, "data/one.txt.gz", content)
    with pytest.raises(DataError, match="cannot be read"):
        load_data(benchmark(ONE), tmp_path)


def test_a_file_that_grows_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(editions, "MAX_FILE_BYTES", 100)
    write(tmp_path, "data/one.txt.gz", gzip.compress(b"x" * 101))
    with pytest.raises(DataError, match="more than 128 MB"):
        load_data(benchmark(ONE), tmp_path)


def test_text_is_utf8_without_its_mark_and_with_its_own_line_ends() -> None:
    assert editions.decoded("\ufeffä\r\nb\n".encode(), "f") == "ä\r\nb\n"
    with pytest.raises(DataError, match="f: byte 2 is not UTF-8"):
        editions.decoded(b"ab\xff", "f")


def texts(files: Mapping[str, bytes]) -> Mapping[str, str]:
    return {"primer": files["prompts/p.txt"].decode()} if files else {}


def test_fixed_texts_are_read_from_the_folder_or_from_beside_it(tmp_path: Path) -> None:
    module = benchmark(ONE, TEXT_FILES=(DataFile(path="prompts/p.txt", sha256=(DIGEST,)),), texts=texts)
    write(tmp_path, "tiny/data/one.txt", CONTENT)
    assert load_data(module, tmp_path / "tiny").texts == {}
    write(tmp_path, "prompts/p.txt", b"hello")
    loaded = load_data(module, tmp_path / "tiny")
    assert loaded.texts == {"primer": "hello"}
    assert loaded.digests["prompts/p.txt"] == hashlib.sha256(b"hello").hexdigest()
    assert loaded.edition == "pinned"
    assert "prompts/p.txt is no known edition" in loaded.notes[0]
