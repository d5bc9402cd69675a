"""Members of a zip archive that a stranger packed, read within limits and never extracted to disk."""

from __future__ import annotations

import codecs
import io
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from safetyrepro.errors import IngestError, MissingDependency
from safetyrepro.harnesses.bounded import unreadable

MAX_MEMBERS = 1_000_000
"""Most members of one archive."""
MAX_MEMBER_BYTES = 256 * 2**20
"""Largest member, uncompressed."""
MAX_RATIO = 1_100
"""Largest uncompressed size of a member for each compressed byte; deflate cannot exceed 1032."""
FREE_BYTES = 2**20
"""Uncompressed size up to which a member may be packed as tightly as it will."""
MAX_TOTAL_RATIO = 200
"""Largest uncompressed size of all members for each byte of the archive, beyond the first 64 MB."""
_STORED, _DEFLATED, _ZSTANDARD = 0, 8, 93
_LOCAL_HEADER = struct.Struct("<4s5H3I2H")
_CHUNK = 2**16
_MAX_WINDOW = 2**27


@dataclass(frozen=True, slots=True)
class Archive:
    """An open archive."""

    path: Path
    """Where it lies."""
    members: dict[str, zipfile.ZipInfo]
    """Its members by name, in the order of its directory; of two with one name the later one."""
    file: IO[bytes]
    """The open file."""

    def text(self, name: str) -> MemberText:
        """Open a member as UTF-8 text.

        Raises
        ------
        IngestError
            If the member is absent, too large, encrypted, or not what the directory says.
        MissingDependency
            If it is packed with Zstandard and the library that reads it is not installed.
        """
        info = self.members.get(name)
        if info is None:
            raise _refused(self.path, f"has no member '{name}'", "Copy the log again; it was not closed when written.")
        _check_member(self.path, info)
        return MemberText(self.path, info, _unpacked(self.path, info, _Packed(self.path, self.file, info)))


@contextmanager
def opened_archive(path: Path) -> Iterator[Archive]:
    """Open a zip archive for reading.

    Raises
    ------
    IngestError
        If it is not one, or larger inside than any result file would be.
    """
    try:
        file = path.open("rb")
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error
    with file:
        infos = _directory(path, file)
        _check_archive(path, infos, file.seek(0, io.SEEK_END))
        yield Archive(path, {info.filename: info for info in infos}, file)


def _directory(path: Path, file: IO[bytes]) -> list[zipfile.ZipInfo]:
    try:
        return zipfile.ZipFile(file).infolist()
    except (zipfile.BadZipFile, zipfile.LargeZipFile, struct.error, EOFError, NotImplementedError) as error:
        raise _damaged(path, str(error)) from error
    except (OSError, ValueError, OverflowError) as error:
        raise _damaged(path, str(error)) from error


def _check_archive(path: Path, infos: list[zipfile.ZipInfo], size: int) -> None:
    total = sum(info.file_size for info in infos)
    if len(infos) > MAX_MEMBERS or total > 64 * 2**20 + MAX_TOTAL_RATIO * size:
        raise _refused(
            path,
            f"unpacks to {len(infos)} members of {total} bytes out of {size}",
            "No evaluation log is packed so tightly; it looks like an archive made to fill a disk.",
        )


def _check_member(path: Path, info: zipfile.ZipInfo) -> None:
    if info.flag_bits & 0x1:
        raise _refused(path, f"member '{info.filename}' is encrypted", "Write the log again without a password.")
    if info.compress_type not in (_STORED, _DEFLATED, _ZSTANDARD):
        raise _refused(path, f"member '{info.filename}' is packed by method {info.compress_type}", "Convert the log to .json.")
    if info.file_size > MAX_MEMBER_BYTES or info.file_size > FREE_BYTES + MAX_RATIO * info.compress_size:
        raise _refused(
            path,
            f"member '{info.filename}' unpacks from {info.compress_size} to {info.file_size} bytes",
            "No evaluation log holds such a sample.",
        )


class MemberText:
    """Text of one member, unpacked as it is asked for and checked against the directory at the end."""

    def __init__(self, path: Path, info: zipfile.ZipInfo, source: Source) -> None:
        self._path, self._info, self._source = path, info, source
        self._decode = codecs.getincrementaldecoder("utf-8-sig")()
        self._given = 0
        self._crc = 0

    def read(self, size: int, /) -> str:
        """Return the next characters; empty only at the end."""
        while True:
            data = self._source.read(size)
            self._check(data)
            text = self._decode.decode(data, final=not data)
            if text or not data:
                return text

    def _check(self, data: bytes) -> None:
        self._given += len(data)
        self._crc = zlib.crc32(data, self._crc)
        if self._given > self._info.file_size or (not data and self._given != self._info.file_size):
            raise _damaged(self._path, "a member is not as long as the directory says")
        if not data and self._crc != self._info.CRC:
            raise _damaged(self._path, "a member's checksum does not match")


class Source(Protocol):
    """Bytes that are read forward."""

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes; empty only at the end."""


class _Packed:
    """The packed bytes of one member."""

    def __init__(self, path: Path, file: IO[bytes], info: zipfile.ZipInfo) -> None:
        self._path, self._file = path, file
        try:
            file.seek(info.header_offset)
            header = file.read(_LOCAL_HEADER.size)
        except (OSError, ValueError, OverflowError):
            header = b""
        if len(header) < _LOCAL_HEADER.size or header[:4] != b"PK\x03\x04":
            raise _damaged(path, "a member does not lie where the directory says")
        *_, name_length, extra_length = _LOCAL_HEADER.unpack(header)
        self._at = info.header_offset + _LOCAL_HEADER.size + name_length + extra_length
        self._left = info.compress_size

    def read(self, size: int = _CHUNK, /) -> bytes:
        self._file.seek(self._at)
        packed = self._file.read(min(size, _CHUNK, self._left))
        if not packed and self._left > 0:
            raise _damaged(self._path, "a member is cut off")
        self._at += len(packed)
        self._left -= len(packed)
        return packed


class _Inflated:
    """Bytes packed by deflate, unpacked no further than asked."""

    def __init__(self, path: Path, packed: _Packed) -> None:
        self._path, self._packed = path, packed
        self._inflate = zlib.decompressobj(-zlib.MAX_WBITS)

    def read(self, size: int, /) -> bytes:
        try:
            while not self._inflate.eof:
                held = self._inflate.unconsumed_tail or self._packed.read()
                data = self._inflate.decompress(held, size)
                if data or not held:
                    return data
        except zlib.error as error:
            raise _damaged(self._path, str(error)) from error
        return b""


class _Unzstandard:
    """Bytes packed by Zstandard, unpacked no further than asked."""

    def __init__(self, path: Path, packed: _Packed) -> None:
        try:
            import zstandard
        except ImportError as error:
            raise MissingDependency("zstandard", purpose=f"Reading {path}", extra="inspect-logs") from error
        self._path = path
        self._error = zstandard.ZstdError
        decompressor = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW)
        self._reader = decompressor.stream_reader(
            packed,  # type: ignore[arg-type]  # only its read is called
            read_size=_CHUNK,
            read_across_frames=True,
        )

    def read(self, size: int, /) -> bytes:
        try:
            return self._reader.read(size)
        except self._error as error:
            raise _damaged(self._path, str(error)) from error


def _unpacked(path: Path, info: zipfile.ZipInfo, packed: _Packed) -> Source:
    if info.compress_type == _ZSTANDARD:
        return _Unzstandard(path, packed)
    return _Inflated(path, packed) if info.compress_type == _DEFLATED else packed


def _damaged(path: Path, what: str) -> IngestError:
    return _refused(
        path, f"is not a whole zip archive ({what})", "Copy it again; a log that is still being written has no end yet."
    )


def _refused(path: Path, found: str, remedy: str) -> IngestError:
    return IngestError(str(path), found=found, expected="an evaluation log", remedy=remedy)
