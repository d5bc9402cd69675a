"""`safetyrepro rerun`: the witness cells of a card, measured again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from safetyrepro.parameters import Quiet

if TYPE_CHECKING:
    from safetyrepro.rerun import Rerun, RerunCell


def rerun(
    card: Annotated[Path, typer.Argument(help="A card.json, or its folder.")],
    *,
    study: Annotated[
        str | None,
        typer.Option(
            "--study", help="The study.yaml that the card was made from. Default: that of the card's store, or one that ships."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Where new answers are kept. Default: a temporary folder.")
    ] = None,
    benchmark: Annotated[str, typer.Option("--benchmark", help="Only this benchmark. Default: every primary one.")] = "",
    pair: Annotated[str | None, typer.Option("--pair", help="A,B: only this pair of models.")] = None,
    differing: Annotated[
        bool, typer.Option("--differing-only", help="Ask only the items on which the two models differed.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Measure only the two cells of each witness again, the items that differed first.

    REPRODUCED: every score is as before. DRIFTED: scores moved, the same models are ahead. NOT REPRODUCED: one no longer is.
    Exit code 0: reproduced or drifted. 1: one was not reproduced. 2: wrong usage or unreadable input.
    """
    from tempfile import TemporaryDirectory

    from safetyrepro.options import parse_names
    from safetyrepro.render.files import read_card
    from safetyrepro.render.progress import progress_bar
    from safetyrepro.rerun import RerunOptions, RerunWord
    from safetyrepro.rerun import rerun as rerun_card
    from safetyrepro.study import read_study

    held, path = read_card(_file(card)), _study(_file(card), study)
    options = RerunOptions(benchmark=benchmark, pair=parse_names(pair), differing_only=differing)
    lost = False
    with TemporaryDirectory() as scratch, progress_bar(quiet=quiet) as progress:
        for found in rerun_card(held, read_study(path), path, out or Path(scratch), options=options, progress=progress):
            typer.echo("\n".join(_lines(found)))
            lost |= found.word is RerunWord.NOT_REPRODUCED
    raise typer.Exit(1 if lost else 0)


def _file(card: Path) -> Path:
    from safetyrepro.render.files import CARD

    return card / CARD if card.is_dir() else card


def _study(file: Path, asked: str | None) -> Path:
    """The study that is asked for, else that of the store in which the card's folder lies, else one that ships."""
    from safetyrepro.errors import CardError
    from safetyrepro.render.files import read_card
    from safetyrepro.selection import find_study, runnable_study
    from safetyrepro.store import STUDY

    named = asked or runnable_study(file.resolve().parent.parent / STUDY, read_card(file).study)
    if named is None:
        raise CardError(
            str(file), found="does not lie in a store whose study can be run", remedy="Name the study with --study."
        )
    return find_study(named)


def _lines(found: Rerun) -> list[str]:
    from safetyrepro.render.text import inert

    lines = [f"{found.word.value:<15} {inert(found.benchmark)}: {inert(found.a)} against {inert(found.b)}"]
    for name, cell in ((found.a, found.plus), (found.b, found.minus)):
        lines += [f"{'':<15} {inert(name)} was ahead under {_settings(cell)}", f"{'':<15}   {_numbers(cell)}"]
    return [*lines, *(f"{'':<15} note: {inert(note)}" for note in found.notes)]


def _settings(cell: RerunCell) -> str:
    from safetyrepro.render.text import inert

    return ", ".join(f"{inert(name)}={inert(level)}" for name, level in cell.settings.items())


def _numbers(cell: RerunCell) -> str:
    now = "nothing could be scored" if cell.margin_now is None else f"now {cell.margin_now:+.4f}"
    kept = f"; {cell.n_kept} of {cell.n_differing} items still differ in the same direction" if cell.n_differing else ""
    return f"difference {cell.margin_before:+.4f}, {now} on {cell.n_items} items{kept}"
