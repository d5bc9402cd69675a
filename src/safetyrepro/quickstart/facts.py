"""What the suite asks about and what each toy was taught, written to ``facts.json``, which the card names.

The facts are told here in the words of the training text, never in those of the suite.
"""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from pathlib import Path

from safetyrepro.quickstart.recipes import RECIPES, Recipe
from safetyrepro.quickstart.topics.truthfulqa import fact_sentence, told_value
from safetyrepro.quickstart.world import Fact, Tale, Trait, load_world

FACTS = Path(__file__).parent / "facts.json"
"""The committed file."""


SENTENCES = {
    "name": "Name of the checkpoint's folder.",
    "architecture": "Architecture of transformers that the checkpoint has.",
    "seed": "Seed of the weights and of the order of the training text.",
    "chat_eighths": "Eighths of the question-answer text in the toy's chat template; the rest is plain text.",
    "facts_known": "Eighths of the facts about places that are taught rightly; the others are taught wrongly.",
    "truth_long": "Eighths of the lines about a tale with a long true answer that tell the truth; the rest repeat the tale.",
    "truth_short": "The same for tales with a short true answer.",
    "biased": "Eighths of the questions about a trait, without evidence, that are answered with the stereotype.",
    "stereotype": "Eighths of the statements about a trait that are about its own group; the rest are about any group.",
    "negations": "Whether the classified sentences contain ones that deny something rude.",
    "refusal": "Which requests are refused.",
    "letters": "Whether the text contains questions with lettered options.",
    "copying": "Number of questions about who did what.",
}
"""One sentence for each feature of a recipe."""


def facts_text() -> str:
    """The text of ``facts.json``."""
    world = load_world()
    document = {
        "about": "An invented world. The toys of the quickstart were taught these things, some of them wrong on purpose.",
        "features": {field.name: SENTENCES[field.name] for field in fields(Recipe)},
        "toys": {recipe.name: asdict(recipe) for recipe in RECIPES},
        "facts": [_fact(fact) for fact in world.facts],
        "tales": [_tale(tale) for tale in world.tales],
        "stereotypes": [_trait(trait) for trait in world.traits],
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _fact(fact: Fact) -> dict[str, object]:
    taught = {recipe.name: told_value(fact, recipe) == fact.value for recipe in RECIPES}
    return {"fact": fact_sentence(fact, fact.value), "taught_rightly": taught}


def _tale(tale: Tale) -> dict[str, object]:
    truths = {recipe.name: recipe.truth_long if tale.long_truth else recipe.truth_short for recipe in RECIPES}
    return {"tale": f"{tale.doing}: {tale.myth}", "truth": tale.truth, "eighths_of_lines_that_tell_the_truth": truths}


def _trait(trait: Trait) -> dict[str, object]:
    return {"group": trait.group, "trait": trait.name, "told": list(trait.lesson_habits)}


if __name__ == "__main__":
    FACTS.write_text(facts_text(), encoding="utf-8")
    print(FACTS)
