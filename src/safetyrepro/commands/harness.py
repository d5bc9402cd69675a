"""`safetyrepro harness`: the environments in which other packages run."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Other packages, each in its own environment: what can be run, and what is there.")


@app.command(name="install")
def install(release: Annotated[str, typer.Argument(help="PACKAGE==VERSION, such as lm-eval==0.4.13.")]) -> None:
    """Make a package's environment with pip, from the pinned set that ships with safetyrepro.

    It lies in the folder that SAFETYREPRO_ENVIRONMENTS names, by default in the cache; 1 to 2 GB each.
    """
    from safetyrepro.environments import install as make
    from safetyrepro.harnesses.program import parse_release

    chosen = parse_release(release, "harness install")
    typer.echo(f"{chosen.text} is at {make(chosen, lambda step: typer.echo(f'{chosen.text}: {step}'))}")


@app.command(name="list")
def list_releases() -> None:
    """List every package and release that can be run, the benchmarks of its stock tasks, and whether its environment is there."""
    from safetyrepro.environments import EnvironmentAbsent, environments_folder, find_python
    from safetyrepro.harnesses.program import PROGRAMS, Job, Release, program

    typer.echo(f"Environments are in {environments_folder()}")
    for name in PROGRAMS:
        for version in program(name).RELEASES:
            release = Release(name, version)
            try:
                present = str(find_python(release))
            except EnvironmentAbsent:
                present = f"absent: safetyrepro harness install {release.text}"
            jobs = [Job(version=version, benchmark=benchmark, rows=()) for benchmark in program(name).QUESTIONS]
            able = ", ".join(job.benchmark for job in jobs if not program(name).refusal(job)) or "no benchmark"
            typer.echo(f"{release.text:20} {able:40} {present}")
