"""A card's own rows: what every cell's items are worth, as lines that a sceptic can read, with a Merkle root over them.

The format is that of docs/reference/gridcard.md. Texts of items and answers are never in it.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from safetyrepro.analysis import Analysis
from safetyrepro.canonical import canonical_json
from safetyrepro.envelope import Configuration
from safetyrepro.errors import CardError
from safetyrepro.records import CellKey, ItemRecord, Status
from safetyrepro.store import Store
from safetyrepro.study import Document

COLUMNS = ("benchmark", "model", "configuration", "item", "cluster", "stratum", "repeat", "value", "weight", "status")
PLAIN, COMPRESSED = "rows.jsonl", "rows.jsonl.gz"
COMPRESS_ABOVE = 2_000_000
"""Rows larger than this many bytes are compressed."""
MAX_ROWS_BYTES = 4_000_000_000


class RowsEntry(Document):
    """What a card says of its rows."""

    file: str
    """Name of the file in the card's folder."""
    n_rows: int
    """Number of rows, the head not counted."""
    sha256: str
    """SHA-256 of the uncompressed text."""
    merkle_root: str
    """Root of the tree over all lines (RFC 6962), the head included."""


@dataclass(frozen=True, slots=True)
class CardRows:
    """The rows of a card."""

    entry: RowsEntry
    """What the card says of them."""
    content: bytes
    """The file, compressed where its name says so."""


def make_rows(store: Store, analysis: Analysis) -> CardRows:
    """The rows behind an analysis of a store.

    Parameters
    ----------
    store : Store
        The store that was analyzed.
    analysis : Analysis
        What it shows; only rows of its models and configurations are taken, in the order of the store.
    """
    text = b"".join(line + b"\n" for line in _lines(store, analysis))
    lines = text.split(b"\n")[:-1]
    compressed = len(text) > COMPRESS_ABOVE
    entry = RowsEntry(
        file=COMPRESSED if compressed else PLAIN,
        n_rows=len(lines) - 1,
        sha256=hashlib.sha256(text).hexdigest(),
        merkle_root=merkle_root(lines).hex(),
    )
    return CardRows(entry, gzip.compress(text, 6, mtime=0) if compressed else text)


def _lines(store: Store, analysis: Analysis) -> Iterator[bytes]:
    yield canonical_json(COLUMNS)
    for name, result in analysis.benchmarks.items():
        models = {model.name for model in result.models}
        digests = {Configuration.of(settings).digest for settings in result.configurations}
        for record in store.records(result.benchmark, result.estimand.name):
            if record.cell.model in models and record.cell.configuration in digests:
                yield _line(name, record)


def _line(name: str, record: ItemRecord) -> bytes:
    cell = record.cell
    where = (name, cell.model, cell.configuration, record.item_id, record.cluster, record.stratum)
    return canonical_json((*where, record.repeat, record.value, record.weight, record.status.value))


def merkle_root(lines: Sequence[bytes]) -> bytes:
    """Root of the tree over some lines.

    Notes
    -----
    A leaf is SHA-256(0x00 | line), a node SHA-256(0x01 | left | right); the left part holds the largest power of two below n
    leaves. Equal neighbours are joined as they come, which builds the same tree.

    References
    ----------
    RFC 6962, section 2.1.
    """
    stack: list[tuple[int, bytes]] = []
    for line in lines:
        height, node = 0, hashlib.sha256(b"\x00" + line).digest()
        while stack and stack[-1][0] == height:
            height, node = height + 1, hashlib.sha256(b"\x01" + stack.pop()[1] + node).digest()
        stack.append((height, node))
    if not stack:
        return hashlib.sha256().digest()
    root = stack.pop()[1]
    while stack:
        root = hashlib.sha256(b"\x01" + stack.pop()[1] + root).digest()
    return root


def read_rows(folder: Path, entry: RowsEntry, estimands: dict[str, tuple[str, str]]) -> dict[tuple[str, str], list[ItemRecord]]:
    """Read a card's rows as records.

    Parameters
    ----------
    folder : Path
        Folder of the card.
    entry : RowsEntry
        What the card says of them.
    estimands : dict
        Name of the analysis -> benchmark and estimand.

    Returns
    -------
    dict
        (benchmark, estimand) -> its records, in order.

    Raises
    ------
    CardError
        If the file is absent, too large, altered, or holds what is no row of the card.
    """
    path = folder / (entry.file if entry.file in (PLAIN, COMPRESSED) else PLAIN)
    lines = _read_lines(path, entry)
    found: dict[tuple[str, str], list[ItemRecord]] = {place: [] for place in estimands.values()}
    for number, line in enumerate(lines[1:], start=2):
        try:
            name, *fields = json.loads(line)
            benchmark, estimand = estimands[name]
            found[benchmark, estimand].append(_record(benchmark, estimand, fields))
        except (ValueError, TypeError, KeyError) as error:
            raise CardError(f"{path}, line {number}", found=f"is no row of this card ({error})", remedy=_REMEDY) from error
    return found


_REMEDY = "Make the card again with `safetyrepro card STORE`."


def _record(benchmark: str, estimand: str, fields: Sequence[object]) -> ItemRecord:
    model, configuration, item, cluster, stratum, repeat, value, weight, status = fields
    number = None if value is None else float(str(value))
    return ItemRecord(
        cell=CellKey(str(model), benchmark, str(configuration)),
        estimand=estimand,
        item_id=str(item),
        cluster=str(cluster),
        stratum=str(stratum),
        repeat=int(str(repeat)),
        value=number,
        weight=float(str(weight)),
        status=Status(status),
        reason="" if number is not None else "the card's rows hold no reason",
    )


def _read_lines(path: Path, entry: RowsEntry) -> list[bytes]:
    try:
        content = path.read_bytes()
        text = _unpacked(content) if entry.file == COMPRESSED else content
    except (OSError, EOFError, zlib.error) as error:
        raise CardError(str(path), found=f"cannot be read ({error})", remedy="Keep the rows beside card.json.") from error
    if len(text) > MAX_ROWS_BYTES:
        raise CardError(str(path), found="is larger than 4 GB", expected="the rows of a card")
    if hashlib.sha256(text).hexdigest() != entry.sha256:
        raise CardError(str(path), found="its bytes are not those that the card names", remedy=_REMEDY)
    return text.split(b"\n")[:-1]


def _unpacked(content: bytes) -> bytes:
    with gzip.open(io.BytesIO(content)) as stream:
        return stream.read(MAX_ROWS_BYTES + 1)
