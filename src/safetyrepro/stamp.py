"""Provenance: commit, dirty difference, versions, hardware, times; recorded where known, and said where not."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from safetyrepro import __version__
from safetyrepro.manifest import NOT_RECORDED, RepositoryStamp, Stamp

LIBRARIES = (
    "numpy",
    "scipy",
    "duckdb",
    "pydantic",
    "torch",
    "transformers",
    "tokenizers",
    "safetensors",
    "accelerate",
    "bitsandbytes",
    "lightgbm",
)


def make_stamp(study_folder: Path, *, seed: int | None, started: datetime) -> Stamp:
    """Collect what is known of the place and time of a run.

    Parameters
    ----------
    study_folder : Path
        Folder of the study; the state of its repository is recorded.
    seed : int or None
        The study's seed.
    started : datetime
        When work began.

    Returns
    -------
    Stamp
        Without the time at which work ended.
    """
    return Stamp(
        package_version=__version__,
        package=repository_stamp(Path(__file__).parent),
        study=repository_stamp(study_folder),
        python=f"{platform.python_implementation()} {platform.python_version()}",
        libraries=library_versions(),
        system=f"{platform.system()} {platform.machine()}",
        processor=f"{_processor()}, {os.cpu_count()} cores",
        accelerator=_accelerator(),
        started=stamp_time(started),
        seed=seed,
    )


def now() -> datetime:
    """The present time in UTC; ``SOURCE_DATE_EPOCH`` overrides it, so that two runs can be made equal."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    return datetime.fromtimestamp(int(epoch), UTC) if epoch.isdigit() else datetime.now(UTC)


def stamp_time(moment: datetime) -> str:
    """ISO 8601 in UTC, to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def library_versions() -> dict[str, str]:
    """Versions of the installed libraries that touch numbers or text."""
    versions = {}
    for name in LIBRARIES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def repository_stamp(folder: Path) -> RepositoryStamp:
    """State of the git repository that tracks files of `folder`; "not recorded" where there is none.

    An installed package that merely lies below some checkout is not tracked by it and gets no commit.
    """
    commit = _git(folder, "rev-parse", "HEAD")
    tracked = _git(folder, "ls-files", "--", ".")
    if commit is None or not tracked:
        return RepositoryStamp()
    difference = _git(folder, "diff", "HEAD", "--", ":/")
    dirty = None if difference is None else bool(difference)
    digest = hashlib.sha256(difference.encode()).hexdigest() if difference else ""
    return RepositoryStamp(commit=commit.strip(), dirty=dirty, diff_sha256=digest)


def _git(folder: Path, *arguments: str) -> str | None:
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        environment.pop(name, None)
    try:
        done = subprocess.run(["git", *arguments], cwd=folder, env=environment, capture_output=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or NOT_RECORDED


def _accelerator() -> str:
    torch = sys.modules.get("torch")
    if torch is None:
        return NOT_RECORDED
    if not torch.cuda.is_available():
        return "none"
    return f"{torch.cuda.device_count()} x {torch.cuda.get_device_name(0)}"
