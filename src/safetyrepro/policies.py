"""Records -> the verdict under every failure policy, and between its worst and its best case.

An unreadable answer never becomes a score by itself; a policy says how it counts. Where two defensible policies order two models
differently, the order is a property of the policy, and the verdict is unresolved.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from safetyrepro.estimands import Aggregation, Direction
from safetyrepro.pairs import pair_scores
from safetyrepro.records import AGGREGATE_ITEM, ItemRecord, Status
from safetyrepro.scores import FailurePolicy, ScoreTable, rebuilt
from safetyrepro.stats.base import OrderCounts
from safetyrepro.stats.bounds import failure_bounds
from safetyrepro.stats.flips import count_orders

Flags = NDArray[np.bool_]
ABSENT = (Status.NOT_RUN,)
"""Statuses of an item that was not asked: nothing failed, there is only no record of an answer."""


class Standing(Enum):
    """What the realized orders of a pair say as a whole."""

    REVERSAL = "reversal"
    """Each is ahead somewhere."""
    A_ONLY = "only A is ahead"
    """A is ahead somewhere, B nowhere."""
    B_ONLY = "only B is ahead"
    """B is ahead somewhere, A nowhere."""
    TIED = "they tie"
    """Neither is ahead anywhere."""
    EMPTY = "nothing to compare"
    """No configuration has both scores."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyCounts:
    """The realized orders of a pair under one failure policy."""

    policy: FailurePolicy
    """How unreadable answers count."""
    n_plus: int
    """Configurations in which A is ahead."""
    n_minus: int
    """Configurations in which B is ahead."""
    n_tie: int
    """Configurations in which they tie."""
    n_missing: int
    """Configurations without both scores."""
    reversal: bool
    """Whether each is ahead somewhere."""
    standing: Standing
    """The orders as a whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigurationBounds:
    """Worst and best case of one configuration's difference over all scores that its unreadable answers could have had."""

    digest: str
    """The configuration."""
    low: float
    """Smallest difference, on the oriented scale."""
    high: float
    """Largest difference."""
    missing_a: int
    """Those without a score of A."""
    missing_b: int
    """Those without a score of B."""
    n_items: int
    """Items asked of both there: the denominator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairPolicies:
    """What failures and unreadable answers can do to the verdict on two models."""

    a: str
    """First model."""
    b: str
    """Second model."""
    policies: tuple[PolicyCounts, ...]
    """The orders under each policy."""
    depends: bool
    """Whether the policies disagree on the order as a whole; the verdict is then unresolved."""
    sentence: str
    """Which policy says what, where they disagree; empty where they agree."""
    bounds: tuple[ConfigurationBounds, ...]
    """Configurations with an item that has no score; the differences of the others are fixed."""
    n_open: int
    """Configurations in which the order could be any, by what the missing scores could be."""
    no_bounds: str
    """Why there are no bounds; empty where there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkPolicies:
    """Failures of one benchmark, and what they can do to each pair."""

    n_unparsed: int
    """Records whose answer could not be read."""
    n_failed: int
    """Records that failed, were not judged, or whose log does not say."""
    n_records: int
    """All records of items; an aggregate is none."""
    pairs: tuple[PairPolicies, ...]
    """Every pair of models, in the order of the analysis."""


def judge_policies(records: Sequence[ItemRecord], table: ScoreTable) -> BenchmarkPolicies | None:
    """The verdict on each pair under every failure policy, and its worst and best case.

    Parameters
    ----------
    records : sequence of ItemRecord
        Rows of the benchmark and estimand.
    table : ScoreTable
        The table that the analysis built of them.

    Returns
    -------
    BenchmarkPolicies or None
        None where every item that was asked has a score: then there is nothing to decide.
    """
    digests = {configuration.digest for configuration in table.configurations}
    kept = [record for record in records if record.cell.model in table.models and record.cell.configuration in digests]
    items = [record for record in kept if record.item_id != AGGREGATE_ITEM]
    unparsed = sum(record.status is Status.UNPARSED for record in items)
    failed = sum(record.value is None and record.status not in ABSENT for record in items) - unparsed
    if not unparsed + failed:
        return None
    tables = {policy: rebuilt(table, kept, policy=policy) for policy in FailurePolicy}
    asked, reason = _asked(items, table)
    read = tables[FailurePolicy.DROPPED]
    reason = reason or _no_bounds(read)
    pairs = itertools.combinations(range(len(table.models)), 2)
    return BenchmarkPolicies(
        n_unparsed=unparsed,
        n_failed=failed,
        n_records=len(items),
        pairs=tuple(_pair(tables, asked, pair, reason) for pair in pairs),
    )


def _asked(records: Sequence[ItemRecord], table: ScoreTable) -> tuple[Flags, str]:
    """(models, configurations, items) whether an item was asked, and why bounds are refused."""
    asked = np.zeros(table.known.shape, dtype=bool)
    models = {name: i for i, name in enumerate(table.models)}
    members = {configuration.digest: i for i, configuration in enumerate(table.configurations)}
    items = {name: i for i, name in enumerate(table.items)}
    reason = ""
    for record in records:
        at = models[record.cell.model], members[record.cell.configuration], items[record.item_id]
        if record.status in ABSENT:
            continue
        if asked[at]:
            reason = "an item was asked several times in one cell"
        asked[at] = True
    return asked, reason


def _no_bounds(table: ScoreTable) -> str:
    if table.estimand.orientation.direction is Direction.TARGET:
        return "the distance to a target is not a mean over items"
    if table.estimand.aggregation is not Aggregation.MEAN or not np.all(table.weights[table.known] == 1.0):
        return "the score is not a plain mean over items"
    if not np.all((table.values >= table.estimand.low) & (table.values <= table.estimand.high) | ~table.known):
        return "a value lies outside the declared range"
    return ""


def _pair(tables: Mapping[FailurePolicy, ScoreTable], asked: Flags, pair: tuple[int, int], no_bounds: str) -> PairPolicies:
    read = tables[FailurePolicy.DROPPED]
    counted = {}
    for policy, table in tables.items():
        scores, known = pair_scores(table, *pair)
        counted[policy] = count_orders(scores[0], scores[1], known)
    policies = tuple(_counts(policy, counts) for policy, counts in counted.items())
    bounds = () if no_bounds else _bounds(read, asked, pair)
    a, b = (read.models[model] for model in pair)
    standings = {entry.standing for entry in policies}
    return PairPolicies(
        a=a,
        b=b,
        policies=policies,
        depends=len(standings) > 1,
        sentence=_sentence(policies) if len(standings) > 1 else "",
        bounds=tuple(entry for entry, _ in bounds),
        n_open=sum(is_open for _, is_open in bounds),
        no_bounds=no_bounds,
    )


def _counts(policy: FailurePolicy, counts: OrderCounts) -> PolicyCounts:
    return PolicyCounts(
        policy=policy,
        n_plus=counts.n_plus,
        n_minus=counts.n_minus,
        n_tie=counts.n_tie,
        n_missing=counts.n_missing,
        reversal=counts.reversal,
        standing=standing(counts),
    )


def standing(counts: OrderCounts) -> Standing:
    """What the realized orders of a pair say as a whole."""
    if counts.reversal:
        return Standing.REVERSAL
    if counts.n_strict:
        return Standing.A_ONLY if counts.n_plus else Standing.B_ONLY
    return Standing.TIED if counts.n_tie else Standing.EMPTY


def _sentence(policies: Sequence[PolicyCounts]) -> str:
    told = (
        f"{entry.policy.value}: {entry.standing.value} (A {entry.n_plus}, B {entry.n_minus}, tie {entry.n_tie})"
        for entry in policies
    )
    return f"the order depends on the failure policy: {'; '.join(told)}"


def _bounds(table: ScoreTable, asked: Flags, pair: tuple[int, int]) -> list[tuple[ConfigurationBounds, bool]]:
    """Bounds of every configuration in which an asked item has no score, and whether its order is open."""
    a, b = pair
    sign = table.estimand.orientation.oriented(1.0)
    low, high = sorted((sign * table.estimand.low, sign * table.estimand.high))
    found = []
    for c, configuration in enumerate(table.configurations):
        used = asked[a, c] & asked[b, c]
        known = table.known[[a, b], c][:, used]
        if known.all():
            continue
        values = sign * table.values[[a, b], c][:, used]
        limits = failure_bounds(
            values[0][:, None], values[1][:, None], known_a=known[0][:, None], known_b=known[1][:, None], low=low, high=high
        )
        least, most = limits.low[0], limits.high[0]
        assert least is not None
        assert most is not None
        entry = ConfigurationBounds(
            digest=configuration.digest,
            low=least,
            high=most,
            missing_a=limits.missing_a[0],
            missing_b=limits.missing_b[0],
            n_items=limits.n_items,
        )
        found.append((entry, limits.sign[0] is None))
    return found
