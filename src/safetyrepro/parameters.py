"""Arguments and options that several commands share: one wording, one place."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

StudyArgument = Annotated[
    str, typer.Argument(help="A study.yaml, or the name of one that ships: quickstart, paper, paper-extended, cross-package.")
]
StoreArgument = Annotated[Path, typer.Argument(help="A store made by run or ingest.")]
StoreOut = Annotated[Path | None, typer.Option("--out", "-o", help="Folder of the store. Default: results/NAME.")]
Only = Annotated[str | None, typer.Option("--only", help="A,B: only these benchmarks.")]
Models = Annotated[str | None, typer.Option("--models", help="A,B: only these models, in this order.")]
Items = Annotated[int | None, typer.Option("--items", min=1, help="Size of each benchmark's subset.")]
TierName = Annotated[str | None, typer.Option("--tier", help="core or stress: only this tier.")]
DataFolder = Annotated[Path | None, typer.Option("--data", help="Folder with one folder of data for each benchmark.")]
Repeats = Annotated[
    int | None,
    typer.Option(
        "--repeat", min=1, help="Ask every cell so many times, each under another batch order: the placebo flip rate."
    ),
]
Probe = Annotated[
    bool, typer.Option("--probe", help="Load each model and answer a few requests: exact tokens, time and peak memory here.")
]
ProbeSeconds = Annotated[float, typer.Option("--probe-seconds", min=0.0, help="Seconds that --probe may ask each loading.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")]
Where = Annotated[
    list[str] | None, typer.Option("--where", help="FACTOR=LEVEL[,LEVEL]: read only these configurations. Repeatable.")
]
ItemChoice = Annotated[
    str, typer.Option("--items", help="as-is: each cell averages what it holds; common: only items that every model has.")
]
Policy = Annotated[
    str | None, typer.Option("--policy", help="wrong, dropped or dropped_pairwise: how unreadable answers count.")
]
Draws = Annotated[int, typer.Option("--draws", min=0, help="Sign vectors for what the items can bear; 0 leaves that out.")]
Alpha = Annotated[float, typer.Option("--alpha", min=0.0001, max=0.5, help="Level of the verdict words.")]
Seed = Annotated[int, typer.Option("--seed", help="Seed of the draws.")]
