"""What two sides' files cannot tell apart, and the fewest further runs that would."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from safetyrepro.envelope import Stage
from safetyrepro.harnesses.base import STAGES, UNRECORDED
from safetyrepro.prompts import Relation

Setting = tuple[str, str, str]
"""A factor on which the sides differ: its name, the level of A, the level of B."""

NUMERICS = "numerics"
"""Same prompts, and the number format or the engine differs on record."""
_PREFIXES = frozenset({"prefix"})
_NUMERIC = frozenset({"dtype", "quantization", "engine", "device"})
_PACKAGE = frozenset({"harness", "harness_version", "template", "multiturn_examples"})
_TEXTS = frozenset(member.value for member in Relation if member not in (Relation.SAME, Relation.TOKENS, Relation.UNKNOWN))


def differing(a: Mapping[str, str], b: Mapping[str, str]) -> tuple[Setting, ...]:
    """Return the factors on which two sides differ, in A's order."""
    names = dict.fromkeys([*a, *b])
    levels = [(name, a.get(name, UNRECORDED), b.get(name, UNRECORDED)) for name in names]
    return tuple(triple for triple in levels if triple[1] != triple[2])


def known_on_both(a: str, b: str) -> bool:
    """Return whether both sides record a level, so that it is known to differ."""
    return UNRECORDED not in (a, b)


def behind(settings: Sequence[Setting]) -> str:
    """Return what to call a difference between answers to one prompt, by what is on record: tokens, numerics, or neither alone."""
    known = {name for name, _, _ in settings}
    prefixes, numeric = known & _PREFIXES, known & _NUMERIC
    if prefixes and not numeric:
        return Relation.TOKENS.value
    return NUMERICS if numeric and not prefixes else Relation.SAME.value


def open_questions(players: Sequence[str], settings: Sequence[Setting], *, recognised: bool) -> tuple[str, ...]:
    """Return what cannot be told apart from files alone, one sentence each.

    Parameters
    ----------
    players : sequence of str
        The parts into which the shared items' gap was taken apart.
    settings : sequence of Setting
        Factors on which the sides differ.
    recognised : bool
        Whether the scoring rule of both sides is recognised.
    """
    names = [name for name, a, b in _causes(settings) if known_on_both(a, b)]
    causes = ", ".join(names) or "no recorded setting"
    lines = []
    if not recognised:
        scores = [f"{name} ({a} | {b})" for name, a, b in settings if STAGES.get(name) is Stage.SCORE and known_on_both(a, b)]
        told = f"; on record it differs in {', '.join(scores)}" if scores else ""
        lines.append(
            f"the scoring rule of at least one side is not recognised, so it stays within the parts of the answers{told}"
        )
    if Relation.UNKNOWN.value in players:
        lines.append("at least one side does not hold its prompts, so what the model was shown stays within one part")
    if Relation.SAME.value in players or NUMERICS in players:
        lines.append(f"same prompts, other answers: {causes} differs on record; tokens, engine and numerics may too")
    if len(names) > 1 and _TEXTS & set(players):
        lines.append(f"where prompts differ, {causes} act together with the text")
    unknown = [name for name, *levels in settings if UNRECORDED in levels and name in (*_PREFIXES, *_NUMERIC)]
    if unknown:
        lines.append(f"only one side records {', '.join(unknown)}")
    return tuple(lines)


def fewest_runs(players: Sequence[str], settings: Sequence[Setting], *, recognised: bool = True) -> tuple[str, ...]:
    """Return the fewest further runs that would tell apart what files cannot.

    Parameters
    ----------
    players : sequence of str
        The parts into which the shared items' gap was taken apart.
    settings : sequence of Setting
        Factors on which the sides differ.
    recognised : bool
        Whether the scoring rule of both sides is recognised; where it is not, another way to score needs a run as well.

    Notes
    -----
    Settings that a package brings together (its name, its version, its template) move together, and one of the groups needs no run:
    its share is what the others leave. A factor that one side does not record is not known to differ, and no run is asked for.
    """
    if Relation.UNKNOWN.value in players:
        return ("run both sides again with their prompts logged",)
    known = [triple for triple in (_causes(settings) if recognised else settings) if known_on_both(*triple[1:])]
    groups = _groups(known)
    if not groups and Relation.SAME.value in players:
        if any(not known_on_both(a, b) for _, a, b in _causes(settings)):
            return ("name files that record the settings of both sides",)
        return ("run A a second time: the gap between its two runs is the noise",)
    return tuple(f"run A with {' and '.join(group)}" for group in groups[:-1])


def _causes(settings: Sequence[Setting]) -> list[Setting]:
    """Differing factors that can change an answer; scoring is counted again and needs no run."""
    return [triple for triple in settings if STAGES.get(triple[0]) is not Stage.SCORE]


def _groups(causes: Sequence[Setting]) -> list[list[str]]:
    """Levels of B that can be run, those that a package brings together as one group, which comes last."""
    runnable = [(name, level) for name, _, level in causes if level != UNRECORDED]
    across = any(name == "harness" for name, _ in runnable)
    alone = [[f"{name} = {level}"] for name, level in runnable if not (across and name in _PACKAGE)]
    together = [f"{name} = {level}" for name, level in runnable if across and name in _PACKAGE]
    return alone + ([together] if together else [])
