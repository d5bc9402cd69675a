"""Claim x Analysis -> ClaimResult: HOLDS, REFUTED with its witness, or UNDETERMINED with what is missing."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from safetyrepro.analysis import Analysis
from safetyrepro.gate_supported import ClaimTest
from safetyrepro.scope import Scope, claim_scope
from safetyrepro.stats.base import TOLERANCE
from safetyrepro.stats.multiplicity import holm
from safetyrepro.verdicts import (
    Claim,
    ClaimResult,
    ConfigurationVerdict,
    Decision,
    EvidenceLevel,
    Quantifier,
    Relation,
    Settings,
)

EXIT_CODES: Mapping[Decision, int] = MappingProxyType({Decision.HOLDS: 0, Decision.REFUTED: 1, Decision.UNDETERMINED: 3})
"""Exit code of a single decision; of several, 1 goes before 3 before 0."""
Tester = Callable[[Claim, Scope], ClaimTest]
"""What tests a supported claim: from a store, a card's rows, or a card's own inferred half."""


def decide(claims: Sequence[Claim], analysis: Analysis, tester: Tester, *, run_again: str = "") -> tuple[ClaimResult, ...]:
    """Decide every claim, in order.

    Parameters
    ----------
    claims : sequence of Claim
        The claims; those of the supported level form one family.
    analysis : Analysis
        What they are held against.
    tester : callable
        Tests a supported claim; it is not called where there is none.
    run_again : str
        The command that runs what is missing, printed where cells are.

    Returns
    -------
    tuple of ClaimResult

    Raises
    ------
    ClaimError
        If a claim names what the analysis lacks, or cannot be tested as it asks.
    """
    scopes = [claim_scope(claim, analysis) for claim in claims]
    realized = [decide_realized(claim, scope, run_again=run_again) for claim, scope in zip(claims, scopes, strict=True)]
    chosen = [i for i, claim in enumerate(claims) if claim.evidence is EvidenceLevel.SUPPORTED]
    # What the items would have shown is said at the level that Holm leaves to the first claim of the family.
    tests = [tester(replace(claims[i], alpha=claims[i].alpha / len(chosen)), scopes[i]) for i in chosen]
    supported = dict(zip(chosen, decide_supported([realized[i] for i in chosen], tests, run_again), strict=True))
    return tuple(_narrowing(supported.get(i, result), scopes[i]) for i, result in enumerate(realized))


def _narrowing(result: ClaimResult, scope: Scope) -> ClaimResult:
    """The same, where what is missing was run and the estimand has no score there: running it again would not help."""
    run = [one.settings for one in result.missing if one.digest in scope.run]
    if not run:
        return result
    scored = [entry.settings for entry in scope.entries if entry.difference is not None]
    told = f"{len(run)} of these {len(result.missing)} were run and give no '{result.estimand}': narrow the claim"
    apart = _telling_apart(scored, run)
    told += f" with 'where {apart}'." if apart else "."
    return replace(result, remedy=told if len(run) == len(result.missing) else f"{told} {result.remedy}")


def _telling_apart(scored: Sequence[Settings], others: Sequence[Settings]) -> str:
    """Conditions that all of the first meet and none of the others, one where one does it; empty where there are none."""
    found = {}
    for name in dict.fromkeys(name for settings in scored for name in settings):
        levels = dict.fromkeys(settings.get(name, "") for settings in scored)
        if "" not in levels and any(settings.get(name) not in levels for settings in others):
            found[name] = levels
    wanted = [{name: levels} for name, levels in found.items()] + [found]
    for conditions in wanted:
        if not any(all(settings.get(name) in levels for name, levels in conditions.items()) for settings in others):
            return " and ".join(f"{name}={','.join(levels)}" for name, levels in conditions.items())
    return ""


def satisfied(value: float, relation: Relation) -> bool:
    """Whether a margin-shifted difference satisfies a relation; a tie refutes ``>`` and satisfies ``>=``."""
    return value > TOLERANCE if relation is Relation.AHEAD else value >= -TOLERANCE


Told = Sequence[bool | None]


@dataclass(frozen=True, slots=True)
class _Ruling:
    decision: Decision
    witness: tuple[ConfigurationVerdict, ...] = ()
    note: str = ""


def decide_realized(claim: Claim, scope: Scope, *, run_again: str = "") -> ClaimResult:
    """Decide a claim about the scores as they were measured; deterministic.

    Parameters
    ----------
    claim : Claim
        The claim.
    scope : Scope
        Its configurations.
    run_again : str
        The command that runs what is missing.

    Returns
    -------
    ClaimResult
        Taking a cell away never turns a decision into HOLDS.
    """
    shifted = [scope.difference(entry) for entry in scope.entries]
    told = [None if value is None else satisfied(value + claim.margin, claim.relation) for value in shifted]
    ruling = _DECIDERS[claim.quantifier](claim, scope, told)
    absent = [entry for entry, fine in zip(scope.entries, told, strict=True) if fine is None]
    missing = absent if ruling.decision is Decision.UNDETERMINED else []
    counts = (
        f"{told.count(True)} of {len(told)} configurations satisfy it, {told.count(False)} contradict it, "
        f"{told.count(None)} lack a score"
    )
    return ClaimResult(
        claim=claim,
        estimand=scope.result.estimand.name,
        decision=ruling.decision,
        reason=f"{ruling.note}; {counts}" if ruling.note else counts,
        n_configurations=len(told),
        n_satisfied=told.count(True),
        n_contradicted=told.count(False),
        n_missing=told.count(None),
        witness=tuple(scope.witness(entry) for entry in ruling.witness),
        missing=tuple(scope.witness(entry) for entry in missing),
        flips=_flips(scope, told, ruling),
        remedy=_remedy(missing, run_again),
    )


def _remedy(missing: Sequence[ConfigurationVerdict], run_again: str) -> str:
    if not missing:
        return ""
    return f"Run what is missing: {run_again}" if run_again else "Measure the configurations that lack a score."


def _flips(scope: Scope, told: Told, ruling: _Ruling) -> tuple[str, ...]:
    """The smallest set of factors that leads from the first witness to a configuration that satisfies the claim."""
    good = [entry.settings for entry, fine in zip(scope.entries, told, strict=True) if fine]
    if not ruling.witness or not good:
        return ()
    return min((differing(ruling.witness[0].settings, settings) for settings in good), key=len)


def differing(one: Settings, other: Settings) -> tuple[str, ...]:
    """Names of the factors on which two configurations disagree, in order."""
    return tuple(name for name in dict.fromkeys([*one, *other]) if one.get(name) != other.get(name))


def _contradicting(scope: Scope, told: Told) -> tuple[ConfigurationVerdict, ...]:
    """Configurations that contradict, the widest first."""
    found = [entry for entry, fine in zip(scope.entries, told, strict=True) if fine is False]
    return tuple(sorted(found, key=lambda entry: scope.difference(entry) or 0.0))


def _everywhere(claim: Claim, scope: Scope, told: Told) -> _Ruling:
    del claim
    if False in told:
        return _Ruling(Decision.REFUTED, _contradicting(scope, told))
    return _Ruling(Decision.UNDETERMINED if None in told else Decision.HOLDS)


def _somewhere(claim: Claim, scope: Scope, told: Told) -> _Ruling:
    del claim
    if True in told:
        return _Ruling(Decision.HOLDS)
    return _Ruling(Decision.UNDETERMINED) if None in told else _Ruling(Decision.REFUTED, _contradicting(scope, told))


def _majority(claim: Claim, scope: Scope, told: Told) -> _Ruling:
    """More than half of all configurations in scope, those without a score included."""
    del claim
    if 2 * told.count(True) > len(told):
        return _Ruling(Decision.HOLDS)
    if 2 * told.count(False) >= len(told):
        return _Ruling(Decision.REFUTED, _contradicting(scope, told))
    return _Ruling(Decision.UNDETERMINED)


def _mean(claim: Claim, scope: Scope, told: Told) -> _Ruling:
    if None in told:
        return _Ruling(Decision.UNDETERMINED)
    values = [value for entry in scope.entries if (value := scope.difference(entry)) is not None]
    mean = math.fsum(values) / len(values)
    return _compared(claim, mean, _contradicting(scope, told), f"the mean difference is {mean:+.4g}")


def _worst_case(claim: Claim, scope: Scope, told: Told) -> _Ruling:
    """A cell without a score could be the worst of its model, so each worst score is known only up to an end."""
    del told
    a, b = _sides(scope)
    if a.known and b.known:
        lowest_a, lowest_b = a.known[0], b.known[0]
        note = f"the worst scores are {lowest_a.score:.4g} and {lowest_b.score:.4g}"
        ruling = _compared(claim, lowest_a.score - lowest_b.score, (lowest_a.entry, lowest_b.entry), note)
        open_end = b.n_missing if ruling.decision is Decision.REFUTED else a.n_missing
        if not open_end:
            return ruling
    return _Ruling(Decision.UNDETERMINED)


def _dominance(claim: Claim, scope: Scope, told: Told) -> _Ruling:
    """A's worst against B's best; two known cells that contradict refute it whatever is missing."""
    a, b = _sides(scope)
    if a.known and b.known:
        lowest, highest = a.known[0], b.known[-1]
        note = f"A's worst score is {lowest.score:.4g}, B's best {highest.score:.4g}"
        ruling = _compared(claim, lowest.score - highest.score, (lowest.entry, highest.entry), note)
        if ruling.decision is Decision.REFUTED or None not in told:
            return ruling
    return _Ruling(Decision.UNDETERMINED)


def _compared(claim: Claim, value: float, witness: tuple[ConfigurationVerdict, ...], note: str) -> _Ruling:
    if satisfied(value + claim.margin, claim.relation):
        return _Ruling(Decision.HOLDS, (), note)
    return _Ruling(Decision.REFUTED, tuple({entry.digest: entry for entry in witness}.values()), note)


@dataclass(frozen=True, slots=True)
class _Scored:
    score: float
    entry: ConfigurationVerdict


@dataclass(frozen=True, slots=True)
class _Side:
    known: list[_Scored]
    """In ascending order."""
    n_missing: int


def _sides(scope: Scope) -> tuple[_Side, _Side]:
    """The scores of A and of B over the scope."""
    pairs = [(entry, *scope.scores(entry)) for entry in scope.entries]
    a = [_Scored(score, entry) for entry, score, _ in pairs if score is not None]
    b = [_Scored(score, entry) for entry, _, score in pairs if score is not None]
    return _side(a, len(pairs)), _side(b, len(pairs))


def _side(found: list[_Scored], n_entries: int) -> _Side:
    return _Side(sorted(found, key=lambda one: one.score), n_entries - len(found))


_DECIDERS: Mapping[Quantifier, Callable[[Claim, Scope, Told], _Ruling]] = MappingProxyType(
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


def decide_supported(
    realized: Sequence[ClaimResult], tests: Sequence[ClaimTest], run_again: str = ""
) -> tuple[ClaimResult, ...]:
    """Decide claims about items like these.

    Parameters
    ----------
    realized : sequence of ClaimResult
        The same claims at the realized level, for their counts and witnesses.
    tests : sequence of ClaimTest
        Their tests.
    run_again : str
        The command that runs what is missing.

    Returns
    -------
    tuple of ClaimResult

    Notes
    -----
    The p-values that prove and those that refute are Holm-adjusted apart, each over every claim given. A claim that cannot be
    tested stays in the family with p = 1, so that leaving cells out of one claim never helps another.
    """
    proving = holm([1.0 if test.p_holds is None else test.p_holds for test in tests]).adjusted
    refuting = holm([1.0 if test.p_refutes is None else test.p_refutes for test in tests]).adjusted
    found = []
    for i, (result, test) in enumerate(zip(realized, tests, strict=True)):
        adjusted = replace(
            test,
            p_holds=None if test.p_holds is None else proving[i],
            p_refutes=None if test.p_refutes is None else refuting[i],
        )
        found.append(_supported(result, adjusted, len(tests), run_again))
    return tuple(found)


def _supported(result: ClaimResult, test: ClaimTest, family_size: int, run_again: str) -> ClaimResult:
    alpha = result.claim.alpha
    decision = Decision.UNDETERMINED
    if test.p_refutes is not None and test.p_refutes <= alpha:
        decision = Decision.REFUTED
    elif test.p_holds is not None and test.p_holds <= alpha:
        decision = Decision.HOLDS
    told = [
        f"{name} {'not testable' if p is None else f'{p:.3g}'}"
        for name, p in (("p", test.p_holds), ("p against", test.p_refutes))
    ]
    open_cells = decision is Decision.UNDETERMINED and test.missing
    return replace(
        result,
        decision=decision,
        reason=f"{', '.join(told)}, alpha {alpha:g}, Holm over {family_size}; {test.n_units} units; {result.reason}",
        witness=test.witness if decision is Decision.REFUTED else (),
        flips=result.flips if decision is Decision.REFUTED else (),
        missing=test.missing if open_cells else (),
        remedy=_supported_remedy(decision, test, run_again, margin=result.claim.margin),
        p_holds=test.p_holds,
        p_refutes=test.p_refutes,
        family_size=family_size,
        minimum_detectable_difference=test.minimum_detectable_difference if decision is Decision.UNDETERMINED else None,
    )


def _supported_remedy(decision: Decision, test: ClaimTest, run_again: str, *, margin: float) -> str:
    if decision is not Decision.UNDETERMINED:
        return ""
    if test.missing:
        return f"Run what is missing: {run_again}" if run_again else "Measure the configurations that lack a score."
    if test.minimum_detectable_difference is None:
        return "These items can show no difference at all: measure more."
    beyond = f" beyond {-margin:+g}" if margin else ""
    shown = f"{test.minimum_detectable_difference:.3g}{beyond}"
    return f"These items would have shown a difference of {shown} with power .8; measure more."


def exit_code(results: Sequence[ClaimResult]) -> int:
    """Exit code of several decisions: 1 where one is refuted, else 3 where one is undetermined, else 0."""
    codes = {EXIT_CODES[result.decision] for result in results}
    return next((code for code in (1, 3) if code in codes), 0)
