"""manifest.json: what a store holds, where it came from, and the digest of every part."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from safetyrepro.envelope import Envelope
from safetyrepro.estimands import Estimand
from safetyrepro.study import Document

NOT_RECORDED = "not recorded"

PROGRAMS = "other packages, as programs"
"""What `Manifest.source` says of results that other packages measured for a study of ours."""


class PartEntry(Document):
    """One Parquet part."""

    kind: Literal["responses", "records", "prompts"]
    """Which table it belongs to."""
    name: Annotated[str, Field(pattern=r"^[0-9a-f]{16}\.parquet$")]
    """File name below the table's folder; nothing else, so that a manifest cannot point outside its store."""
    sha256: str
    """Digest of the file's bytes."""
    rows: int
    """Number of rows."""
    unit: str = ""
    """What it holds, in words: a model and a benchmark."""


class DataEntry(Document):
    """The data of one benchmark as they were read."""

    edition: str = NOT_RECORDED
    """Name of the edition: the pinned revision, or ``local`` for bytes that no edition has."""
    files: dict[str, str] = Field(default_factory=dict)
    """Path below the data folder -> SHA-256 of the uncompressed bytes."""
    licence: str = NOT_RECORDED
    """SPDX name."""
    citation: str = NOT_RECORDED
    """Authors, year, title."""
    subset_rule: str = NOT_RECORDED
    """How the evaluated items were drawn, in one sentence."""
    subset_seed: int | None = None
    """Seed of the draw; None where nothing was drawn or it is not recorded."""
    n_items: int = 0
    """Number of evaluated items."""
    items_digest: str = NOT_RECORDED
    """Digest over the evaluated items' ids and contents, in order."""
    example_ids: tuple[str, ...] = ()
    """Ids of the pool from which in-context examples were taken, in order; k examples are the first k."""


class BenchmarkEntry(Document):
    """One benchmark of a store."""

    name: str
    """Name by which verdicts call it."""
    title: str = ""
    """Name by which people call it."""
    about: str = ""
    """What is measured."""
    estimands: tuple[Estimand, ...]
    """The questions its records answer; the first is primary."""
    envelope: Envelope
    """The configurations over which verdicts are read."""
    not_run: tuple[str, ...] = ()
    """Combinations of the product that occur for no model, as labels; bounded, see `n_not_run`."""
    n_not_run: int = 0
    """Number of combinations of the product that occur for no model."""
    data: DataEntry = DataEntry()
    """The data as they were read."""


class ModelEntry(Document):
    """One loaded model."""

    name: str
    """Name in the study."""
    load: dict[str, str] = Field(default_factory=dict)
    """Settings of the LOAD factors."""
    digest: str = NOT_RECORDED
    """Digest of the identity, part of every content key."""
    weights: str = NOT_RECORDED
    """SHA-256 over the weight files."""
    tokenizer: str = NOT_RECORDED
    """SHA-256 of the tokenizer."""
    chat_template: str = NOT_RECORDED
    """SHA-256 of the chat template."""
    dtype: str = NOT_RECORDED
    """Number format in memory."""
    quantization: str = NOT_RECORDED
    """Quantization scheme."""
    engine: str = NOT_RECORDED
    """What computed, with versions."""
    device: str = NOT_RECORDED
    """Kind of device."""
    revision: str = NOT_RECORDED
    """Commit of the repository."""


class RepositoryStamp(Document):
    """State of a repository of source code."""

    commit: str = NOT_RECORDED
    """Full commit."""
    dirty: bool | None = None
    """Whether tracked files differed from it; None where it is not known."""
    diff_sha256: str = ""
    """SHA-256 of the difference; empty where there is none."""


class Stamp(Document):
    """Provenance of a run."""

    package_version: str
    """Version of safetyrepro."""
    package: RepositoryStamp = RepositoryStamp()
    """State of safetyrepro's own source, where it runs from a checkout."""
    study: RepositoryStamp = RepositoryStamp()
    """State of the repository in which the study lies."""
    python: str = NOT_RECORDED
    """Version of the interpreter."""
    libraries: dict[str, str] = Field(default_factory=dict)
    """Versions of the libraries that touch numbers or text."""
    system: str = NOT_RECORDED
    """Operating system and architecture."""
    processor: str = NOT_RECORDED
    """Processor model and number of cores."""
    accelerator: str = NOT_RECORDED
    """Accelerator model; ``none`` where there is none."""
    started: str = NOT_RECORDED
    """UTC time at which work began."""
    finished: str = NOT_RECORDED
    """UTC time at which work ended; not recorded while it goes on."""
    seed: int | None = None
    """The study's seed."""


class TokenCounts(Document):
    """What a run cost in tokens."""

    planned: int = 0
    """Tokens of the requests that were asked."""
    computed: int = 0
    """Tokens that went through the model, without padding."""
    padded: int = 0
    """Tokens that went through the model, with padding."""
    limit: int = 0
    """Every shared prefix once: the least that exact results need."""
    generated: int = 0
    """Tokens drawn by the model."""

    def plus(self, other: TokenCounts) -> TokenCounts:
        """Both together, field by field."""
        return TokenCounts(**{name: getattr(self, name) + getattr(other, name) for name in TokenCounts.model_fields})


class Manifest(Document):
    """What a store holds."""

    version: Literal[1] = 1
    """Version of this document's schema."""
    study: str
    """Name of the study."""
    question: str = ""
    """The question in one sentence."""
    note: str = ""
    """What a reader must know about the study."""
    source: str
    """``run`` or the kind of results that were ingested."""
    failure_policy: str = "wrong"
    """The study's failure policy."""
    benchmarks: tuple[BenchmarkEntry, ...]
    """The benchmarks."""
    models: tuple[str, ...]
    """The models, in order."""
    loads: tuple[ModelEntry, ...] = ()
    """Every loaded model with its digests."""
    stamp: Stamp
    """Provenance."""
    tokens: TokenCounts = TokenCounts()
    """What it cost."""
    undisclosed: tuple[str, ...] = ()
    """What an ingested source never stated, field by field."""
    parts: tuple[PartEntry, ...] = ()
    """Every finished part."""
    complete: bool = False
    """Whether every planned cell has a record."""

    @property
    def of_study(self) -> bool:
        """Whether a study was run, which makes a lost part again; results that were ingested are never written to a second time."""
        return self.source in ("run", PROGRAMS)

    def benchmark(self, name: str) -> BenchmarkEntry:
        """Return the entry of a benchmark; KeyError where there is none."""
        for entry in self.benchmarks:
            if entry.name == name:
                return entry
        raise KeyError(name)
