"""Design studies as text: the sentence first, then what stands behind it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from safetyrepro.render.console import clean
from safetyrepro.render.text import counted

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from safetyrepro.design import BenchmarkDesign
    from safetyrepro.stats.dependability import VarianceComponents
    from safetyrepro.stats.design_study import DesignStudy

SHOWN_COLUMNS = 9


def print_designs(designs: Sequence[BenchmarkDesign]) -> None:
    """Print for each benchmark how large a study has to be."""
    from rich.console import Console

    console = Console(highlight=False)
    for design in designs:
        _print_design(console, design)
    if all(design.skipped for design in designs):
        return
    console.print(
        "[dim]Agreement is with the sign of this grid, drawn from this grid: new templates and new items vary more. The standard "
        "deviation of a difference takes items and configurations as samples.[/dim]\n"
    )


def _print_design(console: Console, design: BenchmarkDesign) -> None:
    left = f" ({design.n_items_left_out} that some cell lacks are left out)" if design.n_items_left_out else ""
    absent = (
        f" ({design.n_configurations_left_out} without all scores are left out)" if design.n_configurations_left_out else ""
    )
    items = counted(design.n_items, "item") if design.n_items else "no items"
    console.print(
        f"\n[bold]{clean(design.name)}[/bold]: {counted(len(design.models), 'model')}, {_groups(design.n_groups, design.group)}"
    )
    console.print(f"{counted(design.n_configurations, 'configuration')}{absent}, {items}{left}")
    if design.skipped:
        console.print(f"[yellow]No answer: {clean(design.skipped, 300)}.[/yellow]")
        return
    console.print(f"[bold]{clean(design.sentence[:1].upper() + design.sentence[1:], 400)}.[/bold]")
    if design.study is not None and design.cheapest is not None:
        console.print(_agreement_table(design.study, design.group))
    if design.components is not None:
        _print_components(console, design, design.components)


def _groups(count: int, factor: str) -> str:
    return f"1 {clean(factor, 20)}" if count == 1 and not factor.endswith("s") else f"{count} {_plural(factor)}"


def _plural(factor: str) -> str:
    """What is drawn, as many of it: templates, but levels of shots."""
    return f"levels of {clean(factor, 20)}" if factor.endswith("s") else f"{clean(factor, 20)}s"


def _agreement_table(study: DesignStudy, group: str) -> Table:
    from rich import box
    from rich.table import Table

    items = sorted({point.n_items for point in study.points})
    shown = items if len(items) <= SHOWN_COLUMNS else [*items[:: -(-len(items) // (SHOWN_COLUMNS - 1))], items[-1]]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), title="share of draws that agree", title_justify="left")
    table.add_column(f"{_plural(group)} \\ items", justify="right")
    for size in dict.fromkeys(shown):
        table.add_column(str(size), justify="right", no_wrap=True)
    by_size = {(point.n_groups, point.n_items): point.agreement for point in study.points}
    for groups in sorted({point.n_groups for point in study.points}):
        row = (by_size[groups, size] for size in dict.fromkeys(shown))
        table.add_row(str(groups), *("-" if value is None else f"{value:.3f}" for value in row))
    return table


def _print_components(console: Console, design: BenchmarkDesign, components: VarianceComponents) -> None:
    assert design.sampled is not None
    assert design.fixed is not None
    console.print(
        f"Standard deviation of a difference at this size: [bold]{design.sampled.sd_of_difference:.4f}[/bold] if configurations are a "
        f"sample, {design.fixed.sd_of_difference:.4f} if these are all that is spoken of."
    )
    parts = (
        ("model", components.model),
        ("item", components.item),
        ("configuration", components.configuration),
        ("model x item", components.model_item),
        ("model x configuration", components.model_configuration),
        ("item x configuration", components.item_configuration),
        ("rest", components.residual),
    )
    console.print("  variance components: " + ", ".join(f"{name} {value:.5f}" for name, value in parts))
    if design.sampled.generalizability is not None and design.sampled.phi is not None:
        console.print(f"  generalizability {design.sampled.generalizability:.2f}, dependability {design.sampled.phi:.2f}")
    elif design.sampled.reason:
        console.print(f"  [dim]no generalizability coefficient: {design.sampled.reason}[/dim]")
    told = ", ".join(f"{entry.gap:g} needs {_number(entry.n_items)}" for entry in design.gaps)
    console.print(
        f"  items until a gap stands out of its error (1.64 SD) with {design.n_configurations} configurations: {told}"
    )


def _number(value: int | None) -> str:
    return "more configurations" if value is None else f"{value}"
