"""Analysis -> what follows beyond counts and witnesses, in plain sentences without markup.

What is deterministic comes first; what is inferred stands in functions of its own. Names are made inert and cut here; whoever
prints a sentence escapes it for where it goes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from safetyrepro.attribute import Attributed
from safetyrepro.boosted import PairBoosted
from safetyrepro.effects import NamedEffect
from safetyrepro.inference import PairInference
from safetyrepro.joint import JointPair
from safetyrepro.methods import MethodAgreement, MethodTest
from safetyrepro.policies import BenchmarkPolicies, PairPolicies
from safetyrepro.ranking import Ranking
from safetyrepro.render.text import inert
from safetyrepro.robustness import LeftOutFactor, PairRobustness
from safetyrepro.sentences import share_text
from safetyrepro.stats.robust_verdicts import RobustVerdicts
from safetyrepro.verdicts import Settings

MOST_LISTED = 6
"""Entries of a list that are told unless everything is asked for."""
WORDS = {True: "yes", False: "no", None: "open"}


@dataclass(frozen=True, slots=True)
class Share:
    """One bar of an attribution."""

    label: str
    """The factor, or the factors of a term."""
    share: float
    """Its share of the spread, 0 to 1."""


def name_text(name: str) -> str:
    """A foreign name, inert and cut."""
    return inert(name, 60)


def settings_words(settings: Settings) -> str:
    """A configuration in words, its factors by name."""
    return ", ".join(f"{name_text(name)}={name_text(level)}" for name, level in sorted(settings.items())) or "(no factor)"


def robustness_sentences(pair: PairRobustness, *, full: bool) -> Iterator[str]:
    """How far the order of a pair reaches: deterministic.

    Parameters
    ----------
    pair : PairRobustness
        What was found.
    full : bool
        Whether every sense of "ahead", every factor left out and the grid's limit are told.
    """
    reference = pair.reference
    if reference is not None and reference.radius is not None:
        sets = [" + ".join(name_text(factor) for factor in factors) for factors in reference.minimal_sets]
        shown = sets if full else sets[:MOST_LISTED]
        rest = f" and {len(sets) - len(shown)} more" if len(sets) > len(shown) else ""
        yield f"from {settings_words(reference.settings)} the order turns by changing {' or '.join(shown)}{rest}"
    if pair.radii:
        told = ", ".join(f"{entry.radius} in {entry.n_references}" for entry in pair.radii)
        yield f"factors to change before the other is ahead: {told} of {pair.n_references} configurations"
    if not full:
        return
    yield f"{name_text(pair.a)} is ahead: {senses(pair.a_ahead)}"
    yield f"{name_text(pair.b)} is ahead: {senses(pair.b_ahead)}"
    yield from (left_out_sentence(factor) for factor in pair.left_out)
    if pair.grid_limit is not None:
        yield (
            f"at most {pair.grid_limit.upper_count} of {pair.grid_limit.n_cells} cells of the grid have the minority's order (95 %, "
            "had the evaluated ones been drawn at random)"
        )


def senses(verdicts: RobustVerdicts) -> str:
    """Six senses of "ahead", each with yes, no or open."""
    told = (
        ("everywhere", verdicts.all_strict),
        ("nowhere behind", verdicts.all_weak),
        ("mostly", verdicts.majority),
        ("on average", verdicts.mean),
        ("in the worst case", verdicts.worst_case),
        ("whatever the configurations", verdicts.dominance),
    )
    return ", ".join(f"{sense} {WORDS[word]}" for sense, word in told)


def left_out_sentence(factor: LeftOutFactor) -> str:
    """What each level of a factor says against the others, and the honest limit for a new one."""
    opposing = [name_text(level.level) for level in factor.levels if level.opposes]
    named = f" ({', '.join(opposing)})" if opposing else ""
    return (
        f"{name_text(factor.factor)}: {len(opposing)} of {len(factor.levels)} levels oppose the rest{named}, "
        f"{factor.n_surprising} alone make a reversal; a new level may with a chance of up to {factor.new_level.upper:.0%}"
    )


def shares(found: Attributed) -> tuple[Share, ...]:
    """Shares of the factors, or of the terms where those of factors do not exist, the largest first."""
    entries = [(name_text(entry.factor), entry.shapley) for entry in found.factors]
    if not entries:
        entries = [(term_text(term.factors), term.share) for term in found.terms]
    bars = [Share(label, share) for label, share in entries if share is not None]
    return tuple(sorted(bars, key=lambda bar: -bar.share))


def shares_how(found: Attributed) -> str:
    """How shares were found, and of how large a spread they are shares."""
    return f"{'exact' if found.factors else f'Type II, {inert(found.reason)}'}; spread {found.total_size:.4f}"


def term_text(factors: tuple[str, ...]) -> str:
    """A main effect or an interaction."""
    return " x ".join(name_text(factor) for factor in factors)


def terms_sentence(found: Attributed) -> str:
    """The largest terms of an exact decomposition; empty where there is none."""
    if not found.factors:
        return ""
    terms = sorted(found.terms, key=lambda term: -(term.share or 0.0))[:MOST_LISTED]
    return f"largest terms: {', '.join(f'{term_text(term.factors)} {share_text(term.share or 0.0)}' for term in terms)}"


def boosted_sentence(pair: PairBoosted) -> str:
    """What boosted trees say, or why they are not heard."""
    if pair.reason:
        return f"boosted trees: withheld, {inert(pair.reason)}"
    told = ", ".join(
        f"{name_text(one.factor)} {share_text(one.share)}" for one in sorted(pair.shares, key=lambda one: -one.share)
    )
    return f"boosted trees (cross-validated R squared {pair.cross_validated_r2 or 0.0:.2f}): {told}"


def agreed_sentence(ranking: Ranking, *, full: bool) -> str:
    """What every complete configuration agrees on; empty without one."""
    robust = ranking.robust
    if robust is None:
        return ""
    edges = [f"{name_text(a)} > {name_text(b)}" for a, b in robust.edges]
    shown = edges if full else edges[:MOST_LISTED]
    rest = f" and {len(edges) - len(shown)} more" if len(edges) > len(shown) else ""
    count = robust.n_configurations
    by = "the one complete configuration" if count == 1 else f"all {count} complete configurations"
    return (
        f"Agreed by {by}: {', '.join(shown) or 'nothing'}{rest}; {robust.n_undecided_pairs} of {robust.n_pairs} pairs undecided"
    )


def circle_sentence(ranking: Ranking) -> str:
    """The circles of the majority; empty where there is none."""
    if ranking.majority is None or not ranking.majority.cycles:
        return ""
    told = "; ".join(" > ".join(name_text(name) for name in (*cycle, cycle[0])) for cycle in ranking.majority.cycles)
    return f"The majority goes in a circle: {told}"


def ranking_sentences(ranking: Ranking) -> Iterator[str]:
    """Ranges of rank, who can be first, the order that overrules least, and strengths where they exist."""
    robust, majority, strengths = ranking.robust, ranking.majority, ranking.bradley_terry
    if robust is not None:
        for group in robust.tie_groups:
            yield f"Tied in every complete configuration: {', '.join(name_text(name) for name in group)}"
        yield f"Places left open: {', '.join(f'{name_text(one.model)} {one.lowest}-{one.highest}' for one in robust.ranks)}"
        first = ", ".join(name_text(name) for name in robust.can_be_first)
        yield f"Nothing stands above everywhere: {len(robust.can_be_first)} of {len(robust.ranks)} ({first})"
    if majority is not None and majority.kemeny_order is not None:
        order = " > ".join(name_text(name) for name in majority.kemeny_order)
        yield f"Fewest verdicts overruled (Kemeny): {order}; {majority.kemeny_cost} overruled, {majority.kemeny_floor} by any order"
    if strengths.strengths:
        told = ", ".join(f"{name_text(entry.model)} {entry.log_strength:+.2f}" for entry in strengths.strengths)
        yield f"Bradley-Terry log strengths, configurations as voters: {told}"
    elif strengths.reason:
        yield f"No Bradley-Terry strengths: {inert(strengths.reason)}"


def policies_sentence(policies: BenchmarkPolicies) -> str:
    """How many answers have no score, and how many orders depend on how they count."""
    depending = sum(pair.depends for pair in policies.pairs)
    return (
        f"{policies.n_unparsed} of {policies.n_records} answers could not be read, {policies.n_failed} failed: the order of "
        f"{depending} of {len(policies.pairs)} pairs depends on how they count"
    )


def bounds_sentence(pair: PairPolicies) -> str:
    """What the worst and the best case of unread answers leave of an order."""
    if pair.no_bounds:
        return f"no bounds: {inert(pair.no_bounds)}"
    if not pair.bounds:
        return "every item asked of both has a score"
    widest = max(pair.bounds, key=lambda entry: entry.high - entry.low)
    if not pair.n_open:
        return f"no order could be another one, whatever they would have been; widest {widest.low:+.4f} to {widest.high:+.4f}"
    return (
        f"in {pair.n_open} configurations the order could be another one, whatever was observed; widest {widest.low:+.4f} to "
        f"{widest.high:+.4f}"
    )


def agreement_sentence(entry: MethodAgreement) -> str:
    """How far two packages, scorers or judges agree item by item, where they agree least."""
    least = entry.least
    kappa = "no kappa" if least.kappa is None else f"kappa {least.kappa:.2f}"
    return (
        f"{name_text(entry.first)} and {name_text(entry.second)} ({name_text(entry.factor)}) on {name_text(entry.model)}: least "
        f"agreement {kappa} (both {least.n_both}, first only {least.n_first_only}, second only {least.n_second_only}, neither "
        f"{least.n_neither}) of {entry.n_configurations} comparisons"
    )


def joint_sentence(pair: JointPair) -> str:
    """What a pair does on several benchmarks at once, without the two names."""
    reversed_on = ", ".join(name_text(name) for name in pair.with_reversal) or "none"
    return (
        f"on {len(pair.benchmarks)} benchmarks with the same factors, {pair.n_configurations} shared configurations: reverses on "
        f"{reversed_on}; flip rate on some {pair.some_flip_rate:.3f}, on all {pair.all_flip_rate:.3f}, of their average "
        f"{pair.average_flip_rate:.3f}"
    )


def inferred_sentences(pair: PairInference, *, alpha: float) -> Iterator[str]:
    """Inferred, beyond p-values and words: what repeats alone do, equivalence."""
    if pair.placebo is not None and pair.placebo.rate is not None:
        yield (
            f"repeats alone turn the order in {pair.placebo.n_opposed} of {pair.placebo.n_pairs} pairs of repeats: placebo flip rate "
            f"{pair.placebo.rate:.3f}"
        )
    test = pair.equivalence
    if test is not None:
        equal = sum(p is not None and p <= alpha for p in test.p)
        everywhere = "-" if test.p_everywhere is None else p_value(test.p_everywhere)
        yield f"equivalent within {test.margin:g} in {equal} of {len(test.p)} configurations; everywhere p {everywhere}"


def method_test_sentence(test: MethodTest) -> str:
    """Inferred: whether two methods say yes equally often."""
    return (
        f"{name_text(test.first)} and {name_text(test.second)} ({name_text(test.factor)}) on {name_text(test.model)} say yes "
        f"unequally often in {test.n_differing} of {test.n_configurations} comparisons (McNemar, Holm; smallest p "
        f"{p_value(test.p_least)})"
    )


def effects_shown(effects: tuple[NamedEffect, ...]) -> tuple[NamedEffect, ...]:
    """The largest effects, largest first."""
    return tuple(sorted(effects, key=lambda effect: -effect.size)[:MOST_LISTED])


def p_value(value: float) -> str:
    """A p-value with four decimals, or below the smallest of them."""
    return "< 0.0001" if value < 0.0001 else f"{value:.4f}"
