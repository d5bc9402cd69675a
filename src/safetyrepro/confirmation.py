"""Claim x records -> parts found on one half of the items and tested on the other: looking and testing kept apart.

The split is by cluster and by seed. Nothing of the second half is looked at before the parts are chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from safetyrepro.analysis import level_numbers
from safetyrepro.errors import ClaimError
from safetyrepro.gate import decide_realized, decide_supported
from safetyrepro.gate_supported import claim_test
from safetyrepro.inference import InferenceOptions, generator
from safetyrepro.pairs import pair_verdict
from safetyrepro.records import AGGREGATE_ITEM, ItemRecord
from safetyrepro.repair import Conditions, claim_on, part_of, true_parts
from safetyrepro.scope import Scope
from safetyrepro.scores import ScoreTable, rebuilt
from safetyrepro.verdicts import Claim, ClaimResult


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmedClaim:
    """A part that one half of the items suggested, and what the other half says of it."""

    claim: Claim
    """The claim about that part."""
    conditions: Conditions
    """What was added to the original."""
    result: ClaimResult
    """What the gate says at the supported level on the items that were not used to find it; Holm over the parts tested."""
    realized: ClaimResult
    """What the gate says on those items at the realized level."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """Parts found on some items and tested on others."""

    n_found_on: int
    """Clusters on which parts were looked for."""
    n_tested_on: int
    """Clusters on which they were tested."""
    seed: int
    """Seed of the split."""
    n_found: int
    """Parts that the first half suggested, those that were not tested included."""
    tested: tuple[ConfirmedClaim, ...]
    """The parts that were tested: the shortest descriptions."""


def confirm(
    claim: Claim,
    scope: Scope,
    table: ScoreTable,
    records: Sequence[ItemRecord],
    *,
    options: InferenceOptions,
    most: int = 3,
) -> Confirmation:
    """Find parts in which a claim is true on half of the items, and test them on the rest.

    Parameters
    ----------
    claim : Claim
        The claim.
    scope : Scope
        Its configurations in the whole results.
    table : ScoreTable
        The whole table.
    records : sequence of ItemRecord
        The rows behind it.
    options : InferenceOptions
        Draws, and the seed of the split.
    most : int
        Most parts to test: each one more costs all others evidence.

    Returns
    -------
    Confirmation

    Raises
    ------
    ClaimError
        If the results hold fewer than two clusters of items.
    """
    clusters = list(dict.fromkeys(table.clusters))
    if len(clusters) < 2:
        raise ClaimError(
            f"claim '{claim.sentence}'",
            found=f"the results hold {f'{len(clusters)} cluster of items' if clusters else 'aggregates and no items'}, which cannot be split",
            remedy="Leave --confirm out, or measure more items.",
        )
    order = generator(options, scope.name, "split").permutation(len(clusters)).tolist()
    first = {clusters[i] for i in order[: len(clusters) // 2]}
    items = [record for record in records if record.item_id != AGGREGATE_ITEM]
    halves = [[record for record in items if (record.cluster in first) is inside] for inside in (True, False)]
    finding, testing = (rebuilt(table, half) for half in halves)
    looked_at = _seen_in(scope, finding)
    parts = true_parts(claim, looked_at)
    chosen = parts[:most]
    rest = _seen_in(scope, testing)
    claims = [claim_on(claim, looked_at, part) for part in chosen]
    tested = _tested(claims, [part_of(rest, part.members) for part in chosen], testing, options)
    return Confirmation(
        n_found_on=len(first),
        n_tested_on=len(clusters) - len(first),
        seed=options.seed,
        n_found=len(parts),
        tested=tuple(
            replace(entry, conditions=tuple(condition for condition in entry.claim.where if condition not in claim.where))
            for entry in tested
        ),
    )


def _tested(
    claims: Sequence[Claim], scopes: Sequence[Scope], table: ScoreTable, options: InferenceOptions
) -> list[ConfirmedClaim]:
    """Each claim on items that did not suggest it, adjusted for all of them."""
    realized = [decide_realized(claim, scope) for claim, scope in zip(claims, scopes, strict=True)]
    tests = [claim_test(claim, scope, table, options) for claim, scope in zip(claims, scopes, strict=True)]
    return [
        ConfirmedClaim(claim=claim, conditions=claim.where, result=result, realized=plain)
        for claim, result, plain in zip(claims, decide_supported(realized, tests), realized, strict=True)
    ]


def _seen_in(scope: Scope, table: ScoreTable) -> Scope:
    """The same configurations with the orders of another table of the same pair."""
    verdict = pair_verdict(
        table,
        table.models.index(scope.verdict.a),
        table.models.index(scope.verdict.b),
        levels=level_numbers(table.configurations),
        factors=list(scope.entries[0].settings),
        core=[entry.core for entry in scope.verdict.configurations],
    )
    return replace(scope, verdict=verdict, entries=tuple(verdict.configurations[i] for i in scope.indices))
