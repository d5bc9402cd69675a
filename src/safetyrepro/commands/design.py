"""`safetyrepro design`: how many templates and items the next study needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from safetyrepro.parameters import Seed, StoreArgument

if TYPE_CHECKING:
    from safetyrepro.store import Store


def design(
    store: StoreArgument,
    *,
    benchmark: Annotated[str | None, typer.Option("--benchmark", help="Only this benchmark.")] = None,
    pair: Annotated[str | None, typer.Option("--pair", help="A,B: only these two models. Default: all.")] = None,
    group: Annotated[
        str | None,
        typer.Option("--group", help="Factor whose levels are drawn whole. Default: template, or else each configuration."),
    ] = None,
    target: Annotated[float, typer.Option("--target", min=0.5, max=1.0, help="Wanted share of agreeing draws.")] = 0.95,
    draws: Annotated[int, typer.Option("--draws", min=1, help="Random orders of templates and items.")] = 1_000,
    seed: Seed = 0,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say at how many templates and items a smaller study would have given the sign of this one, and how large its error is."""
    from safetyrepro.analysis import AnalysisOptions, check_options, score_table
    from safetyrepro.design import BenchmarkDesign, DesignOptions, plan_sizes
    from safetyrepro.options import parse_names
    from safetyrepro.render.designs import print_designs
    from safetyrepro.store import open_store

    opened = open_store(store)
    reading = AnalysisOptions(models=parse_names(pair), benchmarks=(benchmark,) if benchmark else (), inference=None)
    check_options(opened, reading)
    _check_group(opened, group)
    options = DesignOptions(group=group, target=target, draws=draws, seed=seed)
    found = tuple(
        plan_sizes(score_table(opened, entry, entry.estimands[0], reading), options, name=entry.name)
        for entry in opened.manifest.benchmarks
        if benchmark in (None, entry.name)
    )
    if json:
        from pydantic import TypeAdapter

        typer.echo(TypeAdapter(tuple[BenchmarkDesign, ...]).dump_json(found, indent=1).decode())
    else:
        print_designs(found)


def _check_group(store: Store, group: str | None) -> None:
    """A factor that no benchmark has would be accepted and ignored."""
    from safetyrepro.errors import StoreError

    names = {factor.name for entry in store.manifest.benchmarks for factor in entry.envelope.factors}
    if group is not None and group not in names:
        raise StoreError(
            str(store.folder),
            found=f"holds no factor '{group}'",
            expected=f"one of {', '.join(sorted(names)) or '(none)'}",
            remedy="Correct --group.",
        )
