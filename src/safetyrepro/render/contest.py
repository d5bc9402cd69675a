"""GridCard -> the numbers from which the page's script recomputes every count while a reader switches configurations off.

Everything that the script says follows from what stands here: levels, scores and claims. Names are inert text, and scores are written
so that they are read back bit for bit.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from safetyrepro.card import BenchmarkCard, GridCard
from safetyrepro.render.text import counted, inert
from safetyrepro.render.view import Shown
from safetyrepro.scores import FailurePolicy
from safetyrepro.stats.base import TOLERANCE
from safetyrepro.stats.subcubes import Subcube, maximal_subcubes
from safetyrepro.verdicts import Claim, ClaimResult, Order, Quantifier, Relation, Verdict

MOST_BOXES = 2_000
"""Boxes that the page keeps while it looks for the parts of an envelope in which a claim is true; beyond it, it says so."""
MOST_TOLD = 3
"""Parts that are named; the others are counted."""
DIGITS = 8
"""Hexadecimal digits by which a page names a configuration; more where two would be alike."""
_PACKAGE = re.compile(r"[@:]| \(")
_ESCAPED = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
OWN_SCORES = (Quantifier.WORST_CASE, Quantifier.DOMINANCE)
"""Quantifiers that are about each model's own scores; where items leave in pairs, the page holds only differences."""
Json = dict[str, object]


@dataclass(frozen=True, slots=True)
class Switches:
    """What can be switched off in one envelope."""

    name: str
    """Name by which the address calls it."""
    factors: tuple[str, ...]
    """The factors that vary, as they are called in the card."""
    levels: tuple[tuple[str, ...], ...]
    """Levels of each, in the order of the envelope."""


def contest_data(card: GridCard, shown: Sequence[Shown]) -> Markup:
    """The data block of a page, safe inside a script element.

    Parameters
    ----------
    card : GridCard
        The card.
    shown : sequence of Shown
        Its benchmarks, in the order of the page.

    Returns
    -------
    Markup
        JSON without any character that ends a script element.
    """
    envelopes = _envelopes(shown)
    packages = sorted({name for entry in envelopes for factor in entry.card.factors for name in _packages(factor.levels)})
    names = unique([entry.result.benchmark for entry in envelopes])
    data: Json = {
        "digest": card.digest[:DIGITS],
        "tolerance": TOLERANCE,
        "boxes": MOST_BOXES,
        "packages": [inert(name) for name in packages],
        "envelopes": [_envelope(entry, name, packages) for entry, name in zip(envelopes, names, strict=True)],
        "questions": [_question(entry, envelopes) for entry in shown],
        "claims": [claim for result in card.decisions if (claim := _claim(result, shown)) is not None],
    }
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return Markup("".join(_ESCAPED.get(letter, letter) for letter in text))  # noqa: S704 (escaped in this line)


def board_places(shown: Sequence[Shown]) -> dict[int, int]:
    """Place on the page of the first question of every envelope, where its switches stand -> number of the envelope."""
    return {shown.index(entry): number for number, entry in enumerate(_envelopes(shown))}


def claim_places(card: GridCard, shown: Sequence[Shown]) -> dict[int, int]:
    """Place of a decision in the card -> its number among the claims that the script decides again."""
    told = [place for place, result in enumerate(card.decisions) if _claim(result, shown) is not None]
    return {place: number for number, place in enumerate(told)}


def unique(names: Sequence[str]) -> list[str]:
    """Names made inert, and told apart by their place where that, or the source, made them alike."""
    told = [inert(name) for name in names]
    seen = Counter(told)
    return [f"{name} #{place}" if seen[name] > 1 else name for place, name in enumerate(told, start=1)]


def _same_envelope(one: Shown, other: Shown) -> bool:
    return one.result.benchmark == other.result.benchmark and one.result.configurations == other.result.configurations


def _envelopes(shown: Sequence[Shown]) -> list[Shown]:
    """The first entry of every envelope: estimands of one benchmark share their configurations."""
    first: list[Shown] = []
    for entry in shown:
        if not any(_same_envelope(entry, other) for other in first):
            first.append(entry)
    return first


def switches(entry: Shown) -> Switches:
    """The factors on which an envelope's configurations differ, with the levels that occur."""
    members = entry.result.configurations
    levels = tuple(tuple(dict.fromkeys(_level(member, name) for member in members)) for name in entry.varied)
    return Switches(entry.result.benchmark, entry.varied, levels)


def _level(settings: Mapping[str, str], name: str) -> str:
    return settings.get(name, "–")


def _envelope(entry: Shown, name: str, packages: Sequence[str]) -> Json:
    found = switches(entry)
    declared = {factor.name: {level.name: level for level in factor.levels} for factor in entry.card.factors}
    factors = []
    for factor, levels in zip(found.factors, found.levels, strict=True):
        cited = [declared.get(factor, {}).get(level) for level in levels]
        shipped = [[packages.index(package) for package in _packages([level] if level else [])] for level in cited]
        factors.append({"name": inert(factor), "levels": unique(levels), "packages": shipped})
    places = [{level: place for place, level in enumerate(levels)} for levels in found.levels]
    return {
        "name": name,
        "factors": factors,
        "configurations": [
            [place[_level(member, factor)] for factor, place in zip(found.factors, places, strict=True)]
            for member in entry.result.configurations
        ],
        "core": [int(core) for core in entry.result.core],
        "digests": _digests(entry.card),
    }


def _packages(levels: Sequence[object]) -> list[str]:
    """Who is cited for some levels, sorted: the first word of each source."""
    sources = [source for level in levels for source in getattr(level, "sources", ())]
    return sorted({_PACKAGE.split(source, maxsplit=1)[0] for source in sources})


def _digests(card: BenchmarkCard) -> list[str]:
    length = next(size for size in (DIGITS, 16, 64) if len({digest[:size] for digest in card.digests}) == len(card.digests))
    return [digest[:length] for digest in card.digests]


def _question(entry: Shown, envelopes: Sequence[Shown]) -> Json:
    result = entry.result
    place = {model.name: number for number, model in enumerate(result.models)}
    oriented = [
        [None if score is None else result.estimand.orientation.oriented(score) for score in model.scores]
        for model in result.models
    ]
    differences = [[one.difference for one in pair.configurations] for pair in result.pairs]
    follow = [_difference(oriented[place[pair.a]], oriented[place[pair.b]]) for pair in result.pairs]
    return {
        "name": inert(entry.card.name),
        "envelope": next(number for number, other in enumerate(envelopes) if _same_envelope(entry, other)),
        "models": unique([model.name for model in result.models]),
        "scores": oriented,
        "pairs": [[place[pair.a], place[pair.b]] for pair in result.pairs],
        "differences": None if differences == follow else differences,
    }


def _difference(a: Sequence[float | None], b: Sequence[float | None]) -> list[float | None]:
    return [None if one is None or other is None else one - other for one, other in zip(a, b, strict=True)]


def _claim(result: ClaimResult, shown: Sequence[Shown]) -> Json | None:
    """A decided claim by places; None where the page does not hold what decides it."""
    claim = result.claim
    for number, entry in enumerate(shown):
        if (entry.result.benchmark, entry.result.estimand.name) == (claim.benchmark, result.estimand):
            if entry.result.policy is FailurePolicy.PAIRWISE and claim.quantifier in OWN_SCORES:
                return None
            return {
                "question": number,
                "a": [model.name for model in entry.result.models].index(claim.a),
                "b": [model.name for model in entry.result.models].index(claim.b),
                "quantifier": claim.quantifier.value,
                "strict": claim.relation is Relation.AHEAD,
                "margin": claim.margin,
                "members": _members(claim, entry),
            }
    return None


def _members(claim: Claim, entry: Shown) -> list[int]:
    """Places of the configurations that meet a claim's conditions; the core tier is left to the script."""
    return [
        place
        for place, settings in enumerate(entry.result.configurations)
        if all(settings.get(name) in levels for name, levels in claim.where)
    ]


@dataclass(frozen=True, slots=True)
class PartsTold:
    """Where one model of a pair is ahead in every configuration, in words."""

    model: str
    """The model that is ahead."""
    text: str
    """The largest parts, the shortest description first."""


def parts_told(entry: Shown, pair: Verdict) -> tuple[PartsTold, PartsTold]:
    """For both models of a pair, the largest parts of the envelope in which it is ahead everywhere; found after looking.

    Parameters
    ----------
    entry : Shown
        The benchmark.
    pair : Verdict
        One of its pairs.
    """
    found = switches(entry)
    members = entry.result.configurations
    levels = np.array(
        [
            [named.index(_level(member, factor)) for factor, named in zip(found.factors, found.levels, strict=True)]
            for member in members
        ],
        dtype=np.int64,
    ).reshape(len(members), len(found.factors))
    told = []
    for model, order in ((pair.a, Order.A_AHEAD), (pair.b, Order.B_AHEAD)):
        good = np.array([one.order is order for one in pair.configurations], dtype=np.bool_)
        told.append(PartsTold(model, _parts_text(maximal_subcubes(good, levels, limit=MOST_BOXES), found)))
    return told[0], told[1]


def _parts_text(parts: Sequence[Subcube] | None, found: Switches) -> str:
    if parts is None:
        return "too many parts to list."
    if not parts:
        return "nowhere."
    shown = "; ".join(
        f"{_conditions(part, found)} ({counted(len(part.members), 'configuration')})" for part in parts[:MOST_TOLD]
    )
    more = f"; and {counted(len(parts) - MOST_TOLD, 'further part')}" if len(parts) > MOST_TOLD else ""
    return f"{shown}{more}."


def _conditions(part: Subcube, found: Switches) -> str:
    told = [
        f"{inert(factor)} = {' or '.join(unique(levels)[level] for level in admitted)}"
        for factor, levels, admitted in zip(found.factors, found.levels, part.levels, strict=True)
        if admitted is not None
    ]
    return " and ".join(told) or "every configuration"
