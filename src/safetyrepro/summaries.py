"""ScoreTable -> each model over the envelope, and the orderings of all models that it reaches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from safetyrepro.estimands import Direction
from safetyrepro.records import ItemRecord, Status
from safetyrepro.scores import ScoreTable
from safetyrepro.stats.dispersion import Dispersion, score_dispersion
from safetyrepro.stats.rank import orderings_reached


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSummary:
    """One model over the envelope of one benchmark."""

    name: str
    """Name of the model."""
    scores: tuple[float | None, ...]
    """Score on the estimand's own scale in each configuration; None where there is none."""
    statuses: dict[str, int]
    """How many records ended in each status."""
    best_rank: int | None
    """Best place over the complete configurations; None where there is none."""
    worst_rank: int | None
    """Worst place over the complete configurations."""
    n_first: int | None
    """Complete configurations in which it is first, alone or with others."""
    dispersion: Dispersion | None
    """Spread of its score; None where it has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderingEntry:
    """One ordering of the models and how often it was reached."""

    tiers: tuple[tuple[str, ...], ...]
    """Tiers of models, the safest first; models of one tier tie."""
    n_configurations: int
    """Configurations that order the models so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderingsSummary:
    """The orderings that an envelope reaches."""

    distinct_strict: int
    """Different orderings without ties."""
    distinct_weak: int
    """Different orderings, those with ties included."""
    n_complete: int
    """Configurations in which every model has a score: the denominator."""
    n_with_ties: int
    """Complete configurations in which at least two models tie."""
    counts: tuple[OrderingEntry, ...]
    """Every ordering, the most frequent first."""


def summarize_models(table: ScoreTable, records: Sequence[ItemRecord]) -> tuple[ModelSummary, ...]:
    """Each model over the envelope of a table, in order.

    Parameters
    ----------
    table : ScoreTable
        Scores.
    records : sequence of ItemRecord
        The rows behind it, for their statuses.
    """
    statuses: dict[str, Counter[Status]] = {name: Counter() for name in table.models}
    wanted = {configuration.digest for configuration in table.configurations}
    for record in records:
        if record.cell.model in statuses and record.cell.configuration in wanted:
            statuses[record.cell.model][record.status] += 1
    ranks = orderings_reached(table.scores, table.scored).ranks
    summaries = []
    for i, name in enumerate(table.models):
        rank = ranks[i] if ranks else None
        summaries.append(
            ModelSummary(
                name=name,
                scores=tuple(float(table.raw[i, c]) if table.scored[i, c] else None for c in range(table.raw.shape[1])),
                statuses={status.value: statuses[name][status] for status in Status if statuses[name][status]},
                best_rank=rank.best if rank else None,
                worst_rank=rank.worst if rank else None,
                n_first=rank.n_first_alone + rank.n_first_shared if rank else None,
                dispersion=_dispersion(table, i),
            )
        )
    return tuple(summaries)


def _dispersion(table: ScoreTable, model: int) -> Dispersion | None:
    """Spread of the raw score: the distance to a target folds the scale and would hide it."""
    estimand = table.estimand
    folded = estimand.orientation.direction is Direction.TARGET
    scores = table.raw[model] if folded or estimand.orientation.direction is Direction.LOWER else table.scores[model]
    return score_dispersion(scores, table.scored[model], low=estimand.low, high=estimand.high)


def summarize_orderings(table: ScoreTable) -> OrderingsSummary:
    """The orderings of the models that the complete configurations of a table reach."""
    reached = orderings_reached(table.scores, table.scored)
    counts = tuple(
        OrderingEntry(
            tiers=tuple(tuple(table.models[model] for model in tier) for tier in entry.tiers),
            n_configurations=entry.n_configurations,
        )
        for entry in reached.counts
    )
    return OrderingsSummary(
        distinct_strict=reached.distinct_strict,
        distinct_weak=reached.distinct_weak,
        n_complete=reached.n_configurations,
        n_with_ties=reached.n_with_ties,
        counts=counts,
    )
