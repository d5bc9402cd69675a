"""Items of several sources joined by what they ask: what matched, what did not, duplicates, other editions.

Positions and identifiers are never compared: packages shuffle, renumber and cut. Items join first by normalised text and options,
then by text alone (another edition of the options), then where the text of one stands inside the text of the other (a package that
keeps only its rendered prompt).
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from safetyrepro.harnesses.content import content_digest, normalised
from safetyrepro.records import AGGREGATE_ITEM, question_key
from safetyrepro.store import Store

MAX_SEARCHED = 3000
"""Most items of a side that are searched for inside the texts of the other."""
_SHORTEST_INSIDE = 25
_SOURCE = "harness"
_OWN = "safetyrepro"


@dataclass(frozen=True, slots=True)
class Question:
    """What an item asks."""

    text: str
    """The question, or the prompt in which it stands."""
    options: tuple[str, ...] = ()
    """The offered answers."""
    prompt: str = ""
    """The prompt in which it was asked, where it is kept."""


class Likeness(Enum):
    """How two items were found to be one."""

    CONTENT = "content"
    """Same text, same options."""
    OPTIONS = "other options"
    """Same text; the options differ: another edition, or a package that does not keep them."""
    PROMPT = "prompt"
    """Asked in the same prompt; at least one side keeps no question apart from it."""
    INSIDE = "inside"
    """The text of one stands inside the text of the other, and in no further one."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two items that are one."""

    a: str
    """Item of the first side."""
    b: str
    """Item of the second side."""
    likeness: Likeness
    """How they were joined."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Matching:
    """Items of two sides, joined."""

    pairs: tuple[Pair, ...]
    """Items that both sides have, in the first side's order."""
    only_a: tuple[str, ...]
    """Items of the first side alone."""
    only_b: tuple[str, ...]
    """Items of the second side alone."""
    duplicates_a: tuple[tuple[str, ...], ...]
    """Items of the first side that ask the same."""
    duplicates_b: tuple[tuple[str, ...], ...]
    """Items of the second side that ask the same."""
    unsearched: int = 0
    """Items for which the search inside texts was left out, because there are too many."""

    def count(self, likeness: Likeness) -> int:
        """Number of pairs that were joined in one way."""
        return sum(pair.likeness is likeness for pair in self.pairs)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceMatching:
    """Two sources of one benchmark in a store."""

    benchmark: str
    """Name of the benchmark."""
    a: str
    """First source: a package."""
    b: str
    """Second source."""
    matching: Matching
    """Their items, joined."""


def match_items(a: Mapping[str, Question], b: Mapping[str, Question]) -> Matching:
    """Join the items of two sides, each at most once.

    Parameters
    ----------
    a, b : mapping of str to Question
        Items by their identifiers; an item without a text joins nothing.

    Returns
    -------
    Matching
    """
    left, right = dict(a), dict(b)
    pairs = _joined(left, right, Likeness.CONTENT)
    pairs += _joined(left, right, Likeness.OPTIONS)
    pairs += _joined(left, right, Likeness.PROMPT)
    found, unsearched = _inside(left, right)
    order = {name: place for place, name in enumerate(a)}
    return Matching(
        pairs=tuple(sorted((*pairs, *found), key=lambda pair: order[pair.a])),
        only_a=tuple(left),
        only_b=tuple(right),
        duplicates_a=_duplicates(a),
        duplicates_b=_duplicates(b),
        unsearched=unsearched,
    )


def match_store(store: Store) -> tuple[SourceMatching, ...]:
    """Join the items of every two sources of a store, benchmark by benchmark; items that share a name are already one."""
    found = []
    for entry in store.manifest.benchmarks:
        sources = _sources(store, entry.name)
        for one, other in itertools.combinations(sources, 2):
            matching = match_items(sources[one], sources[other])
            found.append(SourceMatching(benchmark=entry.name, a=one, b=other, matching=matching))
    return tuple(found)


def match_stores(a: Store, b: Store) -> tuple[SourceMatching, ...]:
    """Join the items of the benchmarks that two stores both have."""
    found = []
    others = {entry.name for entry in b.manifest.benchmarks}
    for entry in a.manifest.benchmarks:
        if entry.name in others:
            left, right = (_all_items(_sources(store, entry.name)) for store in (a, b))
            if left or right:
                matching = match_items(left, right)
                found.append(SourceMatching(benchmark=entry.name, a=a.folder.name, b=b.folder.name, matching=matching))
    return tuple(found)


def why_nothing(store: Store, other: Store | None = None) -> str:
    """Return why nothing was joined, and what to do about it.

    Parameters
    ----------
    store : Store
        The store whose items were to be joined.
    other : Store, optional
        The second store, where there is one.
    """
    for one in (store, other):
        if one is not None and not any(entry.data.n_items for entry in one.manifest.benchmarks):
            return (
                f"{one.folder} holds aggregates and no items: there is nothing to join. Ingest files that hold their samples."
            )
    named = [[entry.name for entry in one.manifest.benchmarks] for one in (store, other) if one is not None]
    if other is not None and not set(named[0]) & set(named[1]):
        told = f"{store.folder} has {', '.join(named[0][:5])}; {other.folder} has {', '.join(named[1][:5])}"
        return f"{told}: no benchmark is in both. Ingest one of them again with --benchmark OLD=NEW if two names mean the same."
    return (
        f"No benchmark of {store.folder} has items from two packages. Ingest the files of both into one store, or name a second "
        f"store: safetyrepro match {store.folder} OTHER."
    )


def _all_items(sources: Mapping[str, Mapping[str, Question]]) -> dict[str, Question]:
    return {name: question for items in sources.values() for name, question in items.items()}


def _sources(store: Store, benchmark: str) -> dict[str, dict[str, Question]]:
    entry = store.manifest.benchmark(benchmark)
    levels = {configuration.digest: configuration.get(_SOURCE, _OWN) for configuration in entry.envelope}
    prompts: dict[str, dict[str, str]] = {}
    for estimand in entry.estimands:
        for record in store.records(benchmark, estimand.name):
            if record.item_id != AGGREGATE_ITEM:
                source = levels.get(record.cell.configuration, _OWN)
                prompts.setdefault(source, {}).setdefault(record.item_id, record.prompt_digest)
    wanted = {key for items in prompts.values() for name, digest in items.items() for key in (question_key(name), digest)}
    texts = store.prompts(wanted)
    return {
        source: {name: _question(texts, name, digest) for name, digest in items.items()} for source, items in prompts.items()
    }


def _question(texts: Mapping[str, str], name: str, prompt_digest: str) -> Question:
    """The question of an item, or else the prompt it was asked in; empty where the store holds neither."""
    kept, prompt = texts.get(question_key(name)), texts.get(prompt_digest, "")
    if kept is None:
        return Question(prompt, prompt=prompt)
    content = json.loads(kept)
    return Question(str(content["text"]), tuple(map(str, content["options"])), prompt)


def _joined(left: dict[str, Question], right: dict[str, Question], likeness: Likeness) -> list[Pair]:
    """Join what has one key, in the order of occurrence, and take it out of both sides."""
    waiting: dict[str, list[str]] = {}
    for name, question in right.items():
        waiting.setdefault(_key(question, likeness), []).append(name)
    pairs = []
    for name in list(left):
        others = waiting.get(_key(left[name], likeness))
        if others and _key(left[name], likeness):
            other = others.pop(0)
            pairs.append(Pair(name, other, likeness))
            del left[name], right[other]
    return pairs


def _key(question: Question, likeness: Likeness) -> str:
    if likeness is Likeness.PROMPT:
        return content_digest(question.prompt, ())
    return content_digest(question.text, question.options if likeness is Likeness.CONTENT else ())


def _inside(left: dict[str, Question], right: dict[str, Question]) -> tuple[list[Pair], int]:
    if len(left) > MAX_SEARCHED or len(right) > MAX_SEARCHED:
        return [], len(left) + len(right)
    a = {name: normalised(question.text) for name, question in left.items()}
    b = {name: normalised(question.text) for name, question in right.items()}
    pairs = []
    for name, text in a.items():
        hosts = [other for other, whole in b.items() if _stands_in(text, whole) or _stands_in(whole, text)]
        if len(hosts) == 1:
            pairs.append(Pair(name, hosts[0], Likeness.INSIDE))
    taken = [pair.b for pair in pairs]
    kept = [pair for pair in pairs if taken.count(pair.b) == 1]
    for pair in kept:
        del left[pair.a], right[pair.b]
    return kept, 0


def _stands_in(short: str, whole: str) -> bool:
    return len(short) >= _SHORTEST_INSIDE and short in whole


def _duplicates(side: Mapping[str, Question]) -> tuple[tuple[str, ...], ...]:
    groups: dict[str, list[str]] = {}
    for name, question in side.items():
        key = _key(question, Likeness.CONTENT)
        if key:
            groups.setdefault(key, []).append(name)
    return tuple(tuple(names) for names in groups.values() if len(names) > 1)
