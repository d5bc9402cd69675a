"""The table that every statistic is fed from: models by configurations by items, with what is known.

Records keep what happened; a `FailurePolicy` says how what happened becomes a number, and is applied here and nowhere else, so
every store answers under all policies.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from safetyrepro.envelope import Configuration
from safetyrepro.estimands import Aggregation, Estimand
from safetyrepro.records import AGGREGATE_ITEM, ItemRecord, Status

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


class FailurePolicy(Enum):
    """How an answer that could not be read counts; failed requests and absent judgements never become a score."""

    WRONG = "wrong"
    """An unparsed answer gets the worst value of the estimand."""
    DROPPED = "dropped"
    """An unparsed answer leaves its cell's denominator."""
    PAIRWISE = "dropped_pairwise"
    """An item without a value for either model of a pair leaves both denominators in that configuration."""


class ItemRule(Enum):
    """Which items a comparison uses where cells hold different ones."""

    AS_IS = "as-is"
    """Each cell averages what it holds."""
    COMMON = "common"
    """In each configuration only items that every model with a cell there has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreTable:
    """Scores of one benchmark under one estimand; arrays are indexed (model, configuration[, item])."""

    benchmark: str
    """Name of the benchmark."""
    estimand: Estimand
    """The question that the scores answer."""
    models: tuple[str, ...]
    """Names of the models, in order of the first axis."""
    configurations: tuple[Configuration, ...]
    """Members of the envelope, in order of the second axis."""
    items: tuple[str, ...]
    """Item ids, in order of the third axis; empty where only aggregates are known, since an aggregate is no item."""
    clusters: tuple[str, ...]
    """Cluster of each item."""
    strata: tuple[str, ...]
    """Stratum of each item."""
    values: FloatArray
    """(models, configurations, items) value on the raw scale, averaged over repeats; 0 where not known."""
    known: BoolArray
    """(models, configurations, items) whether there is a value."""
    weights: FloatArray
    """(models, configurations, items) weight in the denominator; 0 where not known."""
    raw: FloatArray
    """(models, configurations) score on the estimand's own scale; 0 where not known."""
    scores: FloatArray
    """(models, configurations) oriented score, higher is safer; 0 where not known."""
    scored: BoolArray
    """(models, configurations) whether the cell has a score."""
    policy: FailurePolicy
    """How unreadable answers were counted."""
    item_rule: ItemRule
    """Which items were compared."""

    @property
    def cluster_index(self) -> NDArray[np.intp]:
        """(items,) number of each item's cluster, 0 .. k-1 in order of first occurrence."""
        numbers: dict[str, int] = {}
        return np.array([numbers.setdefault(name, len(numbers)) for name in self.clusters], dtype=np.intp)


@dataclass(frozen=True, slots=True, kw_only=True)
class Axes:
    """Names along the three axes of a table."""

    models: tuple[str, ...]
    """Models, in order."""
    configurations: tuple[Configuration, ...]
    """Configurations, in order."""
    items: tuple[str, ...]
    """Items, in order."""
    clusters: tuple[str, ...]
    """Cluster of each item."""
    strata: tuple[str, ...]
    """Stratum of each item."""


def cell_score(values: FloatArray, weights: FloatArray, strata: Sequence[str], aggregation: Aggregation) -> float | None:
    """Score of one cell on the raw scale.

    Parameters
    ----------
    values, weights : (n,) float array
        Values of the items that have one, and their weights.
    strata : sequence of str, length n
        Stratum of each item; read only for BALANCED.
    aggregation : Aggregation
        How items become a score.

    Returns
    -------
    float or None
        None where the denominator is zero, or, for NET, where no item has a non-zero value.

    Notes
    -----
    Sums are correctly rounded (`math.fsum`), so the score does not depend on the order of items.
    """
    if aggregation is Aggregation.BALANCED:
        return _balanced(values, weights, strata)
    total = math.fsum(weights)
    if total == 0 or (aggregation is Aggregation.NET and not np.any(values * weights)):
        return None
    return math.fsum(values * weights) / total


def _balanced(values: FloatArray, weights: FloatArray, strata: Sequence[str]) -> float | None:
    names = sorted(set(strata))
    chosen = np.array(strata)
    means = []
    for name in names:
        inside = chosen == name
        total = math.fsum(weights[inside])
        if total == 0:
            return None
        means.append(math.fsum((values * weights)[inside]) / total)
    return math.fsum(means) / len(means) if means else None


def build_table(
    records: Sequence[ItemRecord],
    *,
    benchmark: str,
    estimand: Estimand,
    models: Sequence[str],
    configurations: Sequence[Configuration],
    policy: FailurePolicy = FailurePolicy.WRONG,
    item_rule: ItemRule = ItemRule.AS_IS,
) -> ScoreTable:
    """Turn records into a table under a failure policy.

    Parameters
    ----------
    records : sequence of ItemRecord
        Rows of one benchmark and estimand; rows of other models or configurations are ignored.
    benchmark, estimand, models, configurations
        The axes, in the order wanted.
    policy : FailurePolicy
        How unreadable answers count.
    item_rule : ItemRule
        Which items are compared.

    Returns
    -------
    ScoreTable

    Notes
    -----
    A cell of which only the aggregate is known has that score and no item. Where its items are known too, they are its score.
    """
    axes = _axes(records, models, configurations)
    shape = (len(axes.models), len(axes.configurations), len(axes.items))
    sums, counts, weights = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    place = _Places.of(axes)
    for record in records:
        at = place.find(record)
        value = counted_value(record, estimand, policy)
        if at is None or value is None:
            continue
        sums[at] += value
        weights[at] += record.weight
        counts[at] += 1
    known = _without_doubled_aggregates(counts > 0, axes.items)
    values = np.divide(sums, counts, out=np.zeros(shape), where=known)
    weights = np.divide(weights, counts, out=np.zeros(shape), where=known)
    if item_rule is ItemRule.COMMON:
        # A model without any item in a configuration has no cell there, and takes nothing from the others' cells.
        absent = ~known.any(axis=2, keepdims=True)
        known = known & (known | absent).all(axis=0, keepdims=True)
    return _scored_table(benchmark, estimand, axes, _Cells(values, known, weights), policy=policy, item_rule=item_rule)


def rebuilt(table: ScoreTable, records: Sequence[ItemRecord], *, policy: FailurePolicy | None = None) -> ScoreTable:
    """The table that other records, or another policy, give on the same axes of models and configurations.

    Parameters
    ----------
    table : ScoreTable
        What the new table is like.
    records : sequence of ItemRecord
        Rows of the same benchmark and estimand.
    policy : FailurePolicy, optional
        How unreadable answers count; None keeps the table's policy.
    """
    return build_table(
        records,
        benchmark=table.benchmark,
        estimand=table.estimand,
        models=table.models,
        configurations=table.configurations,
        policy=policy or table.policy,
        item_rule=table.item_rule,
    )


@dataclass(frozen=True, slots=True)
class _Cells:
    values: FloatArray
    known: BoolArray
    weights: FloatArray


@dataclass(frozen=True, slots=True)
class _Places:
    models: dict[str, int]
    configurations: dict[str, int]
    items: dict[str, int]

    @classmethod
    def of(cls, axes: Axes) -> _Places:
        return cls(
            {name: i for i, name in enumerate(axes.models)},
            {configuration.digest: i for i, configuration in enumerate(axes.configurations)},
            {name: i for i, name in enumerate(axes.items)},
        )

    def find(self, record: ItemRecord) -> tuple[int, int, int] | None:
        model = self.models.get(record.cell.model)
        configuration = self.configurations.get(record.cell.configuration)
        item = self.items.get(record.item_id)
        if model is None or configuration is None or item is None:
            return None
        return model, configuration, item


def counted_value(record: ItemRecord, estimand: Estimand, policy: FailurePolicy) -> float | None:
    """Value of a record under a failure policy; None where it leaves the denominator."""
    if record.status is Status.UNPARSED and policy is FailurePolicy.WRONG:
        return estimand.worst
    return record.value


def _axes(records: Sequence[ItemRecord], models: Sequence[str], configurations: Sequence[Configuration]) -> Axes:
    wanted_models = set(models)
    wanted = {configuration.digest for configuration in configurations}
    seen: dict[str, tuple[str, str]] = {}
    for record in records:
        if record.cell.model in wanted_models and record.cell.configuration in wanted:
            seen.setdefault(record.item_id, (record.cluster, record.stratum))
    return Axes(
        models=tuple(models),
        configurations=tuple(configurations),
        items=tuple(seen),
        clusters=tuple(cluster for cluster, _ in seen.values()),
        strata=tuple(stratum for _, stratum in seen.values()),
    )


def _without_doubled_aggregates(known: BoolArray, items: Sequence[str]) -> BoolArray:
    """What counts: an aggregate only where no item of its cell does."""
    aggregate = np.array([item == AGGREGATE_ITEM for item in items], dtype=bool)
    itemized = (known & ~aggregate).any(axis=2, keepdims=True)
    return np.asarray(known & ~(aggregate & itemized), dtype=np.bool_)


def _scored_table(
    benchmark: str, estimand: Estimand, axes: Axes, cells: _Cells, *, policy: FailurePolicy, item_rule: ItemRule
) -> ScoreTable:
    shape = cells.known.shape[:2]
    raw, scored = np.zeros(shape), np.zeros(shape, dtype=bool)
    strata = np.array(axes.strata, dtype=object)
    for at in np.ndindex(*shape):
        inside = cells.known[at]
        score = cell_score(cells.values[at][inside], cells.weights[at][inside], list(strata[inside]), estimand.aggregation)
        if score is not None:
            raw[at], scored[at] = score, True
    oriented = np.array([estimand.orientation.oriented(float(score)) for score in raw.flat]).reshape(shape)
    own = [place for place, item in enumerate(axes.items) if item != AGGREGATE_ITEM]
    known = cells.known[:, :, own]
    return ScoreTable(
        benchmark=benchmark,
        estimand=estimand,
        models=axes.models,
        configurations=axes.configurations,
        items=tuple(axes.items[place] for place in own),
        clusters=tuple(axes.clusters[place] for place in own),
        strata=tuple(axes.strata[place] for place in own),
        values=np.where(known, cells.values[:, :, own], 0.0),
        known=known,
        weights=np.where(known, cells.weights[:, :, own], 0.0),
        raw=raw,
        scores=np.where(scored, oriented, 0.0),
        scored=scored,
        policy=policy,
        item_rule=item_rule,
    )


def paired_differences(table: ScoreTable, a: int, b: int) -> tuple[FloatArray, BoolArray]:
    """Difference of two models for each item and configuration, on the oriented scale of a mean.

    Parameters
    ----------
    table : ScoreTable
        Its orientation must not be a target: there the difference of the items' values has no direction.
    a, b : int
        Indices of the models.

    Returns
    -------
    tuple of (difference, known)
        (items, configurations) float array of A less B, 0 where either has no value, and the boolean mask.
    """
    both = table.known[a] & table.known[b] & (table.weights[a] > 0) & (table.weights[b] > 0)
    sign = table.estimand.orientation.oriented(1.0) if table.estimand.orientation.target is None else 1.0
    difference = np.where(both, sign * (table.values[a] - table.values[b]), 0.0)
    return difference.T, both.T
