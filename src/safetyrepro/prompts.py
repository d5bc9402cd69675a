"""How two rendered prompts of one item differ: in nothing, in white space, in special tokens, in what stands before, in wording."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

_SPECIAL = re.compile(
    r"<\|[^|>]{1,60}\|>|</?s>|\[/?INST\]|<</?SYS>>|<bos>|<eos>|<(?:start|end)_of_turn>|\[(?:user|assistant|system)\]"
    r"|\b(?:user|assistant|system|model)\b:?",
    re.IGNORECASE,
)
_AROUND = 40
_RECOGNISABLE = 20


class Relation(Enum):
    """How the text that reached the model differs between two sides."""

    SAME = "same prompt"
    """Same text; what differs lies behind it: tokens, engine, decoding, numerics."""
    TOKENS = "tokens or prefix"
    """Same text, other token ids."""
    SPACE = "white space or delimiter"
    """The same but for white space."""
    SPECIAL = "chat template or special tokens"
    """The same but for special tokens and the names of roles."""
    BEFORE = "examples or instructions"
    """The item itself is asked in the same words; what stands before it differs."""
    WORDING = "prompt text"
    """The item is asked in other words."""
    UNKNOWN = "prompt not recorded"
    """At least one side does not hold its prompts."""


@dataclass(frozen=True, slots=True)
class Difference:
    """The first place at which two prompts part."""

    at: int
    """Number of characters that they share."""
    a: str
    """What the first has around the place."""
    b: str
    """What the second has."""

    before: int = 0
    """Where one is the other with something before it: the number of characters of that; 0 elsewhere."""

    def lines(self) -> list[str]:
        """The place as a diff: ``-`` the first, ``+`` the second; line ends are written out, continuations stand behind bars."""
        shown = [f"{mark} {text!r}".replace("\\x1e", " | ") for mark, text in (("-", self.a), ("+", self.b))]
        return [line for line, text in zip(shown, (self.a, self.b), strict=True) if text] if self.before else shown

    def place(self, item: str) -> str:
        """Where the prompts of an item part, in words."""
        if self.before:
            return f"item {item}: {'A' if self.a else 'B'} puts {self.before} characters before the same text"
        return f"first difference at character {self.at} of item {item}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptExample:
    """The first shared item whose prompts differ."""

    item: str
    """Its name on side A."""
    relation: Relation
    """How they differ."""
    difference: Difference
    """Where they part."""


def relation(a: str, b: str, *, question: str = "", tokens: tuple[str, str] = ("", "")) -> Relation:
    """Return how two prompts differ.

    Parameters
    ----------
    a, b : str
        The prompts; empty where they are not recorded.
    question : str
        The item's own text, by which the part before it is told from the item.
    tokens : tuple of two str
        Digests of the token ids; empty where they are not recorded.
    """
    if not a or not b:
        return Relation.UNKNOWN
    if a == b:
        return Relation.TOKENS if all(tokens) and tokens[0] != tokens[1] else Relation.SAME
    if _bare(a) == _bare(b):
        return Relation.SPACE
    if _bare(_SPECIAL.sub("", a)) == _bare(_SPECIAL.sub("", b)):
        return Relation.SPECIAL
    if _bare(a).endswith(_bare(b)) or _bare(b).endswith(_bare(a)):
        return Relation.BEFORE
    tails = _tail(a, question), _tail(b, question)
    return Relation.BEFORE if tails[0] and tails[0] == tails[1] else Relation.WORDING


def first_difference(a: str, b: str) -> Difference:
    """Return where two texts part, with what stands around the place; or what one puts before the other, its beginning and end."""
    if a and b and a != b and (a.endswith(b) or b.endswith(a)):
        more = abs(len(a) - len(b))
        shown = max(a, b, key=len)[:more]
        shown = shown if more <= 4 * _AROUND else f"{shown[: 2 * _AROUND]} ... {shown[-2 * _AROUND :]}"
        return Difference(0, shown if len(a) > len(b) else "", shown if len(b) > len(a) else "", before=more)
    place = next((at for at, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    start = max(place - _AROUND, 0)
    return Difference(place, a[start : place + _AROUND], b[start : place + _AROUND])


def _bare(text: str) -> str:
    return "".join(text.split())


def _tail(prompt: str, question: str) -> str:
    """What stands from the line of the item's question to the end, without white space; empty where it is not found."""
    wanted = question.strip()[:_RECOGNISABLE]
    at = prompt.rfind(wanted) if wanted else -1
    return _bare(prompt[prompt.rfind("\n", 0, at) + 1 :]) if at >= 0 else ""
