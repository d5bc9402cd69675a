"""Claim x Analysis -> Scope: the configurations that a claim is about, or the sentence that says why there are none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from safetyrepro.analysis import Analysis, BenchmarkAnalysis
from safetyrepro.errors import ClaimError
from safetyrepro.verdicts import Claim, ClaimWitness, ConfigurationVerdict, Quantifier, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The configurations that a claim is about, with A and B as the claim names them."""

    name: str
    """Name by which the analysis calls the benchmark under its estimand."""
    result: BenchmarkAnalysis
    """What the analysis found there."""
    verdict: Verdict
    """The pair's verdict, as the analysis holds it."""
    turned: bool
    """Whether the analysis lists the pair the other way round."""
    entries: tuple[ConfigurationVerdict, ...]
    """Configurations in scope."""
    indices: tuple[int, ...]
    """Their places in the envelope."""
    run: frozenset[str] = frozenset()
    """Digests of configurations in which the pair has scores under another estimand: without one here, they were still run."""

    def scores(self, entry: ConfigurationVerdict) -> tuple[float | None, float | None]:
        """Scores of the claim's A and B in a configuration."""
        return (entry.score_b, entry.score_a) if self.turned else (entry.score_a, entry.score_b)

    def difference(self, entry: ConfigurationVerdict) -> float | None:
        """Score of the claim's A less that of its B."""
        if entry.difference is None:
            return None
        return -entry.difference if self.turned else entry.difference

    def witness(self, entry: ConfigurationVerdict) -> ClaimWitness:
        """A configuration as a decision names it."""
        score_a, score_b = self.scores(entry)
        return ClaimWitness(settings=entry.settings, digest=entry.digest, score_a=score_a, score_b=score_b)


def claim_scope(claim: Claim, analysis: Analysis) -> Scope:
    """Find the configurations that a claim is about.

    Raises
    ------
    ClaimError
        If it names a model, benchmark, estimand, factor or level that the analysis lacks, or an empty scope.
    """
    name, result = _benchmark(claim, analysis)
    names = [model.name for model in result.models]
    for model in (claim.a, claim.b):
        if model not in names:
            raise _unknown(claim, "model", model, names)
    if claim.a == claim.b:
        raise ClaimError(f"claim '{claim.sentence}'", found="compares a model with itself", remedy="Name two models.")
    verdict = next((pair for pair in result.pairs if {pair.a, pair.b} == {claim.a, claim.b}), None)
    if verdict is None:
        raise ClaimError(
            f"claim '{claim.sentence}'", found="the results hold no verdict on this pair", remedy="Make them again."
        )
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
        name=name,
        result=result,
        verdict=verdict,
        turned=verdict.a != claim.a,
        entries=tuple(verdict.configurations[i] for i in chosen),
        indices=tuple(chosen),
        run=_run_for_others(claim, analysis, result),
    )


def _run_for_others(claim: Claim, analysis: Analysis, result: BenchmarkAnalysis) -> frozenset[str]:
    return frozenset(
        entry.digest
        for other in analysis.benchmarks.values()
        if other.benchmark == result.benchmark and other is not result
        for pair in other.pairs
        if {pair.a, pair.b} == {claim.a, claim.b}
        for entry in pair.configurations
        if entry.difference is not None
    )


def _benchmark(claim: Claim, analysis: Analysis) -> tuple[str, BenchmarkAnalysis]:
    for name, result in analysis.benchmarks.items():
        wanted = result.primary if not claim.estimand else result.estimand.name == claim.estimand
        if result.benchmark == claim.benchmark and wanted:
            return name, result
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
