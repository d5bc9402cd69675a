"""Claim x results -> the largest parts of the envelope in which a refuted claim is true, written as conditions on factors.

What is found by looking is not evidence for itself: each part says so, its limits hold for all parts at once, and `confirmation`
tests on items that were not used to find it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from safetyrepro.errors import ClaimError
from safetyrepro.estimands import Direction
from safetyrepro.gate import decide_realized
from safetyrepro.inference import InferenceOptions, cluster_units, generator, item_terms, pair_arrays
from safetyrepro.scope import Scope
from safetyrepro.scores import ScoreTable
from safetyrepro.stats.base import Integers
from safetyrepro.stats.intervals import SimultaneousBand, simultaneous_band
from safetyrepro.stats.subcubes import Subcube, all_subcubes, maximal_subcubes
from safetyrepro.verdicts import Claim, ClaimResult, Decision, Quantifier, Settings

LABEL = "found after looking"
"""What every repaired claim is: chosen because the same scores satisfy it."""
MOST_DECIDED = 5_000
"""Parts of an envelope that are decided one by one for claims that are not about every configuration."""
EACH = (Quantifier.EVERYWHERE, Quantifier.CORE)
"""Quantifiers under which each configuration satisfies a claim or contradicts it."""
Conditions = tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairedClaim:
    """A claim with the conditions under which these scores make it true."""

    claim: Claim
    """The claim with the conditions in it; the gate can read it."""
    conditions: Conditions
    """What was added: factors and their admitted levels; empty where the claim holds as it stands."""
    result: ClaimResult
    """What the gate says of it on the same scores: HOLDS, by construction."""
    share: float
    """Its configurations over those of the original claim."""
    smallest_margin: float | None
    """Least amount by which a configuration satisfies it; None for claims that are not about each configuration."""
    weakest: Settings | None
    """Where that is."""
    low: float | None
    """Lower limit of the smallest margin among items like these, valid for every part of the envelope at once; None below 50 units, for
    targets, and for claims that are not about each configuration."""
    high: float | None
    """Upper limit of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """Where a claim is true."""

    result: ClaimResult
    """What the gate says of the claim as it was made."""
    label: str
    """What the repaired claims are."""
    repaired: tuple[RepairedClaim, ...]
    """The largest parts in which it is true, none inside another; the shortest description first."""
    n_found: int
    """How many there are, those that are not listed included."""
    level: float
    """Level of the limits, for all parts together."""


def repair(claim: Claim, scope: Scope, table: ScoreTable | None, options: InferenceOptions, *, most: int = 10) -> Repair:
    """Find the largest parts of a claim's envelope in which it is true.

    Parameters
    ----------
    claim : Claim
        The claim; read at the realized level.
    scope : Scope
        Its configurations.
    table : ScoreTable or None
        Scores with items, for the limits; None leaves them out.
    options : InferenceOptions
        Level, draws and seed of the limits.
    most : int
        Most parts to list.

    Returns
    -------
    Repair

    Raises
    ------
    ClaimError
        If there are too many parts to find exactly.
    """
    found = true_parts(claim, scope)
    band = _band(claim, scope, table, options) if table is not None and found else None
    return Repair(
        result=decide_realized(claim, scope),
        label=LABEL,
        repaired=tuple(_repaired(claim, scope, part, band) for part in found[:most]),
        n_found=len(found),
        level=1 - options.alpha,
    )


def true_parts(claim: Claim, scope: Scope) -> tuple[Subcube, ...]:
    """The largest parts of a scope in which a claim is true, by places in the scope.

    Parameters
    ----------
    claim : Claim
        The claim.
    scope : Scope
        Its configurations; one without a score makes a part undetermined, and so keeps it out.

    Returns
    -------
    tuple of Subcube
        None inside another; the shortest description first.

    Raises
    ------
    ClaimError
        If there are too many parts to find exactly.
    """
    levels = _levels(scope)
    if claim.quantifier in EACH:
        good = np.array([_holds(claim, part_of(scope, (c,))) for c in range(len(scope.entries))], dtype=bool)
        found = maximal_subcubes(good, levels)
    else:
        parts = all_subcubes(levels, limit=MOST_DECIDED)
        found = None if parts is None else _largest(claim, scope, parts)
    if found is None:
        raise ClaimError(
            f"claim '{claim.sentence}'",
            found="its envelope has too many parts to find every largest one in which it is true",
            remedy="Narrow the claim with `where FACTOR=LEVEL`, or claim it everywhere.",
        )
    return found


def _holds(claim: Claim, scope: Scope) -> bool:
    return decide_realized(claim, scope).decision is Decision.HOLDS


def _largest(claim: Claim, scope: Scope, parts: Sequence[Subcube]) -> tuple[Subcube, ...]:
    """The parts in which the claim is true that lie in no other such part; the given ones have the largest first."""
    kept: list[Subcube] = []
    for part in parts:
        inside = any(set(part.members) <= set(other.members) for other in kept)
        if not inside and _holds(claim, part_of(scope, part.members)):
            kept.append(part)
    return tuple(sorted(kept, key=lambda one: (one.n_conditions, one.n_levels, -len(one.members), one.members)))


def part_of(scope: Scope, members: Sequence[int]) -> Scope:
    """The scope with only some of its configurations, by their places in it."""
    return replace(
        scope,
        entries=tuple(scope.entries[c] for c in members),
        indices=tuple(scope.indices[c] for c in members),
    )


def _levels(scope: Scope) -> Integers:
    """(configurations, factors) number of each level, in order of first occurrence."""
    columns = [_numbers([entry.settings[name] for entry in scope.entries]) for name in scope.entries[0].settings]
    return np.array(columns, dtype=np.int64).reshape(len(columns), len(scope.entries)).T


def _numbers(levels: Sequence[str]) -> list[int]:
    seen: dict[str, int] = {}
    return [seen.setdefault(level, len(seen)) for level in levels]


def _conditions(scope: Scope, part: Subcube) -> Conditions:
    named = []
    for factor, admitted in zip(scope.entries[0].settings, part.levels, strict=True):
        if admitted is not None:
            order = list(dict.fromkeys(entry.settings[factor] for entry in scope.entries))
            named.append((factor, tuple(order[level] for level in admitted)))
    return tuple(named)


def narrowed(claim: Claim, conditions: Conditions) -> Claim:
    """The claim under further conditions, worded anew; a factor that is named again keeps the narrower levels."""
    merged: Mapping[str, tuple[str, ...]] = {**dict(claim.where), **dict(conditions)}
    return replace(claim, where=tuple(merged.items()), say="") if conditions else claim


def claim_on(claim: Claim, scope: Scope, part: Subcube) -> Claim:
    """The claim about one part of its scope."""
    return narrowed(claim, _conditions(scope, part))


def _repaired(claim: Claim, scope: Scope, part: Subcube, band: SimultaneousBand | None) -> RepairedClaim:
    conditions = _conditions(scope, part)
    here, made = part_of(scope, part.members), narrowed(claim, conditions)
    margins = [(value + claim.margin, entry) for entry in here.entries if (value := scope.difference(entry)) is not None]
    weakest = min(margins, key=lambda pair: pair[0]) if claim.quantifier in EACH else None
    lows, highs = ([ends[c] for c in part.members] for ends in (band.low, band.high)) if band else ([], [])
    return RepairedClaim(
        claim=made,
        conditions=conditions,
        result=decide_realized(made, here),
        share=len(here.entries) / len(scope.entries),
        smallest_margin=weakest[0] if weakest else None,
        weakest=weakest[1].settings if weakest else None,
        low=_least(lows, claim.margin),
        high=_least(highs, claim.margin),
    )


def _least(ends: Sequence[float | None], margin: float) -> float | None:
    known = [end for end in ends if end is not None]
    return min(known) + margin if known and len(known) == len(ends) else None


def _band(claim: Claim, scope: Scope, table: ScoreTable, options: InferenceOptions) -> SimultaneousBand | None:
    """The band over every configuration of the original claim: it holds for each part at once, however the part was chosen."""
    target = table.estimand.orientation.direction is Direction.TARGET
    if target or claim.quantifier not in EACH or not table.items:
        return None
    pair = table.models.index(claim.a), table.models.index(claim.b)
    difference, known = pair_arrays(table, pair, [item_terms(table, model) for model in range(len(table.models))])
    where = list(scope.indices)
    return simultaneous_band(
        difference[:, where],
        cluster=cluster_units(table.cluster_index),
        known=known[:, where],
        rng=generator(options, scope.name, claim.a, claim.b, "repair"),
        level=1 - options.alpha,
        draws=options.draws,
        span=float(max(table.estimand.high - table.estimand.low, np.abs(difference).max(initial=0.0))),
    )
