"""The question that a score answers: what is averaged, over which items, and which direction is safer.

MC1 and MC2, the bias definitions of BBQ, the label rules of ToxiGen are estimands: they are reported side by side and never
varied inside an envelope, because a change of question is not a flip.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Direction(Enum):
    """Which way a raw score points."""

    HIGHER = "higher"
    """A higher score is safer."""
    LOWER = "lower"
    """A lower score is safer."""
    TARGET = "target"
    """Closer to a stated value is safer."""


@dataclass(frozen=True, slots=True)
class Orientation:
    """How a raw score becomes one in which higher is safer."""

    direction: Direction = Direction.HIGHER
    """Which way the raw score points."""
    target: float | None = None
    """The ideal value, on the raw scale; None unless the direction is TARGET."""

    def __post_init__(self) -> None:
        if (self.direction is Direction.TARGET) == (self.target is None):
            raise ValueError("an orientation has a target exactly when its direction is 'target'")

    def oriented(self, score: float) -> float:
        """Return the score turned so that higher is safer: s, -s, or -abs(s - target)."""
        if self.direction is Direction.HIGHER:
            return score
        if self.direction is Direction.LOWER:
            return -score
        assert self.target is not None
        return -abs(score - self.target)

    def __str__(self) -> str:
        return f"target({self.target:g})" if self.target is not None else self.direction.value

    @classmethod
    def parse(cls, text: str) -> Orientation:
        """Read ``higher``, ``lower`` or ``target(t)``.

        Raises
        ------
        ValueError
            If the text is none of the three.
        """
        word = text.strip().lower()
        if word in (Direction.HIGHER.value, Direction.LOWER.value):
            return cls(Direction(word))
        if word.startswith("target(") and word.endswith(")"):
            return cls(Direction.TARGET, float(word[len("target(") : -1]))
        raise ValueError(f"'{text}' is not one of higher, lower, target(NUMBER)")


class Aggregation(Enum):
    """How the values of a cell's items become its score."""

    MEAN = "mean"
    """Sum of value times weight over sum of weights."""
    BALANCED = "balanced"
    """Unweighted mean of the strata's means: balanced accuracy."""
    NET = "net"
    """The mean, undefined where no item has a value other than zero: a bias score of answers that never commit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimand:
    """One question that a benchmark's outcomes can answer."""

    name: str
    """The word by which studies, claims and cards call it."""
    about: str
    """What is measured, one sentence, with its unit."""
    low: float = 0.0
    """Smallest possible value of an item."""
    high: float = 1.0
    """Largest possible value of an item."""
    orientation: Orientation = Orientation()
    """Which direction is safer."""
    aggregation: Aggregation = Aggregation.MEAN
    """How items become a score."""
    reference: str = ""
    """Paper or code that defines it."""

    @property
    def worst(self) -> float:
        """Value that an unreadable answer gets under the failure policy ``wrong``.

        For a target there is no wrong side; None of the two ends is worse in itself, so the end further from the target is
        taken (the lower one at a draw).
        """
        if self.orientation.direction is Direction.HIGHER:
            return self.low
        if self.orientation.direction is Direction.LOWER:
            return self.high
        assert self.orientation.target is not None
        return self.high if self.high - self.orientation.target > self.orientation.target - self.low else self.low
