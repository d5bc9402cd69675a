"""`safetyrepro harness`: the environments in which other packages run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from safetyrepro.harnesses.program import Release

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
    """List every package and release that can be run, the benchmarks of its stock tasks, and whether its environment is there.

    Below a release is why it cannot run a benchmark, where there is more to say than that it has no task for it.
    """
    from safetyrepro.environments import EnvironmentAbsent, environments_folder, find_python
    from safetyrepro.harnesses.program import PROGRAMS, Release, program

    typer.echo(f"Environments are in {environments_folder()}")
    for name in PROGRAMS:
        for version in program(name).RELEASES:
            release = Release(name, version)
            try:
                present = str(find_python(release))
            except EnvironmentAbsent:
                present = f"absent: safetyrepro harness install {release.text}"
            able, reasons = _able(release)
            typer.echo(f"{release.text:20} {', '.join(able) or 'no benchmark':40} {present}")
            for reason in reasons:
                typer.echo(f"{'':20} not: {reason}")


def _able(release: Release) -> tuple[list[str], list[str]]:
    """Benchmarks that a release can run, and why it cannot run some of the others."""
    from safetyrepro.benchmarks import benchmark_modules
    from safetyrepro.harnesses.program import Job, no_task

    known = release.program.QUESTIONS
    jobs = [Job(version=release.version, benchmark=benchmark, rows=()) for benchmark in benchmark_modules()]
    told = {job.benchmark: release.program.refusal(job) for job in jobs}
    plain = {benchmark: no_task(release.package, benchmark, known) for benchmark in told}
    able = [benchmark for benchmark in known if not told.get(benchmark)]
    return able, [reason for benchmark, reason in told.items() if reason and reason != plain[benchmark]]
