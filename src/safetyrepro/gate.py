"""Claim x Analysis -> Decision: HOLDS, REFUTED with its witness, or UNDETERMINED with what is missing."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from safetyrepro.analysis import Analysis, BenchmarkAnalysis
from safetyrepro.errors import ClaimError
from safetyrepro.stats.base import TOLERANCE
from safetyrepro.verdicts import Claim, ConfigurationVerdict, Decision, EvidenceLevel, Quantifier, Relation, Settings, Verdict

EXIT_CODES: Mapping[Decision, int] = MappingProxyType({Decision.HOLDS: 0, Decision.REFUTED: 1, Decision.UNDETERMINED: 3})
"""Exit code of a single decision; of several, 1 goes before 3 before 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimResult:
    """What the gate says of one claim, and why."""

    claim: Claim
    """The claim."""
    estimand: str
    """The estimand it was read under; named even where the claim left it out."""
    decision: Decision
    """The word."""
    reason: str
    """Why, one sentence with counts."""
    n_configurations: int
    """Configurations in the claim's scope."""
    n_satisfied: int
    """Configurations in scope that satisfy the relation."""
    n_contradicted: int
    """Configurations in scope that contradict it."""
    n_missing: int
    """Configurations in scope without both scores."""
    witness: tuple[Settings, ...]
    """Configurations that refute the claim; empty unless it is refuted."""
    missing: tuple[Settings, ...]
    """Configurations that would have to be run; empty unless they are what is missing."""
    p_value: float | None = None
    """p-value that decided at the supported level, adjusted for the family; None at the realized level."""
    family_size: int | None = None
    """Claims of the supported level that were adjusted together."""
    minimum_detectable_difference: float | None = None
    """What these items would have shown; beside UNDETERMINED at the supported level."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The configurations that a claim is about, with A and B as the claim names them."""

    estimand: str
    """Name of the estimand."""
    verdict: Verdict
    """The pair's verdict, as the analysis holds it."""
    turned: bool
    """Whether the analysis lists the pair the other way round."""
    entries: tuple[ConfigurationVerdict, ...]
    """Configurations in scope."""
    indices: tuple[int, ...]
    """Their places in the envelope."""

    def scores(self, entry: ConfigurationVerdict) -> tuple[float | None, float | None]:
        """Scores of the claim's A and B in a configuration."""
        return (entry.score_b, entry.score_a) if self.turned else (entry.score_a, entry.score_b)

    def difference(self, entry: ConfigurationVerdict) -> float | None:
        """Score of the claim's A less that of its B."""
        if entry.difference is None:
            return None
        return -entry.difference if self.turned else entry.difference


def claim_scope(claim: Claim, analysis: Analysis) -> Scope:
    """Find the configurations that a claim is about.

    Raises
    ------
    ClaimError
        If it names a model, benchmark, estimand, factor or level that the analysis lacks, or an empty scope.
    """
    result = _benchmark(claim, analysis)
    names = [model.name for model in result.models]
    for name in (claim.a, claim.b):
        if name not in names:
            raise _unknown(claim, "model", name, names)
    if claim.a == claim.b:
        raise ClaimError(f"claim '{claim.sentence}'", found="compares a model with itself", remedy="Name two models.")
    verdict = next(pair for pair in result.pairs if {pair.a, pair.b} == {claim.a, claim.b})
    _check_conditions(claim, result)
    chosen = [i for i, entry in enumerate(verdict.configurations) if _in_scope(claim, entry)]
    if not chosen:
        what = (
            "no configuration is in the core tier"
            if claim.quantifier is Quantifier.CORE
            else "no configuration meets its conditions"
        )
        raise ClaimError(
            f"claim '{claim.sentence}'", found=what, remedy="Widen the claim, or name a store whose envelope has such members."
        )
    return Scope(
        estimand=result.estimand.name,
        verdict=verdict,
        turned=verdict.a != claim.a,
        entries=tuple(verdict.configurations[i] for i in chosen),
        indices=tuple(chosen),
    )


def _benchmark(claim: Claim, analysis: Analysis) -> BenchmarkAnalysis:
    for result in analysis.benchmarks.values():
        wanted = result.primary if not claim.estimand else result.estimand.name == claim.estimand
        if result.benchmark == claim.benchmark and wanted:
            return result
    names = sorted({f"{result.benchmark}:{result.estimand.name}" for result in analysis.benchmarks.values()})
    raise _unknown(claim, "benchmark", f"{claim.benchmark}{':' if claim.estimand else ''}{claim.estimand}", names)


def _check_conditions(claim: Claim, result: BenchmarkAnalysis) -> None:
    for name, levels in claim.where:
        present = sorted({settings[name] for settings in result.configurations if name in settings})
        if not present:
            raise _unknown(claim, "factor", name, sorted({key for settings in result.configurations for key in settings}))
        for level in levels:
            if level not in present:
                raise _unknown(claim, f"level of '{name}'", level, present)


def _unknown(claim: Claim, noun: str, name: str, present: Sequence[str]) -> ClaimError:
    return ClaimError(
        f"claim '{claim.sentence}'",
        found=f"there is no {noun} '{name}'",
        expected=f"one of {', '.join(present) or '(none)'}",
        remedy="Correct the claim.",
    )


def _in_scope(claim: Claim, entry: ConfigurationVerdict) -> bool:
    if claim.quantifier is Quantifier.CORE and not entry.core:
        return False
    return all(entry.settings.get(name) in levels for name, levels in claim.where)


def satisfied(value: float, relation: Relation) -> bool:
    """Whether a margin-shifted difference satisfies a relation; a tie refutes ``>`` and satisfies ``>=``."""
    return value > TOLERANCE if relation is Relation.AHEAD else value >= -TOLERANCE


def decide_realized(claim: Claim, scope: Scope) -> ClaimResult:
    """Decide a claim about the scores as they were measured; deterministic.

    Parameters
    ----------
    claim : Claim
        The claim.
    scope : Scope
        Its configurations.

    Returns
    -------
    ClaimResult
        Taking a cell away never turns a decision into HOLDS.
    """
    shifted = [scope.difference(entry) for entry in scope.entries]
    told = [None if value is None else satisfied(value + claim.margin, claim.relation) for value in shifted]
    decision = _DECIDERS[claim.quantifier](claim, scope, told)
    contradicted = tuple(entry.settings for entry, fine in zip(scope.entries, told, strict=True) if fine is False)
    absent = tuple(entry.settings for entry, fine in zip(scope.entries, told, strict=True) if fine is None)
    counts = f"{told.count(True)} of {len(told)} configurations satisfy it, {told.count(False)} contradict it, {told.count(None)} were not run"
    return ClaimResult(
        claim=claim,
        estimand=scope.estimand,
        decision=decision,
        reason=counts,
        n_configurations=len(told),
        n_satisfied=told.count(True),
        n_contradicted=told.count(False),
        n_missing=told.count(None),
        witness=contradicted if decision is Decision.REFUTED else (),
        missing=absent if decision is Decision.UNDETERMINED else (),
    )


Told = Sequence[bool | None]


def _everywhere(claim: Claim, scope: Scope, told: Told) -> Decision:
    del claim, scope
    if False in told:
        return Decision.REFUTED
    return Decision.UNDETERMINED if None in told else Decision.HOLDS


def _somewhere(claim: Claim, scope: Scope, told: Told) -> Decision:
    del claim, scope
    if True in told:
        return Decision.HOLDS
    return Decision.UNDETERMINED if None in told else Decision.REFUTED


def _majority(claim: Claim, scope: Scope, told: Told) -> Decision:
    """More than half of all configurations in scope, those not run included."""
    del claim, scope
    if 2 * told.count(True) > len(told):
        return Decision.HOLDS
    return Decision.REFUTED if 2 * told.count(False) >= len(told) else Decision.UNDETERMINED


def _mean(claim: Claim, scope: Scope, told: Told) -> Decision:
    if None in told:
        return Decision.UNDETERMINED
    values = [value for entry in scope.entries if (value := scope.difference(entry)) is not None]
    return _plain(math.fsum(values) / len(values) + claim.margin, claim)


def _worst_case(claim: Claim, scope: Scope, told: Told) -> Decision:
    if None in told:
        return Decision.UNDETERMINED
    a, b = _known_scores(scope)
    return _plain(min(a) - min(b) + claim.margin, claim)


def _dominance(claim: Claim, scope: Scope, told: Told) -> Decision:
    """A's worst against B's best; a known pair that contradicts refutes it whatever is missing."""
    a, b = _known_scores(scope)
    if a and b and not satisfied(min(a) - max(b) + claim.margin, claim.relation):
        return Decision.REFUTED
    return Decision.UNDETERMINED if None in told else Decision.HOLDS


def _plain(value: float, claim: Claim) -> Decision:
    return Decision.HOLDS if satisfied(value, claim.relation) else Decision.REFUTED


def _known_scores(scope: Scope) -> tuple[list[float], list[float]]:
    pairs = [scope.scores(entry) for entry in scope.entries]
    return [a for a, _ in pairs if a is not None], [b for _, b in pairs if b is not None]


_DECIDERS: Mapping[Quantifier, Callable[[Claim, Scope, Told], Decision]] = MappingProxyType(
    {
        Quantifier.EVERYWHERE: _everywhere,
        Quantifier.CORE: _everywhere,
        Quantifier.MAJORITY: _majority,
        Quantifier.SOMEWHERE: _somewhere,
        Quantifier.MEAN: _mean,
        Quantifier.WORST_CASE: _worst_case,
        Quantifier.DOMINANCE: _dominance,
    }
)


def exit_code(results: Sequence[ClaimResult]) -> int:
    """Exit code of several decisions: 1 where one is refuted, else 3 where one is undetermined, else 0."""
    codes = {EXIT_CODES[result.decision] for result in results}
    return next((code for code in (1, 3) if code in codes), 0)


def realized_only(claims: Sequence[Claim]) -> bool:
    """Whether no claim needs the items."""
    return all(claim.evidence is EvidenceLevel.REALIZED for claim in claims)
