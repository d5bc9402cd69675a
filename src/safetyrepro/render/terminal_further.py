"""What follows from an analysis beyond counts, as text: how far orders reach, what moves them, what failures can do.

By default a few lines for the pairs whose order reverses most; with ``full`` everything that was found.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from safetyrepro.render.console import clean, settings_text

if TYPE_CHECKING:
    from rich.console import Console

    from safetyrepro.analysis import Analysis
    from safetyrepro.attribute import Attributed
    from safetyrepro.boosted import PairBoosted
    from safetyrepro.effects import PairEffects
    from safetyrepro.inference import PairInference
    from safetyrepro.methods import BenchmarkMethods
    from safetyrepro.policies import BenchmarkPolicies, PairPolicies
    from safetyrepro.ranking import Ranking
    from safetyrepro.robustness import LeftOutFactor, PairRobustness
    from safetyrepro.stats.robust_verdicts import RobustVerdicts

BAR = 24
"""Letters of a full bar."""
MOST_LISTED = 6
"""Entries of a list that are printed unless everything is asked for."""
WORDS = {True: "yes", False: "no", None: "open"}


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
    chosen = _chosen(analysis, name, pairs, full=full)
    further, attribution = analysis.further.get(name), analysis.attribution.get(name)
    if further and further.ranking and (full or len(analysis.benchmarks[name].models) > 2):
        _print_ranking(console, further.ranking, full=full)
    for place in chosen:
        lines = list(_robustness_lines(further.pairs[place], full=full)) if further and further.pairs else []
        if attribution and attribution.pairs:
            lines += _attributed_lines(attribution.pairs[place].difference, full=full)
        if name in analysis.boosted and analysis.boosted[name].pairs:
            lines.append(_boosted_line(analysis.boosted[name].pairs[place]))
        _print_pair(console, analysis, name, place, lines)
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
        for line in _inferred_lines(pair, alpha=support.alpha if support else 0.0):
            console.print(f"  {clean(pair.a, 60)} / {clean(pair.b, 60)}: {line}")
    if not full or effects is None:
        return
    for test in analysis.method_tests.get(name, ()):
        console.print(
            f"  {clean(test.first)} and {clean(test.second)} ({clean(test.factor)}) on {clean(test.model, 60)} say yes unequally often in "
            f"{test.n_differing} of {test.n_configurations} comparisons (McNemar, Holm; smallest p {_p_value(test.p_least)})"
        )
    if effects.skipped:
        console.print(f"[dim]Sizes of effects are left out: {clean(effects.skipped, 300)}.[/dim]")
    for place in _chosen(analysis, name, pairs, full=full) if effects.pairs else ():
        _print_effects(console, effects.pairs[place], level=effects.level)


def _print_methods(console: Console, methods: BenchmarkMethods) -> None:
    for entry in methods.agreements:
        least = entry.least
        kappa = "no kappa" if least.kappa is None else f"kappa {least.kappa:.2f}"
        console.print(
            f"  {clean(entry.first)} and {clean(entry.second)} ({clean(entry.factor)}) on {clean(entry.model, 60)}: least agreement {kappa} "
            f"(both {least.n_both}, first only {least.n_first_only}, second only {least.n_second_only}, neither {least.n_neither}) of "
            f"{entry.n_configurations} comparisons"
        )
    if methods.skipped:
        console.print(f"[dim]Methods are not compared: {clean(methods.skipped, 300)}.[/dim]")


def print_joint(console: Console, analysis: Analysis) -> None:
    """Print what each pair does on several benchmarks at once."""
    for pair in analysis.joint:
        reversed_on = ", ".join(clean(name) for name in pair.with_reversal) or "none"
        console.print(
            f"[bold]{clean(pair.a)}[/bold] against [bold]{clean(pair.b)}[/bold] on {len(pair.benchmarks)} benchmarks with the same "
            f"factors, {pair.n_configurations} shared configurations: reverses on {reversed_on}; flip rate on some "
            f"{pair.some_flip_rate:.3f}, on all {pair.all_flip_rate:.3f}, of their average {pair.average_flip_rate:.3f}"
        )


def _chosen(analysis: Analysis, name: str, most: int, *, full: bool) -> list[int]:
    """Places of the pairs that reverse most; with `full` the others follow."""
    verdicts = analysis.benchmarks[name].pairs
    places = [place for place, verdict in enumerate(verdicts) if full or verdict.reversal]
    return sorted(places, key=lambda place: -min(verdicts[place].n_plus, verdicts[place].n_minus))[:most]


def _print_pair(console: Console, analysis: Analysis, name: str, place: int, lines: Sequence[str]) -> None:
    if lines:
        verdict = analysis.benchmarks[name].pairs[place]
        console.print(f"  {clean(verdict.a, 60)} / {clean(verdict.b, 60)}:")
        for line in lines:
            console.print(f"    {line}")


def _robustness_lines(pair: PairRobustness, *, full: bool) -> Iterator[str]:
    reference = pair.reference
    if reference is not None and reference.radius is not None:
        sets = [" + ".join(clean(factor) for factor in factors) for factors in reference.minimal_sets]
        shown = sets if full else sets[:MOST_LISTED]
        rest = f" and {len(sets) - len(shown)} more" if len(sets) > len(shown) else ""
        yield f"from {settings_text(reference.settings)} the order turns by changing {' or '.join(shown)}{rest}"
    if pair.radii:
        told = ", ".join(f"{entry.radius} in {entry.n_references}" for entry in pair.radii)
        yield f"factors to change before the other is ahead: {told} of {pair.n_references} configurations"
    if full:
        yield f"{clean(pair.a)} is ahead: {_senses(pair.a_ahead)}"
        yield f"{clean(pair.b)} is ahead: {_senses(pair.b_ahead)}"
        yield from (_left_out_line(factor) for factor in pair.left_out)
        if pair.grid_limit is not None:
            yield (
                f"at most {pair.grid_limit.upper_count} of {pair.grid_limit.n_cells} cells of the grid have the minority's order (95 %, "
                "had the evaluated ones been drawn at random)"
            )


def _senses(verdicts: RobustVerdicts) -> str:
    told = (
        ("everywhere", verdicts.all_strict),
        ("nowhere behind", verdicts.all_weak),
        ("mostly", verdicts.majority),
        ("on average", verdicts.mean),
        ("in the worst case", verdicts.worst_case),
        ("whatever the configurations", verdicts.dominance),
    )
    return ", ".join(f"{sense} {WORDS[word]}" for sense, word in told)


def _left_out_line(factor: LeftOutFactor) -> str:
    opposing = [clean(level.level) for level in factor.levels if level.opposes]
    named = f" ({', '.join(opposing)})" if opposing else ""
    return (
        f"{clean(factor.factor)}: {len(opposing)} of {len(factor.levels)} levels oppose the rest{named}, {factor.n_surprising} alone "
        f"make a reversal; a new level may with a chance of up to {factor.new_level.upper:.0%}"
    )


def _attributed_lines(found: Attributed, *, full: bool) -> list[str]:
    """Bars of the factors, or of the terms where shares of factors do not exist."""
    entries = [(clean(entry.factor), entry.shapley) for entry in found.factors]
    if not entries:
        entries = [(" x ".join(clean(factor) for factor in term.factors), term.share) for term in found.terms]
    bars = [(label, share) for label, share in entries if share is not None]
    if not bars:
        return []
    exact = "exact" if found.factors else f"Type II, {clean(found.reason)}"
    shown = sorted(bars, key=lambda bar: -bar[1])
    lines = [f"what moves the difference ({exact}; spread {found.total_size:.4f}):"]
    width = max(len(label) for label, _ in shown)
    for label, share in shown if full else shown[:MOST_LISTED]:
        lines.append(f"  {label:<{width}} {share:>4.0%} {'█' * round(max(0.0, min(1.0, share)) * BAR)}")
    if full and found.factors:
        terms = sorted(found.terms, key=lambda term: -(term.share or 0.0))[:MOST_LISTED]
        told = ", ".join(f"{' x '.join(clean(factor) for factor in term.factors)} {term.share or 0.0:.0%}" for term in terms)
        lines.append(f"  largest terms: {told}")
    return lines


def _boosted_line(pair: PairBoosted) -> str:
    if pair.reason:
        return f"boosted trees: withheld, {clean(pair.reason)}"
    told = ", ".join(f"{clean(entry.factor)} {entry.share:.0%}" for entry in sorted(pair.shares, key=lambda one: -one.share))
    return f"boosted trees (cross-validated R squared {pair.cross_validated_r2 or 0.0:.2f}): {told}"


def _print_ranking(console: Console, ranking: Ranking, *, full: bool) -> None:
    robust, majority = ranking.robust, ranking.majority
    if robust is not None:
        edges = [f"{clean(a, 40)} > {clean(b, 40)}" for a, b in robust.edges]
        shown = edges if full else edges[:MOST_LISTED]
        rest = f" and {len(edges) - len(shown)} more" if len(edges) > len(shown) else ""
        console.print(
            f"Agreed by all {robust.n_configurations} complete configurations: {', '.join(shown) or 'nothing'}{rest}; "
            f"{robust.n_undecided_pairs} of {robust.n_pairs} pairs undecided"
        )
    if majority is not None and majority.cycles:
        told = "; ".join(" > ".join(clean(name, 40) for name in (*cycle, cycle[0])) for cycle in majority.cycles)
        console.print(f"[yellow]The majority goes in a circle: {told}[/yellow]")
    if full:
        _print_full_ranking(console, ranking)


def _print_full_ranking(console: Console, ranking: Ranking) -> None:
    robust, majority, strengths = ranking.robust, ranking.majority, ranking.bradley_terry
    if robust is not None:
        places = ", ".join(f"{clean(entry.model, 40)} {entry.lowest}-{entry.highest}" for entry in robust.ranks)
        console.print(f"Places left open: {places}")
        console.print(
            f"Nothing stands above everywhere: {len(robust.can_be_first)} of {len(robust.ranks)} "
            f"({', '.join(clean(name, 40) for name in robust.can_be_first)})"
        )
    if majority is not None and majority.kemeny_order is not None:
        order = " > ".join(clean(name, 40) for name in majority.kemeny_order)
        console.print(
            f"Fewest verdicts overruled (Kemeny): {order}; {majority.kemeny_cost} overruled, {majority.kemeny_floor} by any order"
        )
    if strengths.strengths:
        told = ", ".join(f"{clean(entry.model, 40)} {entry.log_strength:+.2f}" for entry in strengths.strengths)
        console.print(f"Bradley-Terry log strengths, configurations as voters: {told}")
    elif strengths.reason:
        console.print(f"[dim]No Bradley-Terry strengths: {clean(strengths.reason, 300)}.[/dim]")


def _print_policies(console: Console, policies: BenchmarkPolicies, *, full: bool) -> None:
    depending = [pair for pair in policies.pairs if pair.depends]
    console.print(
        f"{policies.n_unparsed} of {policies.n_records} answers could not be read, {policies.n_failed} failed: the order of "
        f"{len(depending)} of {len(policies.pairs)} pairs depends on how they count"
    )
    for pair in depending if full else depending[:MOST_LISTED]:
        console.print(f"  [yellow]{clean(pair.a, 60)} / {clean(pair.b, 60)}: {clean(pair.sentence, 400)}[/yellow]")
    for pair in policies.pairs if full else ():
        console.print(f"  {clean(pair.a, 60)} / {clean(pair.b, 60)}: {_bounds_text(pair)}")


def _bounds_text(pair: PairPolicies) -> str:
    if pair.no_bounds:
        return f"no bounds: {clean(pair.no_bounds)}"
    if not pair.bounds:
        return "every item asked of both has a score"
    widest = max(pair.bounds, key=lambda entry: entry.high - entry.low)
    return (
        f"in {pair.n_open} configurations the order could be another one, whatever was observed; widest {widest.low:+.4f} to "
        f"{widest.high:+.4f}"
    )


def _inferred_lines(pair: PairInference, *, alpha: float) -> Iterator[str]:
    if pair.unresolved_because:
        yield f"[yellow]unresolved: {clean(pair.unresolved_because, 400)}[/yellow]"
    if pair.placebo is not None and pair.placebo.rate is not None:
        yield (
            f"repeats alone turn the order in {pair.placebo.n_opposed} of {pair.placebo.n_pairs} pairs of repeats: placebo flip rate "
            f"{pair.placebo.rate:.3f}"
        )
    test = pair.equivalence
    if test is not None:
        equal = sum(p is not None and p <= alpha for p in test.p)
        everywhere = "-" if test.p_everywhere is None else _p_value(test.p_everywhere)
        yield f"equivalent within {test.margin:g} in {equal} of {len(test.p)} configurations; everywhere p {everywhere}"


def _p_value(value: float) -> str:
    return "< 0.0001" if value < 0.0001 else f"{value:.4f}"


def _print_effects(console: Console, pair: PairEffects, *, level: float) -> None:
    if not pair.effects:
        return
    console.print(
        f"  {clean(pair.a, 60)} / {clean(pair.b, 60)}: sizes of effects in points, {level:.0%} intervals, {pair.n_units} units"
    )
    for effect in sorted(pair.effects, key=lambda effect: -effect.size)[:MOST_LISTED]:
        label = " x ".join(clean(factor) for factor in effect.factors)
        console.print(
            f"    {label}: {effect.size:.4f} [dim]({effect.low:.4f} to {effect.high:.4f}; less noise {effect.corrected_size:.4f})[/dim]"
        )
