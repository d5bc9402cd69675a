"""What an evaluator may choose: factors, their levels, and the configurations they span.

A verdict is a property of models and of the configuration they were measured under. This module holds the second half:
a `Factor` takes effect at one `Stage`, a `Configuration` picks one level of each factor, an `Envelope` is the finite set of
configurations over which a verdict is read.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, IntEnum


class Stage(IntEnum):
    """The step of an evaluation at which a factor takes effect; cells that agree up to a stage share its work."""

    LOAD = 0
    """Loading the weights: dtype, quantization, harness."""
    PROMPT = 1
    """Writing the text that reaches the model: template, examples, chat template, prefix token."""
    DECODE = 2
    """Drawing an answer: greedy or sampled, how long."""
    SCORE = 3
    """Reading the answer: scoring rule, judge, failure policy. Costs no forward pass."""


class Evidence(Enum):
    """How a level's claim to be practice was established."""

    CHECKED = "checked"
    """Our rendering equals what the package itself sent to the model, item by item."""
    READ = "read"
    """Read in the package's source, not compared with a run of it."""
    OWN = "own"
    """Written for this project; no package ships it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Who ships a level."""

    package: str
    """Name of the package, paper or repository."""
    version: str = ""
    """Release or commit that was read."""
    file: str = ""
    """File and lines inside it."""
    evidence: Evidence = Evidence.READ
    """Whether the level was compared with a run of the package."""

    def __str__(self) -> str:
        version = f"@{self.version}" if self.version else ""
        file = f":{self.file}" if self.file else ""
        return f"{self.package}{version}{file} ({self.evidence.value})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """One setting that a factor can take."""

    name: str
    """The word by which studies and cards call it."""
    about: str = ""
    """What it does, one sentence."""
    sources: tuple[Source, ...] = ()
    """Who ships it."""
    requires: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Levels of other factors under which this one exists: scoring is nested in presentation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Factor:
    """A choice that an evaluator makes, declared in the file that obeys it."""

    name: str
    """The word by which studies and cards call it."""
    stage: Stage | None
    """Where it takes effect; None for a foreign factor whose stage its table does not tell."""
    levels: tuple[Level, ...]
    """The settings it can take; the first is the default."""
    about: str = ""
    """What is chosen, one sentence."""

    def level(self, name: str) -> Level:
        """Return the level called `name`.

        Raises
        ------
        KeyError
            If the factor has no such level.
        """
        for level in self.levels:
            if level.name == name:
                return level
        raise KeyError(name)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the levels, in declared order."""
        return tuple(level.name for level in self.levels)


@dataclass(frozen=True, slots=True)
class Configuration:
    """One level of each factor: what an evaluator settled before touching a model."""

    settings: tuple[tuple[str, str], ...]
    """Pairs of factor and level, in the envelope's order of factors."""

    @classmethod
    def of(cls, settings: Mapping[str, str]) -> Configuration:
        """Make a configuration from a mapping of factor to level, keeping its order."""
        return cls(tuple(settings.items()))

    def __getitem__(self, factor: str) -> str:
        for name, level in self.settings:
            if name == factor:
                return level
        raise KeyError(factor)

    def get(self, factor: str, default: str = "") -> str:
        """Return the level of `factor`, or `default` where the configuration does not name it."""
        return self.as_dict().get(factor, default)

    def as_dict(self) -> dict[str, str]:
        """Return factor -> level."""
        return dict(self.settings)

    @property
    def label(self) -> str:
        """One line that names every setting: ``template=qa | scoring=sum``."""
        return " | ".join(f"{name}={level}" for name, level in self.settings) or "(no factor)"

    @property
    def digest(self) -> str:
        """First 16 hexadecimal digits of the SHA-256 of the settings, whatever their order."""
        text = json.dumps(sorted(self.settings), ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def differing(self, other: Configuration) -> tuple[str, ...]:
        """Names of the factors on which two configurations disagree, in this one's order."""
        mine, theirs = self.as_dict(), other.as_dict()
        names = list(mine) + [name for name in theirs if name not in mine]
        return tuple(name for name in names if mine.get(name) != theirs.get(name))

    def matches(self, condition: Mapping[str, Iterable[str]]) -> bool:
        """Whether every named factor has one of the named levels."""
        return all(self.get(name) in tuple(levels) for name, levels in condition.items())

    def restricted(self, factors: Iterable[str]) -> Configuration:
        """The same settings with only the named factors."""
        kept = set(factors)
        return Configuration(tuple(pair for pair in self.settings if pair[0] in kept))


class Tier(Enum):
    """How much a configuration is owed."""

    CORE = "core"
    """A published default: somebody reports numbers under exactly this."""
    STRESS = "stress"
    """Plausible and practice-derived, but nobody's default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exclusion:
    """Configurations of the product that are not part of an envelope, and why."""

    condition: Mapping[str, tuple[str, ...]]
    """Factor -> levels; a configuration that matches all of them is excluded."""
    reason: str
    """Why, one sentence; printed on the card."""
    count: int = 0
    """How many configurations it removed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """The finite set of configurations over which a benchmark's verdicts are read."""

    benchmark: str
    """Name of the benchmark."""
    factors: tuple[Factor, ...]
    """The factors with the levels that occur, in order."""
    configurations: tuple[Configuration, ...]
    """The members, in product order."""
    core: frozenset[Configuration] = frozenset()
    """Members of the core tier."""
    exclusions: tuple[Exclusion, ...] = ()
    """What was taken out of the product, with reasons."""

    def tier(self, configuration: Configuration) -> Tier:
        """Return the tier of a member."""
        return Tier.CORE if configuration in self.core else Tier.STRESS

    def __iter__(self) -> Iterator[Configuration]:
        return iter(self.configurations)

    def __len__(self) -> int:
        return len(self.configurations)

    @property
    def digest(self) -> str:
        """First 16 hexadecimal digits of the SHA-256 over the members' digests, in order."""
        joined = "\n".join(configuration.digest for configuration in self.configurations)
        return hashlib.sha256(f"{self.benchmark}\n{joined}".encode()).hexdigest()[:16]


def product(factors: Sequence[Factor]) -> tuple[Configuration, ...]:
    """Every combination of levels that exists, in the order of the factors' levels.

    A level that `requires` other levels occurs only beside them: nesting is respected, so a combination that nobody could
    run is not in the product at all (it is neither excluded nor missing).
    """
    names = [factor.name for factor in factors]
    members = []
    for levels in itertools.product(*(factor.levels for factor in factors)):
        configuration = Configuration(tuple(zip(names, (level.name for level in levels), strict=True)))
        if all(_admitted(level, configuration) for level in levels):
            members.append(configuration)
    return tuple(members)


def _admitted(level: Level, configuration: Configuration) -> bool:
    named = configuration.as_dict()
    return all(named[factor] in levels for factor, levels in level.requires.items() if factor in named)


def exclude(
    configurations: Sequence[Configuration], exclusions: Sequence[Exclusion]
) -> tuple[tuple[Configuration, ...], tuple[Exclusion, ...]]:
    """Take the excluded members out and count them.

    Returns
    -------
    tuple of (kept, counted)
        The members that remain, and the exclusions with their `count` filled in; a configuration counts for the first
        exclusion that matches it.
    """
    counts = [0] * len(exclusions)
    kept = []
    for configuration in configurations:
        hit = next((i for i, exclusion in enumerate(exclusions) if configuration.matches(exclusion.condition)), None)
        if hit is None:
            kept.append(configuration)
        else:
            counts[hit] += 1
    counted = tuple(
        Exclusion(condition=exclusion.condition, reason=exclusion.reason, count=count)
        for exclusion, count in zip(exclusions, counts, strict=True)
    )
    return tuple(kept), counted
