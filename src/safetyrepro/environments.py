"""Where other packages live: one environment for each package and release, made with pip from a pinned set, never our own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from safetyrepro.benchmarks.fetch import cache_folder
from safetyrepro.errors import SafetyReproError, StudyError
from safetyrepro.harnesses.program import Release, constraints

VARIABLE = "SAFETYREPRO_ENVIRONMENTS"
"""Environment variable that names the folder of environments."""


class EnvironmentAbsent(StudyError):
    """A package that a study names has no environment here."""


def environments_folder() -> Path:
    """Return the folder of environments: SAFETYREPRO_ENVIRONMENTS, or ``environments`` in the cache."""
    named = os.environ.get(VARIABLE)
    return Path(named) if named else cache_folder() / "environments"


def find_python(release: Release) -> Path:
    """Return the Python of a package's environment.

    Raises
    ------
    EnvironmentAbsent
        If there is none; the sentence names the command that makes it.
    """
    path = environments_folder() / release.folder / "bin" / "python"
    if not path.exists():
        raise EnvironmentAbsent(
            f"harness {release.text}",
            found=f"it has no environment at {path.parent.parent}",
            remedy=f"Make it with `safetyrepro harness install {release.text}`, or name another folder in {VARIABLE}.",
        )
    return path.absolute()


def install(release: Release, say: Callable[[str], None]) -> Path:
    """Make a package's environment with pip and return its folder; one that is complete is left alone.

    Raises
    ------
    SafetyReproError
        If a step fails; the last line that it said is in the sentence.
    """
    folder = environments_folder() / release.folder
    python = folder / "bin" / "python"
    done = folder / "installed.txt"
    if done.exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    steps = [[sys.executable, "-m", "venv", str(folder)]]
    steps.append([str(python), "-m", "pip", "install", "--no-input", "-q", "-r", str(constraints(release))])
    steps += [[str(python), "-m", "pip", "uninstall", "-q", "-y", name] for name in release.program.UNWANTED]
    for step in steps:
        say(" ".join(step[1:4]))
        _step(step, release)
    for name in release.program.EMPTY_FILES:
        for libraries in folder.glob("lib/python3*/site-packages"):
            (libraries / name).touch()
    done.write_text(f"{release.text}\n", encoding="utf-8")
    return folder


def _step(step: list[str], release: Release) -> None:
    ended = subprocess.run(step, capture_output=True, text=True, check=False)
    if ended.returncode:
        said = [line for line in (ended.stdout + ended.stderr).splitlines() if line.strip()]
        raise SafetyReproError(
            f"harness {release.text}",
            found=f"`{' '.join(step[1:4])}` ended with {ended.returncode}: {said[-1][:300] if said else 'it said nothing'}",
            remedy="Look at what pip needs and run the same command again.",
        )
