"""Archives are read within limits, by deflate and by Zstandard, and never to disk."""

from __future__ import annotations

import builtins
import struct
import zipfile
import zlib
from pathlib import Path

import pytest

from safetyrepro.errors import IngestError, MissingDependency
from safetyrepro.harnesses.archive import opened_archive


def written(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def zstandard_archive(path: Path, name: str, content: bytes, *, declared: int | None = None) -> Path:
    """An archive with one member of method 93, which the standard library cannot write."""
    zstandard = pytest.importorskip("zstandard")
    packed = zstandard.ZstdCompressor().compress(content)
    size = len(content) if declared is None else declared
    encoded = name.encode()
    crc = zlib.crc32(content)
    local = struct.pack("<4s5H3I2H", b"PK\x03\x04", 20, 0, 93, 0, 0, crc, len(packed), size, len(encoded), 0) + encoded + packed
    central = struct.pack(
        "<4s6H3I5H2I", b"PK\x01\x02", 20, 20, 0, 93, 0, 0, crc, len(packed), size, len(encoded), 0, 0, 0, 0, 0, 0
    )
    central += encoded
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 1, 1, len(central), len(local), 0)
    path.write_bytes(local + central + end)
    return path


def text_of(path: Path, name: str, *, step: int = 7) -> str:
    with opened_archive(path) as archive:
        stream = archive.text(name)
        return "".join(iter(lambda: stream.read(step), ""))


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_member_is_read_in_pieces_and_whole(tmp_path: Path, method: int) -> None:
    text = "Grüße, 世界! " * 500
    path = written(tmp_path / "a.zip", {"a.json": text.encode(), "b.json": b""}, method)
    assert text_of(path, "a.json") == text
    assert text_of(path, "b.json") == ""


def test_a_member_packed_by_zstandard_is_read(tmp_path: Path) -> None:
    text = "Grüße " * 5000
    assert text_of(zstandard_archive(tmp_path / "a.eval", "header.json", text.encode()), "header.json", step=100_000) == text


def test_without_the_library_the_sentence_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = zstandard_archive(tmp_path / "a.eval", "header.json", b"{}")
    real = builtins.__import__

    def blocked(name: str, *arguments: object, **options: object) -> object:
        if name == "zstandard":
            raise ImportError(name)
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", blocked)
    with pytest.raises(MissingDependency, match=r"pip install 'safetyrepro\[inspect-logs\]'"):
        text_of(path, "header.json")


def test_a_member_that_unpacks_to_far_more_than_it_holds_is_refused(tmp_path: Path) -> None:
    path = zstandard_archive(tmp_path / "bomb.eval", "a", b"\x00" * 30_000_000)
    with pytest.raises(IngestError, match="unpacks from"):
        text_of(path, "a")


def test_a_member_longer_than_the_directory_says_is_refused(tmp_path: Path) -> None:
    path = zstandard_archive(tmp_path / "liar.eval", "a", b"\x00" * 3_000_000, declared=10)
    with pytest.raises(IngestError, match="not as long"):
        text_of(path, "a")


def test_an_archive_that_unpacks_to_a_full_disk_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "wide.zip", {f"m{number}": b"\x00" * 14_000_000 for number in range(6)})
    with pytest.raises(IngestError, match="made to fill a disk"):
        text_of(path, "m0")


def test_a_changed_byte_is_found_by_the_checksum(tmp_path: Path) -> None:
    path = written(tmp_path / "a.zip", {"a": b"0123456789" * 10}, zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    data[40] ^= 1
    path.write_bytes(data)
    with pytest.raises(IngestError, match="checksum"):
        text_of(path, "a")


def test_what_is_absent_cut_or_no_archive_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "a.zip", {"a": b"text"})
    with pytest.raises(IngestError, match="no member 'b'"):
        text_of(path, "b")
    cut = tmp_path / "cut.zip"
    cut.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(IngestError, match="not a whole zip archive"):
        text_of(cut, "a")
    with pytest.raises(IngestError, match="cannot be read"):
        text_of(tmp_path / "absent.zip", "a")


def test_an_encrypted_member_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "a.zip", {"a": b"text"})
    data = bytearray(path.read_bytes())
    at = data.rfind(b"PK\x01\x02")
    data[at + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(IngestError, match="encrypted"):
        text_of(path, "a")


def test_a_name_that_points_elsewhere_is_only_a_name(tmp_path: Path) -> None:
    path = written(tmp_path / "a.zip", {"../../escaped": b"text"})
    assert text_of(path, "../../escaped") == "text"
    assert [entry.name for entry in tmp_path.parent.iterdir() if entry.name == "escaped"] == []
