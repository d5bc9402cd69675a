"""Card and rows -> a store in memory, so that whatever reads stores can read a card: analysis, claims, verification."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from safetyrepro.analysis import AnalysisOptions
from safetyrepro.card import BenchmarkCard, FactorCard, GridCard
from safetyrepro.envelope import Configuration, Envelope, Factor, Level, Stage
from safetyrepro.errors import CardError
from safetyrepro.inference import InferenceOptions
from safetyrepro.manifest import BenchmarkEntry, Manifest
from safetyrepro.records import ItemRecord
from safetyrepro.rows import RowsEntry, read_rows
from safetyrepro.store import Store
from safetyrepro.verdicts import Settings

MOST_DRAWS = 1_000_000
"""Random draws that a card can ask whoever computes it again to make."""


class CardStore(Store):
    """A store whose records are the rows of a card; nothing of it is on disk.

    Parameters
    ----------
    folder : Path
        Folder of the card.
    manifest : Manifest
        What the card says of its source.
    rows : dict
        (benchmark, estimand) -> records.
    """

    def __init__(self, folder: Path, manifest: Manifest, rows: dict[tuple[str, str], list[ItemRecord]]) -> None:
        super().__init__(folder, manifest)
        self._rows = rows

    def records(self, benchmark: str, estimand: str) -> list[ItemRecord]:
        """The rows of a benchmark under an estimand, in order."""
        return list(self._rows[benchmark, estimand])


def card_store(card: GridCard, folder: Path, rows: RowsEntry) -> CardStore:
    """Read a card's rows into a store.

    Parameters
    ----------
    card : GridCard
        The card.
    folder : Path
        Where its rows lie.
    rows : RowsEntry
        What the card says of them.

    Raises
    ------
    CardError
        If the rows are absent or altered.
    """
    results = card.analysis.benchmarks
    places = {name: (result.benchmark, result.estimand.name) for name, result in results.items()}
    first = next(iter(results.values()), None)
    manifest = Manifest(
        study=card.study,
        question=card.question,
        note=card.note,
        source=card.source,
        failure_policy=card.failure_policy,
        benchmarks=tuple(_entry(card, entry) for entry in card.benchmarks if results[entry.name].primary),
        models=tuple(model.name for model in first.models) if first else (),
        loads=card.models,
        stamp=card.provenance,
        tokens=card.tokens,
        undisclosed=card.undisclosed,
        complete=card.complete,
    )
    return CardStore(folder, manifest, read_rows(folder, rows, places))


def _entry(card: GridCard, held: BenchmarkCard) -> BenchmarkEntry:
    """A benchmark with its estimands in the card's order: canonical JSON keeps that of a list and sorts the names of an object."""
    own = card.analysis.benchmarks[held.name].benchmark
    results = [card.analysis.benchmarks[entry.name] for entry in card.benchmarks]
    estimands = [result.estimand for result in results if result.benchmark == own]
    return BenchmarkEntry(
        name=own,
        title=held.title,
        about=held.about,
        estimands=tuple(sorted(estimands, key=lambda estimand: estimand != held.estimand)),
        envelope=_envelope(own, held),
        not_run=held.not_run,
        n_not_run=held.n_not_run,
        data=held.data,
    )


def _envelope(name: str, held: BenchmarkCard) -> Envelope:
    names = [factor.name for factor in held.factors]
    members = tuple(_ordered(settings, names) for settings in held.configurations)
    return Envelope(
        benchmark=name,
        factors=tuple(_factor(factor) for factor in held.factors),
        configurations=members,
        core=frozenset(member for member, core in zip(members, held.core, strict=True) if core),
        exclusions=held.exclusions,
    )


def _ordered(settings: Settings, names: Sequence[str]) -> Configuration:
    """A configuration with its factors in the card's order: canonical JSON sorts the names of an object."""
    ranked = sorted(settings, key=lambda name: names.index(name) if name in names else len(names))
    return Configuration.of({name: settings[name] for name in ranked})


def _factor(factor: FactorCard) -> Factor:
    stages = {stage.name: stage for stage in Stage}
    levels = tuple(Level(name=level.name, about=level.about, requires=level.requires) for level in factor.levels)
    return Factor(name=factor.name, stage=stages.get(factor.stage), levels=levels, about=factor.about)


def card_options(card: GridCard) -> AnalysisOptions:
    """The options under which a card's analysis was made, as far as it states them.

    Notes
    -----
    Where every pair had so few units that all sign vectors were listed, the number of draws made no difference and is the default.

    Raises
    ------
    CardError
        If it states a number of draws, a level or a seed that no analysis takes: a hostile card must not keep a verifier busy.
    """
    first = next(iter(card.analysis.benchmarks.values()))
    support = next(iter(card.analysis.support.values()), None)
    draws = [pair.draws for one in card.analysis.support.values() for pair in one.pairs if not pair.exhaustive]
    inference = InferenceOptions()
    if support is not None:
        fine = all(0 < count <= MOST_DRAWS for count in draws) and 0 < support.alpha < 1 and support.seed >= 0
        if not fine:
            raise CardError(
                f"card of '{card.study}'",
                found=f"says that up to {max(draws, default=0)} draws were made at level {support.alpha} from seed {support.seed}",
                expected=f"1 to {MOST_DRAWS:,} draws, a level between 0 and 1, a seed from 0",
                remedy="Do not trust the card.",
            )
        inference = InferenceOptions(alpha=support.alpha, draws=max(draws, default=inference.draws), seed=support.seed)
    return AnalysisOptions(
        where=card.analysis.where,
        models=tuple(model.name for model in first.models),
        policy=first.policy,
        item_rule=first.item_rule,
        inference=inference if support is not None else None,
        further=bool(card.analysis.further),
        attribution=bool(card.analysis.attribution),
        policies=True,
    )
