"""GridCard -> what the page and the Markdown show beyond counts, witnesses and p-values, pair by pair and benchmark by benchmark."""

from __future__ import annotations

from dataclasses import dataclass

from safetyrepro.analysis import Analysis
from safetyrepro.effects import NamedEffect
from safetyrepro.render import beyond
from safetyrepro.render.beyond import Share
from safetyrepro.verdicts import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class FurtherPair:
    """One pair, further."""

    reach: tuple[str, ...]
    """How far its order reaches; deterministic."""
    how: str
    """How the shares below were found; empty where nothing was attributed."""
    shares: tuple[Share, ...]
    """Which choices move the difference; deterministic."""
    terms: str
    """The largest terms; empty where only main effects were told apart."""
    boosted: str
    """What boosted trees say; empty where they were not asked."""
    policies: tuple[str, ...]
    """What answers without a score can do to the order; deterministic, and empty where every answer has one."""
    effects: tuple[NamedEffect, ...]
    """Sizes of effects; inferred."""
    level: float
    """Level of their intervals."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Together:
    """One benchmark's models together, and what was left out."""

    ranking: tuple[str, ...]
    """How the models stand together; deterministic."""
    failures: str
    """How many answers have no score, and what hangs on them; empty where all have one."""
    methods: tuple[str, ...]
    """How far packages, scorers or judges agree item by item; deterministic."""
    method_tests: tuple[str, ...]
    """Whether they say yes equally often; inferred."""
    scores: tuple[tuple[str, tuple[Share, ...]], ...]
    """Each model with what moves its score, which is not what moves a difference; deterministic."""
    notes: tuple[str, ...]
    """What was left out, and why."""


def further_pair(analysis: Analysis, name: str, pair: Verdict) -> FurtherPair:
    """Everything further about one pair.

    Parameters
    ----------
    analysis : Analysis
        What was found.
    name : str
        Name by which the analysis calls the benchmark.
    pair : Verdict
        One of its pairs.
    """
    place = analysis.benchmarks[name].pairs.index(pair)
    further, attribution = analysis.further.get(name), analysis.attribution.get(name)
    boosted, effects = analysis.boosted.get(name), analysis.effects.get(name)
    found = attribution.pairs[place].difference if attribution and attribution.pairs else None
    bars = beyond.shares(found) if found else ()
    return FurtherPair(
        reach=tuple(beyond.robustness_sentences(further.pairs[place], full=True)) if further and further.pairs else (),
        how=beyond.shares_how(found) if found and bars else "",
        shares=bars,
        terms=beyond.terms_sentence(found) if found else "",
        boosted=beyond.boosted_sentence(boosted.pairs[place]) if boosted and boosted.pairs else "",
        policies=_policies(analysis, name, place),
        effects=beyond.effects_shown(effects.pairs[place].effects) if effects and effects.pairs else (),
        level=effects.level if effects else 0.0,
    )


def _policies(analysis: Analysis, name: str, place: int) -> tuple[str, ...]:
    policies = analysis.policies.get(name)
    if policies is None:
        return ()
    pair = policies.pairs[place]
    return (*((pair.sentence,) if pair.depends else ()), beyond.bounds_sentence(pair))


def together(analysis: Analysis, name: str) -> Together:
    """What is said of all models of a benchmark at once.

    Parameters
    ----------
    analysis : Analysis
        What was found.
    name : str
        Name by which the analysis calls the benchmark.
    """
    policies, methods = analysis.policies.get(name), analysis.methods.get(name)
    attribution = analysis.attribution.get(name)
    moved = ((entry.model, beyond.shares(entry.score)) for entry in (attribution.scores if attribution else ()))
    return Together(
        ranking=_ranking(analysis, name),
        failures=beyond.policies_sentence(policies) if policies else "",
        methods=tuple(beyond.agreement_sentence(entry) for entry in methods.agreements) if methods else (),
        method_tests=tuple(beyond.method_test_sentence(test) for test in analysis.method_tests.get(name, ())),
        scores=tuple((model, shares) for model, shares in moved if shares),
        notes=_notes(analysis, name),
    )


def _ranking(analysis: Analysis, name: str) -> tuple[str, ...]:
    further = analysis.further.get(name)
    if further is None or further.ranking is None or len(analysis.benchmarks[name].models) <= 2:
        return ()
    ranking = further.ranking
    told = (beyond.agreed_sentence(ranking, full=True), beyond.circle_sentence(ranking), *beyond.ranking_sentences(ranking))
    return tuple(sentence for sentence in told if sentence)


def _notes(analysis: Analysis, name: str) -> tuple[str, ...]:
    further, attribution = analysis.further.get(name), analysis.attribution.get(name)
    effects, methods, boosted = analysis.effects.get(name), analysis.methods.get(name), analysis.boosted.get(name)
    notes = [
        *(further.skipped if further else ()),
        attribution.skipped if attribution else "",
        f"sizes of effects: {effects.skipped}" if effects and effects.skipped else "",
        f"agreement of methods: {methods.skipped}" if methods and methods.skipped else "",
        f"boosted trees: {boosted.skipped}" if boosted and boosted.skipped else "",
    ]
    return tuple(note for note in notes if note)
