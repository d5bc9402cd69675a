"""A path that somebody names -> what claims are held against: a store, or a card with or without its rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from safetyrepro.analysis import Analysis, AnalysisOptions, analyze, score_table
from safetyrepro.card import GridCard
from safetyrepro.card_store import card_options, card_store
from safetyrepro.gate import Tester
from safetyrepro.gate_supported import card_tester, store_tester
from safetyrepro.render.files import CARD, read_card
from safetyrepro.scope import Scope
from safetyrepro.scores import ScoreTable
from safetyrepro.selection import runnable_study
from safetyrepro.store import MANIFEST, STUDY, Store, open_store


@dataclass(frozen=True, slots=True)
class Opened:
    """Results that claims can be held against."""

    analysis: Analysis
    """What they show."""
    tester: Tester
    """Tests a supported claim on them."""
    run_again: str
    """The command that runs what they lack; empty where it is not known."""


def open_results(path: Path | str) -> Opened:
    """Open a store, a card.json, or the folder of a card.

    Raises
    ------
    StoreError
        If the path is a folder that holds neither a manifest nor a card, or a damaged store.
    CardError
        If it is a file that is no card.
    """
    path = Path(path)
    if path.is_dir() and ((path / MANIFEST).is_file() or not (path / CARD).is_file()):
        return _open_store(path)
    return _open_card(path / CARD if path.is_dir() else path)


def _open_store(folder: Path) -> Opened:
    store = open_store(folder)
    options = AnalysisOptions(inference=None, further=False, attribution=False, policies=False)
    return Opened(analyze(store, options), store_tester(store, options), _run_again(store))


def _run_again(store: Store) -> str:
    if store.manifest.of_study:
        study = runnable_study(store.folder / STUDY, store.manifest.study)
        return f"safetyrepro run {study or 'STUDY'} --out {store.folder}" + (
            "" if study else ", STUDY being the file it was made from"
        )
    return f"measure them with the package that made these results, then safetyrepro ingest them again into {store.folder}"


def _open_card(path: Path) -> Opened:
    card = read_card(path)
    return Opened(card.analysis, card_tester(card.analysis, _tables(card, path.parent)), _first_command(card))


def _tables(card: GridCard, folder: Path) -> Callable[[Scope], ScoreTable | None]:
    """Tables from a card's rows, which are read when the first is asked for."""
    stores: list[Store] = []

    def table_of(scope: Scope) -> ScoreTable | None:
        if card.rows is None or not (folder / card.rows.file).is_file():
            return None
        if not stores:
            stores.append(card_store(card, folder, card.rows))
        entry = stores[0].manifest.benchmark(scope.result.benchmark)
        return score_table(stores[0], entry, scope.result.estimand, card_options(card))

    return table_of


def _first_command(card: GridCard) -> str:
    return card.recompute[0] if card.recompute else ""
