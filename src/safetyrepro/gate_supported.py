"""Claim x ScoreTable -> ClaimTest: what the items prove of a claim, and what they prove against it.

One approach for every quantifier: shift the item differences by the claim's margin, test each configuration of the scope both
ways, and let the logic of the quantifier combine the p-values. "All" takes the largest without correction, "some" pays for the
search by the joint sign flips, "most" counts single-step adjusted p-values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from safetyrepro.analysis import Analysis, AnalysisOptions, score_table
from safetyrepro.detectable import provable
from safetyrepro.errors import ClaimError
from safetyrepro.estimands import Direction
from safetyrepro.inference import BenchmarkInference, InferenceOptions, PairInference, generator, item_terms
from safetyrepro.scope import Scope
from safetyrepro.scores import ScoreTable
from safetyrepro.stats.equivalence import noninferiority_test
from safetyrepro.stats.support import pair_support
from safetyrepro.stats.target import target_test
from safetyrepro.store import Store
from safetyrepro.verdicts import Claim, ClaimWitness, Quantifier

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
MAX_COLUMNS = 40_000
"""Pairs of configurations that dominance and the worst case may compare."""
CROSSED = (Quantifier.WORST_CASE, Quantifier.DOMINANCE)
"""Quantifiers that let A and B be measured under different configurations."""
MOST_SCALES = 1_000
"""Lengths of an estimand's scale beyond which a margin is a slip of the pen, and sums would no longer be exact."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimTest:
    """What the items say of a claim, before the family is adjusted for."""

    p_holds: float | None
    """Against "the claim is false"; None where a cell of the scope is missing, so that leaving one out never helps."""
    p_refutes: float | None
    """Against "the claim is true"; None where it cannot be tested."""
    n_units: int
    """Items or clusters behind it."""
    witness: tuple[ClaimWitness, ...]
    """The configuration that speaks most clearly against the claim; shown if it is refuted."""
    missing: tuple[ClaimWitness, ...]
    """Configurations of the scope without an item that both models have."""
    minimum_detectable_difference: float | None
    """Difference that, in every configuration, these items would have shown with power .8; None where they show none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Side:
    """One direction, "A ahead" or "B ahead", in every column; absent columns hold 1."""

    single: Floats
    """p-value of each column on its own."""
    adjusted: Floats
    """p-value of each column, corrected for the search over columns."""
    some: float
    """p-value of "ahead in some column"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Columns:
    """Differences of the claim's models in the columns that its quantifier compares."""

    difference: Floats
    """(items, columns) A less B, 0 where not known."""
    known: Flags
    """(items, columns) whether both have a value."""
    cluster: NDArray[np.intp] | None
    """Cluster of each item; None where every item is its own."""

    @property
    def present(self) -> Flags:
        """Which columns have a known item."""
        return np.asarray(self.known.any(axis=0), dtype=np.bool_)


def claim_test(claim: Claim, scope: Scope, table: ScoreTable, options: InferenceOptions) -> ClaimTest:
    """Test a claim on the items of a table.

    Parameters
    ----------
    claim : Claim
        The claim; its alpha is not used here.
    scope : Scope
        Its configurations, by their places in the table.
    table : ScoreTable
        Scores with items.
    options : InferenceOptions
        Draws and seed; with those of the analysis, a claim over the whole envelope gets the p-values of the analysis.

    Returns
    -------
    ClaimTest

    Raises
    ------
    ClaimError
        If the table holds no items, or the claim asks for a test that its estimand does not admit.

    Notes
    -----
    With a margin the sign flips are anti-conservative where the models hardly ever differ (every difference is then the margin
    itself), so the larger of their p-value and that of the smoothed t test is taken in the direction that the margin helps.
    """
    _check(claim, scope, table)
    where = list(scope.indices)
    columns = _columns(claim, table, where, crossed=claim.quantifier in CROSSED)
    own = _columns(claim, table, where, crossed=False)
    if claim.quantifier is Quantifier.MEAN:
        columns = _averaged(columns)
    sides = _target_sides(claim, scope, table, options) if _target(table) else _sides(claim, scope, table, columns, options)
    plus, minus = sides
    complete = bool(own.present.all())
    holds, refutes = _combined(claim, plus, minus, n_configurations=len(where))
    open_ended = claim.quantifier in (Quantifier.EVERYWHERE, Quantifier.CORE, Quantifier.DOMINANCE, Quantifier.MAJORITY)
    return ClaimTest(
        p_holds=holds if complete else None,
        p_refutes=refutes if complete or (open_ended and own.present.any()) else None,
        n_units=_n_units(own),
        witness=_witness(claim, scope, minus, len(where)),
        missing=tuple(scope.witness(scope.entries[c]) for c in np.flatnonzero(~own.present)),
        minimum_detectable_difference=_detectable(claim, columns, table),
    )


def _target(table: ScoreTable) -> bool:
    return table.estimand.orientation.direction is Direction.TARGET


def _check(claim: Claim, scope: Scope, table: ScoreTable) -> None:
    found = ""
    if not table.items:
        found = "the results hold aggregates and no items"
    elif abs(claim.margin) > MOST_SCALES * (table.estimand.high - table.estimand.low):
        found = f"its margin of {abs(claim.margin):g} is far beyond the scale of '{scope.result.estimand.name}'"
    elif _target(table) and (claim.margin or claim.quantifier in (*CROSSED, Quantifier.MEAN)):
        found = (
            f"'{scope.result.estimand.name}' is best at a target, where only claims without a margin over all, some or most "
            "configurations can be tested"
        )
    elif claim.quantifier in CROSSED and len(scope.indices) ** 2 > MAX_COLUMNS:
        found = (
            f"{len(scope.indices)} configurations make {len(scope.indices) ** 2} pairs, more than {MAX_COLUMNS} can be tested"
        )
    if found:
        raise ClaimError(
            f"claim '{claim.sentence}'", found=found, remedy="Claim it at the realized level, or change the claim."
        )


def _columns(claim: Claim, table: ScoreTable, where: Sequence[int], *, crossed: bool) -> _Columns:
    """Differences per configuration, or, crossed, of every configuration of A (outer) with every one of B (inner)."""
    a, b = table.models.index(claim.a), table.models.index(claim.b)
    sign = -1.0 if table.estimand.orientation.direction is Direction.LOWER else 1.0
    at_a = np.repeat(where, len(where)) if crossed else np.array(where)
    at_b = np.tile(where, len(where)) if crossed else np.array(where)
    there_a, there_b = (table.known[m] & table.scored[m][:, None] for m in (a, b))
    known = (there_a[at_a] & there_b[at_b]).T
    difference = np.where(known, sign * (item_terms(table, a)[at_a] - item_terms(table, b)[at_b]).T, 0.0)
    cluster = table.cluster_index
    return _Columns(difference=difference, known=known, cluster=None if len(set(cluster)) == cluster.size else cluster)


def _averaged(columns: _Columns) -> _Columns:
    """One column whose mean is the mean over the configurations of their mean differences."""
    used = columns.known.any(axis=1)
    n_items, n_columns = int(used.sum()), columns.known.shape[1]
    counts = np.maximum(columns.known.sum(axis=0), 1)
    terms = (columns.difference * (n_items / (n_columns * counts))).sum(axis=1, keepdims=True)
    cluster = None if columns.cluster is None else columns.cluster[used]
    return _Columns(difference=terms[used], known=np.ones((n_items, 1), dtype=np.bool_), cluster=cluster)


def _sides(claim: Claim, scope: Scope, table: ScoreTable, columns: _Columns, options: InferenceOptions) -> tuple[_Side, _Side]:
    shifted = np.where(columns.known, columns.difference + claim.margin, 0.0)
    support = pair_support(
        shifted[:, None, :],
        cluster=columns.cluster,
        known=columns.known[:, None, :],
        rng=generator(options, scope.name, "signs"),
        draws=options.draws,
    )[0]
    test, each = support.reversal, support.everywhere
    statistic = _filled(test.statistic, 0.0)
    adjusted = _filled(test.adjusted, 1.0)
    sides = (
        _Side(single=_filled(each.p_plus, 1.0), adjusted=np.where(statistic > 0, adjusted, 1.0), some=_one(test.p_plus)),
        _Side(single=_filled(each.p_minus, 1.0), adjusted=np.where(statistic < 0, adjusted, 1.0), some=_one(test.p_minus)),
    )
    if claim.margin > 0:
        return _guarded(sides[0], columns, claim.margin, _span(table, columns)), sides[1]
    if claim.margin < 0:
        turned = _Columns(difference=-columns.difference, known=columns.known, cluster=columns.cluster)
        return sides[0], _guarded(sides[1], turned, -claim.margin, _span(table, columns))
    return sides


def _filled(values: Sequence[float | None], absent: float) -> Floats:
    return np.array([absent if value is None else value for value in values], dtype=np.float64)


def _one(p: float | None) -> float:
    return 1.0 if p is None else p


def _span(table: ScoreTable, columns: _Columns) -> float:
    return float(max(table.estimand.high - table.estimand.low, np.abs(columns.difference).max(initial=0.0)))


def _guarded(side: _Side, columns: _Columns, margin: float, span: float) -> _Side:
    """The same with every p-value at least that of the smoothed t test against the margin."""
    test = noninferiority_test(columns.difference, margin=margin, cluster=columns.cluster, known=columns.known, span=span)
    smoothed = _filled(test.p, 1.0)
    searched = np.minimum(1.0, smoothed.size * smoothed)
    return _Side(
        single=np.maximum(side.single, smoothed),
        adjusted=np.maximum(side.adjusted, searched),
        some=max(side.some, float(searched.min(initial=1.0))),
    )


def _target_sides(claim: Claim, scope: Scope, table: ScoreTable, options: InferenceOptions) -> tuple[_Side, _Side]:
    a, b = table.models.index(claim.a), table.models.index(claim.b)
    where = list(scope.indices)
    both = (table.known[a] & table.known[b] & (table.scored[a] & table.scored[b])[:, None])[where].T
    first, second = (np.where(both, item_terms(table, model)[where].T, 0.0) for model in (a, b))
    cluster = table.cluster_index
    target = table.estimand.orientation.target
    assert target is not None
    one, other = (scope.verdict.a, scope.verdict.b)
    test = target_test(
        first,
        second,
        target=target,
        cluster=None if len(set(cluster)) == cluster.size else cluster,
        known=both,
        rng=generator(options, scope.name, one, other, "target"),
        draws=options.draws,
    )
    statistic, p = _filled(test.statistic, 0.0), _filled(test.p, 1.0)
    searched = np.minimum(1.0, p.size * p)
    return (
        _Side(single=np.where(statistic > 0, p, 1.0), adjusted=np.where(statistic > 0, searched, 1.0), some=_one(test.p_plus)),
        _Side(single=np.where(statistic < 0, p, 1.0), adjusted=np.where(statistic < 0, searched, 1.0), some=_one(test.p_minus)),
    )


def _combined(claim: Claim, plus: _Side, minus: _Side, *, n_configurations: int) -> tuple[float, float]:
    """p-values for and against a claim: the logic of its quantifier."""
    m = n_configurations
    if claim.quantifier is Quantifier.SOMEWHERE:
        return plus.some, float(minus.single.max())
    if claim.quantifier is Quantifier.MAJORITY:
        return float(np.sort(plus.adjusted)[m // 2]), float(np.sort(minus.adjusted)[(m + 1) // 2 - 1])
    if claim.quantifier is Quantifier.MEAN:
        return float(plus.single[0]), float(minus.single[0])
    if claim.quantifier is Quantifier.WORST_CASE:
        # min A > min B says: some configuration of B is below A in every one. The search over that one is paid for by m.
        holds = plus.single.reshape(m, m).max(axis=0).min()
        refutes = minus.single.reshape(m, m).max(axis=1).min()
        return min(1.0, m * float(holds)), min(1.0, m * float(refutes))
    return float(plus.single.max()), minus.some


def _witness(claim: Claim, scope: Scope, minus: _Side, m: int) -> tuple[ClaimWitness, ...]:
    if claim.quantifier is Quantifier.MEAN:
        return ()
    if claim.quantifier in CROSSED:
        at_a, at_b = divmod(int(np.argmin(minus.single)), m)
        return tuple(scope.witness(scope.entries[c]) for c in dict.fromkeys((at_a, at_b)))
    return (scope.witness(scope.entries[int(np.argmin(minus.single))]),)


def _n_units(columns: _Columns) -> int:
    used = columns.known.any(axis=1)
    return int(used.sum()) if columns.cluster is None else len(set(columns.cluster[used]))


def _detectable(claim: Claim, columns: _Columns, table: ScoreTable) -> float | None:
    if not columns.difference.any():
        return None
    shifted = np.where(columns.known, columns.difference + claim.margin, 0.0)
    scale = table.estimand.high - table.estimand.low
    return provable((shifted, columns.known), columns.cluster, claim.quantifier, alpha=claim.alpha, scale=scale)


def store_tester(store: Store, options: AnalysisOptions) -> Callable[[Claim, Scope], ClaimTest]:
    """What tests claims on the items of a store; every table is built once.

    Parameters
    ----------
    store : Store
        The store that was analyzed.
    options : AnalysisOptions
        Those of the analysis.
    """
    tables: dict[str, ScoreTable] = {}

    def tester(claim: Claim, scope: Scope) -> ClaimTest:
        if scope.name not in tables:
            entry = store.manifest.benchmark(scope.result.benchmark)
            tables[scope.name] = score_table(store, entry, scope.result.estimand, options)
        return claim_test(claim, scope, tables[scope.name], options.inference or InferenceOptions())

    return tester


def card_tester(analysis: Analysis, table_of: Callable[[Scope], ScoreTable | None]) -> Callable[[Claim, Scope], ClaimTest]:
    """What tests claims on a card: its inferred half where that answers, its rows where it has them.

    Parameters
    ----------
    analysis : Analysis
        The card's analysis.
    table_of : callable
        The table of a scope's benchmark from the card's rows; None where the card has none.
    """

    def tester(claim: Claim, scope: Scope) -> ClaimTest:
        inferred = analysis.support.get(scope.name)
        found = card_test(claim, scope, _pair(scope, inferred))
        if found is not None and any(p is not None and p <= claim.alpha for p in (found.p_holds, found.p_refutes)):
            return found
        table = table_of(scope)
        if found is not None:
            return found if table is None else replace(found, minimum_detectable_difference=_shown(claim, scope, table))
        if table is None:
            raise ClaimError(
                f"claim '{claim.sentence}'",
                found="the card alone cannot answer it at the supported level: it carries no item rows for this",
                remedy="Name the store in place of the card, or claim it at the realized level.",
            )
        return claim_test(claim, scope, table, InferenceOptions(seed=inferred.seed if inferred else 0))

    return tester


def _shown(claim: Claim, scope: Scope, table: ScoreTable) -> float | None:
    return _detectable(claim, _columns(claim, table, list(scope.indices), crossed=False), table)


def _pair(scope: Scope, inferred: BenchmarkInference | None) -> PairInference | None:
    pairs = inferred.pairs if inferred else ()
    return next((pair for pair in pairs if (pair.a, pair.b) == (scope.verdict.a, scope.verdict.b)), None)


def card_test(claim: Claim, scope: Scope, pair: PairInference | None) -> ClaimTest | None:
    """What a card's inferred half says of a claim over its whole envelope without a margin.

    Parameters
    ----------
    claim : Claim
        The claim.
    scope : Scope
        Its configurations.
    pair : PairInference or None
        What the card says of the pair; None where it says nothing.

    Returns
    -------
    ClaimTest or None
        None where only the items can answer: another quantifier, a margin, or a part of the envelope.
    """
    whole = len(scope.entries) == len(scope.verdict.configurations)
    if pair is None or claim.margin or not whole or claim.quantifier not in (Quantifier.EVERYWHERE, Quantifier.SOMEWHERE):
        return None
    ahead = (pair.p_a_everywhere, pair.p_b_everywhere, pair.p_plus, pair.p_minus)
    a_all, b_all, a_some, b_some = (ahead[1], ahead[0], ahead[3], ahead[2]) if scope.turned else ahead
    everywhere = claim.quantifier is Quantifier.EVERYWHERE
    missing = tuple(scope.witness(entry) for entry in scope.entries if entry.difference is None)
    lowest = min(
        (entry for entry in scope.entries if entry.difference is not None),
        key=lambda entry: scope.difference(entry) or 0.0,
        default=None,
    )
    return ClaimTest(
        p_holds=None if missing else a_all if everywhere else a_some,
        p_refutes=b_some if everywhere else b_all,
        n_units=pair.n_units,
        witness=() if lowest is None else (scope.witness(lowest),),
        missing=missing,
        minimum_detectable_difference=pair.minimum_detectable_difference,
    )
