"""Texts that a card carries -> two columns in which what differs is marked, and the sentence that says what is carried, or why not."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence

from markupsafe import Markup, escape

from safetyrepro.card import GridCard
from safetyrepro.card_texts import AskedTexts, BenchmarkTexts, WitnessTexts
from safetyrepro.render.text import counted, inert_lines

MOST_WORDS = 1_500
"""Words of a differing stretch that are aligned; a longer stretch is marked as a whole."""
_WORD = re.compile(r"\s+|\w+|[^\w\s]")
_BETWEEN = "\n\N{VERTICAL ELLIPSIS}\n"


def texts_of(card: GridCard, benchmark: str) -> BenchmarkTexts | None:
    """What a card carries of a benchmark; None where nothing was asked for."""
    return next((one for one in card.texts.benchmarks if one.benchmark == benchmark), None) if card.texts else None


def witness_texts(carried: BenchmarkTexts | None, a: str, b: str) -> WitnessTexts | None:
    """The texts of one pair's witness; None where there are none."""
    return next((one for one in carried.witnesses if (one.a, one.b) == (a, b)), None) if carried else None


def texts_sentence(carried: BenchmarkTexts) -> str:
    """What is carried, with its licence, or why nothing is."""
    if carried.left_out:
        return f"left out: {carried.left_out}."
    n_items = sum(len(one.items) for one in carried.witnesses)
    return (
        f"{counted(n_items, 'item')} of {counted(len(carried.witnesses), 'witness', 'witnesses')}, licence {carried.licence}."
    )


def shown_text(asked: AskedTexts, *, of_b: bool = False) -> str:
    """What one model was asked, its requests one after the other."""
    texts = asked.b if of_b and asked.b is not None else asked.a
    return _BETWEEN.join(texts) or "not recorded"


def side_by_side(first: str, second: str) -> tuple[Markup, Markup]:
    """Two texts, inert and escaped, with what only one of them has between ``<mark>`` and ``</mark>``.

    Parameters
    ----------
    first, second : str
        Texts from models, data sets or foreign logs.

    Notes
    -----
    What both begin and end with is taken off first, so that two long prompts with the same examples cost no more than their difference.
    """
    words = [_WORD.findall(inert_lines(text)) for text in (first, second)]
    head = _shared(*words)
    tail = _shared(*(one[head:][::-1] for one in words))
    middle = [one[head : len(one) - tail] for one in words]
    before, after = _plain(words[0][:head]), _plain(words[0][len(words[0]) - tail :])
    pieces = _pieces(*middle)
    return before + _marked_pieces(pieces[0]) + after, before + _marked_pieces(pieces[1]) + after


def _shared(first: Sequence[str], second: Sequence[str]) -> int:
    return next(
        (n for n, (one, other) in enumerate(zip(first, second, strict=False)) if one != other), min(len(first), len(second))
    )


Pieces = list[tuple[str, bool]]


def _pieces(first: Sequence[str], second: Sequence[str]) -> tuple[Pieces, Pieces]:
    """Both stretches cut into pieces, each with whether only this one has it."""
    if max(len(first), len(second)) > MOST_WORDS:
        return [("".join(first), True)], [("".join(second), True)]
    found: tuple[Pieces, Pieces] = ([], [])
    for tag, i, j, k, m in difflib.SequenceMatcher(None, first, second, autojunk=False).get_opcodes():
        found[0].append(("".join(first[i:j]), tag != "equal"))
        found[1].append(("".join(second[k:m]), tag != "equal"))
    return found


def _marked_pieces(pieces: Iterable[tuple[str, bool]]) -> Markup:
    told = [Markup("<mark>{}</mark>").format(text) if only else escape(text) for text, only in pieces if text]
    return Markup("").join(told)


def _plain(words: Sequence[str]) -> Markup:
    return escape("".join(words))
