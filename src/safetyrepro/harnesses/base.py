"""What every evaluation package's results become, whatever file they lay in, and what each reader of the family offers.

A reader believes what a file says was done over what was asked for, keeps unknown as unknown, and lists field by field what the
package never wrote down. It opens files and nothing else: no package is imported, no code of a result file is run.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Protocol

from safetyrepro.envelope import Stage
from safetyrepro.estimands import Estimand
from safetyrepro.harnesses.bounded import Sniff
from safetyrepro.records import Json, Status

UNRECORDED = "not recorded"
"""Level of a factor that a file never states; it is a level of its own and equals no other."""

STAGES: Mapping[str, Stage] = {
    "harness": Stage.LOAD,
    "harness_version": Stage.LOAD,
    "engine": Stage.LOAD,
    "dtype": Stage.LOAD,
    "quantization": Stage.LOAD,
    "template": Stage.PROMPT,
    "shots": Stage.PROMPT,
    "fewshot_seed": Stage.PROMPT,
    "prefix": Stage.PROMPT,
    "chat_template": Stage.PROMPT,
    "multiturn_examples": Stage.PROMPT,
    "system_prompt": Stage.PROMPT,
    "split": Stage.PROMPT,
    "perturbation": Stage.PROMPT,
    "decoding": Stage.DECODE,
    "max_tokens": Stage.DECODE,
    "scoring": Stage.SCORE,
    "extraction": Stage.SCORE,
}
"""Stage of every factor that a reader may state; a factor outside this table is foreign and has no known stage."""

DISCLOSURES = (
    "harness version",
    "model",
    "model revision",
    "dtype",
    "quantization",
    "engine",
    "template",
    "chat template",
    "system prompt",
    "shots",
    "few-shot examples",
    "few-shot seed",
    "decoding",
    "max tokens",
    "seed",
    "scoring rule",
    "data revision",
    "hardware",
)
"""What a reader of a result needs to know; each field that a file does not state is listed with its run."""


class Part(Enum):
    """What a file is to a run."""

    RUN = "run"
    """It states a run: configuration, aggregates, perhaps the items too."""
    ITEMS = "items"
    """It holds items of a run that another file states."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What an item is worth under one metric of the file."""

    value: float | None
    """Finite number on the metric's own scale; None unless the status is SCORED."""
    status: Status
    """What became of the item."""
    reason: str = ""
    """Why there is no value."""

    def __post_init__(self) -> None:
        if (self.value is None) == (self.status is Status.SCORED):
            raise ValueError(f"a mark has a value exactly when it is scored, got {self.value} with {self.status}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignItem:
    """One item as a file holds it."""

    id: str
    """The identifier that the package gave; unique in its run only together with `repeat`."""
    text: str
    """The question itself, as the package read it; empty where the file does not hold it."""
    options: tuple[str, ...] = ()
    """Texts of the offered answers, in the file's order."""
    gold: str = ""
    """The expected answer as the file states it; empty where it does not."""
    name: str = ""
    """The name that it has in a store, where the file was written from one; empty where what it asks names it."""
    apart: str = ""
    """The one metric that it was read for, where a file has a line for each metric of an item; its repetitions are counted by metric."""
    weight: float = 1.0
    """Its weight in a mean, where the file states one."""
    cluster: str = ""
    """Name that items written from one passage or template share; empty where the file tells none."""
    stratum: str = ""
    """Category that the file states."""
    repeat: int = 0
    """Number of the repetition, from 0."""
    marks: Mapping[str, Mark] = field(default_factory=dict)
    """Metric -> what the item is worth."""
    prompt: str = ""
    """The text that was sent, where the file holds it."""
    continuations: tuple[str, ...] = ()
    """Texts whose log-likelihood was asked, as they were sent, with their leading delimiter."""
    tokens: tuple[int, ...] = ()
    """The token ids that were fed, where the file holds them."""
    response: str | None = None
    """What the model said; None for log-likelihoods and where the file does not hold it."""
    loglikelihoods: tuple[float, ...] = ()
    """Log-likelihood of each option, in the options' order, where the file holds them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignRun:
    """One model on one task under one configuration, as a file states it."""

    harness: str
    """Name of the package, as `HARNESSES` calls it."""
    harness_version: str | None
    """Its version; None where the file does not state it."""
    benchmark: str
    """Name of the task, as the package calls it."""
    model: str | None
    """Name of the model, as the file states it; None where no file names one."""
    settings: Mapping[str, str]
    """Factor -> level, for what the file states; the package and its version are among them."""
    undisclosed: tuple[str, ...] = ()
    """What the file never states."""
    provenance: Mapping[str, Json] = field(default_factory=dict)
    """Revisions, dates, hardware and whatever else tells where the numbers come from."""
    estimands: tuple[Estimand, ...] = ()
    """One for each metric; an infinite bound is one that nobody states."""
    reported: Mapping[str, float | None] = field(default_factory=dict)
    """Metric -> aggregate as the file reports it; None where it reports a placeholder."""
    reported_within: float = 0.0
    """How far an aggregate may be from the mean of its items because the package rounds what it writes."""
    open_items: Callable[[], Iterator[ForeignItem]] | None = None
    """Reads the items from the start, one at a time; None where the file holds aggregates only."""
    n_declared: int | None = None
    """Number of items that the file says were evaluated."""
    subtasks: tuple[str, ...] = ()
    """Names of the tasks that an aggregate is formed over; empty unless the run is a group."""
    files: tuple[Path, ...] = ()
    """Every file that was or will be read for it."""
    restates: tuple[Path, ...] = ()
    """Result files of another package from which the aggregates were copied; where one of them is read, this run is that run again."""
    notes: tuple[str, ...] = ()
    """What a reader must know, one sentence each."""
    in_our_words: bool = False
    """Whether benchmark, questions and factors bear our names already, so that nothing is to be mapped."""

    @property
    def aggregates_only(self) -> bool:
        """Whether there are no items."""
        return self.open_items is None

    def items(self) -> Iterator[ForeignItem]:
        """Yield the items from the start; nothing where the file holds aggregates only."""
        return iter(()) if self.open_items is None else self.open_items()


class Harness(Protocol):
    """What every module of this family offers under the same names."""

    NAME: str
    """Name by which the command line calls it."""
    TITLE: str
    """Name by which people call it."""
    VERSIONS: tuple[str, ...]
    """Versions whose files were read while this was written."""

    def recognises(self, sniff: Sniff) -> Part | None:
        """Whether the package wrote a file, and what the file is to a run; None where it did not."""

    def read(self, path: Path) -> Iterator[ForeignRun]:
        """Read the runs of a file, with the files that belong to it and lie beside it.

        Raises
        ------
        IngestError
            If the file is damaged, hostile, or holds no results of this package; one sentence says which.
        """


def mark_of(value: Json, *, corpus: str = "") -> Mark:
    """Return what a metric's value for one item is worth.

    Parameters
    ----------
    value : Json
        A number, a truth value or one written as text counts; anything else has no value and says why.
    corpus : str
        What a list or an object under this metric is for, where the reader knows.
    """
    number = number_of(value)
    if number is not None and math.isfinite(number):
        return Mark(value=number, status=Status.SCORED)
    return Mark(value=None, status=Status.UNKNOWN, reason=_reason(value, number, corpus))


def number_of(value: Json) -> float | None:
    """Return a number, truth value or text of either as a float (NaN and infinities included); None for all else."""
    if isinstance(value, bool):
        return float(value)
    if isinstance(value, int):
        return float(value) if abs(value) < 2**1000 else math.inf
    if isinstance(value, float):
        return value
    if not isinstance(value, str):
        return None
    word = value.strip().lower()
    if word in ("true", "false"):
        return float(word == "true")
    try:
        return float(word) if len(word) < 40 and "_" not in word else None
    except ValueError:
        return None


def finite_or_none(value: Json) -> float | None:
    """Return a finite number, or None for anything else: ``"N/A"``, NaN, a list, a text."""
    number = number_of(value)
    return number if number is not None and math.isfinite(number) else None


def _reason(value: Json, number: float | None, corpus: str) -> str:
    if number is not None:
        return "the file says NaN" if math.isnan(number) else "the file says infinity"
    if value is None:
        return "the file holds null"
    if isinstance(value, (list, dict)):
        return corpus or f"the file holds a {type(value).__name__}, which is no value of one item"
    return f"the file says '{str(value)[:40]}'"


def text_at(value: Json, *path: str) -> str:
    """Return the text at a path of member names; empty where there is none or it is no text."""
    found = at(value, *path)
    return found if isinstance(found, str) else ""


def at(value: Json, *path: str) -> Json:
    """Return what lies at a path of member names; None where it ends early."""
    for name in path:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value


def object_at(value: Json, *path: str) -> dict[str, Json]:
    """Return the object at a path of member names; empty where there is none."""
    found = at(value, *path)
    return found if isinstance(found, dict) else {}


def list_at(value: Json, *path: str) -> list[Json]:
    """Return the list at a path of member names; empty where there is none."""
    found = at(value, *path)
    return found if isinstance(found, list) else []


def word(value: Json) -> str:
    """Return a short scalar as the text of a level; empty for null, lists and objects."""
    if value is None or isinstance(value, (list, dict)):
        return ""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return " ".join(str(value).split())[:200]


def not_stated(stated: Mapping[str, Json]) -> tuple[str, ...]:
    """Return the disclosures that a reader found no value for, in the family's order.

    Parameters
    ----------
    stated : mapping of str to Json
        Disclosure -> what the file says; None and empty text count as not stated.

    Raises
    ------
    ValueError
        If a name is none of the disclosures.
    """
    unknown = set(stated) - set(DISCLOSURES)
    if unknown:
        raise ValueError(f"{sorted(unknown)} are no disclosures")
    return tuple(name for name in DISCLOSURES if stated.get(name) in (None, ""))


def levels(settings: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Return factor -> level without the factors whose level is empty."""
    return {name: level for name, level in settings if level}
