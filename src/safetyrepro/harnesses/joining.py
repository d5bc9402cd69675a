"""Our items and a package's, joined by what is asked: packages number items in their own ways, and keep a question, a passage or a prompt."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from safetyrepro.harnesses.base import ForeignItem
from safetyrepro.harnesses.content import normalised
from safetyrepro.records import Item, Json

LONGEST_CUE = 20
"""Letters that may follow a question at the end of a prompt: ``A:`` or ``Answer:``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """What belongs together."""

    found: Mapping[str, ForeignItem]
    """Our id -> the package's item."""
    n_strange: int
    """Items of the package that are none of ours."""


def join(items: Sequence[Item], foreign: Iterable[ForeignItem]) -> Joined:
    """Join a package's items to ours; of items that ask the same, the first of one belongs to the first of the other."""
    waiting: dict[str, list[str]] = {}
    for item in items:
        forms = _asked(item)
        ids = waiting.setdefault(normalised(forms[0]), [])
        ids.append(item.id)
        waiting.update({normalised(form): ids for form in forms[1:]})
    found: dict[str, ForeignItem] = {}
    n_strange = 0
    for one in foreign:
        ids = waiting.get(_question(normalised(one.text), waiting), [])
        if ids:
            found[ids.pop(0)] = one
        else:
            n_strange += 1
    return Joined(found=found, n_strange=n_strange)


def _question(text: str, questions: Collection[str]) -> str:
    """The question that a text is, or that it ends with where a package keeps only the whole prompt."""
    if text in questions:
        return text
    ends = {question: text.rfind(question) + len(question) for question in questions if question in text}
    last = [question for question, end in ends.items() if len(text) - end <= LONGEST_CUE]
    return max(last, key=lambda question: (ends[question], len(question)), default="")


def _asked(item: Item) -> tuple[str, ...]:
    """The forms in which packages' logs hold the question of an item."""
    content = item.content
    if "sent_more" in content:
        return (f"{content['sent_more']}\n{content['sent_less']}",)
    text = str(content.get("question") or content.get("text"))
    if "context" not in content:
        return (text,)
    passage = f"{content['context']}\nQuestion: {text}"
    return f"{content['context']}\n{text}", f"Context: {passage}", passage, f"{passage}\n{_lettered(content)}"


def _lettered(content: Mapping[str, Json]) -> str:
    """The options as a prompt in letters lists them, where a package keeps only the whole prompt."""
    options = content.get("options")
    texts = options if isinstance(options, list) else []
    return "\n".join(f"{letter}. {text}" for letter, text in zip("ABC", texts, strict=False))
