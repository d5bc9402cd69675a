"""Fetching a benchmark's pinned files into a cache: proved by digest, resumed after a break, never half a file under its name.

A file is written beside its place as ``.part`` and renamed once its digest is right, so whatever is in the cache under a
file's own name has been proved. With the environment variable SAFETYREPRO_OFFLINE set, nothing is fetched.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from safetyrepro.benchmarks.base import Benchmark, DataFile
from safetyrepro.benchmarks.editions import LOCAL, MAX_FILE_BYTES, edition_of, read_bytes, text_files_of
from safetyrepro.errors import DataError

if TYPE_CHECKING:
    import httpx

CACHE_VARIABLE = "SAFETYREPRO_CACHE"
OFFLINE_VARIABLE = "SAFETYREPRO_OFFLINE"
_USE_FOLDER = "Try again later, or get the files by hand and name their folder as 'data' in the study."


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long and how often a server is tried."""

    attempts: int = 3
    """Connections made for one file; each goes on where the last one broke."""
    stall_seconds: float = 30.0
    """Longest wait for the next bytes."""
    file_seconds: float = 600.0
    """Longest time for one file, over all attempts."""


def cache_folder() -> Path:
    """Folder under which fetched data are kept: SAFETYREPRO_CACHE, or ``safetyrepro`` in the user's cache folder."""
    named = os.environ.get(CACHE_VARIABLE)
    if named:
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "safetyrepro"


def fetched_folder(
    module: Benchmark, *, cache: Path | None = None, offline: bool | None = None, patience: Patience | None = None
) -> Path:
    """Folder with the pinned files of a benchmark, fetched where they are absent.

    Parameters
    ----------
    module : Benchmark
        The adapter, whose `SOURCE` pins addresses and digests.
    cache : Path or None
        Folder for all benchmarks; None is `cache_folder()`.
    offline : bool or None
        Whether nothing may be fetched; None reads SAFETYREPRO_OFFLINE.
    patience : Patience or None
        How long a server is tried.

    Raises
    ------
    DataError
        If a file is absent and may or can not be fetched, or its bytes are not the pinned ones.
    """
    revision = hashlib.sha256(module.SOURCE.revision.encode()).hexdigest()[:12]
    folder = (cache or cache_folder()) / module.NAME / revision
    wanted = [file for file in (*module.SOURCE.files, *text_files_of(module)) if file.url or file.required]
    lacking = [file for file in wanted if not _proved(folder / file.path, file)]
    if not lacking:
        return folder
    if offline if offline is not None else bool(os.environ.get(OFFLINE_VARIABLE)):
        raise DataError(
            f"{module.NAME}: {folder}",
            found=f"{lacking[0].path} is not in the cache, and {OFFLINE_VARIABLE} forbids to fetch it",
            remedy="Go online once, or name a folder with the files as 'data' in the study.",
        )
    _fetch_all(module, lacking, folder, patience or Patience())
    return folder


def _fetch_all(module: Benchmark, files: Iterable[DataFile], folder: Path, patience: Patience) -> None:
    import httpx

    timeout = httpx.Timeout(patience.stall_seconds)
    with httpx.Client(timeout=timeout, follow_redirects=True, headers={"Accept-Encoding": "identity"}) as client:
        for file in files:
            if not file.url:
                raise DataError(
                    f"{module.NAME}: {file.path}",
                    found="no address is known from which it could be fetched",
                    remedy="Get the file by hand and name its folder as 'data' in the study.",
                )
            fetch_file(file, folder / file.path, client=client, patience=patience)


def fetch_file(file: DataFile, target: Path, *, client: httpx.Client, patience: Patience) -> None:
    """Fetch one file to its place.

    Raises
    ------
    DataError
        If the server does not have it, breaks off, stalls, takes too long, or sends other bytes; bytes that arrived before a
        break are kept and the next call goes on from there.
    """
    import httpx

    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    deadline = time.monotonic() + patience.file_seconds
    broken = ""
    for _ in range(patience.attempts):
        try:
            _receive(file, part, client=client, deadline=deadline)
        except httpx.TimeoutException:
            broken = f"the server sent nothing for {patience.stall_seconds:g} s"
        except httpx.TransportError as error:
            broken = f"the connection broke off ({error})"
        else:
            _keep(file, part, target)
            return
    raise DataError(file.url, found=f"{broken}, {patience.attempts} times", remedy=_USE_FOLDER)


def _receive(file: DataFile, part: Path, *, client: httpx.Client, deadline: float) -> None:
    have = part.stat().st_size if part.exists() else 0
    headers = {"Range": f"bytes={have}-"} if have else {}
    with client.stream("GET", file.url, headers=headers) as response:
        if response.status_code == 416:
            return
        if response.status_code not in (200, 206):
            raise DataError(
                file.url,
                found=f"the server answers {response.status_code} {response.reason_phrase}".rstrip(),
                expected="the pinned file; it may have moved or be gone",
                remedy=_USE_FOLDER,
            )
        with part.open("ab" if response.status_code == 206 else "wb") as out:
            for block in response.iter_bytes():
                out.write(block)
                _check_limits(file, out.tell(), deadline)
            out.flush()
            os.fsync(out.fileno())


def _check_limits(file: DataFile, n_bytes: int, deadline: float) -> None:
    if n_bytes > MAX_FILE_BYTES:
        raise DataError(file.url, found="the server sends more than 128 MB", remedy=_USE_FOLDER)
    if time.monotonic() > deadline:
        raise DataError(file.url, found=f"too slow: {n_bytes} bytes before the time for one file was over", remedy=_USE_FOLDER)


def _keep(file: DataFile, part: Path, target: Path) -> None:
    content = read_bytes(part)
    if edition_of(file, content, names={}) == LOCAL:
        part.unlink()
        raise DataError(
            file.url,
            found=f"the bytes that arrived have the sha256 {hashlib.sha256(content).hexdigest()[:12]}",
            expected=" or ".join(digest[:21] for digest in file.sha256),
            remedy="The address no longer holds the pinned file: " + _USE_FOLDER[0].lower() + _USE_FOLDER[1:],
        )
    part.replace(target)


def _proved(path: Path, file: DataFile) -> bool:
    return path.is_file() and edition_of(file, read_bytes(path), names={}) != LOCAL
