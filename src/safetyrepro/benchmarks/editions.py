"""What a file's bytes are: unpacked, decoded, and named by the edition that their digest proves."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Mapping
from pathlib import Path

from safetyrepro.benchmarks.base import Benchmark, DataFile
from safetyrepro.errors import DataError

MAX_FILE_BYTES = 128_000_000
GIT_BLOB = "git-sha1:"
PINNED = "pinned"
LOCAL = "local"


def edition_of(declared: DataFile, content: bytes, *, names: Mapping[str, str]) -> str:
    """Name of the edition that a file's bytes belong to.

    Parameters
    ----------
    declared : DataFile
        Its accepted digests: SHA-256 in hexadecimal, or ``git-sha1:`` and the blob id.
    content : bytes
        Uncompressed bytes.
    names : mapping of digest to name
        The adapter's names; the first digest is called ``pinned`` where it has none.

    Returns
    -------
    str
        ``local`` where no digest fits.
    """
    measured = {hashlib.sha256(content).hexdigest(), git_blob_id(content)}
    for digest in declared.sha256:
        if digest in measured:
            return names.get(digest, PINNED)
    return LOCAL


def git_blob_id(content: bytes) -> str:
    """``git-sha1:`` and the id under which git stores these bytes."""
    header = f"blob {len(content)}\0".encode()
    return GIT_BLOB + hashlib.sha1(header + content, usedforsecurity=False).hexdigest()


def read_bytes(path: Path) -> bytes:
    """Bytes of a file, unpacked where its name ends in ``.gz``.

    Raises
    ------
    DataError
        If it cannot be read, is damaged, or is larger than 128 MB unpacked.
    """
    try:
        if path.suffix != ".gz":
            with path.open("rb") as plain:
                content = plain.read(MAX_FILE_BYTES + 1)
        else:
            with gzip.open(path) as packed:
                content = packed.read(MAX_FILE_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            str(path), found=f"cannot be read ({error})", remedy="Fetch it again, or take another copy of the file."
        ) from error
    if len(content) > MAX_FILE_BYTES:
        raise DataError(str(path), found="holds more than 128 MB", remedy="Name the benchmark's own file.")
    return content


def decoded(content: bytes, where: str) -> str:
    """Text of a file in UTF-8, without a byte order mark; line ends as they stand.

    Raises
    ------
    DataError
        If the bytes are not UTF-8; the sentence names the position.
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            where,
            found=f"byte {error.start} is not UTF-8",
            remedy="Take upstream's own file, or save it as UTF-8.",
        ) from error


def text_files_of(module: Benchmark) -> tuple[DataFile, ...]:
    """Files of packages from which an adapter reads fixed texts; none for most."""
    declared: tuple[DataFile, ...] = getattr(module, "TEXT_FILES", ())
    return declared
