"""What follows from an analysis beyond counts, as text: how far orders reach, what moves them, what failures can do.

By default a few lines for the pairs whose order reverses most; with ``full`` everything that was found. The sentences are
those of `render.beyond`, which the page shares.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from safetyrepro.render import beyond
from safetyrepro.render.beyond import MOST_LISTED
from safetyrepro.render.console import clean

if TYPE_CHECKING:
    from rich.console import Console

    from safetyrepro.analysis import Analysis
    from safetyrepro.attribute import Attributed
    from safetyrepro.effects import PairEffects
    from safetyrepro.methods import BenchmarkMethods
    from safetyrepro.policies import BenchmarkPolicies
    from safetyrepro.ranking import Ranking

BAR = 24
"""Letters of a full bar."""
LONG = 2000
"""Longest sentence that is printed, in characters."""


def print_further(console: Console, analysis: Analysis, name: str, *, pairs: int, full: bool) -> None:
    """Print the deterministic half beyond counts and witnesses of one benchmark.

    Parameters
    ----------
    console : rich.console.Console
        Where to print.
    analysis : Analysis
        What was found.
    name : str
        Name by which the analysis calls the benchmark.
    pairs : int
        Most pairs to say more about.
    full : bool
        Whether to print all that was found.
    """
    if name in analysis.policies:
        _print_policies(console, analysis.policies[name], full=full)
    further, attribution = analysis.further.get(name), analysis.attribution.get(name)
    if further and further.ranking and (full or len(analysis.benchmarks[name].models) > 2):
        _print_ranking(console, further.ranking, full=full)
    for place in _chosen(analysis, name, pairs, full=full):
        _print_pair(console, analysis, name, place, _pair_lines(analysis, name, place, full=full))
    if name in analysis.boosted and analysis.boosted[name].skipped:
        console.print(f"[dim]Boosted trees were not grown: {clean(analysis.boosted[name].skipped, 300)}.[/dim]")
    if full and attribution and attribution.nesting:
        told = ", ".join(f"{clean(inner)} in {clean(outer)}" for inner, outer in attribution.nesting)
        console.print(f"[dim]Nested: {told}.[/dim]")
    if full and name in analysis.methods:
        _print_methods(console, analysis.methods[name])
    for note in (*(further.skipped if further else ()), attribution.skipped if attribution else ""):
        if full and note:
            console.print(f"[dim]Left out: {clean(note, 300)}.[/dim]")


def print_inferred(console: Console, analysis: Analysis, name: str, *, pairs: int, full: bool) -> None:
    """Print what is inferred beyond p-values and words: floors, equivalence, sizes of effects.

    Parameters
    ----------
    console, analysis, name, pairs, full
        As in `print_further`.
    """
    support, effects = analysis.support.get(name), analysis.effects.get(name)
    for pair in support.pairs if support else ():
        lines = [clean(line, LONG) for line in beyond.inferred_sentences(pair, alpha=support.alpha if support else 0.0)]
        if pair.unresolved_because:
            lines.insert(0, f"[yellow]unresolved: {clean(pair.unresolved_because, 400)}[/yellow]")
        for line in lines:
            console.print(f"  {clean(pair.a, 60)} / {clean(pair.b, 60)}: {line}")
    if not full or effects is None:
        return
    for test in analysis.method_tests.get(name, ()):
        console.print(f"  {clean(beyond.method_test_sentence(test), LONG)}")
    if effects.skipped:
        console.print(f"[dim]Sizes of effects are left out: {clean(effects.skipped, 300)}.[/dim]")
    for place in _chosen(analysis, name, pairs, full=full) if effects.pairs else ():
        _print_effects(console, effects.pairs[place], level=effects.level)


def print_joint(console: Console, analysis: Analysis) -> None:
    """Print what each pair does on several benchmarks at once."""
    for pair in analysis.joint:
        told = clean(beyond.joint_sentence(pair), LONG)
        console.print(f"[bold]{clean(pair.a)}[/bold] against [bold]{clean(pair.b)}[/bold] {told}")


def _print_methods(console: Console, methods: BenchmarkMethods) -> None:
    for entry in methods.agreements:
        console.print(f"  {clean(beyond.agreement_sentence(entry), LONG)}")
    if methods.skipped:
        console.print(f"[dim]Methods are not compared: {clean(methods.skipped, 300)}.[/dim]")


def _chosen(analysis: Analysis, name: str, most: int, *, full: bool) -> list[int]:
    """Places of the pairs that reverse most; with `full` the others follow."""
    verdicts = analysis.benchmarks[name].pairs
    places = [place for place, verdict in enumerate(verdicts) if full or verdict.reversal]
    return sorted(places, key=lambda place: -min(verdicts[place].n_plus, verdicts[place].n_minus))[:most]


def _pair_lines(analysis: Analysis, name: str, place: int, *, full: bool) -> list[str]:
    further, attribution = analysis.further.get(name), analysis.attribution.get(name)
    lines: list[str] = []
    if further and further.pairs:
        lines += [clean(line, LONG) for line in beyond.robustness_sentences(further.pairs[place], full=full)]
    if attribution and attribution.pairs:
        lines += _attributed_lines(attribution.pairs[place].difference, full=full)
    if name in analysis.boosted and analysis.boosted[name].pairs:
        lines.append(clean(beyond.boosted_sentence(analysis.boosted[name].pairs[place]), LONG))
    return lines


def _print_pair(console: Console, analysis: Analysis, name: str, place: int, lines: Sequence[str]) -> None:
    if lines:
        verdict = analysis.benchmarks[name].pairs[place]
        console.print(f"  {clean(verdict.a, 60)} / {clean(verdict.b, 60)}:")
        for line in lines:
            console.print(f"    {line}")


def _attributed_lines(found: Attributed, *, full: bool) -> list[str]:
    """Bars of the factors, or of the terms where shares of factors do not exist."""
    bars = beyond.shares(found)
    if not bars:
        return []
    lines = [f"what moves the difference ({clean(beyond.shares_how(found), 400)}):"]
    width = max(len(bar.label) for bar in bars)
    for bar in bars if full else bars[:MOST_LISTED]:
        drawn = "█" * round(max(0.0, min(1.0, bar.share)) * BAR)
        lines.append(f"  {clean(f'{bar.label:<{width}}')} {bar.share:>4.0%} {drawn}")
    terms = beyond.terms_sentence(found)
    if full and terms:
        lines.append(f"  {clean(terms, LONG)}")
    return lines


def _print_ranking(console: Console, ranking: Ranking, *, full: bool) -> None:
    agreed, circle = beyond.agreed_sentence(ranking, full=full), beyond.circle_sentence(ranking)
    if agreed:
        console.print(clean(agreed, LONG))
    if circle:
        console.print(f"[yellow]{clean(circle, LONG)}[/yellow]")
    for line in beyond.ranking_sentences(ranking) if full else ():
        console.print(clean(line, LONG))


def _print_policies(console: Console, policies: BenchmarkPolicies, *, full: bool) -> None:
    console.print(clean(beyond.policies_sentence(policies), LONG))
    depending = [pair for pair in policies.pairs if pair.depends]
    for pair in depending if full else depending[:MOST_LISTED]:
        console.print(f"  [yellow]{clean(pair.a, 60)} / {clean(pair.b, 60)}: {clean(pair.sentence, 400)}[/yellow]")
    for pair in policies.pairs if full else ():
        console.print(f"  {clean(pair.a, 60)} / {clean(pair.b, 60)}: {clean(beyond.bounds_sentence(pair), LONG)}")


def _print_effects(console: Console, pair: PairEffects, *, level: float) -> None:
    if not pair.effects:
        return
    console.print(
        f"  {clean(pair.a, 60)} / {clean(pair.b, 60)}: sizes of effects in points, {level:.0%} intervals, {pair.n_units} units"
    )
    for effect in beyond.effects_shown(pair.effects):
        label = clean(beyond.term_text(effect.factors), 300)
        console.print(
            f"    {label}: {effect.size:.4f} [dim]({effect.low:.4f} to {effect.high:.4f}; less noise {effect.corrected_size:.4f})[/dim]"
        )
