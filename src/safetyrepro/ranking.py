"""ScoreTable -> how all models stand together: what every configuration agrees on, what most do, and where neither is an order."""

from __future__ import annotations

from dataclasses import dataclass

from safetyrepro.scores import ScoreTable
from safetyrepro.stats.bradley_terry import BradleyTerry, bradley_terry
from safetyrepro.stats.extrapolation import unseen_ordering_share
from safetyrepro.stats.majority import Majority, majority
from safetyrepro.stats.partial_order import RobustOrder, robust_order
from safetyrepro.stats.rank import orderings_reached

MANY_MODELS = 200
"""With more models the majority relation is left out: its cost grows with the cube of their number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RankRange:
    """Places that the robust order leaves open to one model; 1 is the safest."""

    model: str
    """Name of the model."""
    lowest: int
    """1 + models above it in every complete configuration."""
    highest: int
    """All models less those below it in every complete configuration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RobustRanking:
    """The order of the models on which every complete configuration agrees."""

    n_configurations: int
    """Complete configurations: the order is the intersection over these."""
    n_left_out: int
    """Configurations that lack a score of some model."""
    edges: tuple[tuple[str, str], ...]
    """Pairs (a, b), a ahead of b everywhere, with no model between: the Hasse diagram."""
    tie_groups: tuple[tuple[str, ...], ...]
    """Models that share a tier in every complete configuration."""
    ranks: tuple[RankRange, ...]
    """Places left open to each model, in the order of the models."""
    can_be_first: tuple[str, ...]
    """Models with no model above them everywhere."""
    n_undecided_pairs: int
    """Pairs of which neither is ahead everywhere."""
    n_pairs: int
    """All pairs: the denominator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MajorityRanking:
    """What most configurations say of each pair, which need not be an order."""

    condorcet_winner: str | None
    """The model that is ahead of every other one more often than behind; None where there is none."""
    smith_set: tuple[str, ...]
    """Smallest set of models each of which beats every model outside."""
    cycles: tuple[tuple[str, ...], ...]
    """Shortest cycle of each tangled group: each beats the next, the last the first."""
    kemeny_order: tuple[str, ...] | None
    """An order that overrules the fewest verdicts (configuration and pair); None where it was not computed."""
    kemeny_cost: int | None
    """Verdicts that it overrules."""
    kemeny_floor: int
    """Verdicts that any order overrules: the sum over pairs of the smaller count."""
    kemeny_excess: int | None
    """Cost less floor: what cycles force."""
    n_optimal: int | None
    """Orders with the same cost."""
    reason: str
    """Why there is no order; empty where there is one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StrengthEntry:
    """Bradley-Terry strength of one model."""

    model: str
    """Name of the model."""
    log_strength: float
    """Natural logarithm of its strength; the mean over models is 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Strengths:
    """Bradley-Terry strengths with configurations as voters; they describe the envelope and have no standard errors."""

    strengths: tuple[StrengthEntry, ...]
    """In the order of the models; empty where they do not exist."""
    reason: str
    """Why there are none; empty where there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """How the models of one benchmark stand together."""

    robust: RobustRanking | None
    """What every complete configuration agrees on; None where no configuration is complete."""
    majority: MajorityRanking | None
    """What most configurations say; None where there are too many models."""
    bradley_terry: Strengths
    """Strengths, where they exist."""
    unseen_ordering_share: float | None
    """Estimated chance that a random cell of the same grid shows an ordering not seen so far; says nothing of new levels."""


def rank_models(table: ScoreTable) -> Ranking | None:
    """How all models of a table stand together; None without a model.

    Parameters
    ----------
    table : ScoreTable
        Scores; those of each model's own items under every policy.
    """
    if not table.models:
        return None
    names = table.models
    order = robust_order(table.scores, table.scored)
    few = len(names) <= MANY_MODELS
    reached = orderings_reached(table.scores, table.scored)
    return Ranking(
        robust=_robust(names, order) if order else None,
        majority=_majority(names, majority(table.scores, table.scored)) if few else None,
        bradley_terry=_strengths(names, bradley_terry(table.scores, table.scored)) if few else _too_many(len(names)),
        unseen_ordering_share=unseen_ordering_share([entry.n_configurations for entry in reached.counts]),
    )


def _robust(names: tuple[str, ...], order: RobustOrder) -> RobustRanking:
    return RobustRanking(
        n_configurations=order.n_configurations,
        n_left_out=order.n_left_out,
        edges=tuple((names[a], names[b]) for a, b in order.hasse_edges),
        tie_groups=tuple(tuple(names[model] for model in group) for group in order.tie_groups),
        ranks=tuple(
            RankRange(model=name, lowest=entry.lowest, highest=entry.highest)
            for name, entry in zip(names, order.rank_intervals, strict=True)
        ),
        can_be_first=tuple(names[model] for model in order.can_be_first),
        n_undecided_pairs=order.n_undecided_pairs,
        n_pairs=len(names) * (len(names) - 1) // 2,
    )


def _majority(names: tuple[str, ...], found: Majority) -> MajorityRanking:
    kemeny = found.kemeny
    return MajorityRanking(
        condorcet_winner=None if found.condorcet_winner is None else names[found.condorcet_winner],
        smith_set=tuple(names[model] for model in found.smith_set),
        cycles=tuple(tuple(names[model] for model in cycle) for cycle in found.cycles),
        kemeny_order=None if kemeny.order is None else tuple(names[model] for model in kemeny.order),
        kemeny_cost=kemeny.cost,
        kemeny_floor=kemeny.floor,
        kemeny_excess=kemeny.excess,
        n_optimal=kemeny.n_optimal,
        reason=kemeny.reason or "",
    )


def _strengths(names: tuple[str, ...], found: BradleyTerry) -> Strengths:
    if found.log_strengths is None:
        never = found.n_iterations == 0
        return Strengths(strengths=(), reason=_unconnected(names, found) if never else found.reason or "")
    return Strengths(
        strengths=tuple(
            StrengthEntry(model=name, log_strength=value) for name, value in zip(names, found.log_strengths, strict=True)
        ),
        reason="",
    )


def _unconnected(names: tuple[str, ...], found: BradleyTerry) -> str:
    """The models that a first model without a way to all others cannot reach by a chain of wins."""
    for start in range(len(names)):
        reached, waiting = {start}, [start]
        while waiting:
            row = found.wins[waiting.pop()]
            new = [model for model, wins in enumerate(row) if wins > 0 and model not in reached]
            reached.update(new)
            waiting += new
        if missed := [name for model, name in enumerate(names) if model not in reached]:
            return f"no chain of wins leads from {names[start]} to {', '.join(missed)}, so a strength would be infinite"
    return found.reason or ""


def _too_many(n_models: int) -> Strengths:
    return Strengths(strengths=(), reason=f"{n_models} models; strengths are found for at most {MANY_MODELS}")
