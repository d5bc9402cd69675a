"""A plan as text that is pleasant to read, eighty columns wide; whatever came from outside is printed as inert text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from safetyrepro.render.console import clean

if TYPE_CHECKING:
    from rich.table import Table

    from safetyrepro.costs import BenchmarkCost
    from safetyrepro.plan import Plan

LAST_EXACT = 3
"""Place of the last number that is counted also where no tokenizer is at hand."""
UNITS = {10**12: " T", 10**9: " G", 10**6: " M", 10**3: " k"}
"""Of estimates."""


def print_plan(plan: Plan, costs: Sequence[BenchmarkCost]) -> None:
    """Print a plan: what is varied, what is left out, and what it costs."""
    from rich.console import Console

    console = Console(highlight=False)
    study = plan.study
    console.print(f"\n[bold]{clean(study.name)}[/bold]  {clean(study.question, 400)}")
    console.print(
        f"{len(study.models)} models, {len(plan.benchmarks)} benchmarks, [bold]{plan.n_cells} cells[/bold], "
        f"{len(plan.loads)} loads, backend {clean(study.backend)}, seed {study.seed}"
    )
    unpinned = ", ".join(clean(model.name) for model in study.models if model.unpinned)
    if unpinned:
        console.print(f"[yellow]unpinned: {unpinned}; the first run fixes the revision in study.lock.json[/yellow]")
    for benchmark in plan.benchmarks:
        envelope = benchmark.envelope
        console.print(
            f"\n[bold]{clean(benchmark.spec.name)}[/bold]: {len(envelope)} configurations "
            f"({len(envelope.core)} core), {len(benchmark.items) or 'no'} items at hand, edition {clean(benchmark.data.edition)}"
        )
        for note in benchmark.data.notes:
            console.print(f"    [yellow]{clean(note, 300)}[/yellow]")
        for factor in envelope.factors:
            stage = factor.stage.name if factor.stage is not None else "-"
            names = ", ".join(clean(name) for name in factor.names)
            console.print(f"  {'·' if len(factor.levels) > 1 else ' '} {factor.name:<16} [dim]{stage:<6}[/dim] {names}")
        for entry in envelope.exclusions:
            console.print(f"    [yellow]left out: {entry.count} configurations; {clean(entry.reason)}[/yellow]")
    console.print()
    console.print(_cost_table(costs))
    console.print(f"\n[dim]{_table_note(costs)}{_tokens_note(costs)}[/dim]\n")


def _tokens_note(costs: Sequence[BenchmarkCost]) -> str:
    """How the tokens of a plan were counted."""
    by = {cost.tokens_by.value for cost in costs if cost.n_items}
    rules = {
        "tokenizer": "tokens are counted by the models' own tokenizers",
        "part": "~ scaled from a part that was tokenized",
        "characters": "~ estimated as characters / 4, since the tokenizer is not at hand",
    }
    told = [rule for name, rule in rules.items() if name in by]
    return f"Requests are counted exactly; {'; '.join(told)}." if told else "No data are at hand: nothing is counted."


def _cost_table(costs: Sequence[BenchmarkCost]) -> Table:
    from rich import box
    from rich.table import Table

    grouped = _by_benchmark(costs)
    merged = _asked_alike(grouped)
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=0)
    table.add_column("benchmark" if merged else "benchmark\n  load", overflow="fold", min_width=11)
    for title in ("cells", "prompt\ncells", "requests\nunshared", "requests", "tokens\nunshared", "tokens", "tokens\nlimit"):
        table.add_column(title, justify="right", no_wrap=True)
    for name, rows in grouped.items():
        if merged:
            table.add_row(clean(name), *_figures(rows[:1]))
        else:
            table.add_row(clean(name))
            for row in rows:
                table.add_row(f"  {clean(row.model)}", *_figures([row]))
    if len(costs) > 1 and all(cost.n_items for cost in costs):
        table.add_section()
        table.add_row("all loads", *_figures(costs), style="bold")
    return table


def _table_note(costs: Sequence[BenchmarkCost]) -> str:
    """What a row stands for, where it is not one loading."""
    grouped = _by_benchmark(costs)
    n_loads = max((len(rows) for rows in grouped.values()), default=0)
    return (
        f"A row is of one load; each of the {n_loads} loads is asked the same. "
        if n_loads > 1 and _asked_alike(grouped)
        else ""
    )


def _asked_alike(grouped: Mapping[str, Sequence[BenchmarkCost]]) -> bool:
    """Whether a benchmark costs the same in every load."""
    return all(len({_numbers(row) for row in rows}) == 1 for rows in grouped.values())


def _by_benchmark(costs: Sequence[BenchmarkCost]) -> dict[str, list[BenchmarkCost]]:
    grouped: dict[str, list[BenchmarkCost]] = {}
    for cost in costs:
        grouped.setdefault(cost.benchmark, []).append(cost)
    return grouped


def _figures(costs: Sequence[BenchmarkCost]) -> tuple[str, ...]:
    """The numbers of one load, or their sums over several; a sum of which a part is unknown is unknown."""
    estimated = any(cost.tokens_limit is None for cost in costs)
    sums = [None if None in column else sum(filter(None, column)) for column in zip(*map(_numbers, costs), strict=True)]
    return tuple(_figure(number, estimated=estimated and place > LAST_EXACT) for place, number in enumerate(sums))


def _figure(number: int | None, *, estimated: bool) -> str:
    """A number of the table; what is unknown is a dash, an estimate has its mark and three digits."""
    if not number:
        return "-"
    if not estimated:
        return f"{number:,}"
    rounded = float(f"{number:.3g}")
    power = next((step for step in UNITS if rounded >= step), 1)
    return f"~{rounded / power:g}{UNITS.get(power, '')}"


def _numbers(cost: BenchmarkCost) -> tuple[int | None, ...]:
    return (
        cost.n_configurations,
        cost.n_prompt_cells,
        cost.requests_naive,
        cost.requests,
        cost.tokens_naive,
        cost.tokens,
        cost.tokens_limit,
    )
