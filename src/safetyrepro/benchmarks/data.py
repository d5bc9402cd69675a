"""Reading a benchmark's files from a folder: found, unpacked, measured and compared with the pinned editions.

Adapters are pure; this is where their bytes come from. A file is taken as upstream lays it out, plain or as ``.gz``; its digest
is that of the uncompressed bytes, so that packing changes nothing. Bytes that no edition has are read as edition ``local``
and say so, because a suite of one's own is a legitimate thing to have and a silent mix-up is not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from safetyrepro.benchmarks.base import Benchmark, DataFile
from safetyrepro.benchmarks.editions import GIT_BLOB, LOCAL, edition_of, read_bytes, text_files_of
from safetyrepro.benchmarks.fetch import fetched_folder
from safetyrepro.errors import DataError


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedData:
    """What was read of a benchmark, with digests."""

    files: Mapping[str, bytes]
    """Path as upstream names it -> uncompressed bytes."""
    digests: Mapping[str, str]
    """Path -> SHA-256 of the uncompressed bytes."""
    edition: str
    """Name of the edition that the digests prove; ``local`` where one of them is unknown."""
    texts: Mapping[str, str] = field(default_factory=dict)
    """Fixed texts by name, such as a primer read from a package's own task file."""
    notes: tuple[str, ...] = ()
    """What a reader of a card should know about the files, one sentence each."""


def load_data(module: Benchmark, folder: Path | None, *, strict: bool = False) -> LoadedData:
    """Read the files of a benchmark.

    Parameters
    ----------
    module : Benchmark
        The adapter, whose `SOURCE` says which files it reads.
    folder : Path or None
        Folder in upstream's layout; None reads the cache of fetched files, and fetches what it lacks.
    strict : bool
        Whether a file that belongs to no known edition is refused instead of read as edition ``local``.

    Returns
    -------
    LoadedData

    Raises
    ------
    DataError
        If the folder or a required file is absent, too large, damaged, or, with `strict`, of no known edition.
    """
    if folder is None:
        return load_data(module, fetched_folder(module), strict=True)
    if not folder.is_dir():
        raise DataError(
            f"{module.NAME}: {folder}",
            found="there is no such folder",
            expected="a folder with the benchmark's files in upstream's layout",
            remedy="Correct 'data' in the study, or leave it out to fetch the pinned files.",
        )
    names: Mapping[str, str] = getattr(module, "EDITIONS", {})
    found = [_found_file(folder, file, names, strict=strict) for file in module.SOURCE.files]
    data = [one for one in found if one is not None]
    absent = [file for file, one in zip(module.SOURCE.files, found, strict=True) if one is None]
    if not data or any(file.required for file in absent):
        raise _absent(module, folder, next((file for file in absent if file.required), absent[0]))
    text_files = text_files_of(module)
    beside = [_found_file(folder, file, {}, strict=strict, parent=True) for file in text_files]
    extra = [one for one in beside if one is not None]
    return LoadedData(
        files={one.path: one.content for one in data},
        digests={one.path: one.digest for one in (*data, *extra)},
        edition=_overall([one.edition for one in data]),
        texts=_texts(module, {one.path: one.content for one in extra}),
        notes=tuple(one.note for one in (*data, *extra) if one.edition == LOCAL),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _FoundFile:
    path: str
    content: bytes
    digest: str
    edition: str

    @property
    def note(self) -> str:
        return f"{self.path} is no known edition (sha256 {self.digest[:12]}); read as it stands"


def _found_file(
    folder: Path, declared: DataFile, names: Mapping[str, str], *, strict: bool, parent: bool = False
) -> _FoundFile | None:
    place = _find(folder, declared.path)
    if place is None and parent:
        place = _find(folder.resolve().parent, declared.path)
    if place is None:
        return None
    content = read_bytes(place)
    digest = hashlib.sha256(content).hexdigest()
    edition = edition_of(declared, content, names=names)
    if strict and edition == LOCAL:
        known = " or ".join(accepted[:21] if accepted.startswith(GIT_BLOB) else accepted[:12] for accepted in declared.sha256)
        raise DataError(
            str(place),
            found=f"its digest is {digest[:12]}, which is no known edition",
            expected=known,
            remedy="Take the pinned file, or allow local editions.",
        )
    return _FoundFile(path=declared.path, content=content, digest=digest, edition=edition)


def _find(folder: Path, path: str) -> Path | None:
    name = Path(path).name
    candidates = [folder / path, folder / f"{path}.gz", folder / name, folder / f"{name}.gz"]
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def _absent(module: Benchmark, folder: Path, declared: DataFile) -> DataError:
    paths = ", ".join(file.path for file in module.SOURCE.files)
    return DataError(
        f"{module.NAME}: {folder}",
        found=f"there is no {declared.path}",
        expected=f"the files {paths} (plain or .gz)",
        remedy=f"Put them there from {module.SOURCE.revision}, or correct 'data' in the study.",
    )


def _overall(editions: list[str]) -> str:
    names = list(dict.fromkeys(editions))
    if LOCAL in names:
        return LOCAL
    return " + ".join(names)


def _texts(module: Benchmark, files: Mapping[str, bytes]) -> Mapping[str, str]:
    read: Callable[[Mapping[str, bytes]], Mapping[str, str]] | None = getattr(module, "texts", None)
    return {} if read is None else read(files)
