"""Inspect: what a sample of a log asked, what the model said, and what a scorer made of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from safetyrepro.harnesses.base import (
    ForeignItem,
    Mark,
    at,
    finite_or_none,
    list_at,
    mark_of,
    number_of,
    object_at,
    text_at,
    word,
)
from safetyrepro.harnesses.content import text_digest
from safetyrepro.records import Json, Status

_LETTERS: Mapping[str, float] = {"C": 1.0, "P": 0.5, "I": 0.0}
_WORDS: Mapping[str, float] = {"yes": 1.0, "no": 0.0}
_UNREAD: Mapping[str, Status] = {
    "Grade not found in model output": Status.JUDGE_REFUSED,
    "Scoring pattern not matched in output": Status.UNPARSED,
    "Answer not found in model output": Status.UNPARSED,
    "Error parsing response": Status.UNPARSED,
}
"""How the package's own scorers begin the explanation of a zero that they gave because there was nothing to read."""

_UNCERTAINTY = frozenset({"stderr", "std", "var", "bootstrap_stderr"})
_ATTACHMENT = "attachment://"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scorer:
    """One scorer of a log."""

    name: str
    """Its name, as samples call it."""
    rule: str
    """Its name with a digest of its parameters, where it has any."""
    estimands: tuple[str, ...]
    """Names of the questions it answers: ``accuracy`` or ``mean`` for one value, the keys of an object for several."""
    nested: bool = False
    """Whether its values are objects."""
    reported: Mapping[str, float | None] = field(default_factory=dict)
    """Metric -> aggregate, as the header reports it."""
    cluster: str = ""
    """Key of the samples' metadata over which it clusters its standard error."""
    stratum: str = ""
    """Key of the samples' metadata by which it groups a metric."""


def scorers_of(header: dict[str, Json], first: dict[str, Json]) -> tuple[Scorer, ...]:
    """Return the scorers of a log, from its results and its first sample."""
    entries: dict[str, list[dict[str, Json]]] = {}
    for entry in list_at(header, "results", "scores"):
        if isinstance(entry, dict):
            entries.setdefault(text_at(entry, "scorer") or text_at(entry, "name"), []).append(entry)
    scores = _scores(first)
    names = [name for name in dict.fromkeys([*entries, *scores]) if name]
    return tuple(_scorer(name, entries.get(name, []), at(scores.get(name), "value")) for name in names)


def item_of(sample: dict[str, Json], scorer: Scorer) -> ForeignItem:
    """Return a sample as an item under one scorer."""
    metadata = object_at(sample, "metadata")
    score = _scores(sample).get(scorer.name)
    error = text_at(sample, "error", "message")
    epoch = number_of(sample.get("epoch"))
    return ForeignItem(
        id=str(sample.get("id"))[:200],
        text=_question(sample),
        options=tuple(str(choice) for choice in list_at(sample, "choices")),
        gold=_target(sample.get("target")),
        cluster=_named(metadata.get(scorer.cluster)),
        stratum=_named(metadata.get(scorer.stratum)),
        repeat=max(int(epoch) - 1, 0) if epoch is not None and abs(epoch) < 2**31 else 0,
        marks=_marks(score, scorer, error),
        prompt=_prompt(sample),
        response=_response(sample),
    )


def item_of_reduction(entry: dict[str, Json], scorer: Scorer) -> ForeignItem:
    """Return a value that was reduced over epochs as an item without question and answer."""
    return ForeignItem(id=str(entry.get("sample_id"))[:200], text="", marks=_marks(entry, scorer, ""))


def missing_items(
    header: dict[str, Json], scorer: Scorer, seen: set[tuple[str, int]], *, n_epochs: int
) -> Iterator[ForeignItem]:
    """Yield the samples that the header lists and the log does not hold."""
    ended = text_at(header, "status") in ("success", "")
    status = Status.UNKNOWN if ended else Status.NOT_RUN
    reason = "the header lists the sample and the log does not hold it" if ended else "the run ended before this sample"
    mark = Mark(value=None, status=status, reason=reason)
    for identifier in list_at(header, "eval", "dataset", "sample_ids"):
        for repeat in range(n_epochs):
            if (str(identifier), repeat) not in seen:
                yield ForeignItem(id=str(identifier)[:200], text="", repeat=repeat, marks=dict.fromkeys(scorer.estimands, mark))


def message_text(message: Json, sample: Mapping[str, Json]) -> str:
    """Return the text of a message, with attachments put back in place."""
    content = at(message, "content")
    if isinstance(content, list):
        content = "\n".join(text_at(part, "text") for part in content if text_at(part, "text"))
    return _attached(content, sample) if isinstance(content, str) else ""


def _scores(sample: Mapping[str, Json]) -> dict[str, Json]:
    several = object_at(dict(sample), "scores")
    single = sample.get("score")
    return several or ({"score": single} if isinstance(single, dict) else {})


def _scorer(name: str, entries: list[dict[str, Json]], value: Json) -> Scorer:
    nested = isinstance(value, dict)
    reported: dict[str, float | None] = {}
    cluster = stratum = ""
    for entry in entries:
        key = text_at(entry, "name")
        for metric, found in object_at(entry, "metrics").items():
            given = object_at(found, "params") or object_at(found, "options")
            cluster = cluster or text_at(given, "cluster")
            stratum = stratum or text_at(given, "group_key")
            if metric not in _UNCERTAINTY:
                central = nested and isinstance(value, dict) and key in value and metric in ("accuracy", "mean")
                reported.setdefault(key if central else metric, finite_or_none(at(found, "value")))
    parameters = object_at(entries[0], "params") if entries else {}
    digest = text_digest(repr(sorted(parameters.items(), key=str)))[:8] if parameters else ""
    return Scorer(
        name=name,
        rule=f"{name}:{digest}" if digest else name,
        estimands=tuple(value) if isinstance(value, dict) else (_estimand(name, reported, value),),
        nested=nested,
        reported=reported,
        cluster=cluster,
        stratum=stratum,
    )


def _estimand(name: str, reported: Mapping[str, float | None], value: Json) -> str:
    if "accuracy" in reported or (isinstance(value, str) and value in (*_LETTERS, "N")):
        return "accuracy"
    return "mean" if "mean" in reported else name


def _marks(score: Json, scorer: Scorer, error: str) -> dict[str, Mark]:
    if score is None:
        status = Status.FAILED if error else Status.UNKNOWN
        mark = Mark(value=None, status=status, reason=word(error) or "the scorer left no score for this sample")
        return dict.fromkeys(scorer.estimands, mark)
    value = at(score, "value")
    if scorer.nested:
        return {key: _mark(at(value, key), score, scorer.name) for key in scorer.estimands}
    return {scorer.estimands[0]: _mark(value, score, scorer.name)}


def _mark(value: Json, score: Json, scorer: str) -> Mark:
    if value == "N":
        return Mark(value=None, status=Status.UNPARSED, reason="the scorer wrote N: there was no answer")
    if isinstance(value, str):
        number = _LETTERS.get(value, _WORDS.get(value.strip().lower()))
        mark = mark_of(number) if number is not None else mark_of(value)
    else:
        mark = mark_of(value)
    if mark.value != 0:
        return mark
    if scorer == "choice" and at(score, "answer") == "":
        return Mark(value=None, status=Status.UNPARSED, reason="no letter was read from the answer")
    explanation = text_at(score, "explanation")
    for beginning, status in _UNREAD.items():
        if explanation.startswith(beginning):
            return Mark(value=None, status=status, reason=word(beginning))
    return mark


def _question(sample: Mapping[str, Json]) -> str:
    given = sample.get("input")
    if isinstance(given, str):
        return _attached(given, sample)
    spoken = [message for message in given if text_at(message, "role") == "user"] if isinstance(given, list) else []
    return message_text(spoken[-1], sample) if spoken else ""


def _prompt(sample: Mapping[str, Json]) -> str:
    messages = list_at(dict(sample), "messages")
    while messages and text_at(messages[-1], "role") == "assistant":
        messages = messages[:-1]
    return "\n\n".join(f"{text_at(message, 'role')}: {message_text(message, sample)}" for message in messages)


def _response(sample: Mapping[str, Json]) -> str | None:
    output = at(dict(sample), "output")
    whole = at(output, "completion")
    if isinstance(whole, str):
        return _attached(whole, sample)
    choices = list_at(output, "choices")
    return message_text(at(choices[0], "message"), sample) if choices else None


def _attached(text: str, sample: Mapping[str, Json]) -> str:
    if not text.startswith(_ATTACHMENT):
        return text
    found = at(sample.get("attachments"), text.removeprefix(_ATTACHMENT))
    return found if isinstance(found, str) else text


def _target(target: Json) -> str:
    if isinstance(target, list):
        return " | ".join(str(entry) for entry in target)
    return "" if target is None else str(target)


def _named(value: Json) -> str:
    return word(value)
