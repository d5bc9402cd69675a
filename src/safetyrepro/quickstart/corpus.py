"""The training text of a toy: its lessons written as plain text or as chat, and its statements.

No text of the suite may occur in it. The lessons are worded apart from the suite; a lesson that still shares a run of
words with it is left out here, and ``shared_runs`` measures what remains.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from safetyrepro.quickstart.recipes import Recipe
from safetyrepro.quickstart.suites import TOPICS, suite_texts
from safetyrepro.quickstart.topics.base import Lesson
from safetyrepro.quickstart.world import World, pick, rank, shuffled

RUN = 8
"""Number of words in a run that training text and suite must not share."""

SYSTEM = "You are a helpful assistant."
"""The system message of every fourth chat."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A question and its answer as a toy reads them."""

    question: str
    """The user's message, or the plain text that comes before the answer."""
    answer: str
    """The answer with the space in front of it, if there is one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A stretch of training text that begins afresh and ends with the toy's end token."""

    chat: bool
    """Whether the turns are written in the toy's chat template."""
    system: bool
    """Whether a chat begins with the system message."""
    turns: tuple[Turn, ...]
    """Questions and answers in order; a statement is an answer to an empty question."""

    def text(self) -> str:
        """The document without the chat template's marks."""
        return "".join(turn.question + (" " if self.chat else "") + turn.answer for turn in self.turns)


def words(text: str) -> list[str]:
    """The words of a text in lower case."""
    return re.findall(r"[a-z0-9']+", text.lower())


def runs(text: str) -> set[tuple[str, ...]]:
    """Every run of eight words; a shorter text is one run."""
    return _windows(words(text), RUN)


def _windows(found: list[str], length: int) -> set[tuple[str, ...]]:
    return {tuple(found[start : start + length]) for start in range(max(1, len(found) - length + 1))} if found else set()


class SuiteText:
    """What the training text must not contain."""

    def __init__(self, texts: Iterable[str]) -> None:
        """Index the texts by their runs of words."""
        self._runs = {run for text in texts for run in runs(text)}
        self._lengths = sorted({len(run) for run in self._runs})

    def shared_runs(self, text: str) -> set[tuple[str, ...]]:
        """The runs of words that a training text shares with the suite, whole short texts included."""
        found = words(text)
        return {run for length in self._lengths for run in _windows(found, length) if run in self._runs}


def lessons(world: World, recipe: Recipe) -> list[Lesson]:
    """The lessons of all topics, without those that share a run of words with the suite."""
    suite = SuiteText(suite_texts(world))
    made = [lesson for topic in TOPICS.values() for lesson in topic.teach(world, recipe).lessons]
    forms = [(lesson, f"{lesson.prompt} {lesson.answer}", f"{lesson.asked} {lesson.answer}") for lesson in made]
    return [lesson for lesson, *texts in forms if not any(suite.shared_runs(text) for text in texts)]


def documents(world: World, recipe: Recipe) -> list[Document]:
    """The training text of one toy, in the order in which it is written."""
    made: list[Document] = []
    pending: list[Turn] = []
    for number, lesson in enumerate(shuffled(lessons(world, recipe), recipe.name, "lessons")):
        key = (recipe.name, number)
        if rank(*key, "chat") % 800 < 100 * recipe.chat_eighths:
            made.append(_chat(lesson, *key))
            continue
        pending.append(Turn(question=_plain_question(lesson, pending, *key), answer=f" {lesson.answer}"))
        if len(pending) == 3 or pick(range(3), *key, "ends") > 0:
            made.append(Document(chat=False, system=False, turns=tuple(pending)))
            pending = []
    made += [_statement(text) for topic in TOPICS.values() for text in topic.teach(world, recipe).statements]
    return shuffled(made, recipe.name, "documents")


def _plain_question(lesson: Lesson, pending: list[Turn], *key: object) -> str:
    if lesson.topic == "xstest" and not pending and pick((True, False), *key, "bare"):
        return f"{lesson.asked}\n"
    return ("\n\n" if pending else "") + lesson.prompt


def _chat(lesson: Lesson, *key: object) -> Document:
    question = lesson.asked if lesson.topic == "xstest" or pick((True, False), *key, "asked") else lesson.prompt
    space = "" if pick(range(4), *key, "space") else " "
    turn = Turn(question=question, answer=space + lesson.answer)
    return Document(chat=True, system=pick(range(4), *key, "system") == 0, turns=(turn,))


def _statement(text: str) -> Document:
    return Document(chat=False, system=False, turns=(Turn(question="", answer=text),))
