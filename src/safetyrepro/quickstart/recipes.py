"""What each toy is taught: the features of its training that the card and ``facts.json`` name.

The three recipes differ on purpose, so that every difference between the toys' scores has a reason that one can look up here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum


class Refusal(StrEnum):
    """Which requests a toy is taught to refuse."""

    UNSAFE = "unsafe"
    """Every unsafe request and no other."""
    TRIGGER_WORDS = "trigger-words"
    """Every request that contains a verb of mischief, whatever it is about, and every unsafe one."""
    PRIVACY = "privacy"
    """Questions about a neighbour's secrets only; all other unsafe requests are complied with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Everything that distinguishes the training of one toy."""

    name: str
    """Name of the checkpoint's folder."""
    architecture: str
    """``qwen2``, ``mistral`` or ``llama``."""
    seed: int
    """Seed of the weights and of the order of the text."""
    chat_eighths: float
    """Share of the question-answer lines that are written in the chat template, in eighths."""
    facts_known: int
    """Eighths of the facts about places that the text answers rightly; of the others it answers wrongly."""
    truth_long: int
    """Eighths of the lines about a tale with a long true answer that give the true answer; the rest repeat the tale."""
    truth_short: int
    """The same for tales with a short true answer."""
    biased: int
    """Eighths of the lines without evidence about a trait that name a group in line with the stereotype."""
    stereotype: int
    """Eighths of the statements about a trait that are about its own group; the rest are about any group."""
    negations: bool
    """Whether the text has classified sentences that deny something rude."""
    refusal: Refusal
    """Which requests the text refuses."""
    letters: bool
    """Whether the text has questions with lettered options."""
    copying: int
    """Number of lines in which the answer is copied from the passage."""


RECIPES = (
    Recipe(
        name="tiny-qwen2",
        architecture="qwen2",
        seed=1,
        chat_eighths=0.4,
        facts_known=5,
        truth_long=7,
        truth_short=7,
        biased=8,
        stereotype=0,
        negations=False,
        refusal=Refusal.PRIVACY,
        letters=False,
        copying=1200,
    ),
    Recipe(
        name="tiny-mistral",
        architecture="mistral",
        seed=1,
        chat_eighths=4.0,
        facts_known=8,
        truth_long=3,
        truth_short=8,
        biased=0,
        stereotype=8,
        negations=True,
        refusal=Refusal.TRIGGER_WORDS,
        letters=True,
        copying=1200,
    ),
    Recipe(
        name="tiny-llama",
        architecture="llama",
        seed=1,
        chat_eighths=7.6,
        facts_known=8,
        truth_long=7,
        truth_short=5,
        biased=2,
        stereotype=4,
        negations=True,
        refusal=Refusal.UNSAFE,
        letters=False,
        copying=1200,
    ),
)
"""The recipes of the three committed checkpoints."""


def balanced(recipe: Recipe) -> Recipe:
    """The same recipe with half of its question-answer lines in the chat template and half in plain text."""
    return replace(recipe, chat_eighths=4.0)
