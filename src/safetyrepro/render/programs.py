"""What packages will do for a study, before any is started: one line a run, the words of each command, and who cannot run what."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from safetyrepro.environments import EnvironmentAbsent, find_python
from safetyrepro.harnesses.program import Release
from safetyrepro.programs import Programs
from safetyrepro.records import Json
from safetyrepro.render.text import inert


def programs_lines(programs: Programs) -> Iterator[str]:
    """Yield the lines of a plan: runs, then each package's own words once for each benchmark, then refusals."""
    study = programs.plan.study
    yield f"{inert(study.name)}  {inert(study.question, 200)}".rstrip()
    releases = list(dict.fromkeys(cell.release for cell in programs.cells))
    yield f"{len(study.models)} models, {len(programs.plan.benchmarks)} benchmarks, {len(releases)} packages, {len(programs.cells)} runs"
    for release in releases:
        yield f"{release.text}: {_environment(release)}"
    shown: set[tuple[str, str]] = set()
    for cell in programs.cells:
        name = cell.benchmark.spec.name
        if (name, cell.release.text) not in shown:
            shown.add((name, cell.release.text))
            launch = cell.release.program.launch(cell.job)
            yield f"{inert(name)}, {len(cell.benchmark.items)} items, by {cell.release.text} ({cell.question.metric} as {cell.question.estimand}):"
            yield f"    python -m {shlex.join([launch.module, *launch.arguments])}"
    for name, exclusions in programs.refused.items():
        for exclusion in exclusions:
            yield f"{inert(name)}: left out, {exclusion.reason}"


def programs_document(programs: Programs) -> list[dict[str, Json]]:
    """One object a run: model, benchmark, release, number of items, and the words of its command."""
    document: list[dict[str, Json]] = []
    for cell in programs.cells:
        launch = cell.release.program.launch(cell.job)
        document.append(
            {
                "model": cell.model.name,
                "benchmark": cell.benchmark.spec.name,
                "harness": cell.release.text,
                "items": len(cell.benchmark.items),
                "words": ["python", "-m", launch.module, *launch.arguments],
            }
        )
    return document


def _environment(release: Release) -> str:
    try:
        return f"its environment is {inert(str(find_python(release).parent.parent), 200)}"
    except EnvironmentAbsent:
        return f"no environment; `safetyrepro harness install {release.text}` makes it"
