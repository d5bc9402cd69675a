"""The versions that are installed are the versions that were tested, named without a place they come from."""

from __future__ import annotations

import re
import tomllib

from house.source import ROOT, report

LINES = [
    line for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")
]


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_constraint_is_a_name_and_an_exact_version() -> None:
    offenders = [line for line in LINES if not re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]*", line)]
    assert not offenders, report("constraints that are not NAME==VERSION (no address, no local suffix)", offenders)


def test_every_requirement_of_the_project_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    requirements = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    names = {_normal(re.split(r"[<>=!~\[; ]", requirement, maxsplit=1)[0]) for requirement in requirements}
    missing = sorted(names - {line.split("==")[0] for line in LINES})
    assert not missing, report("requirements of pyproject.toml that constraints.txt does not pin", missing)


def test_every_requirement_caps_its_major_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    requirements = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    offenders = [requirement for requirement in requirements if "<" not in requirement]
    assert not offenders, report("requirements without an upper bound", offenders)


def test_constraints_are_sorted_and_named_once() -> None:
    names = [line.split("==")[0] for line in LINES]
    assert names == sorted(set(names))
