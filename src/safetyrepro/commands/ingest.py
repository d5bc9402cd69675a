"""`safetyrepro ingest`: results of others into a store."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    no_args_is_help=True,
    help="Read results that somebody else measured into a store that analyze, card and gate treat like any other. With --dry-run "
    "nothing is written, and the number of files that were read and refused is printed.",
)


@app.command()
def table(
    file: Annotated[Path, typer.Argument(help="CSV (also .gz) or Parquet with the columns model, benchmark, item_id, score.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder of the new store. Default: results/NAME.")] = None,
    score_range: Annotated[
        list[str] | None, typer.Option("--range", help="BENCHMARK=LOW,HIGH, or LOW,HIGH for all. Default: 0,1.")
    ] = None,
    orientation: Annotated[
        list[str] | None,
        typer.Option("--orientation", help="BENCHMARK=higher|lower|target(T), or one word for all. Default: higher."),
    ] = None,
    envelope: Annotated[
        Path | None, typer.Option("--envelope", help="A study.yaml that declares a larger envelope, ranges and orientations.")
    ] = None,
) -> None:
    """Read a tidy table: one row for each item of a cell.

    Besides model, benchmark, item_id and score, the columns cluster, stratum, status and repeat are understood; every other
    column is a factor. An empty score is missing: it is neither zero nor a tie.

    Example:  safetyrepro ingest table results.csv -o results/mine && safetyrepro analyze results/mine
    """
    from safetyrepro.ingest import TableOptions, ingest_table
    from safetyrepro.options import parse_orientations, parse_ranges
    from safetyrepro.render.terminal import print_store
    from safetyrepro.study import read_study

    options = TableOptions(
        ranges=parse_ranges(score_range or []),
        orientations=parse_orientations(orientation or []),
        study=read_study(envelope) if envelope else None,
    )
    folder = out or Path("results") / file.name.split(".")[0]
    print_store(ingest_table(file, folder, options=options))


Paths = Annotated[list[Path], typer.Argument(help="Files, folders and patterns; a folder is searched.")]
Out = Annotated[Path | None, typer.Option("--out", "-o", help="Folder of the new store. Default: results/NAME.")]
Models = Annotated[
    list[str] | None,
    typer.Option("--model", help="STATED=NAME renames a model, NAME alone names the model of files that state none."),
]
Benchmarks = Annotated[list[str] | None, typer.Option("--benchmark", help="STATED=NAME renames a benchmark.")]
Ranges = Annotated[list[str] | None, typer.Option("--range", help="QUESTION=LOW,HIGH, or LOW,HIGH for all.")]
Directions = Annotated[
    list[str] | None, typer.Option("--orientation", help="QUESTION=higher|lower|target(T), or one word for all.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Read everything, write nothing, and say what each file gave.")]


def _plain(pattern: Path) -> list[str]:
    """The folders before the first wildcard of a pattern."""
    parts = pattern.relative_to(pattern.anchor).parts
    return list(itertools.takewhile(lambda part: not set(part) & set("*?["), parts))


def _reader(package: str | None) -> Callable[..., None]:
    """Return the command that reads the files of one package, or of every one."""

    def command(
        paths: Paths,
        *,
        out: Out = None,
        model: Models = None,
        benchmark: Benchmarks = None,
        score_range: Ranges = None,
        orientation: Directions = None,
        dry_run: DryRun = False,
    ) -> None:
        from safetyrepro.harnesses.discovery import check, discover
        from safetyrepro.ingest_foreign import ForeignOptions, ingest_foreign
        from safetyrepro.options import parse_orientations, parse_ranges, parse_renames
        from safetyrepro.render.foreign import print_checked, print_readings
        from safetyrepro.render.terminal import print_store

        if dry_run:
            print_checked([check(reading) for reading in discover(paths, package=package)])
            return
        options = ForeignOptions(
            models=parse_renames(model or [], "--model"),
            benchmarks=parse_renames(benchmark or [], "--benchmark"),
            ranges=parse_ranges(score_range or []),
            orientations=parse_orientations(orientation or []),
        )
        first = paths[0] if paths[0].exists() else Path(paths[0].anchor or ".", *_plain(paths[0]))
        folder = out or Path("results") / first.resolve().name.split(".")[0]
        found = ingest_foreign(paths, folder, package=package, options=options)
        print_readings(found.readings, found.notes)
        print_store(found.store)

    return command


app.command(name="auto", help="Read result files of any package that is known, whatever they are called.")(_reader(None))
app.command(name="lm-eval", help="Read results and samples of lm-evaluation-harness.")(_reader("lm-eval"))
app.command(name="inspect", help="Read logs of Inspect, .json and .eval.")(_reader("inspect-ai"))
app.command(name="helm", help="Read run folders of HELM.")(_reader("helm"))
app.command(name="lighteval", help="Read results and details of lighteval.")(_reader("lighteval"))
app.command(name="every-eval-ever", help="Read records and instances of Every Eval Ever.")(_reader("every-eval-ever"))
app.command(name="nemo", help="Read results.yml of NVIDIA NeMo Evaluator; items are there for benchmarks of one's own only.")(
    _reader("nemo")
)
