"""The store: Parquet parts and a manifest with their digests; finished parts are never rewritten, a kill loses one group.

::

    results/STUDY/
      study.yaml         as read
      manifest.json      what is here, where it came from, the digest of every part
      responses/         one row per content key: dear, asked once
      records/           one row per cell, item and estimand: cheap, derived
      prompts/           digest -> rendered text
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from safetyrepro.errors import StoreError
from safetyrepro.manifest import Manifest, PartEntry
from safetyrepro.parquet import (
    WrittenPart,
    file_digest,
    read_digests,
    read_questions,
    read_records,
    read_responses,
    read_texts,
    write_records,
    write_responses,
    write_texts,
    write_whole,
)
from safetyrepro.records import ItemRecord, Response

MANIFEST = "manifest.json"
STUDY = "study.yaml"
MAX_MANIFEST_BYTES = 200_000_000


class Store:
    """A folder of results.

    Parameters
    ----------
    folder : Path
        The store's folder.
    manifest : Manifest
        What it holds.

    Notes
    -----
    Use `open_store` for an existing one and `Store.create` for a new one. Only `writing` admits changes. Threads of the writing
    process take turns: each method holds `changing` while it writes, and whoever reads the manifest in order to change it holds it too.
    """

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.folder = folder
        self.manifest = manifest
        self.changing = threading.RLock()

    @classmethod
    def create(cls, folder: Path, manifest: Manifest) -> Store:
        """Make a store in an empty or new folder, or take up one that a run of the same study left.

        Raises
        ------
        StoreError
            If the folder holds a store of another study, or something that is not a store.
        """
        if (folder / MANIFEST).exists():
            present = open_store(folder)
            if present.manifest.study != manifest.study:
                raise StoreError(
                    str(folder),
                    found=f"holds the study '{present.manifest.study}', not '{manifest.study}'",
                    remedy="Choose another folder with --out, or remove this one.",
                )
            kept = {name: getattr(present.manifest, name) for name in ("parts", "tokens", "loads")}
            return cls(folder, manifest.model_copy(update=kept))
        if folder.exists() and any(entry.name not in _OWN_NAMES for entry in folder.iterdir()):
            raise StoreError(
                str(folder),
                found="is not empty and holds no manifest.json",
                expected="a new folder or a store",
                remedy="Choose another folder with --out.",
            )
        folder.mkdir(parents=True, exist_ok=True)
        return cls(folder, manifest)

    @contextmanager
    def writing(self) -> Iterator[Store]:
        """Hold the store for writing; a second writer is refused, and orphans of a kill are taken in first.

        Raises
        ------
        StoreError
            If another process holds it.
        """
        from filelock import FileLock, Timeout

        lock = FileLock(self.folder / ".lock")
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            raise StoreError(
                str(self.folder),
                found="another run is writing to it",
                remedy="Wait until that run ends, or choose another folder with --out.",
            ) from error
        try:
            self._adopt_orphans()
            self.save()
            yield self
        finally:
            lock.release()

    def save(self) -> None:
        """Write the manifest, whole."""
        write_whole(self.folder / MANIFEST, (self.manifest.model_dump_json(indent=1) + "\n").encode())

    def update(self, changes: Mapping[str, object]) -> None:
        """Change fields of the manifest, by name, and write it."""
        with self.changing:
            self.manifest = self.manifest.model_copy(update=changes)
            self.save()

    def add_responses(self, responses: Sequence[Response], unit: str) -> None:
        """Add responses as one finished part."""
        if responses:
            with self.changing:
                self._add(_entry("responses", write_responses(self.folder / "responses", responses), unit))

    def add_prompts(self, texts: dict[str, str], unit: str) -> None:
        """Add rendered prompts by their digests as one finished part."""
        if texts:
            with self.changing:
                self._add(_entry("prompts", write_texts(self.folder / "prompts", texts), unit))

    def replace_records(self, records: Sequence[ItemRecord], unit: str) -> None:
        """Write the records of a unit; a part of the same unit that holds other records is superseded."""
        with self.changing:
            self._replace_records(records, unit)

    def responses(self) -> Iterator[Response]:
        """Every stored response, part by part."""
        return read_responses(self.verified("responses"))

    def records(self, benchmark: str, estimand: str) -> list[ItemRecord]:
        """The records of a benchmark under an estimand, in the order of the parts."""
        return read_records(self.verified("records"), {"benchmark": benchmark, "estimand": estimand})

    def questions(self) -> set[tuple[str, str, str]]:
        """Every model, benchmark and estimand of which there is a record."""
        return read_questions(self.verified("records"))

    def prompts(self, digests: set[str]) -> dict[str, str]:
        """Rendered prompts by their digests; a digest that is not stored is absent."""
        return read_texts(self.verified("prompts"), digests)

    def prompt_digests(self) -> set[str]:
        """The digest of every rendered prompt that is stored."""
        return read_digests(self.verified("prompts"))

    @property
    def whole(self) -> bool:
        """Whether every cell has its records, and every prompt that a record names its text; `mend` may have dropped some."""
        asked = {
            record.prompt_digest
            for entry in self.manifest.benchmarks
            for estimand in entry.estimands
            for record in self.records(entry.name, estimand.name)
        }
        return self.manifest.complete and asked - {""} <= self.prompt_digests()

    def verified(self, kind: str) -> list[Path]:
        """Paths of the finished parts of a kind, each checked against its digest.

        Raises
        ------
        StoreError
            If a part is absent or its bytes changed; the sentence names the part and how it is made again.
        """
        paths = []
        for part in self.manifest.parts:
            if part.kind == kind:
                path = self.folder / kind / part.name
                self._check(path, part)
                paths.append(path)
        return paths

    def _check(self, path: Path, part: PartEntry) -> None:
        if self.manifest.of_study:
            then = "then the command that made the store: only what it held is made again."
        else:
            then = "so that the rest is read, or ingest the same files again into another folder."
        remedy = f"Run `safetyrepro mend {self.folder}` to drop it, {then}"
        if not path.is_file():
            raise StoreError(str(path), found=f"the part with {part.rows} rows ({part.unit}) is absent", remedy=remedy)
        try:
            digest = file_digest(path)
        except OSError as error:
            raise StoreError(str(path), found=f"cannot be read ({error.strerror}; {part.unit})", remedy=remedy) from error
        if digest != part.sha256:
            raise StoreError(
                str(path),
                found=f"its bytes are not those that were written ({part.unit}, {part.rows} rows)",
                expected=f"SHA-256 {part.sha256[:16]}",
                remedy=remedy,
            )

    def _add(self, entry: PartEntry) -> None:
        if entry not in self.manifest.parts:
            self.update({"parts": (*self.manifest.parts, entry)})

    def _replace_records(self, records: Sequence[ItemRecord], unit: str) -> None:
        entry = _entry("records", write_records(self.folder / "records", records), unit)
        stale = [part for part in self.manifest.parts if part.kind == "records" and part.unit == unit and part != entry]
        self.update({"parts": (*(part for part in self.manifest.parts if part not in stale and part != entry), entry)})
        for part in stale:
            if all(part.name != kept.name for kept in self.manifest.parts):
                (self.folder / "records" / part.name).unlink(missing_ok=True)

    def _adopt_orphans(self) -> None:
        """Take in parts that were renamed into place just before a kill; drop unfinished ones."""
        known = {(part.kind, part.name) for part in self.manifest.parts}
        adopted = []
        for kind in ("responses", "prompts"):
            for path in sorted((self.folder / kind).glob("*.parquet")):
                digest = _digest_if_readable(path)
                if (kind, path.name) not in known and path.name == f"{digest[:16]}.parquet":
                    adopted.append(PartEntry(kind=kind, name=path.name, sha256=digest, rows=0, unit="taken in after a kill"))
            for path in (self.folder / kind).glob(".part.*.tmp"):
                path.unlink(missing_ok=True)
        self.manifest = self.manifest.model_copy(update={"parts": (*self.manifest.parts, *adopted)})


_OWN_NAMES = {".lock", STUDY, "study.lock.json", "responses", "records", "prompts", "card"}


def _entry(kind: str, part: WrittenPart, unit: str) -> PartEntry:
    return PartEntry(kind=kind, name=part.name, sha256=part.sha256, rows=part.rows, unit=unit)


def _digest_if_readable(path: Path) -> str:
    """Digest of a file; empty where a disk or a permission keeps it back, which no part's name or digest is."""
    try:
        return file_digest(path)
    except OSError:
        return ""


def open_store(folder: Path) -> Store:
    """Open an existing store for reading.

    Raises
    ------
    StoreError
        If the folder is no store, or its manifest is damaged.
    """
    path = folder / MANIFEST
    if folder.is_file():
        raise StoreError(
            str(folder),
            found="is a file and no store",
            expected="a folder made by `safetyrepro run` or `safetyrepro ingest`",
            remedy="Make one of result files first: `safetyrepro ingest auto FILE -o STORE`.",
        )
    if not path.is_file():
        raise StoreError(
            str(folder),
            found="holds no manifest.json",
            expected="a folder made by `safetyrepro run` or `safetyrepro ingest`",
            remedy="Name such a folder.",
        )
    if path.stat().st_size > MAX_MANIFEST_BYTES:
        raise StoreError(str(path), found="is larger than 200 MB", remedy="This is not a manifest of safetyrepro.")
    try:
        return Store(folder, Manifest.model_validate_json(path.read_bytes()))
    except (ValidationError, ValueError, OSError) as error:
        reason = str(error).splitlines()
        raise StoreError(
            str(path),
            found=f"cannot be read as a manifest ({'; '.join(line.strip() for line in reason[:3])[:200]})",
            remedy="It was edited or cut; run the command that made the store again: finished parts are taken in.",
        ) from error


def mend(folder: Path) -> list[PartEntry]:
    """Drop every part that is absent or altered from the manifest, so that a run makes just those again.

    Returns
    -------
    list of PartEntry
        What was dropped; damaged files are renamed to ``NAME.damaged`` and kept. A store that lost nothing but prompts, which no
        score is read from, is as complete as it was.
    """
    store = open_store(folder)
    dropped = []
    with store.writing():
        for part in store.manifest.parts:
            path = folder / part.kind / part.name
            if path.is_file() and _digest_if_readable(path) == part.sha256:
                continue
            if path.is_file():
                path.rename(path.with_name(f"{part.name}.damaged"))
            dropped.append(part)
        if dropped:
            kept = tuple(part for part in store.manifest.parts if part not in dropped)
            scored = all(part.kind == "prompts" for part in dropped)
            store.update({"parts": kept, "complete": store.manifest.complete and scored})
    return dropped
