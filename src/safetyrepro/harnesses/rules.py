"""Scoring rules of packages, applied again to answers that a file holds, and recognised by what they reproduce.

No file is believed about its rule: a rule is a side's rule when it gives the side's own values back.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from safetyrepro.harnesses.content import normalised

AGREEMENT = 0.95
"""Share of a side's values that a rule must give back to be taken for its rule."""
FEWEST_ITEMS = 3
"""Fewest items on which a rule is recognised."""
_ANSWER = re.compile(r"(?i)answer\s*(?:is)?\s*:?\s*\(?([A-Z])\b")
_LETTER = re.compile(r"^\W*([A-Za-z])\b")
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a rule reads."""

    options: tuple[str, ...] = ()
    """Texts of the offered answers."""
    loglikelihoods: tuple[float, ...] = ()
    """Log-likelihood of each, where they were scored."""
    response: str | None = None
    """What the model said, where it was asked to speak."""

    @property
    def recorded(self) -> bool:
        """Whether anything that the model gave is known."""
        return bool(self.loglikelihoods) or self.response is not None

    def offered_other(self, other: Answer) -> bool:
        """Whether it is known that other answers, or another number of them, were offered."""
        counts = {len(side.loglikelihoods) for side in (self, other)} - {0}
        texts = [frozenset(map(normalised, side.options)) for side in (self, other)]
        return len(counts) > 1 or (all(texts) and texts[0] != texts[1])

    def same(self, other: Answer) -> bool:
        """Whether two answers are recorded and one and the same, so that only their reading can differ."""
        return self.recorded and (self.loglikelihoods, self.response) == (other.loglikelihoods, other.response)


@dataclass(frozen=True, slots=True)
class Reading:
    """What a rule makes of an answer: the place of an option, or whether the text was right."""

    choice: int | None = None
    """Place of the chosen option."""
    right: bool | None = None
    """Whether the text is right, for rules that compare texts."""


Rule = Callable[[Answer, str], Reading | None]


def gold_places(gold: str, options: Sequence[str]) -> frozenset[int]:
    """Return the places of the right options: told by their texts, their numbers or their letters."""
    wanted = [part.strip() for part in gold.split(" | ")]
    texts = [normalised(option) for option in options]
    by_text = {place for part in wanted for place, text in enumerate(texts) if text == normalised(part)}
    if by_text:
        return frozenset(by_text)
    numbers = {int(part) for part in wanted if part.isdecimal() and int(part) < len(options)}
    if numbers:
        return frozenset(numbers)
    return frozenset(_ALPHABET.index(part) for part in wanted if len(part) == 1 and part in _ALPHABET[: len(options)])


def _largest(divisors: Callable[[str], float]) -> Rule:
    def read(answer: Answer, gold: str) -> Reading | None:
        del gold
        if not answer.options or len(answer.loglikelihoods) != len(answer.options):
            return None
        values = [
            value / max(divisors(option), 1.0) for value, option in zip(answer.loglikelihoods, answer.options, strict=True)
        ]
        return Reading(choice=values.index(max(values)))

    return read


def _one(option: str) -> float:
    del option
    return 1.0


def _letter(find: Callable[[str], str | None]) -> Rule:
    def read(answer: Answer, gold: str) -> Reading | None:
        del gold
        if answer.response is None or not answer.options:
            return None
        letter = find(answer.response)
        place = _ALPHABET.find(letter.upper()) if letter else -1
        return Reading(choice=place) if 0 <= place < len(answer.options) else None

    return read


def _only_letter(text: str) -> str | None:
    return text.strip() if len(text.strip()) == 1 else None


def _first_letter(text: str) -> str | None:
    found = _LETTER.match(text)
    return found[1] if found else None


def _stated_letter(text: str) -> str | None:
    found = _ANSWER.findall(text)
    return str(found[-1]) if found else None


def _option_text(answer: Answer, gold: str) -> Reading | None:
    del gold
    said = normalised(answer.response or "")
    places = [place for place, option in enumerate(answer.options) if normalised(option) == said]
    return Reading(choice=places[0]) if len(places) == 1 else None


def _text(compare: Callable[[str, str], bool]) -> Rule:
    def read(answer: Answer, gold: str) -> Reading | None:
        if answer.response is None or not gold:
            return None
        return Reading(right=any(compare(answer.response, part) for part in gold.split(" | ")))

    return read


RULES: Mapping[str, Rule] = {
    "sum": _largest(_one),
    "per_character": _largest(lambda option: float(len(option))),
    "per_byte": _largest(lambda option: float(len(option.encode()))),
    "only_letter": _letter(_only_letter),
    "first_letter": _letter(_first_letter),
    "stated_letter": _letter(_stated_letter),
    "option_text": _option_text,
    "exact_text": _text(lambda said, gold: said.strip() == gold.strip()),
    "same_text": _text(lambda said, gold: normalised(said) == normalised(gold)),
    "first_line": _text(lambda said, gold: said.strip().partition("\n")[0].strip() == gold.strip()),
    "includes": _text(lambda said, gold: normalised(gold) in normalised(said)),
}
"""Name -> rule."""


def score(rule: str, answer: Answer, gold: str) -> float | None:
    """Return 1 for a right answer and 0 for a wrong one; None where the rule cannot read the answer."""
    reading = RULES[rule](answer, gold)
    if reading is None:
        return None
    if reading.right is not None:
        return float(reading.right)
    places = gold_places(gold, answer.options)
    return float(reading.choice in places) if places else None


def recognised(answers: Sequence[Answer], golds: Sequence[str], values: Sequence[float | None]) -> tuple[str, ...]:
    """Return the rules that give most of a side's values back, all with the same, largest agreement; empty for none.

    Parameters
    ----------
    answers, golds, values : sequences of one length
        What was said, what was expected, and what the side made of it; None is an answer that it could not read.
    """
    if len(values) < FEWEST_ITEMS:
        return ()
    agreement = {
        name: sum(score(name, answer, gold) == value for answer, gold, value in zip(answers, golds, values, strict=True))
        for name in RULES
    }
    best = max(agreement.values())
    if best < AGREEMENT * len(values):
        return ()
    return tuple(name for name, count in agreement.items() if count == best)
