"""Texts of the command line into values, with sentences that name the option."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import TypeVar

from safetyrepro.envelope import Tier
from safetyrepro.errors import SafetyReproError
from safetyrepro.estimands import Orientation

_Word = TypeVar("_Word", bound=Enum)


def parse_ranges(texts: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Read ``BENCHMARK=LOW,HIGH`` or ``LOW,HIGH``; the empty name stands for every benchmark."""
    ranges = {}
    for text in texts:
        name, _, numbers = text.rpartition("=")
        try:
            low, high = (float(number) for number in numbers.split(","))
        except ValueError:
            low = high = 0.0
        if not low < high:
            raise SafetyReproError(
                f"--range {text}",
                found="is no range",
                expected="BENCHMARK=LOW,HIGH with LOW below HIGH",
                remedy="Example: --range bbq=0,100",
            )
        ranges[name] = (low, high)
    return ranges


def parse_orientations(texts: Sequence[str]) -> dict[str, Orientation]:
    """Read ``BENCHMARK=WORD`` or ``WORD``; the empty name stands for every benchmark."""
    orientations = {}
    for text in texts:
        name, _, word = text.rpartition("=")
        try:
            orientations[name] = Orientation.parse(word)
        except ValueError as error:
            raise SafetyReproError(
                f"--orientation {text}", found=str(error), remedy="Example: --orientation 'crows_pairs=target(50)'"
            ) from error
    return orientations


def parse_conditions(texts: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Read ``FACTOR=LEVEL[,LEVEL]``; naming a factor twice adds levels."""
    conditions: dict[str, tuple[str, ...]] = {}
    for text in texts:
        name, mark, levels = text.partition("=")
        if not mark or not name or not levels:
            raise SafetyReproError(
                f"--where {text}",
                found="is no condition",
                expected="FACTOR=LEVEL or FACTOR=LEVEL,LEVEL",
                remedy="Example: --where template=cloze",
            )
        conditions[name] = (*conditions.get(name, ()), *levels.split(","))
    return conditions


def parse_settings(texts: Sequence[str]) -> dict[str, str]:
    """Read ``FACTOR=LEVEL[,FACTOR=LEVEL]``; a factor has one level."""
    settings: dict[str, str] = {}
    for part in ",".join(texts).split(","):
        name, mark, level = (piece.strip() for piece in part.partition("="))
        if not mark or not name or not level or settings.get(name, level) != level:
            raise SafetyReproError(
                f"--at {part}",
                found="is no setting" if name not in settings else f"'{name}' is already {settings[name]}",
                expected="FACTOR=LEVEL[,FACTOR=LEVEL], each factor once",
                remedy="Example: --at template=cloze,shots=5",
            )
        settings[name] = level
    return settings


def parse_names(text: str | None) -> tuple[str, ...]:
    """Read ``A,B``."""
    return tuple(name.strip() for name in text.split(",") if name.strip()) if text else ()


def parse_choice(text: str, words: type[_Word], option: str) -> _Word:
    """Read one word of an enum, with a sentence that lists the others."""
    for word in words:
        if word.value == text:
            return word
    raise SafetyReproError(
        f"{option} {text}",
        found="is none of its words",
        expected=f"one of {', '.join(str(word.value) for word in words)}",
        remedy="Correct the option.",
    )


def parse_renames(texts: Sequence[str], option: str) -> dict[str, str]:
    """Read ``STATED=NAME``; a name alone stands for what states none and gets the empty key."""
    names: dict[str, str] = {}
    for text in texts:
        stated, _, name = text.rpartition("=")
        if not name.strip():
            raise SafetyReproError(
                f"{option} {text}", found="gives no name", expected="STATED=NAME", remedy=f"Example: {option} gpt2=GPT-2"
            )
        names[stated] = name.strip()
    return names


def parse_tier(text: str | None) -> Tier | None:
    """Read ``core`` or ``stress``."""
    return parse_choice(text, Tier, "--tier") if text else None
