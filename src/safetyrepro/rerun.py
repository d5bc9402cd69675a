"""A card's witness, measured again: only its two configurations and two models, the items that differed first."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from safetyrepro.analysis import AnalysisOptions, BenchmarkAnalysis, analyze
from safetyrepro.card import GridCard
from safetyrepro.errors import CardError
from safetyrepro.plan import Plan, make_plan
from safetyrepro.run import Progress, run
from safetyrepro.stats.base import TOLERANCE
from safetyrepro.store import Store
from safetyrepro.study import Study
from safetyrepro.verdicts import ConfigurationVerdict, Settings, Verdict, Witness, WitnessItems


class RerunWord(Enum):
    """What came of a witness that was measured again."""

    REPRODUCED = "REPRODUCED"
    """Every score is the one that the card states."""
    DRIFTED = "DRIFTED"
    """Scores moved; in both configurations the same model is ahead as before."""
    NOT_REPRODUCED = "NOT REPRODUCED"
    """In at least one of the two configurations the model that was ahead is no longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RerunCell:
    """One configuration of a witness, before and now."""

    settings: Settings
    """The configuration."""
    before: tuple[float | None, float | None]
    """Oriented scores of A and B on the card; None where only the differing items were asked again."""
    now: tuple[float | None, float | None]
    """Oriented scores of A and B now, on the items that were asked."""
    margin_before: float
    """The card's difference."""
    margin_now: float | None
    """Difference now, on the items that were asked; None where nothing could be scored."""
    n_items: int
    """Items that were asked again."""
    n_differing: int
    """Items on which the two models differed on the card; 0 where only aggregates are known."""
    n_kept: int
    """Of these, items on which they still differ in the same direction."""

    @property
    def same_sign(self) -> bool:
        """Whether the same model is ahead."""
        return (
            self.margin_now is not None
            and abs(self.margin_now) > TOLERANCE
            and (self.margin_now > 0) == (self.margin_before > 0)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rerun:
    """A witness and what came of it."""

    benchmark: str
    """Name by which the card calls it."""
    a: str
    """First model."""
    b: str
    """Second model."""
    word: RerunWord
    """What came of it."""
    plus: RerunCell
    """Where A was ahead."""
    minus: RerunCell
    """Where B was ahead."""
    notes: tuple[str, ...]
    """What is not as it was: digests of weights, data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RerunOptions:
    """Which witnesses, and how much of them."""

    benchmark: str = ""
    """Only this entry of the card; empty is every primary one."""
    pair: tuple[str, ...] = ()
    """Only this pair of models; empty is every one that reverses."""
    differing_only: bool = False
    """Whether to stop after the items that differed."""


def rerun(
    card: GridCard, study: Study, path: Path, folder: Path, *, options: RerunOptions, progress: Progress
) -> Iterator[Rerun]:
    """Measure a card's witnesses again.

    Parameters
    ----------
    card : GridCard
        The card.
    study : Study
        The study that it was made from.
    path : Path
        The study's file; relative paths start from its folder.
    folder : Path
        Where the new answers are kept: one store for each witness.
    options : RerunOptions
        Which witnesses, and how much of them.
    progress : Progress
        Who is told how far it is.

    Yields
    ------
    Rerun
        One for each witness, as it is finished.

    Raises
    ------
    CardError
        If the card was not made by a run, or no witness is meant.
    StudyError
        If the study cannot be planned.
    """
    if card.source != "run":
        raise CardError(
            f"card of '{card.study}'",
            found=f"its results were ingested ({card.source}) and not measured by this package",
            remedy="Measure the two configurations again with the package that they came from.",
        )
    chosen = [(name, pair) for name, pair in _witnessed(card) if _meant(card, name, pair, options)]
    if not chosen:
        raise CardError(
            f"card of '{card.study}'",
            found="holds no witness of a reversal" + (" that was asked for" if options.benchmark or options.pair else ""),
            remedy="Without a reversal there is nothing to measure again.",
        )
    for number, (name, pair) in enumerate(chosen):
        yield _measure(card, name, pair, _Again(study, path, folder / str(number), options.differing_only, progress))


def _witnessed(card: GridCard) -> Iterator[tuple[str, Verdict]]:
    for name, result in card.analysis.benchmarks.items():
        yield from ((name, pair) for pair in result.pairs if pair.witness is not None)


def _meant(card: GridCard, name: str, pair: Verdict, options: RerunOptions) -> bool:
    named = name == options.benchmark if options.benchmark else card.analysis.benchmarks[name].primary
    return named and (not options.pair or set(options.pair) == {pair.a, pair.b})


@dataclass(frozen=True, slots=True)
class _Again:
    study: Study
    path: Path
    folder: Path
    differing_only: bool
    progress: Progress


def _measure(card: GridCard, name: str, pair: Verdict, again: _Again) -> Rerun:
    result, witness = card.analysis.benchmarks[name], pair.witness
    assert witness is not None
    plan = make_plan(_narrowed(again.study, result.benchmark, pair, witness), again.path)
    differing = _differing(witness.items)
    store: Store | None = None
    if differing:
        store = run(_with_items(plan, differing), again.folder, progress=again.progress)
    if store is None or not again.differing_only:
        store = run(plan, again.folder, progress=again.progress)
    policy = AnalysisOptions(
        inference=None, further=False, attribution=False, policies=False, policy=result.policy, item_rule=result.item_rule
    )
    found = analyze(store, policy).benchmarks[name]
    cells = tuple(
        _cell(
            pair, settings, found, _better(store, found, settings), whole=not (again.differing_only and differing), sides=sides
        )
        for settings, sides in ((witness.plus, _sides(witness.items, "plus")), (witness.minus, _sides(witness.items, "minus")))
    )
    return Rerun(
        benchmark=name, a=pair.a, b=pair.b, word=_word(cells), plus=cells[0], minus=cells[1], notes=tuple(_notes(card, store))
    )


def _narrowed(study: Study, benchmark: str, pair: Verdict, witness: Witness) -> Study:
    """The study of two models and two configurations on the same items."""
    specs = [
        spec.model_copy(
            update={"factors": {}, "core": [], "exclude": [], "configurations": [dict(witness.plus), dict(witness.minus)]}
        )
        for spec in study.benchmarks
        if spec.name == benchmark
    ]
    models = [model for name in (pair.a, pair.b) for model in study.models if model.name == name]
    if not specs or len(models) < 2:
        absent = benchmark if not specs else ", ".join({pair.a, pair.b} - {model.name for model in models})
        raise CardError(
            f"study '{study.name}'",
            found=f"does not name '{absent}', which the card does",
            remedy="Name the study of this card.",
        )
    return study.model_copy(update={"benchmarks": specs, "models": models, "load": {}})


def _with_items(plan: Plan, wanted: frozenset[str]) -> Plan:
    (benchmark,) = plan.benchmarks
    kept = tuple(item for item in benchmark.items if item.id in wanted)
    return dataclasses.replace(plan, benchmarks=(dataclasses.replace(benchmark, items=kept),))


def _differing(items: WitnessItems | None) -> frozenset[str]:
    if items is None:
        return frozenset()
    return frozenset(itertools.chain(*_sides(items, "plus"), *_sides(items, "minus")))


def _sides(items: WitnessItems | None, end: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Items on which A did better and on which B did, at one end of a witness."""
    if items is None:
        return (), ()
    return (items.plus_a_better, items.plus_b_better) if end == "plus" else (items.minus_a_better, items.minus_b_better)


def _better(store: Store, found: BenchmarkAnalysis, settings: Settings) -> tuple[set[str], set[str]]:
    """Items on which A does better now, and on which B does."""
    from safetyrepro.analysis import score_table
    from safetyrepro.scores import paired_differences

    entry = store.manifest.benchmark(found.benchmark)
    table = score_table(store, entry, found.estimand, AnalysisOptions(policy=found.policy, item_rule=found.item_rule))
    at = next(c for c, member in enumerate(table.configurations) if member.as_dict() == settings)
    difference, known = paired_differences(table, 0, 1)
    column = [
        (item, float(gap)) for item, gap, there in zip(table.items, difference[:, at], known[:, at], strict=True) if there
    ]
    return {item for item, gap in column if gap > TOLERANCE}, {item for item, gap in column if gap < -TOLERANCE}


def _cell(
    pair: Verdict,
    settings: Settings,
    found: BenchmarkAnalysis,
    better: tuple[set[str], set[str]],
    *,
    whole: bool,
    sides: tuple[tuple[str, ...], tuple[str, ...]],
) -> RerunCell:
    before, now = _entry(pair, settings), _entry(found.pairs[0], settings)
    assert before.difference is not None
    return RerunCell(
        settings=settings,
        before=(before.score_a, before.score_b) if whole else (None, None),
        now=(now.score_a, now.score_b),
        margin_before=before.difference,
        margin_now=now.difference,
        n_items=now.n_items,
        n_differing=len(sides[0]) + len(sides[1]),
        n_kept=len(better[0] & set(sides[0])) + len(better[1] & set(sides[1])),
    )


def _entry(pair: Verdict, settings: Settings) -> ConfigurationVerdict:
    return next(entry for entry in pair.configurations if entry.settings == settings)


def _word(cells: Sequence[RerunCell]) -> RerunWord:
    if not all(cell.same_sign for cell in cells):
        return RerunWord.NOT_REPRODUCED
    return RerunWord.REPRODUCED if all(_equal(cell) for cell in cells) else RerunWord.DRIFTED


def _equal(cell: RerunCell) -> bool:
    """Whether the scores are the same, or, of the differing items alone, whether each still differs in its direction."""
    if None in cell.before:
        return cell.n_kept == cell.n_differing
    pairs = zip(cell.before, cell.now, strict=True)
    return all(one is not None and other is not None and abs(one - other) <= TOLERANCE for one, other in pairs)


def _notes(card: GridCard, store: Store) -> Iterator[str]:
    before = {(entry.name, tuple(sorted(entry.load.items()))): entry.digest for entry in card.models}
    for entry in store.manifest.loads:
        old = before.get((entry.name, tuple(sorted(entry.load.items()))))
        if old is not None and old != entry.digest:
            yield f"{entry.name} is loaded with another identity ({entry.digest}) than on the card ({old})"
