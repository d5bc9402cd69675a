"""Two labs that put two models in opposite order: the fewest differences that turn the one verdict into the other.

Each lab measured both models in its own way. Every mixture of the two ways that answers on file can give is counted again, for both
models at once; a set of differences that turns the order around, and of which no part does, is a minimal flip set.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from safetyrepro.errors import IngestError
from safetyrepro.explain import explain, gap_between, number_of
from safetyrepro.explanation import Explanation, shown_cause
from safetyrepro.sides import Side

MAX_CAUSES = 12
"""Most causes over which every set is tried."""
_TIE = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class LabsExplanation:
    """Why two labs order two models differently."""

    models: tuple[str, str]
    """The two models, as the first lab names them."""
    differences: tuple[float, float]
    """First model less second, in lab A and in lab B."""
    parts: tuple[tuple[str, float], ...]
    """What each cause adds to the difference of lab A beyond that of lab B, the largest first; they add up. None without items."""
    flips: tuple[tuple[str, ...], ...]
    """Minimal sets of causes that turn A's order around when they are as in lab B, the smallest first."""
    by_model: tuple[Explanation, Explanation]
    """The gap of each model between the labs."""

    @property
    def opposite(self) -> bool:
        """Whether the two labs order the models strictly and differently."""
        return _order(self.differences[0]) * _order(self.differences[1]) == -1

    def lines(self) -> list[str]:
        """The explanation as text."""
        first, second = self.models
        text = [
            f"{lab}: {first} - {second} = {difference:+.4f}, {_words(difference, self.models)}"
            for lab, difference in zip("AB", self.differences, strict=True)
        ]
        alike = all(found.alike for found in self.by_model)
        text += [f"  {shown_cause(cause):<34} {amount:+.4f}" for cause, amount in self.parts if amount or not alike]
        if self.opposite and not self.parts:
            text.append("what turns the verdict of A around is not known: it takes the items of both models from both labs")
        elif self.opposite:
            text += [f"turns the verdict of A around: {' with '.join(map(shown_cause, causes))}" for causes in self.flips]
        else:
            text.append("the labs do not order the models in opposite ways, so nothing turns a verdict around")
        for model, found in zip(self.models, self.by_model, strict=True):
            text += ["", f"{model}:", *found.lines()]
        return text


def explain_labs(a: tuple[Side, Side], b: tuple[Side, Side]) -> LabsExplanation:
    """Explain why two labs order two models differently.

    Parameters
    ----------
    a, b : tuple of two Side
        What lab A and lab B found for the first and for the second model.

    Raises
    ------
    IngestError
        If the labs share no item for a model, or differ in too many ways for every set to be tried.

    Notes
    -----
    With x and y the numbers of the models where the causes of a set S are as in lab B and all others as in lab A, S turns the verdict
    around if x(S) - y(S) has the opposite sign of A's. Higher numbers are ahead here; where lower is safer, both orders turn, and the
    sets are the same.
    """
    if not all(side.items for side in (*a, *b)):
        return LabsExplanation(
            models=(a[0].model, a[1].model),
            differences=(number_of(a[0]) - number_of(a[1]), number_of(b[0]) - number_of(b[1])),
            parts=(),
            flips=(),
            by_model=(explain(a[0], b[0]), explain(a[1], b[1])),
        )
    gaps = tuple(gap_between(one, other) for one, other in zip(a, b, strict=True))
    causes = tuple(dict.fromkeys(cause for gap in gaps for cause in gap.causes))
    if len(causes) > MAX_CAUSES:
        raise IngestError(
            f"{a[0].name} and {b[0].name}",
            found=f"they differ in {len(causes)} ways",
            expected=f"at most {MAX_CAUSES}",
            remedy="Narrow the choice with --benchmark, --where-a and --where-b.",
        )
    by_model = (explain(a[0], b[0]), explain(a[1], b[1]))
    differences = (gaps[0].reports[0] - gaps[1].reports[0], gaps[0].reports[1] - gaps[1].reports[1])
    amounts = dict.fromkeys(causes, 0.0)
    for sign, found in zip((1.0, -1.0), by_model, strict=True):
        for part in found.parts:
            amounts[part.cause] += sign * part.amount
    return LabsExplanation(
        models=(a[0].model, a[1].model),
        differences=differences,
        parts=tuple(sorted(amounts.items(), key=lambda pair: -abs(pair[1]))),
        flips=minimal_sets(causes, _order(differences[0]), lambda moved: gaps[0].number(moved) - gaps[1].number(moved)),
        by_model=by_model,
    )


def minimal_sets(
    causes: Sequence[str], order: int, difference: Callable[[AbstractSet[str]], float]
) -> tuple[tuple[str, ...], ...]:
    """Return the sets of causes that reverse an order and of which no part does, the smallest first.

    Parameters
    ----------
    causes : sequence of str
        What can be moved.
    order : int
        1 or -1, the order that is to be reversed; nothing reverses 0.
    difference : callable
        First model less second with some causes moved.
    """
    found: list[frozenset[str]] = []
    for size in range(1, len(causes) + 1 if order else 1):
        for members in map(frozenset, itertools.combinations(causes, size)):
            if not any(smaller <= members for smaller in found) and _order(difference(members)) == -order:
                found.append(members)
    return tuple(tuple(cause for cause in causes if cause in members) for members in found)


def _order(difference: float) -> int:
    return 0 if abs(difference) <= _TIE else 1 if difference > 0 else -1


def _words(difference: float, models: tuple[str, str]) -> str:
    order = _order(difference)
    return "a tie" if not order else f"{models[0] if order > 0 else models[1]} is higher"
