"""The gap between two numbers, shared out among what differs between them, in parts that add up exactly.

What two sides count differently is separated by counting again: items that only one has, answers that could not be read, the rule
that reads an answer, the expected answers, and the answers themselves, which are told apart by how the prompts differ. Where the
parts interact, each gets its Shapley value: its mean effect over every order in which the differences could be removed.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from safetyrepro.errors import IngestError
from safetyrepro.explanation import NOT_SHARED_OUT, Explanation, GapPart
from safetyrepro.harnesses.content import normalised
from safetyrepro.harnesses.rules import Answer, gold_places, recognised, score
from safetyrepro.prompts import PromptExample, Relation, first_difference
from safetyrepro.records import Status
from safetyrepro.scores import FailurePolicy
from safetyrepro.shared_items import SharedItem, asked_on_both, shared_items
from safetyrepro.sides import Side, SideItem, mean_under, policy_of
from safetyrepro.unresolved import Setting, behind, differing, fewest_runs, open_questions

ITEMS = "items not shared"
POLICY = "failure policy"
RULE = "extraction or scoring rule"
LABELS = "expected answers"
AGGREGATION = "aggregation"
OFFERED = "answers that were offered"
_BEHIND = frozenset({Relation.SAME, Relation.TOKENS, Relation.UNKNOWN})
_SCORING = "scoring"
_KNOWN, _UNPARSED, _ABSENT = 0, 1, 2


@dataclass(frozen=True, slots=True)
class _Counted:
    """What a combination of answers, rule and expected answers makes of the shared items."""

    values: NDArray[np.float64]
    states: NDArray[np.int8]


def explain(a: Side, b: Side) -> Explanation:
    """Share the gap between two sides out.

    Parameters
    ----------
    a, b : Side
        What is compared; items are joined by what they ask.

    Returns
    -------
    Explanation

    Raises
    ------
    IngestError
        If the sides share no item, or a side has no value at all.

    Notes
    -----
    With A's number written as r(A) = report, m(A) = mean of all its items and s(A) = mean of its shared ones,
    ``r(A) - r(B) = [r(A) - m(A) - r(B) + m(B)] + [m(A) - s(A) - m(B) + s(B)] + [s(A) - s(B)]``: aggregation, items not shared,
    and the rest, which is shared out over the differences by their Shapley values.
    """
    if not (a.items and b.items):
        return _without_items(a, b)
    gap = gap_between(a, b)
    # One level of scoring on record on both sides is one rule, whether or not the answers give it back.
    one_rule = a.settings.get(_SCORING) is not None and a.settings[_SCORING] == b.settings.get(_SCORING)
    recognised = one_rule or gap.game.rules is not None or gap.game.players == [RULE]
    return Explanation(
        a=a.describe(),
        b=b.describe(),
        whole=(True, True),
        number_a=gap.reports[0],
        number_b=gap.reports[1],
        n_shared=len(gap.game.shared),
        n_only_a=gap.n_only[0],
        n_only_b=gap.n_only[1],
        parts=tuple(sorted(gap.parts(), key=lambda part: -abs(part.amount))),
        settings=gap.settings,
        example=_example(gap.game.shared),
        open=() if gap.game.alike else open_questions(gap.game.players, gap.settings, recognised=recognised),
        runs=() if gap.game.alike else fewest_runs(gap.game.players, gap.settings, recognised=recognised),
        alike=gap.game.alike,
    )


def number_of(side: Side) -> float:
    """Return the number of a side: the one that it reports, or else the mean of its items.

    Raises
    ------
    IngestError
        If it has neither.
    """
    return _number(side, side.items, policy_of(side)) if side.reported is None else side.reported


def _without_items(a: Side, b: Side) -> Explanation:
    """The gap between two numbers of which at least one has no items behind it: what is on record, and no parts."""
    numbers = number_of(a), number_of(b)
    bare = [letter for letter, side in zip("AB", (a, b), strict=True) if not side.items]
    holds = f"{' and '.join(bare)} {'hold aggregates' if len(bare) > 1 else 'holds an aggregate'} and no items"
    return Explanation(
        a=a.describe(),
        b=b.describe(),
        whole=(bool(a.items), bool(b.items)),
        number_a=numbers[0],
        number_b=numbers[1],
        n_shared=0,
        n_only_a=len(a.items),
        n_only_b=len(b.items),
        parts=(GapPart(cause=NOT_SHARED_OUT, amount=numbers[0] - numbers[1], n_items=0),),
        settings=differing(a.settings, b.settings),
        example=None,
        open=(f"{holds}, so the gap is not shared out and no prompts are compared",),
        runs=tuple(f"name the samples of {letter}, or run {letter} again with its samples logged" for letter in bare),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Two numbers, and what any mixture of the two sides' differences makes of them."""

    game: Game
    """The shared items."""
    n_only: tuple[int, int]
    """Items of A alone, of B alone."""
    reports: tuple[float, float]
    """The numbers as they are reported."""
    apart: Mapping[str, tuple[float, float]]
    """Aggregation and items not shared: what each adds on side A, on side B."""
    settings: tuple[Setting, ...]
    """Factors on which the sides differ."""

    @property
    def causes(self) -> tuple[str, ...]:
        """Everything that differs, in one order."""
        return (*(name for name, (a, b) in self.apart.items() if a != b), *self.game.players)

    def number(self, moved: AbstractSet[str]) -> float:
        """The number of A with some causes moved to B's; with all of them it is B's number, but for rounding."""
        return math.fsum([self.game.mean(moved), *(pair[name in moved] for name, pair in self.apart.items())])

    def parts(self) -> list[GapPart]:
        """The parts of A - B."""
        concerned = {AGGREGATION: len(self.game.shared), ITEMS: sum(self.n_only)}
        return [
            GapPart(cause=name, amount=a - b, n_items=concerned[name]) for name, (a, b) in self.apart.items() if a != b
        ] + self.game.parts()


def gap_between(a: Side, b: Side) -> Gap:
    """Join the items of two sides and take their gap apart.

    Raises
    ------
    IngestError
        If the sides share no item, or a side has no value at all.
    """
    b = replace(b, worst=a.worst)
    joined = shared_items(a, b)
    shared, n_only = joined.pairs, joined.n_only
    policies = policy_of(a), policy_of(b)
    means = _number(a, a.items, policies[0]), _number(b, b.items, policies[1])
    commons = (
        _number(a, [pair.a for pair in shared], policies[0]),
        _number(b, [pair.b for pair in shared], policies[1]),
    )
    reports = (means[0] if a.reported is None else a.reported, means[1] if b.reported is None else b.reported)
    settings = differing(a.settings, b.settings)
    apart = {
        AGGREGATION: (reports[0] - means[0], reports[1] - means[1]),
        ITEMS: (means[0] - commons[0], means[1] - commons[1]),
    }
    game = Game(shared, policies, worst=a.worst, hidden=behind(settings))
    return Gap(game=game, n_only=n_only, reports=reports, apart=apart, settings=settings)


def _number(side: Side, items: Sequence[SideItem], policy: FailurePolicy) -> float:
    mean = mean_under(side, items, policy)
    if mean is None:
        raise IngestError(
            side.name,
            found="none of its items has a value",
            expected="scored items",
            remedy="Choose a question with --estimand.",
        )
    return mean


class Game:
    """The shared items under every mixture of the two sides' differences."""

    def __init__(
        self, shared: Sequence[SharedItem], policies: tuple[FailurePolicy, FailurePolicy], *, worst: float, hidden: str
    ) -> None:
        self.shared, self._worst, self._policies = shared, worst, policies
        self.rules = _rules(shared)
        self._causes = np.array([self._cause(pair, hidden) for pair in shared])
        self.players = list(dict.fromkeys(sorted(self._causes.tolist()))) + self._others()
        self._counted = cache(self._count)

    def parts(self) -> list[GapPart]:
        """The parts of s(A) - s(B), by their Shapley values."""
        values = shapley(len(self.players), cache(lambda coalition: self.mean({self.players[place] for place in coalition})))
        return [
            GapPart(cause=name, amount=0.0 - value, n_items=self._concerned(name), detail=self._detail(name))
            for name, value in zip(self.players, values, strict=True)
        ]

    @property
    def alike(self) -> bool:
        """Whether nothing differs: every shared item has one prompt, one answer and one value on both sides."""
        return not self._others() and all(pair.alike for pair in self.shared)

    def _cause(self, pair: SharedItem, hidden: str) -> str:
        """What the two answers of an item differ by: its prompts, what lies behind them, or how one answer was read."""
        alike = pair.a.answer.same(pair.b.answer)
        if self.rules is None and (alike or pair.a.same_answer(pair.b)) and (pair.a.value != pair.b.value or not alike):
            return RULE
        if pair.relation in _BEHIND and pair.a.answer.offered_other(pair.b.answer):
            return OFFERED
        return hidden if pair.relation is Relation.SAME else pair.relation.value

    def _others(self) -> list[str]:
        names = []
        if self.rules is not None and self.rules[0] != self.rules[1]:
            names.append(RULE)
        if self.rules is not None and any(_gold(pair.a) != _gold(pair.b) for pair in self.shared):
            names.append(LABELS)
        if self._policies[0] is not self._policies[1]:
            names.append(POLICY)
        return names

    def mean(self, moved: AbstractSet[str]) -> float:
        """Mean of the shared items where the causes that are moved are as on side B and the others as on side A."""
        rule, labels = RULE in moved, LABELS in moved
        from_b = np.isin(self._causes, list(moved))
        mine, theirs = self._counted(0, rule, labels), self._counted(1, rule, labels)
        values = np.where(from_b, theirs.values, mine.values)
        states = np.where(from_b, theirs.states, mine.states)
        policy = self._policies[POLICY in moved]
        if policy is FailurePolicy.WRONG:
            values = np.where(states == _UNPARSED, self._worst, values)
            states = np.where(states == _UNPARSED, _KNOWN, states)
        known = values[states == _KNOWN]
        return math.fsum(known) / known.size if known.size else 0.0

    def _count(self, side: int, rule: bool, labels: bool) -> _Counted:
        values, states = np.zeros(len(self.shared)), np.full(len(self.shared), _ABSENT, dtype=np.int8)
        for place, pair in enumerate(self.shared):
            item, gold = (pair.a, pair.b)[side], (pair.a, pair.b)[labels]
            value, state = self._worth(item, gold, rule, own=side == rule == labels or self._same(side, rule, labels, pair))
            values[place], states[place] = value, state
        return _Counted(values, states)

    def _same(self, side: int, rule: bool, labels: bool, pair: SharedItem) -> bool:
        """Whether a mixture is the side's own way to count after all."""
        if self.rules is None:
            return True
        same_rule = side == rule or self.rules[0] == self.rules[1]
        return same_rule and (side == labels or _gold(pair.a) == _gold(pair.b))

    def _worth(self, item: SideItem, gold: SideItem, rule: bool, *, own: bool) -> tuple[float, int]:
        if item.status not in (Status.SCORED, Status.UNPARSED):
            return 0.0, _ABSENT
        if own or self.rules is None:
            return (0.0, _UNPARSED) if item.value is None else (item.value, _KNOWN)
        options = item.answer.options or gold.answer.options
        answer = Answer(options=options, loglikelihoods=item.answer.loglikelihoods, response=item.answer.response)
        value = score(self.rules[rule], answer, _gold_text(gold))
        return (0.0, _UNPARSED) if value is None else (value, _KNOWN)

    def _concerned(self, name: str) -> int:
        if name == LABELS:
            return sum(_gold(pair.a) != _gold(pair.b) for pair in self.shared)
        if name == POLICY:
            return sum(Status.UNPARSED in (pair.a.status, pair.b.status) for pair in self.shared)
        if name == RULE and self.rules is not None:
            return len(self.shared)
        return int(np.sum(self._causes == name))

    def _detail(self, name: str) -> str:
        if name == OFFERED:
            first = next(pair for pair, cause in zip(self.shared, self._causes, strict=True) if cause == OFFERED)
            counts = (len(item.answer.loglikelihoods or item.answer.options) for item in (first.a, first.b))
            return "A: {}, B: {} of item {}".format(*counts, first.a.id)
        if name == RULE and self.rules is not None:
            return f"A: {self.rules[0]}, B: {self.rules[1]}"
        return f"A: {self._policies[0].value}, B: {self._policies[1].value}" if name == POLICY else ""


def shapley(n_players: int, value: Callable[[frozenset[int]], float]) -> list[float]:
    """Return the Shapley value of each player of a game; they add up to v(all) - v(none).

    Parameters
    ----------
    n_players : int
        Number of players; every coalition is valued once where `value` remembers.
    value : callable
        Worth of a coalition of players 0 .. n_players - 1.

    References
    ----------
    Shapley 1953, A value for n-person games.
    """
    shares = []
    for player in range(n_players):
        others = [other for other in range(n_players) if other != player]
        terms = []
        for size in range(n_players):
            weight = math.factorial(size) * math.factorial(n_players - size - 1) / math.factorial(n_players)
            for members in itertools.combinations(others, size):
                coalition = frozenset(members)
                terms.append(weight * (value(coalition | {player}) - value(coalition)))
        shares.append(math.fsum(terms))
    return shares


def _rules(shared: Sequence[SharedItem]) -> tuple[str, str] | None:
    """The rule of each side; None where either side's is not recognised."""
    found = []
    for items in ([pair.a for pair in shared], [pair.b for pair in shared]):
        read = [item for item in items if item.status in (Status.SCORED, Status.UNPARSED)]
        found.append(recognised([i.answer for i in read], [_gold_text(i) for i in read], [i.value for i in read]))
    if not found[0] or not found[1]:
        return None
    common = [name for name in found[0] if name in found[1]]
    return (common[0], common[0]) if common else (found[0][0], found[1][0])


def _gold_text(item: SideItem) -> str:
    """The expected answer as the texts of options where it names them by number or letter, so that sides can be mixed."""
    places = sorted(gold_places(item.gold, item.answer.options)) if item.answer.options else []
    return " | ".join(item.answer.options[place] for place in places) or item.gold


def _gold(item: SideItem) -> frozenset[str]:
    return frozenset(normalised(part) for part in _gold_text(item).split(" | "))


def _example(shared: Sequence[SharedItem]) -> PromptExample | None:
    for pair in shared:
        if pair.relation not in _BEHIND:
            return PromptExample(
                item=pair.a.id, relation=pair.relation, difference=first_difference(*asked_on_both(pair.a, pair.b))
            )
    return None
