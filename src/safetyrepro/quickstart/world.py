"""The invented world that the quickstart's suite and training text are both built from.

It exists so that the embedded default asks about nothing real: no real people, place, belief or harm occurs in it.
All choices are drawn by hashing a key, never from a random generator, so that every version of every library writes the same bytes.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, TypeVar

Option = TypeVar("Option")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trait:
    """A stereotype of the invented world: what people there say about one group."""

    name: str
    """Word for the trait, such as ``stingy``."""
    group: str
    """The group it is said of."""
    category: str
    """BBQ category of the group, ``Nationality`` or ``Religion``."""
    deeds: tuple[tuple[str, str], ...]
    """Pairs (in line with the trait, against it) that the suite asks about."""
    lesson_deeds: tuple[tuple[str, str], ...]
    """Such pairs that only the training text uses."""
    habits: tuple[str, ...]
    """What the group is said to do, in the suite's words."""
    lesson_habits: tuple[str, ...]
    """The same in the words of the training text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A fact about a place: what flows past it or what it makes."""

    place: str
    """Name of the place."""
    relation: str
    """``river`` or ``craft``."""
    value: str
    """The right answer, as the suite writes it."""
    others: tuple[str, str, str]
    """Three wrong answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tale:
    """An old tale of the invented world: what is said to happen, and that nothing does."""

    act: str
    """What one does, as a verb phrase."""
    doing: str
    """The same as a gerund phrase."""
    truth: str
    """The true answer."""
    myth: str
    """What the tale says."""
    others: tuple[str, str]
    """What two other tales say."""

    @property
    def long_truth(self) -> bool:
        """Whether the true answer is longer than the tale's, which makes length normalisation matter."""
        return len(self.truth) > len(self.myth)


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Everything that the suite and the training text are built from."""

    tables: dict[str, Any]  # Any: the tables of world.toml, whose shapes differ
    """The tables of ``world.toml`` as read."""
    traits: tuple[Trait, ...]
    """Stereotypes, one a group."""
    facts: tuple[Fact, ...]
    """Two facts a place."""
    tales: tuple[Tale, ...]
    """Old tales, 32 with a long true answer and 16 with a short one."""

    def words(self, table: str, key: str) -> tuple[str, ...]:
        """A list of words from ``world.toml``."""
        return tuple(self.tables[table][key])

    def groups(self, category: str) -> tuple[str, ...]:
        """All groups of a BBQ category, first those that a stereotype is about."""
        stereotyped = tuple(trait.group for trait in self.traits if trait.category == category)
        return stereotyped + self.neutral_groups(category)

    def neutral_groups(self, category: str) -> tuple[str, ...]:
        """The groups of a category that no stereotype is about."""
        return self.words("peoples", "plain" if category == "Nationality" else "orders")

    def everyone(self) -> tuple[str, ...]:
        """All groups of both categories."""
        return self.groups("Nationality") + self.groups("Religion")


def rank(*key: object) -> int:
    """A number in [0, 2**64) that depends on the key alone."""
    text = "\x1f".join(str(part) for part in key)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def pick(options: Sequence[Option], *key: object) -> Option:
    """One of the options, chosen by the key alone."""
    return options[rank(*key) % len(options)]


def shuffled(options: Sequence[Option], *key: object) -> list[Option]:
    """The options in an order that depends on the key alone."""
    order = sorted(range(len(options)), key=lambda index: rank(*key, index))
    return [options[index] for index in order]


def load_world() -> World:
    """Read ``world.toml`` and derive the facts and tales from it."""
    tables = tomllib.loads(files("safetyrepro.quickstart").joinpath("world.toml").read_text(encoding="utf-8"))
    return World(tables=tables, traits=_traits(tables), facts=_facts(tables["places"]), tales=_tales(tables["tales"]))


def _traits(tables: dict[str, Any]) -> tuple[Trait, ...]:  # Any: raw TOML
    return tuple(
        Trait(
            name=row["name"],
            group=row["group"],
            category=row["category"],
            deeds=tuple((against, fine) for against, fine in row["deeds"]),
            lesson_deeds=tuple((against, fine) for against, fine in row["lesson_deeds"]),
            habits=tuple(row["habits"]),
            lesson_habits=tuple(row["lesson_habits"]),
        )
        for row in tables["traits"]
    )


def _facts(places: dict[str, list[str]]) -> tuple[Fact, ...]:
    facts = []
    for relation, key, form in (("river", "rivers", "The {}."), ("craft", "crafts", "{}.")):
        values = [form.format(_capital(value)) for value in places[key]]
        for index, place in enumerate(places["names"]):
            value = values[index % len(values)] if index < len(values) else values[(3 * index + 1) % len(values)]
            others = shuffled([other for other in values if other != value], "fact", relation, place)[:3]
            facts.append(Fact(place=place, relation=relation, value=value, others=(others[0], others[1], others[2])))
    return tuple(facts)


def _tales(tables: dict[str, Any]) -> tuple[Tale, ...]:  # Any: raw TOML
    goods = [(colour, food) for food in tables["foods"] for colour in tables["colours"]]
    short = [f"{creature} {doing}." for creature in tables["creatures"] for doing in tables["doings"]]
    long = [tables["long_myth"].format(part=part, turn=turn) for part in tables["parts"] for turn in tables["turns"]]
    myths = [(myth, tables["long_truth"], short) for myth in shuffled(short, "short myths")]
    myths += [(myth, tables["short_truth"], long) for myth in shuffled(long, "long myths")]
    tales = []
    for (colour, (food, act, doing)), (myth, truth, alike) in zip(shuffled(goods, "goods"), myths, strict=True):
        others = shuffled([other for other in alike if other != myth], "tale", colour, food)[:2]
        tales.append(
            Tale(
                act=f"{act} {colour} {food}",
                doing=f"{doing} {colour} {food}",
                truth=truth,
                myth=myth,
                others=(others[0], others[1]),
            )
        )
    return tuple(tales)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
