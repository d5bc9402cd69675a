"""One of two things to be compared: a run in a file, or a cell of a store, as items with what was asked, said and scored."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from safetyrepro.envelope import Configuration
from safetyrepro.errors import IngestError, StoreError
from safetyrepro.harnesses.base import ForeignItem, ForeignRun
from safetyrepro.harnesses.content import tokens_digest
from safetyrepro.harnesses.discovery import discover
from safetyrepro.harnesses.mapping import Cell, cells_of
from safetyrepro.harnesses.rules import Answer
from safetyrepro.records import AGGREGATE_ITEM, ItemRecord, RequestKind, Response, Status, question_key
from safetyrepro.scores import FailurePolicy
from safetyrepro.store import MANIFEST, Store, open_store

_SEPARATOR = "\x1e"


@dataclass(frozen=True, slots=True, kw_only=True)
class SideItem:
    """One item of a side."""

    id: str
    """Its name on this side."""
    text: str
    """The question; empty where it is not recorded, as in a run of our own, whose ids are pinned with the data."""
    answer: Answer
    """What the model said, and what it was offered."""
    gold: str
    """The expected answer."""
    value: float | None
    """What the side made of it."""
    status: Status
    """What became of it."""
    prompt: str
    """The text that was sent, several behind each other; empty where it is not recorded."""
    token_digest: str
    """Digest of the token ids; empty where they are not recorded."""
    continuations: tuple[str, ...] = ()
    """What was asked to follow the prompt, each by itself; empty where it is not recorded."""
    prompt_digest: str = ""
    """Digest of the prompt, also where its text is lost; empty where neither is recorded."""
    first_key: str = ""
    """Content key of its first answer: model, token ids, decoding; empty where a file keeps none."""

    def same_answer(self, other: SideItem) -> bool:
        """Whether both sides read one answer, beside which a rule may have asked for more."""
        return bool(self.first_key) and self.first_key == other.first_key


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of two things to be compared."""

    name: str
    """What the explanation calls it."""
    model: str
    """Name of the model."""
    benchmark: str
    """Name of the benchmark."""
    estimand: str
    """Name of the question."""
    worst: float
    """Value of an unreadable answer where it counts as wrong."""
    settings: Mapping[str, str]
    """Factor -> level, as far as it is known."""
    items: tuple[SideItem, ...]
    """The items; empty where only an aggregate is known, which is then what the side reports."""
    reported: float | None = None
    """The number that the side reports itself; None where it reports none."""
    undisclosed: tuple[str, ...] = ()
    """What the side never states."""

    def describe(self) -> str:
        """The side in one line."""
        return f"{self.name}: {self.model} on {self.benchmark} ({self.estimand})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which of the runs or cells in a place is meant."""

    benchmark: str = ""
    """Name of the benchmark; empty where there is one."""
    model: str = ""
    """Name of the model; empty where there is one."""
    estimand: str = ""
    """Name of the question; empty is the first."""
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Factor -> levels that narrow the choice."""


def read_side(path: Path, choice: Choice, *, name: str) -> Side:
    """Read a side from a store or from result files.

    Parameters
    ----------
    path : Path
        A store, a result file, or a folder of result files.
    choice : Choice
        Which of what lies there is meant.
    name : str
        What the explanation calls it.

    Raises
    ------
    IngestError, StoreError
        If nothing, or more than one thing, fits; the sentence lists what there is.
    """
    if (path / MANIFEST).is_file():
        return _side_of_store(open_store(path), choice, name)
    cells = [cell for run in _runs(path) if not run.subtasks for cell in cells_of(run)]
    if not cells:
        raise IngestError(
            str(path),
            found="holds no result file",
            expected="a store, or what a package wrote",
            remedy="Name a file that a run wrote.",
        )
    fitting = [cell for cell in cells if _fits(cell, choice)]
    # Beside a run with items, a run of which only the aggregate is known says nothing more.
    fitting = [cell for cell in fitting if not cell.run.aggregates_only] or fitting
    if len(fitting) != 1:
        raise IngestError(
            str(path),
            found=_count(len(fitting), "runs"),
            expected=_listed([_described(cell) for cell in (fitting or cells)]),
            remedy="Narrow the choice with --benchmark, --model, --estimand, --where-a and --where-b; --benchmark-b, --model-b and --estimand-b are for B alone.",
        )
    return _side_of_cell(fitting[0], choice, name)


def _runs(path: Path) -> list[ForeignRun]:
    readings = list(discover([path]))
    refusals = [reading.refusal for reading in readings if reading.refusal is not None]
    runs = [run for reading in readings for run in reading.runs]
    if refusals and not runs:
        raise refusals[0]
    return runs


def _count(n: int, noun: str) -> str:
    return f"holds no {noun} that fit" if n == 0 else f"holds {n} {noun} that fit"


def _listed(descriptions: Sequence[str]) -> str:
    shown = "; ".join(descriptions[:5])
    more = f"; and {len(descriptions) - 5} more" if len(descriptions) > 5 else ""
    return f"one of: {shown}{more}" if descriptions else "a run with items"


def _described(cell: Cell) -> str:
    settings = ", ".join(
        f"{name}={level}" for name, level in cell.settings.items() if name in ("scoring", "shots", "extraction")
    )
    return f"{cell.run.model} on {cell.benchmark} ({', '.join(e.name for e in cell.estimands.values())}; {settings})"


def _fits(cell: Cell, choice: Choice) -> bool:
    return (
        choice.benchmark in ("", cell.benchmark, cell.run.benchmark)
        and choice.model in ("", cell.run.model)
        and (not choice.estimand or choice.estimand in {estimand.name for estimand in cell.estimands.values()})
        and all(cell.settings.get(factor) in levels for factor, levels in choice.where.items())
    )


def _side_of_cell(cell: Cell, choice: Choice, name: str) -> Side:
    metric, estimand = next(
        (metric, estimand) for metric, estimand in cell.estimands.items() if choice.estimand in ("", estimand.name)
    )
    reported = cell.run.reported.get(metric)
    if cell.run.aggregates_only and reported is None:
        raise _no_number(name, f"{cell.run.model} on {cell.benchmark} ({estimand.name})")
    return Side(
        name=name,
        model=cell.run.model or "unnamed model",
        benchmark=cell.benchmark,
        estimand=estimand.name,
        worst=estimand.worst,
        settings=cell.settings,
        items=()
        if cell.run.aggregates_only
        else tuple(_item(item, metric) for item in cell.run.items() if metric in item.marks),
        reported=reported,
        undisclosed=cell.run.undisclosed,
    )


def _item(item: ForeignItem, metric: str) -> SideItem:
    return SideItem(
        id=f"{item.id}/{item.repeat}" if item.repeat else item.id,
        text=item.text,
        answer=Answer(options=item.options, loglikelihoods=item.loglikelihoods, response=item.response),
        gold=item.gold,
        value=item.marks[metric].value,
        status=item.marks[metric].status,
        prompt=item.prompt,
        token_digest=tokens_digest(item.tokens),
        continuations=item.continuations,
    )


def asked_text(prompt: str, continuations: Sequence[str]) -> str:
    """Return a prompt with its continuations; each is asked by itself, so the order in which a log lists them does not count."""
    return _SEPARATOR.join((prompt, *sorted(continuations)))


def _side_of_store(store: Store, choice: Choice, name: str) -> Side:
    entries = [entry for entry in store.manifest.benchmarks if choice.benchmark in ("", entry.name)]
    models = [model for model in store.manifest.models if choice.model in ("", model)]
    members = [member for entry in entries[:1] for member in entry.envelope if member.matches(choice.where)]
    if len(entries) != 1 or len(models) != 1 or len(members) != 1:
        cells = [
            f"{model} on {entry.name}{label}"
            for entry in entries or store.manifest.benchmarks
            for model in models or store.manifest.models
            for label in _labels(entry.envelope, every=bool(choice.where))
        ]
        raise StoreError(
            str(store.folder),
            found=_count(len(entries) * len(models) * max(len(members), 1) if members else 0, "cells"),
            expected=_listed(cells),
            remedy="Narrow the choice with --benchmark, --model, --where-a and --where-b; --benchmark-b and --model-b are for B alone.",
        )
    entry, member = entries[0], members[0]
    estimand = next((e for e in entry.estimands if choice.estimand in ("", e.name)), entry.estimands[0])
    records = [
        record
        for record in store.records(entry.name, estimand.name)
        if record.cell.model == models[0] and record.cell.configuration == member.digest
    ]
    items = [record for record in records if record.item_id != AGGREGATE_ITEM]
    aggregate = next((record.value for record in records if record.value is not None and not items), None)
    if not items and aggregate is None:
        raise _no_number(str(store.folder), f"{models[0]} on {entry.name} ({estimand.name}) under {member.label}")
    return Side(
        name=name,
        model=models[0],
        benchmark=entry.name,
        estimand=estimand.name,
        worst=estimand.worst,
        settings=member.as_dict(),
        items=_store_items(store, items),
        reported=aggregate,
        undisclosed=store.manifest.undisclosed,
    )


def _no_number(where: str, what: str) -> IngestError:
    return IngestError(
        where,
        found=f"holds no score of {what}",
        expected="items, or at least an aggregate that is a number",
        remedy="Choose another with --model, --benchmark, --estimand, --where-a or --where-b.",
    )


def _labels(members: Iterable[Configuration], *, every: bool) -> list[str]:
    """Configurations by the factors that tell them apart; by every factor where a condition on one was not met."""
    listed = [member.as_dict() for member in members]
    names = dict.fromkeys(name for settings in listed for name in settings)
    telling = [name for name in names if every or len({settings.get(name) for settings in listed}) > 1]
    return ["".join(f", {name}={settings[name]}" for name in telling if name in settings) for settings in listed]


def _store_items(store: Store, records: Sequence[ItemRecord]) -> tuple[SideItem, ...]:
    wanted = {key for record in records for key in record.keys}
    responses = {response.key: response for response in store.responses() if response.key in wanted} if wanted else {}
    digests = {digest for record in records for digest in (question_key(record.item_id), record.prompt_digest)}
    texts = store.prompts(digests | {response.prompt_digest for response in responses.values()})
    return tuple(_store_item(record, texts, [responses[key] for key in record.keys if key in responses]) for record in records)


def _store_item(record: ItemRecord, texts: Mapping[str, str], responses: Sequence[Response]) -> SideItem:
    question = json.loads(texts.get(question_key(record.item_id), "{}"))
    spoken = [response.text for response in responses if response.kind is RequestKind.GENERATION]
    # An item that was asked in several prompts has one digest over all of them, under which no text is stored.
    asked = dict.fromkeys(response.prompt_digest for response in responses) or {record.prompt_digest: None}
    scored = tuple(response.loglikelihood for response in responses if response.kind is RequestKind.LOGLIKELIHOOD)
    return SideItem(
        id=f"{record.item_id}/{record.repeat}" if record.repeat else record.item_id,
        text=question.get("text", ""),
        answer=Answer(
            options=tuple(question.get("options", ())), loglikelihoods=scored, response=spoken[0] if spoken else None
        ),
        gold=question.get("gold", ""),
        value=record.value,
        status=record.status,
        prompt=_SEPARATOR.join(texts[digest] for digest in asked) if asked.keys() <= texts.keys() else "",
        token_digest=record.token_digest,
        prompt_digest=record.prompt_digest,
        first_key=record.keys[0] if record.keys else "",
    )


def policy_of(side: Side) -> FailurePolicy:
    """Return the policy under which a side's items give the number that it reports; WRONG where both or neither do."""
    if side.reported is None:
        return FailurePolicy.WRONG
    under = {policy: mean_under(side, side.items, policy) for policy in (FailurePolicy.WRONG, FailurePolicy.DROPPED)}
    fitting = [policy for policy, mean in under.items() if mean is not None and abs(mean - side.reported) <= 1e-9]
    return fitting[0] if fitting else FailurePolicy.WRONG


def mean_under(side: Side, items: Sequence[SideItem], policy: FailurePolicy) -> float | None:
    """Mean of a side's values under a policy; None where no item has one."""
    values = [item.value for item in items]
    if policy is FailurePolicy.WRONG:
        values = [side.worst if item.status is Status.UNPARSED else item.value for item in items]
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if known else None
