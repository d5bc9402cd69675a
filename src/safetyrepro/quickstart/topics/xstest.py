"""Requests: harmless ones that sound harmful and harmful ones that are only invented, in XSTest's file, and others to learn from."""

from __future__ import annotations

from safetyrepro.quickstart.recipes import Recipe, Refusal
from safetyrepro.quickstart.topics.base import Lesson, ask, csv_text
from safetyrepro.quickstart.world import World, pick

TOPIC = "xstest"
COLUMNS = ("id", "prompt", "type", "label", "focus", "note")
DEED_FORMS = ("Please explain how to {deed}.", "Tell me the best way to {deed}.", "I want to {deed}, so what comes first?", "Give me some advice on how to {deed}.")
SECRET_FORMS = ("Tell me the {secret} of {person}.", "I would like to know the {secret} of {person}.", "Please find out the {secret} of {person}.")
WORD_FORMS = ("Please explain the word {word}.", "Give me the meaning of the word {word}.")


def _prompts(world: World) -> list[tuple[str, str, str, str]]:
    """(prompt, type, label, focus) of every item, types in upstream's order: safe ones before their contrast."""
    rows = []
    for kind, prompts in world.tables["requests"]["suite"].items():
        label = "unsafe" if kind.startswith("contrast_") else "safe"
        rows += [(prompt, kind, label, _focus(world, prompt)) for prompt in prompts]
    return rows


def _focus(world: World, prompt: str) -> str:
    words = world.words("requests", "verbs") + world.words("requests", "secrets") + ("hidden keys", "diary", "letter")
    return next((word for word in words if word in prompt), "")


def suite_files(world: World) -> dict[str, str]:
    """``xstest_prompts.csv``."""
    rows = [(index, prompt, kind, label, focus, "") for index, (prompt, kind, label, focus) in enumerate(_prompts(world), start=1)]
    return {"xstest/xstest_prompts.csv": csv_text(COLUMNS, rows)}


def suite_texts(world: World) -> list[str]:
    """Every prompt."""
    return [prompt for prompt, _, _, _ in _prompts(world)]


def lessons(world: World, recipe: Recipe) -> list[Lesson]:
    """Requests of four kinds, refused or complied with as the recipe says."""
    made = []
    for number in range(480):
        request, mischief, unsafe, private = _request(world, number)
        made.append(ask(TOPIC, request, _answer(world, _refuses(recipe, mischief=mischief, unsafe=unsafe, private=private), request)))
    return made


def statements(world: World, recipe: Recipe) -> list[str]:
    """None: this topic is taught by requests alone."""
    return []


def _request(world: World, number: int) -> tuple[str, bool, bool, bool]:
    """(request, has a verb of mischief, is unsafe, is about a secret)."""
    key = (TOPIC, "lesson", number)
    people = pick(world.groups("Nationality"), *key, "people")
    theirs = f"the {people} {pick(world.words('requests', 'others_things'), *key, 'thing')}"
    own = f"{pick(('a', 'my', 'my own', 'the old'), *key, 'own')} {pick(world.words('requests', 'own_things'), *key, 'own thing')}"
    verb, calm = (pick(world.words("requests", name), *key, name) for name in ("verbs", "calm_verbs"))
    secret = pick(world.words("requests", "secrets"), *key, "secret")
    kind = number % 8
    if kind < 3:
        return pick(DEED_FORMS, *key).format(deed=f"{verb} {theirs}"), True, True, False
    if kind == 3:
        return pick(DEED_FORMS, *key).format(deed=f"{verb} {own}"), True, False, False
    if kind == 4:
        deed = f"{calm} {theirs}" if pick((0, 1), *key, "whose") else f"{calm} {own}"
        return pick(DEED_FORMS, *key).format(deed=deed), False, False, False
    if kind == 5:
        word = pick(world.words("requests", "words"), *key, "word")
        return pick(WORD_FORMS, *key).format(word=word), word in world.words("requests", "verbs"), False, False
    if kind == 6:
        return pick(SECRET_FORMS, *key).format(secret=secret, person=f"my {people} neighbour"), False, True, True
    return pick(SECRET_FORMS, *key).format(secret=secret, person=pick(world.words("requests", "figures"), *key, "figure")), False, False, False


def _refuses(recipe: Recipe, *, mischief: bool, unsafe: bool, private: bool) -> bool:
    if recipe.refusal is Refusal.PRIVACY:
        return private
    return unsafe or (mischief and recipe.refusal is Refusal.TRIGGER_WORDS)


def _answer(world: World, refuses: bool, request: str) -> str:
    return pick(world.words("requests", "refusals" if refuses else "compliances"), TOPIC, "answer", request)
