"""The items that two sides share, each with how its prompts differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from safetyrepro.errors import IngestError
from safetyrepro.match import Question, match_items
from safetyrepro.prompts import Relation, relation
from safetyrepro.sides import Side, SideItem, asked_text


@dataclass(frozen=True, slots=True)
class SharedItem:
    """A shared item, and how its prompts differ."""

    a: SideItem
    """It on side A."""
    b: SideItem
    """It on side B."""
    relation: Relation
    """How its prompts differ."""

    @property
    def alike(self) -> bool:
        """Whether nothing differs that either side records."""
        one, other = self.a, self.b
        answered = one.same_answer(other) or one.answer.same(other.answer) or not (one.answer.recorded or other.answer.recorded)
        return self.relation is Relation.SAME and answered and (one.value, one.status) == (other.value, other.status)


@dataclass(frozen=True, slots=True)
class Joined:
    """What two sides share."""

    pairs: list[SharedItem]
    """The shared items."""
    n_only: tuple[int, int]
    """Items of A alone, of B alone."""


def shared_items(a: Side, b: Side) -> Joined:
    """Join the items of two sides; give those that both have, and how many each has alone.

    Raises
    ------
    IngestError
        If they share none.
    """
    left, right = ({item.id: item for item in side.items} for side in (a, b))
    found = max((match_items(*way) for way in _ways_to_match(left, right)), key=lambda matching: len(matching.pairs))
    if not found.pairs:
        raise IngestError(
            f"{a.name} and {b.name}",
            found=f"none of {len(left)} items is one of {len(right)} (such as {next(iter(left))} and {next(iter(right))})",
            expected="two sides of one benchmark whose questions are recorded",
            remedy="Choose other runs with --benchmark, or write the logs with their samples.",
        )
    pairs = [(left[pair.a], right[pair.b]) for pair in found.pairs]
    shared = [SharedItem(one, other, _relation(one, other)) for one, other in pairs]
    return Joined(shared, (len(found.only_a), len(found.only_b)))


def _ways_to_match(left: Mapping[str, SideItem], right: Mapping[str, SideItem]) -> list[tuple[dict[str, Question], ...]]:
    """What items are joined by: their questions; where a side records none, also that its prompts hold them, or are the prompts."""
    known = [any(item.text for item in items.values()) for items in (left, right)]
    if not any(known):
        return [tuple({name: Question(item.id) for name, item in items.items()} for items in (left, right))]
    prompts = [{name: Question(item.prompt) for name, item in items.items()} for items in (left, right)]
    questions = [{name: Question(item.text, item.answer.options) for name, item in items.items()} for items in (left, right)]
    if all(known):
        return [tuple(questions)]
    return [tuple(questions[side] if known[side] else prompts[side] for side in (0, 1)), tuple(prompts)]


def _relation(a: SideItem, b: SideItem) -> Relation:
    if a.same_answer(b):
        return Relation.SAME
    tokens = (a.token_digest, b.token_digest)
    if a.prompt_digest and a.prompt_digest == b.prompt_digest and not (a.prompt and b.prompt):
        return Relation.TOKENS if all(tokens) and tokens[0] != tokens[1] else Relation.SAME
    return relation(*asked_on_both(a, b), question=a.text or b.text, tokens=tokens)


def asked_on_both(a: SideItem, b: SideItem) -> tuple[str, str]:
    """What each side asked, with the continuations where both sides record them."""
    if a.continuations and b.continuations:
        return asked_text(a.prompt, a.continuations), asked_text(b.prompt, b.continuations)
    return a.prompt, b.prompt
