"""`safetyrepro defaults`: who ships which level of a benchmark."""

from __future__ import annotations

import json as json_text
from typing import Annotated

import typer


def defaults(
    benchmark: Annotated[str, typer.Argument(help="truthfulqa, bbq, toxigen, crows_pairs or xstest.")],
    *,
    factor: Annotated[str | None, typer.Option("--factor", help="A,B: only these factors.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one object for each level and source.")] = False,
) -> None:
    """Show who ships which template, examples, separator, scoring rule, decoding and data edition: package, version, file.

    Checked means that our rendering equals what the package itself sent to a model, item by item; read, that its source was
    read; own, that no package ships it. A star marks the level that a study gets unless it names another.
    """
    from dataclasses import asdict

    from safetyrepro.atlas import practices
    from safetyrepro.benchmarks import benchmark_module
    from safetyrepro.options import parse_names
    from safetyrepro.render.grid import print_grid

    module = benchmark_module(benchmark)
    rows = practices(module, parse_names(factor))
    if json:
        typer.echo(json_text.dumps([asdict(row) for row in rows], indent=1, ensure_ascii=False))
        return
    counts = {word: sum(row.evidence == word for row in rows) for word in ("checked", "read", "own")}
    print_grid(
        f"{module.TITLE}: who ships which level",
        ("factor", "level", "who ships it", "evidence"),
        [(row.factor, f"{row.level}{' *' if row.default else ''}", row.place, row.evidence) for row in rows],
        n_fixed=2,
        notes=(
            ", ".join(f"{count} {word}" for word, count in counts.items()) + ".  * what a study gets unless it names another.",
            f"Licence of the data: {module.SOURCE.licence}. {module.SOURCE.citation}",
        ),
    )
