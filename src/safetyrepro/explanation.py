"""Why two numbers differ, as a value and as text: parts that add up, settings on record, the first difference, open questions."""

from __future__ import annotations

from dataclasses import dataclass

from safetyrepro.harnesses.base import UNRECORDED
from safetyrepro.prompts import PromptExample, Relation
from safetyrepro.unresolved import Setting, known_on_both

NOT_SHARED_OUT = "not shared out"
"""The whole gap, where at least one side has no items."""
_ALIKE = "every shared item has the same prompt and value on both sides, and the same answer where answers are recorded"
_SHOWN = {Relation.SAME.value: "other answers to the same prompt"}
"""Causes that read better in another way where they stand alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GapPart:
    """A part of the gap."""

    cause: str
    """What differs."""
    amount: float
    """Its share of A - B."""
    n_items: int
    """Items that it concerns."""
    detail: str = ""
    """What stands on each side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why two numbers differ."""

    a: str
    """The first side, in words."""
    b: str
    """The second side, in words."""
    whole: tuple[bool, bool]
    """Whether each side has items; an aggregate has none."""
    number_a: float
    """The number of side A: the one that it reports, or the mean of its items."""
    number_b: float
    """The number of side B."""
    n_shared: int
    """Items that both sides have."""
    n_only_a: int
    """Items of A alone."""
    n_only_b: int
    """Items of B alone."""
    parts: tuple[GapPart, ...]
    """What the gap is made of, the largest first; they add up to `gap`."""
    settings: tuple[Setting, ...]
    """Factors on which the sides differ: name, level of A, level of B."""
    example: PromptExample | None
    """The first shared item whose prompts differ; None where none do, or none are recorded."""
    open: tuple[str, ...]
    """What cannot be told apart from files alone."""
    runs: tuple[str, ...]
    """The fewest further runs that would tell it apart."""
    alike: bool = False
    """Whether every shared item has one prompt and one value on both sides, and one answer where answers are recorded."""

    @property
    def gap(self) -> float:
        """A less B."""
        return self.number_a - self.number_b

    def lines(self) -> list[str]:
        """The explanation as text, one line for each part."""
        text = [f"A: {self.a} = {self.number_a:.4f}", f"B: {self.b} = {self.number_b:.4f}", self._headline()]
        text += [_part_line(part) for part in self.parts if part.amount or not self.alike]
        text += [f"differs: {name}: {a} | {b}" for name, a, b in self.settings if known_on_both(a, b)]
        text += self._one_sided()
        if self.example is not None:
            text += [f"{self.example.difference.place(self.example.item)} ({self.example.relation.value}):"]
            text += [f"  {line}" for line in self.example.difference.lines()]
        if self.alike:
            text.append(_ALIKE)
        return text + [f"not told apart: {line}" for line in self.open] + [f"would tell: {line}" for line in self.runs]

    def _one_sided(self) -> list[str]:
        """Settings that one side alone records: nobody knows whether they differ."""
        only_a = [f"{name} {a}" for name, a, b in self.settings if b == UNRECORDED]
        only_b = [f"{name} {b}" for name, a, b in self.settings if a == UNRECORDED]
        return [f"only {letter} records: {', '.join(told)}" for letter, told in (("A", only_a), ("B", only_b)) if told]

    def _headline(self) -> str:
        gap = f"gap A - B = {self.gap:+.4f}"
        if not all(self.whole):
            kinds = (_counted(self.n_only_a), _counted(self.n_only_b))
            told = (
                f"{kind} of {letter}" if kind else f"an aggregate of {letter}" for kind, letter in zip(kinds, "AB", strict=True)
            )
            return f"{gap} between {' and '.join(told)}"
        only = [f"{_counted(n)} only in {letter}" for n, letter in ((self.n_only_a, "A"), (self.n_only_b, "B")) if n]
        shared = f"{self.n_shared} shared item{'' if self.n_shared == 1 else 's'}"
        return f"{gap} over {shared}" + (f" ({', '.join(only)})" if only else "")


def shown_cause(cause: str) -> str:
    """Return a cause as it is written where nothing beside it says what it means."""
    return _SHOWN.get(cause, cause)


def _part_line(part: GapPart) -> str:
    told = [f"  {shown_cause(part.cause):<34} {part.amount:+.4f}", _counted(part.n_items), part.detail]
    return "  ".join(word for word in told if word)


def _counted(n_items: int) -> str:
    """Items in words; empty for none, since an aggregate is no item."""
    return "" if not n_items else "1 item" if n_items == 1 else f"{n_items} items"
