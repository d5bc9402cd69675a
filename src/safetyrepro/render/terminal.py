"""Stores, analyses and cards as text that is pleasant to read; whatever came from outside is printed as inert text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from safetyrepro.render.console import clean, settings_text
from safetyrepro.render.text import counted, items_text, lead_text
from safetyrepro.verdicts import Order, Verdict, Witness

if TYPE_CHECKING:
    from rich.table import Table

    from safetyrepro.analysis import Analysis, BenchmarkAnalysis
    from safetyrepro.card import GridCard
    from safetyrepro.inference import BenchmarkInference, PairInference
    from safetyrepro.render.files import CardPaths
    from safetyrepro.store import Store


def order_strip(verdict: Verdict) -> str:
    """One mark for each configuration: ``+`` A ahead, ``-`` B ahead, ``=`` tie, ``?`` missing."""
    colours = {Order.A_AHEAD: "green", Order.B_AHEAD: "red", Order.TIE: "yellow", Order.MISSING: "dim"}
    return "".join(f"[{colours[entry.order]}]{entry.order.value}[/]" for entry in verdict.configurations)


_INFERRED = (
    " p is of a reversal among items like these; n+ and n- are the configurations whose order the items support; MDD is the "
    "difference they could have shown."
)


def print_analysis(analysis: Analysis, *, pairs: int = 6, every_estimand: bool = False, full: bool = False) -> None:
    """Print an analysis: for each benchmark what is observed, the widest witnesses, and apart from it what the items can bear.

    Parameters
    ----------
    analysis : Analysis
        What to print.
    pairs : int
        Pairs to print in full.
    every_estimand : bool
        Whether to print every estimand, not only the primary ones.
    full : bool
        Whether to print all that was found, not only what most readers ask next.
    """
    from rich.console import Console

    from safetyrepro.render.terminal_further import print_further, print_inferred, print_joint

    console = Console(highlight=False)
    state = "" if analysis.complete else "  [yellow](incomplete: some planned cells have no record)[/yellow]"
    console.print(f"\n[bold]{clean(analysis.study)}[/bold]{state}")
    shown = {name: result for name, result in analysis.benchmarks.items() if result.primary or every_estimand}
    for name, benchmark in shown.items():
        _print_benchmark(console, name, benchmark, pairs)
        print_further(console, analysis, name, pairs=pairs, full=full)
        if name in analysis.support:
            _print_support(console, analysis.support[name])
        print_inferred(console, analysis, name, pairs=pairs, full=full)
    if full:
        print_joint(console, analysis)
    hidden = [name for name in analysis.benchmarks if name not in shown]
    if hidden:
        console.print(f"\n[dim]Further estimands with --estimands: {', '.join(clean(name) for name in hidden)}[/dim]")
    inferred = any(analysis.support[name].pairs for name in shown if name in analysis.support)
    console.print(
        "[dim]Counts, orders and witnesses are facts about these scores."
        f"{_INFERRED if inferred else ''}\n"
        "A verdict is read inside its envelope: nothing is claimed about configurations that were not run.[/dim]\n"
    )


def _print_benchmark(console: object, name: str, benchmark: BenchmarkAnalysis, pairs: int) -> None:
    from rich.console import Console

    assert isinstance(console, Console)
    reversed_pairs = [pair for pair in benchmark.pairs if pair.reversal]
    about = clean(benchmark.estimand.about.rstrip("."))
    head = f"{clean(name)}  [dim]{benchmark.estimand.name}: {about}; {benchmark.estimand.orientation} is safer[/dim]"
    console.print(f"\n[bold]{head}[/bold]")
    console.print(
        f"{counted(len(benchmark.models), 'model')}, {counted(len(benchmark.configurations), 'configuration')}, "
        f"{items_text(benchmark.n_items, benchmark.n_clusters)}"
    )
    if not benchmark.pairs:
        console.print("One model: there is no pair to compare.")
        return
    console.print(
        f"A reversal is observed in [bold]{len(reversed_pairs)} of {len(benchmark.pairs)}[/bold] pairs.{_unseen(benchmark)}"
    )
    console.print(_pair_table(benchmark.pairs))
    widest = sorted(reversed_pairs, key=lambda pair: -min(pair.n_plus, pair.n_minus))[:pairs]
    for verdict in widest:
        _print_witness(console, verdict)
    _print_orderings(console, benchmark)


def _unseen(benchmark: BenchmarkAnalysis) -> str:
    """Why an absent reversal says little: one configuration, or pairs that no configuration measured together."""
    if len(benchmark.configurations) == 1:
        return " There is one configuration, and an order can change only between two."
    apart = sum(not pair.n_known for pair in benchmark.pairs)
    return f" {counted(apart, 'pair')} share no configuration in which both have a score." if apart else ""


def _pair_table(verdicts: Sequence[Verdict]) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    table.add_column("A against B", overflow="fold", min_width=16)
    for title in ("A", "B", "tie", "miss", "flip rate", "minority"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("+ A ahead, - B ahead", overflow="fold", min_width=8)
    for verdict in verdicts:
        counts = (verdict.n_plus, verdict.n_minus, verdict.n_tie, verdict.n_missing)
        table.add_row(
            f"{clean(verdict.a, 60)} / {clean(verdict.b, 60)}",
            *(str(count) for count in counts),
            _rate(verdict.flip_rate),
            _rate(verdict.minority_rate),
            order_strip(verdict),
            style="bold" if verdict.reversal else "",
        )
    return table


def _print_support(console: object, support: BenchmarkInference) -> None:
    from rich.console import Console

    assert isinstance(console, Console)
    if not support.pairs:
        return
    family = f"; Holm over a family of {support.family_size} pairs" if support.family_size else ""
    console.print(f"[bold]What the items can bear[/bold] [dim](inferred, alpha {support.alpha:g}{family})[/dim]")
    console.print(_support_table(support))


def _support_table(support: BenchmarkInference) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    table.add_column("A against B", overflow="fold", min_width=16)
    for title in ("p", "Holm", "n+ >=", "n- >=", "MDD"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("the items support", min_width=28)
    for pair in support.pairs:
        table.add_row(
            f"{clean(pair.a, 60)} / {clean(pair.b, 60)}",
            _p_value(pair.p_reversal, pair),
            _p_value(pair.holm, None),
            _count(pair.supported_plus),
            _count(pair.supported_minus),
            _rate(pair.minimum_detectable_difference),
            pair.word.value,
        )
    return table


def _p_value(value: float | None, pair: PairInference | None) -> str:
    if value is None:
        return "-"
    if pair is not None and not pair.exhaustive and value <= 1 / pair.draws:
        return f"< {1 / pair.draws:g}"
    return f"{value:.4f}"


def _count(value: int | None) -> str:
    return "-" if value is None else str(value)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _rate(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _print_witness(console: object, verdict: Verdict) -> None:
    from rich.console import Console

    assert isinstance(console, Console)
    witness = verdict.witness
    assert witness is not None
    console.print(f"  [bold]{clean(verdict.a)}[/bold] against [bold]{clean(verdict.b)}[/bold], the widest witness:")
    for name, margin, settings in (
        (verdict.a, witness.margin_plus, witness.plus),
        (verdict.b, -witness.margin_minus, witness.minus),
    ):
        console.print(f"    {clean(name)} is ahead by {lead_text(margin)} under {settings_text(settings, witness.factors)}")
    console.print(f"    [dim]{_witness_note(witness, verdict)}[/dim]")


def _witness_note(witness: Witness, verdict: Verdict) -> str:
    parts = [f"the two differ in {', '.join(clean(name) for name in witness.factors)}"]
    flips = [entry for entry in verdict.one_factor_flip_rate if entry.n_opposed]
    if flips:
        told = ", ".join(f"{clean(entry.factor)} {entry.n_opposed} of {entry.n_pairs}" for entry in flips)
        parts.append(f"changing one factor alone reverses: {told} pairs of configurations")
    if witness.items is not None:
        parts.append(f"{len(witness.items.turned)} items turn from A to B")
    return "; ".join(parts)


def _print_orderings(console: object, benchmark: BenchmarkAnalysis) -> None:
    from rich.console import Console

    assert isinstance(console, Console)
    if len(benchmark.models) < 3 or not benchmark.orderings.n_complete:
        return
    orderings, w = benchmark.orderings, benchmark.concordance.kendall_w
    agreement = f"; Kendall's W {_rate(w)}" if orderings.n_complete > 1 else ""
    console.print(
        f"{_counted(orderings.distinct_weak, 'ordering')} of the models in {_counted(orderings.n_complete, 'complete configuration')} "
        f"({orderings.distinct_strict} without ties){agreement}"
    )
    for entry in orderings.counts[:4]:
        tiers = " > ".join(" = ".join(clean(name) for name in tier) for tier in entry.tiers)
        console.print(f"    {entry.n_configurations:>4} x  {tiers}")
    first = [model for model in benchmark.models if model.n_first]
    console.print(f"Can be first: {len(first)} of {len(benchmark.models)} ({', '.join(clean(model.name) for model in first)})")


def print_card(card: GridCard, paths: CardPaths) -> None:
    """Print the headline of a card and where it lies."""
    from rich.console import Console

    from safetyrepro.render.support import borne_sentence

    console = Console(highlight=False)
    console.print(f"\n[bold]{clean(card.question, 400)}[/bold]")
    for sentence in card.headline:
        console.print(f"  {clean(sentence, 600)}")
    if borne := borne_sentence(card):
        console.print(f"  What the items can bear, apart from these counts: {borne}")
    if card.note:
        console.print(f"[dim]{clean(card.note, 600)}[/dim]")
    console.print(f"\nThe card: {clean(str(paths.html), 400)}", soft_wrap=True)


def print_store(store: Store) -> None:
    """Print what a store holds and what to do with it."""
    from rich.console import Console

    console = Console(highlight=False)
    manifest = store.manifest
    rows = sum(part.rows for part in manifest.parts if part.kind == "records")
    of_items = any(entry.data.n_items for entry in manifest.benchmarks)
    records = counted(rows, "record") if of_items else f"{counted(rows, 'aggregate')} and no items"
    console.print(
        f"[bold]{clean(str(store.folder), 400)}[/bold]: {counted(len(manifest.models), 'model')}, {records}", soft_wrap=True
    )
    for entry in manifest.benchmarks:
        missing = f"; {entry.n_not_run} combinations of its levels were not run" if entry.n_not_run else ""
        items = counted(entry.data.n_items, "item") if entry.data.n_items else "aggregates only"
        console.print(f"  {clean(entry.name)}: {counted(len(entry.envelope), 'configuration')}, {items}{missing}")
        for label in entry.not_run[:3]:
            console.print(f"    [dim]not run: {clean(label)}[/dim]")
    console.print(f"Next: safetyrepro analyze {clean(str(store.folder), 400)}", soft_wrap=True)
