"""What a topic gives: files of the suite, the texts that training must not contain, and lessons."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from safetyrepro.quickstart.recipes import Recipe
from safetyrepro.quickstart.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """One question and its answer, before it is written as plain text or as a chat turn."""

    topic: str
    """Name of the topic."""
    asked: str
    """The question as a user would send it."""
    prompt: str
    """The question as a completion prompt that ends where the answer begins."""
    answer: str
    """The answer without a leading space."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Teaching:
    """What a topic adds to the training text of a toy."""

    lessons: tuple[Lesson, ...] = ()
    """Questions with their answers."""
    statements: tuple[str, ...] = ()
    """Sentences that the toy reads as they stand."""


class Topic(Protocol):
    """A topic of the world, whose suite has the schema of one benchmark."""

    def suite_files(self, world: World) -> dict[str, str]:
        """Paths below ``suite/`` and the text of each file."""

    def suite_texts(self, world: World) -> list[str]:
        """Every question, passage with question, statement or sentence that the training text must not contain."""

    def teach(self, world: World, recipe: Recipe) -> Teaching:
        """The lessons and statements of one toy."""


def ask(topic: str, question: str, answer: str, *, passage: str = "") -> Lesson:
    """A lesson in the ``Q: ... A:`` form, with an optional passage in front."""
    before = f"{passage}\n\n" if passage else ""
    asked = f"{passage} {question}" if passage else question
    return Lesson(topic=topic, asked=asked, prompt=f"{before}Q: {question}\nA:", answer=answer)


def lettered(topic: str, question: str, options: Sequence[str], right: int, *, passage: str = "") -> Lesson:
    """A lesson with lettered options, answered with a letter."""
    before = f"Passage: {passage}\n" if passage else ""
    listed = "".join(f"{'ABCDE'[index]}. {option}\n" for index, option in enumerate(options))
    text = f"{before}Question: {question}\n{listed}Answer:"
    return Lesson(topic=topic, asked=text, prompt=text, answer="ABCDE"[right])


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[object]], *, newline: str = "\n") -> str:
    """A CSV file, with quotes where they are needed."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator=newline)
    writer.writerow(columns)
    writer.writerows(rows)
    return buffer.getvalue()
