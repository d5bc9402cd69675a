"""Analysis + Manifest -> GridCard: the document that a sceptic can argue with and recompute."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from safetyrepro.alike import AlikeLevels, alike_levels, distinct_runs
from safetyrepro.analysis import Analysis, BenchmarkAnalysis
from safetyrepro.canonical import canonical_digest
from safetyrepro.card_texts import CardTexts
from safetyrepro.envelope import Configuration, Exclusion, Factor, Level, Stage
from safetyrepro.estimands import Estimand
from safetyrepro.manifest import NOT_RECORDED, BenchmarkEntry, DataEntry, ModelEntry, Stamp, TokenCounts
from safetyrepro.notebook import notebook_table
from safetyrepro.records import ItemRecord
from safetyrepro.rows import RowsEntry
from safetyrepro.sentences import LIMITS, headline, recompute_commands
from safetyrepro.store import Store
from safetyrepro.study import Document
from safetyrepro.verdicts import ClaimResult, Settings


class FactorCard(Document):
    """One factor of an envelope, as it is shown."""

    name: str
    """Name of the factor."""
    stage: str
    """Where it takes effect; ``not recorded`` for a foreign factor."""
    about: str
    """What is chosen."""
    levels: tuple[LevelCard, ...]
    """The levels that occur."""


class LevelCard(Document):
    """One level, as it is shown."""

    name: str
    """Name of the level."""
    about: str
    """What it does."""
    sources: tuple[str, ...]
    """Who ships it, with package, version, file, and whether that was checked or read."""
    requires: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Levels of other factors under which this one exists."""


class CellCard(Document):
    """One cell: a model under a configuration, and the digests of what reached the model."""

    model: str
    """Name of the model."""
    configuration: str
    """Digest of the configuration."""
    score: float | None
    """Score on the estimand's own scale; None where there is none."""
    n_records: int
    """Items with a record."""
    statuses: dict[str, int]
    """Records by status."""
    prompts_digest: str
    """Digest over the rendered prompts of the cell's items, by item id."""
    tokens_digest: str
    """Digest over the token ids of the cell's items, by item id."""


class BenchmarkCard(Document):
    """One benchmark of a card."""

    name: str
    """Name by which the analysis calls it."""
    title: str
    """Name by which people call it."""
    about: str
    """What is measured."""
    estimand: Estimand
    """The question."""
    primary: bool
    """Whether it is the benchmark's primary estimand."""
    factors: tuple[FactorCard, ...]
    """The envelope's factors and levels."""
    configurations: tuple[Settings, ...]
    """The members, in order."""
    core: tuple[bool, ...]
    """Whether each member is in the core tier."""
    digests: tuple[str, ...]
    """Digest of each member."""
    n_distinct_runs: int | None
    """Different prompts, and decodings by name, behind the configurations; None where prompts are not recorded. A model's own settings may
    be greedy, which a store does not keep: at most so many runs."""
    exclusions: tuple[Exclusion, ...]
    """What was left out of the product, with reasons."""
    not_run: tuple[str, ...]
    """Combinations that occur for no model, as labels."""
    n_not_run: int
    """How many there are."""
    data: DataEntry
    """The data as they were read."""
    cells: tuple[CellCard, ...]
    """Every cell."""


class GridCard(Document):
    """The document that says what a study shows, inside which envelope, and how to recompute it."""

    version: Literal[1] = 1
    """Version of this document's schema."""
    profile: Literal["gridcard"] = "gridcard"
    """Which set of required fields it fills."""
    study: str
    """Name of the study."""
    question: str
    """The question in one sentence."""
    note: str
    """What a reader must know about the study."""
    headline: tuple[str, ...]
    """The verdicts in words, counts before rates, one sentence for each pair and benchmark."""
    source: str
    """``run`` or the kind of results that were ingested."""
    complete: bool
    """Whether every planned cell has a record."""
    benchmarks: tuple[BenchmarkCard, ...]
    """The benchmarks, one entry for each estimand."""
    models: tuple[ModelEntry, ...]
    """Every loaded model with its digests."""
    analysis: Analysis
    """Everything deterministic that is said."""
    failure_policy: str
    """How unreadable answers count."""
    provenance: Stamp
    """Commit, versions, hardware, times."""
    tokens: TokenCounts
    """What it cost."""
    undisclosed: tuple[str, ...]
    """What the source never stated."""
    limits: tuple[str, ...]
    """What the card does not claim."""
    recompute: tuple[str, ...]
    """Commands that make the card again, or check it."""
    rows: RowsEntry | None = None
    """The file that holds what every item is worth in every cell; None where the card carries scores only."""
    decisions: tuple[ClaimResult, ...] = ()
    """What the gate said of claims when the card was made."""
    texts: CardTexts | None = None
    """What the models were asked about items of the witnesses; None where only ids and digests are carried."""
    digest: str = ""
    """SHA-256 over the card's content without this field, in canonical JSON."""

    def _repr_html_(self) -> str:
        return notebook_table(self.question, ("verdict",), [(sentence,) for sentence in self.headline])


def make_card(
    store: Store,
    analysis: Analysis,
    *,
    rows: RowsEntry | None = None,
    decisions: Sequence[ClaimResult] = (),
    texts: CardTexts | None = None,
) -> GridCard:
    """Put a store's manifest and an analysis of it into one document.

    Parameters
    ----------
    store : Store
        The store that was analyzed.
    analysis : Analysis
        What it shows.
    rows : RowsEntry, optional
        What `rows.make_rows` says of the rows that will lie beside the card.
    decisions : sequence of ClaimResult
        What the gate said of claims.
    texts : CardTexts, optional
        What `card_texts.carried_texts` read.

    Returns
    -------
    GridCard
        With its digest.
    """
    manifest = store.manifest
    cards = tuple(
        _benchmark_card(store, manifest.benchmark(result.benchmark), name, result)
        for name, result in analysis.benchmarks.items()
    )
    card = GridCard(
        study=manifest.study,
        question=manifest.question or "Which model is safer, and does the answer survive the configuration?",
        note=manifest.note,
        headline=tuple(headline(name, result) for name, result in analysis.benchmarks.items() if result.primary),
        source=manifest.source,
        complete=manifest.complete,
        benchmarks=cards,
        models=manifest.loads or tuple(ModelEntry(name=name) for name in manifest.models),
        analysis=analysis,
        failure_policy=manifest.failure_policy,
        provenance=manifest.stamp,
        tokens=manifest.tokens,
        undisclosed=manifest.undisclosed,
        limits=LIMITS,
        recompute=recompute_commands(manifest, analysis, rows=rows is not None, claims=bool(decisions), texts=texts),
        rows=rows,
        decisions=tuple(decisions),
        texts=texts,
    )
    return card.model_copy(update={"digest": card_digest(card)})


def card_digest(card: GridCard) -> str:
    """SHA-256 over a card's content without its digest field, in canonical JSON (RFC 8785)."""
    return canonical_digest(card.model_dump(mode="json", exclude={"digest"}))


def _benchmark_card(store: Store, entry: BenchmarkEntry, name: str, result: BenchmarkAnalysis) -> BenchmarkCard:
    records = store.records(entry.name, result.estimand.name)
    members = tuple(Configuration.of(settings) for settings in result.configurations)
    cells = _cells(records, members, result)
    return BenchmarkCard(
        name=name,
        title=entry.title or entry.name,
        about=entry.about or "not recorded",
        estimand=result.estimand,
        primary=result.primary,
        factors=tuple(_factor_card(factor) for factor in entry.envelope.factors),
        configurations=result.configurations,
        core=result.core,
        digests=tuple(member.digest for member in members),
        n_distinct_runs=most_distinct_runs(cells, members, entry.envelope.factors),
        exclusions=entry.envelope.exclusions,
        not_run=entry.not_run,
        n_not_run=entry.n_not_run,
        data=entry.data,
        cells=cells,
    )


def most_distinct_runs(cells: Sequence[CellCard], members: Sequence[Configuration], factors: Sequence[Factor]) -> int | None:
    """The most different runs that one model was put through; None where prompts are not recorded."""
    return max((distinct_runs(asked, factors) for asked in _asked(cells, members, factors).values()), default=None)


def levels_alike(entry: BenchmarkCard) -> dict[str, tuple[AlikeLevels, ...]]:
    """Levels under which a model was asked the same, model by model; a model without recorded prompts is left out.

    Parameters
    ----------
    entry : BenchmarkCard
        Its cells' digests are compared.
    """
    members = tuple(Configuration.of(settings) for settings in entry.configurations)
    factors = tuple(
        Factor(
            name=factor.name,
            stage=None if factor.stage == NOT_RECORDED else Stage[factor.stage],
            levels=tuple(Level(name=level.name) for level in factor.levels),
        )
        for factor in entry.factors
    )
    return {model: alike_levels(asked, factors) for model, asked in _asked(entry.cells, members, factors).items()}


def _asked(
    cells: Sequence[CellCard], members: Sequence[Configuration], factors: Sequence[Factor]
) -> dict[str, dict[Configuration, tuple[object, ...]]]:
    """Model -> configuration -> what it was asked: its prompts as tokens, under which loading and decoding."""
    beside = [factor.name for factor in factors if factor.stage in (Stage.LOAD, Stage.DECODE)]
    by_digest = {member.digest: member for member in members}
    asked: dict[str, dict[Configuration, tuple[object, ...]]] = {}
    for cell in cells:
        if cell.prompts_digest != NOT_RECORDED:
            member = by_digest[cell.configuration]
            what = (cell.prompts_digest, cell.tokens_digest, member.restricted(beside))
            asked.setdefault(cell.model, {})[member] = what
    return asked


def _factor_card(factor: Factor) -> FactorCard:
    return FactorCard(
        name=factor.name,
        stage=factor.stage.name if factor.stage is not None else NOT_RECORDED,
        about=factor.about,
        levels=tuple(
            LevelCard(
                name=level.name,
                about=level.about,
                sources=tuple(str(source) for source in level.sources),
                requires=dict(level.requires),
            )
            for level in factor.levels
        ),
    )


def _cells(records: Sequence[ItemRecord], members: Sequence[Configuration], result: BenchmarkAnalysis) -> tuple[CellCard, ...]:
    held: dict[tuple[str, str], list[ItemRecord]] = defaultdict(list)
    for record in records:
        held[record.cell.model, record.cell.configuration].append(record)
    return tuple(
        _cell(model.name, member, model.scores[c], held[model.name, member.digest])
        for model in result.models
        for c, member in enumerate(members)
    )


def _cell(model: str, member: Configuration, score: float | None, records: Sequence[ItemRecord]) -> CellCard:
    statuses: dict[str, int] = {}
    for record in records:
        statuses[record.status.value] = statuses.get(record.status.value, 0) + 1
    return CellCard(
        model=model,
        configuration=member.digest,
        score=score,
        n_records=len(records),
        statuses=statuses,
        prompts_digest=_over_items([(record.item_id, record.prompt_digest) for record in records]),
        tokens_digest=_over_items([(record.item_id, record.token_digest) for record in records]),
    )


def _over_items(digests: Sequence[tuple[str, str]]) -> str:
    if not digests or any(not digest for _, digest in digests):
        return NOT_RECORDED
    text = "\n".join(f"{item}\t{digest}" for item, digest in sorted(digests))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


FactorCard.model_rebuild()
