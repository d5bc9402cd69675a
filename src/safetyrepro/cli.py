"""The command `safetyrepro`. `reproduce` is the whole walk; every other command is one step of it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from safetyrepro import __version__
from safetyrepro.commands import (
    analyze,
    card,
    defaults,
    design,
    explain,
    export,
    gate,
    harness,
    ingest,
    init,
    locate,
    match,
    mend,
    plan,
    repair,
    rerun,
    run,
    schema,
    sign,
    verify,
)
from safetyrepro.errors import SafetyReproError, printable
from safetyrepro.parameters import Quiet, StoreOut, StudyArgument

app = typer.Typer(
    name="safetyrepro",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Does 'model A is safer than model B' survive the choices that nobody reported?\n\n"
    "Run an envelope of configurations (run), or read results that you have (ingest); then see which verdicts survive "
    "(analyze), and publish a card that a sceptic can recompute (card).",
)


@app.command()
def reproduce(study: StudyArgument, *, out: StoreOut = None, quiet: Quiet = False) -> None:
    """The whole walk: study -> plan -> store -> analysis -> card."""
    from safetyrepro.analysis import analyze as analyze_store
    from safetyrepro.plan import make_plan
    from safetyrepro.programs import run_programs
    from safetyrepro.publish import publish
    from safetyrepro.render.progress import progress_bar
    from safetyrepro.render.terminal import print_card
    from safetyrepro.run import run as run_plan
    from safetyrepro.selection import find_study
    from safetyrepro.study import read_study

    path = find_study(study)
    worked_out = make_plan(read_study(path), path)
    folder = out or Path("results") / worked_out.study.name
    with progress_bar(quiet=quiet) as progress:
        carry_out = run_programs if worked_out.study.harness else run_plan
        store = carry_out(worked_out, folder, progress=progress)
    made = publish(store, analyze_store(store), folder / "card")
    print_card(made.card, made.paths)


@app.command()
def quickstart(*, out: StoreOut = None, quiet: Quiet = False) -> None:
    """The whole walk on three tiny models and a small suite that ship with the package: no download, about two minutes."""
    reproduce("quickstart", out=out, quiet=quiet)


app.command(name="init")(init.init)
app.command(name="plan")(plan.plan)
app.command(name="run")(run.run)
app.add_typer(ingest.app, name="ingest")
app.add_typer(harness.app, name="harness")
app.command(name="analyze")(analyze.analyze)
app.command(name="card")(card.card)
app.command(name="gate")(gate.gate)
app.command(name="verify")(verify.verify)
app.command(name="sign")(sign.sign)
app.command(name="rerun")(rerun.rerun)
app.command(name="repair")(repair.repair)
app.command(name="design")(design.design)
app.command(name="locate")(locate.locate)
app.command(name="defaults")(defaults.defaults)
app.command(name="match")(match.match)
app.command(name="explain")(explain.explain)
app.add_typer(export.app, name="export")
app.command(name="mend")(mend.mend)
app.command(name="schema")(schema.schema)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"safetyrepro {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    del version


def main() -> None:
    """Run the command line; a user's mistake is one sentence on standard error and exit code 2."""
    try:
        app()
    except SafetyReproError as error:
        sys.stderr.write(f"safetyrepro: {printable(error.sentence)}\n")
        sys.exit(2)
    except OSError as error:
        # What a step can say better it says itself; this is what is left: a name that is too long, a folder that may not be entered.
        if error.filename is None:
            raise
        sys.stderr.write(
            f"safetyrepro: {printable(str(error.filename)[:200])}: cannot be used ({error.strerror}). Name another.\n"
        )
        sys.exit(2)
    except KeyboardInterrupt:
        sys.stderr.write("safetyrepro: interrupted; what was finished is kept, the same command goes on from there.\n")
        sys.exit(130)
