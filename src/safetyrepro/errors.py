"""Every error that a user can cause, in one tree, because a mistake should be met where it is made and show the way out.

::

    SafetyReproError
    ├── StudyError         study.yaml names something that does not exist or contradicts itself
    ├── DataError          a benchmark's file is absent, altered or not in the expected form
    ├── IngestError        a foreign result file cannot be read as results
    ├── StoreError         a store is damaged, occupied, or not a store
    ├── ModelError         a checkpoint or server cannot be used as asked
    │   └── RequestFailed  one request could not be answered; the run goes on
    ├── ExecutorError      a cluster cannot be reached, or its workers were lost
    ├── ClaimError         a claim cannot be read or does not fit its card
    ├── CardError          a card is unreadable or fails its own digests
    └── MissingDependency  an optional library is not installed

Each message has four parts: where, what was found, what was expected, what to do next.
"""

from __future__ import annotations

import unicodedata


class SafetyReproError(Exception):
    """A mistake that a user can make and mend.

    Parameters
    ----------
    where : str
        File, row, option or field at which the mistake was met.
    found : str
        What stands there.
    expected : str
        What could have stood there; may be empty where there is no choice.
    remedy : str
        The next thing to do, as a full sentence.
    """

    def __init__(self, where: str, *, found: str, expected: str = "", remedy: str = "") -> None:
        self.where = where
        self.found = found
        self.expected = expected
        self.remedy = remedy
        super().__init__(self.sentence)

    def __reduce__(self) -> tuple[object, ...]:
        # An error crosses from a worker's process with its four parts; the default would keep only the sentence.
        return _received, (type(self), dict(self.__dict__))

    @property
    def sentence(self) -> str:
        """The four parts as one line that can be printed."""
        text = f"{self.where}: {self.found}"
        if self.expected:
            text += f"; expected {self.expected}"
        text += "."
        if self.remedy:
            text += f" {self.remedy}"
        return text


class StudyError(SafetyReproError):
    """A study names something that nobody declares, or contradicts itself."""


class DataError(SafetyReproError):
    """A benchmark's file is absent, altered, or not in the form its adapter reads."""


class IngestError(SafetyReproError):
    """A foreign result file cannot be read as results."""


class StoreError(SafetyReproError):
    """A store is damaged, held by another writer, or no store at all."""


class ModelError(SafetyReproError):
    """A checkpoint or a server cannot be used in the way that was asked."""


class RequestFailed(ModelError):
    """One request could not be answered; its record says FAILED and why, and the run goes on."""


class ExecutorError(SafetyReproError):
    """A cluster cannot be reached, or its workers were lost more often than is patient."""


class ClaimError(SafetyReproError):
    """A claim cannot be read, or does not fit the card it is held against."""


class CardError(SafetyReproError):
    """A card is unreadable, or its content and its digests disagree."""


class MissingDependency(SafetyReproError):
    """An optional library is needed and not installed."""

    def __init__(self, library: str, *, purpose: str, extra: str) -> None:
        super().__init__(
            purpose,
            found=f"the library '{library}' is not installed",
            remedy=f"Install it with: pip install 'safetyrepro[{extra}]'",
        )
        self.library = library
        self.extra = extra


def _received(kind: type[SafetyReproError], parts: dict[str, object]) -> SafetyReproError:
    error = kind.__new__(kind)
    error.__dict__.update(parts)
    error.args = (error.sentence,)
    return error


def printable(text: str) -> str:
    """A text on one line without control characters and direction marks: names in a message come from foreign files."""
    return "".join(letter if unicodedata.category(letter)[0] != "C" else "\N{REPLACEMENT CHARACTER}" for letter in text)
