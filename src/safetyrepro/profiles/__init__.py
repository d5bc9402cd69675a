"""Profiles: what a card must state for a purpose. Each is a data file of this folder; the check names what is not stated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Literal

import yaml
from pydantic import Field, ValidationError

from safetyrepro.card import GridCard
from safetyrepro.card_fields import CARD_FIELDS, cell_fields
from safetyrepro.errors import CardError
from safetyrepro.manifest import NOT_RECORDED
from safetyrepro.study import Document
from safetyrepro.yaml_text import read_yaml

MAX_NAMED = 3


class RequiredField(Document):
    """One field that a profile asks for."""

    field: str = Field(min_length=1)
    """Path in card.json; ``*`` stands for every entry of a list or mapping."""
    about: str
    """What it states."""


class Profile(Document):
    """What a card must state for a purpose."""

    version: Literal[1] = 1
    """Version of this document's schema."""
    name: str
    """Word by which it is asked for."""
    about: str
    """Its purpose, one sentence."""
    requires: list[RequiredField]
    """Fields of the card."""
    cells: Literal["all"] | list[str] = Field(default_factory=list)
    """Fields of every cell: ``all`` that the specification lists, or some of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Absent:
    """A field that a profile asks for and a card does not state."""

    field: str
    """The field, or ``cell: FIELD``."""
    about: str
    """What it would state."""
    n_absent: int
    """Places at which it is not stated."""
    n_places: int
    """Places at which it could be."""
    places: tuple[str, ...]
    """The first few of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileCheck:
    """How far a card meets a profile."""

    profile: str
    """Name of the profile."""
    n_fields: int
    """Fields that it asks for."""
    absent: tuple[Absent, ...]
    """Those that are not stated everywhere."""

    @property
    def n_stated(self) -> int:
        """Fields that are stated wherever they occur."""
        return self.n_fields - len(self.absent)


def shipped_profiles() -> tuple[str, ...]:
    """Names of the profiles that ship with the package."""
    return tuple(sorted(path.stem for path in _folder().glob("*.yaml")))


def read_profile(name: str) -> Profile:
    """Read a profile that ships, or a file.

    Raises
    ------
    CardError
        If there is none of that name, or the file is no profile.
    """
    path = _folder() / f"{name}.yaml" if name in shipped_profiles() else Path(name)
    try:
        return Profile.model_validate(read_yaml(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValidationError) as error:
        raise CardError(
            f"profile '{name}'",
            found=f"cannot be read ({' '.join(str(error).split())[:200]})",
            expected=f"one of {', '.join(shipped_profiles())}, or a file like theirs",
        ) from error


def _folder() -> Path:
    return Path(str(resources.files(__package__ or __name__)))


def check_profile(card: GridCard, profile: Profile) -> ProfileCheck:
    """Which fields of a profile a card does not state.

    Parameters
    ----------
    card : GridCard
        The card.
    profile : Profile
        What is asked for.

    Returns
    -------
    ProfileCheck
        A value that is null, empty or "not recorded" states nothing; a path that matches nothing is not stated.

    Raises
    ------
    CardError
        If the profile names a field of cells that no card has.
    """
    document = card.model_dump(mode="json")
    found = [_absent(need.field, need.about, list(_values(document, need.field.split("."), ""))) for need in profile.requires]
    names = list(CARD_FIELDS) if profile.cells == "all" else list(profile.cells)
    unknown = [name for name in names if name not in CARD_FIELDS]
    if unknown:
        raise CardError(
            f"profile '{profile.name}'", found=f"no cell states '{unknown[0]}'", expected=f"some of {', '.join(CARD_FIELDS)}"
        )
    found += [_absent(f"cell: {name}", name, list(_cell_values(card, name))) for name in names]
    return ProfileCheck(
        profile=profile.name, n_fields=len(found), absent=tuple(one for one in found if one.n_absent or not one.n_places)
    )


def _values(value: object, path: Sequence[str], place: str) -> Iterator[tuple[str, object]]:
    """Every value that a path reaches, with its place."""
    if not path:
        yield place, value
        return
    head, rest = path[0], path[1:]
    if head == "*":
        entries = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
        for key, entry in entries:
            yield from _values(entry, rest, f"{place}.{_called(key, entry)}")
    else:
        inner = value.get(head) if isinstance(value, Mapping) else None
        yield from _values(inner, rest, f"{place}.{head}" if place else head)


def _called(key: object, entry: object) -> str:
    """The name of an entry, or else its key."""
    name = entry.get("name") if isinstance(entry, Mapping) else None
    return str(name if name is not None else key)


def _cell_values(card: GridCard, name: str) -> Iterator[tuple[str, object]]:
    for benchmark in card.benchmarks:
        for cell in benchmark.cells:
            yield f"{benchmark.name}.{cell.model}.{cell.configuration}", cell_fields(card, benchmark, cell)[name]


def _absent(field: str, about: str, values: Sequence[tuple[str, object]]) -> Absent:
    places = [place for place, value in values if value in (None, "", NOT_RECORDED, [], {})]
    return Absent(field=field, about=about, n_absent=len(places), n_places=len(values), places=tuple(places[:MAX_NAMED]))
