"""ScoreTable -> whether two packages, scorers or judges say the same about the same items of the same model.

Two methods may give a model the same score and disagree about every item. So they are compared item by item, in configurations that
differ in nothing but the method. Agreement is a description; whether one method says yes more often than the other is inferred, and
stands apart.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from safetyrepro.envelope import Factor, Stage
from safetyrepro.robustness import Layout
from safetyrepro.scores import ScoreTable
from safetyrepro.stats.agreement import Agreement, item_agreement
from safetyrepro.stats.multiplicity import holm
from safetyrepro.stats.paired import mcnemar
from safetyrepro.verdicts import Settings

METHOD_NAMES = frozenset({"harness", "judge", "package", "scorer", "scoring"})
"""Names of factors that rate answers, for results that do not tell a factor's stage."""
MOST_COMPARISONS = 20_000
"""Comparisons of two cells up to which methods are compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodAgreement:
    """How far two methods agree about the items of one model."""

    factor: str
    """The factor that names the methods."""
    first: str
    """One method."""
    second: str
    """The other."""
    model: str
    """Whose answers they rate."""
    n_configurations: int
    """Pairs of configurations that differ in the method only and have items rated by both."""
    least: Agreement
    """Agreement where they agree least: by kappa, or, where no kappa exists, by the share of equal ratings."""
    settings: Settings
    """The rest of that configuration."""
    kappa_median: float | None
    """Median of kappa over the pairs that have one; None where none has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodTest:
    """Whether two methods say yes equally often to the items of one model, among items like these."""

    factor: str
    """The factor that names the methods."""
    first: str
    """One method."""
    second: str
    """The other."""
    model: str
    """Whose answers they rate."""
    n_configurations: int
    """Pairs of configurations that were tested: the family of the adjustment."""
    n_differing: int
    """Those in which the exact McNemar test, Holm-adjusted, is at most alpha."""
    p_least: float
    """Smallest adjusted p-value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkMethods:
    """Agreement of methods on one benchmark."""

    agreements: tuple[MethodAgreement, ...]
    """Every pair of levels of every factor that names a method, for each model."""
    skipped: str
    """Why there is none; empty where there is one, or where no factor names a method."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Matched:
    """One pair of methods on one model, with each pair of configurations that differ in the method only."""

    factor: str
    first: str
    second: str
    model: str
    found: tuple[tuple[Settings, Agreement], ...]


def compare_methods(table: ScoreTable, layout: Layout, factors: Sequence[Factor]) -> BenchmarkMethods:
    """How far methods agree, item by item.

    Parameters
    ----------
    table : ScoreTable
        Scores with items.
    layout : Layout
        Where its configurations lie in their grid.
    factors : sequence of Factor
        The envelope's factors: those that take effect when answers are scored are methods.

    Returns
    -------
    BenchmarkMethods
    """
    columns = method_columns(layout, factors)
    reason = _reason(table, columns, layout) if columns else ""
    matched = [] if reason else list(_matched(table, layout, columns))
    return BenchmarkMethods(agreements=tuple(_agreement(entry) for entry in matched), skipped=reason)


def methods_tested(table: ScoreTable, layout: Layout, factors: Sequence[Factor], *, alpha: float) -> tuple[MethodTest, ...]:
    """Whether methods say yes equally often among items like these.

    Parameters
    ----------
    table, layout, factors
        As in `compare_methods`.
    alpha : float
        Level of `MethodTest.n_differing`.

    Returns
    -------
    tuple of MethodTest
        Empty where items share clusters: the exact test takes each item for a draw of its own.
    """
    columns = method_columns(layout, factors)
    if not columns or _reason(table, columns, layout) or len(set(table.clusters)) < len(table.clusters):
        return ()
    return tuple(_test(entry, alpha) for entry in _matched(table, layout, columns))


def method_columns(layout: Layout, factors: Sequence[Factor]) -> list[int]:
    """Columns of the factors with at least two levels that rate answers."""
    stages = {factor.name: factor.stage for factor in factors}
    return [
        column
        for column, name in enumerate(layout.factors)
        if (stages.get(name) is Stage.SCORE or name in METHOD_NAMES) and np.unique(layout.levels[:, column]).size > 1
    ]


def _reason(table: ScoreTable, columns: Sequence[int], layout: Layout) -> str:
    known = table.values[table.known]
    ends = (table.estimand.low, table.estimand.high)
    n_comparisons = len(table.models) * sum(len(_pairs(layout, column)) for column in columns)
    if not table.items:
        return "there are no items"
    if not np.isin(known, ends).all():
        return "the items' values are not all at an end of their range, as a yes or a no is"
    if n_comparisons > MOST_COMPARISONS:
        return f"{n_comparisons} pairs of cells; methods are compared on at most {MOST_COMPARISONS}"
    return ""


def _pairs(layout: Layout, column: int) -> list[tuple[int, int]]:
    """Pairs of configurations that differ in one factor only."""
    rest = np.delete(layout.levels, column, axis=1)
    groups: dict[tuple[int, ...], list[int]] = {}
    for row, key in enumerate(rest.tolist()):
        groups.setdefault(tuple(key), []).append(row)
    return [pair for rows in groups.values() for pair in itertools.combinations(rows, 2)]


def _matched(table: ScoreTable, layout: Layout, columns: Sequence[int]) -> Iterator[_Matched]:
    for column in columns:
        by_levels: dict[tuple[int, int], list[tuple[int, int]]] = {}
        for one, other in _pairs(layout, column):
            first, second = sorted((one, other), key=lambda row: int(layout.levels[row, column]))
            key = int(layout.levels[first, column]), int(layout.levels[second, column])
            by_levels.setdefault(key, []).append((first, second))
        for _, rows in sorted(by_levels.items()):
            yield from _of_models(table, layout.factors[column], rows)


def _of_models(table: ScoreTable, factor: str, rows: Sequence[tuple[int, int]]) -> Iterator[_Matched]:
    first, second = (table.configurations[row][factor] for row in rows[0])
    for model, name in enumerate(table.models):
        rated = [(one, _agree(table, model, one, other)) for one, other in rows]
        found = tuple((_rest(table, row, factor), entry) for row, entry in rated if entry.share_equal is not None)
        if found:
            yield _Matched(factor=factor, first=first, second=second, model=name, found=found)


def _agree(table: ScoreTable, model: int, one: int, other: int) -> Agreement:
    yes = table.values[model] == table.estimand.high
    return item_agreement(yes[one], yes[other], table.known[model, one] & table.known[model, other])


def _rest(table: ScoreTable, row: int, factor: str) -> Settings:
    return {name: level for name, level in table.configurations[row].settings if name != factor}


def _agreement(matched: _Matched) -> MethodAgreement:
    kappas = [entry.kappa for _, entry in matched.found if entry.kappa is not None]
    settings, least = min(matched.found, key=lambda pair: _rank(pair[1]))
    return MethodAgreement(
        factor=matched.factor,
        first=matched.first,
        second=matched.second,
        model=matched.model,
        n_configurations=len(matched.found),
        least=least,
        settings=settings,
        kappa_median=float(np.median(kappas)) if kappas else None,
    )


def _rank(agreement: Agreement) -> tuple[bool, float]:
    """Kappa where it exists, before all that have none."""
    assert agreement.share_equal is not None
    return agreement.kappa is None, agreement.share_equal if agreement.kappa is None else agreement.kappa


def _test(matched: _Matched, alpha: float) -> MethodTest:
    p = [mcnemar(a_only=entry.n_first_only, b_only=entry.n_second_only).p_exact for _, entry in matched.found]
    adjusted = [value for value in holm(p).adjusted if value is not None]
    return MethodTest(
        factor=matched.factor,
        first=matched.first,
        second=matched.second,
        model=matched.model,
        n_configurations=len(p),
        n_differing=sum(value <= alpha for value in adjusted),
        p_least=min(adjusted),
    )
