"""What a side does not hold is never invented, and how it writes things down is never a difference."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from safetyrepro.errors import IngestError
from safetyrepro.explain import OFFERED, explain
from safetyrepro.harnesses.rules import Answer
from safetyrepro.ingest_foreign import ForeignOptions, ingest_foreign
from safetyrepro.prompts import Relation, first_difference
from safetyrepro.sides import Choice, read_side
from safetyrepro.store import mend
from test_explain import plain, side, two_runs


def test_what_a_store_lost_is_not_recorded_and_never_shown_as_a_prompt(tmp_path: Path) -> None:
    a, b = two_runs(tmp_path)
    options = ForeignOptions(models={"openai/toy": "t", "org/small": "s"})
    choice, where = Choice(benchmark="toy", model="s", where={"scoring": ("sum",)}), {"scoring": ("choice",)}
    stores = [ingest_foreign([a, b], tmp_path / name, options=options).store for name in ("whole", "lost")]
    for path in (stores[1].folder / "prompts").glob("*.parquet"):
        path.unlink()
    mend(stores[1].folder)
    whole = read_side(stores[0].folder, choice, name="A")
    lost = read_side(stores[1].folder, replace(choice, model="t", where=where), name="B")
    assert {one.prompt for one in lost.items} == {""}
    with pytest.raises(IngestError, match="none of "):
        explain(whole, lost)  # the questions lay beside the prompts, so nothing says which items are the same
    renamed = replace(
        lost, items=tuple(replace(one, id=old.id, text=old.text) for one, old in zip(lost.items, whole.items, strict=True))
    )
    found = explain(whole, renamed)
    assert found.example is None
    assert Relation.UNKNOWN.value in {part.cause for part in found.parts}
    again = replace(whole, items=tuple(replace(one, prompt="") for one in whole.items))
    assert explain(whole, again).alike, "one digest is one prompt, also where one text is lost"


def test_a_file_that_lists_continuations_and_one_that_does_not_show_the_same_prompt() -> None:
    items = plain(4, "a")
    listed = [replace(one, continuations=(" yes", " no")) for one in items]
    found = explain(side(listed), side(items))
    assert found.example is None
    assert found.alike
    other = explain(side(listed), side([replace(one, continuations=("yes", "no")) for one in items]))
    assert other.example is not None
    assert other.example.relation is Relation.SPACE


def test_a_rule_that_is_not_recognised_needs_a_run_of_its_own_where_the_record_says_that_it_differs() -> None:
    items = [replace(one, value=0.3) for one in plain(10, "a")]
    shown = [replace(one, prompt=f"{one.prompt} ", value=0.4) for one in plain(10, "b")]
    a, b = side(items, settings={"template": "x", "scoring": "sum"}), side(shown, settings={"template": "y", "scoring": "pmi"})
    found = explain(a, b)
    assert "on record it differs in scoring (sum | pmi)" in " ".join(found.open)
    assert found.runs == ("run A with template = y",)
    alike = explain(a, replace(b, settings={"template": "y", "scoring": "sum"}))
    assert "not recognised" not in " ".join(alike.open), "one level on record is one rule"


def test_what_stands_before_one_and_the_same_prompt_is_examples_and_is_shown_by_itself() -> None:
    items = [replace(one, text="") for one in plain(6, "a")]
    primed = [replace(one, prompt=f"Q: Where was it?\nA: In Rome.\n\n{one.prompt}") for one in items]
    found = explain(side(items), side(primed))
    assert found.example is not None
    assert found.example.relation is Relation.BEFORE
    text = "\n".join(found.lines())
    assert "item 0: B puts 30 characters before the same text (examples or instructions):" in text
    assert "  + 'Q: Where was it?\\nA: In Rome.\\n\\n'" in text
    assert "\n  - " not in text
    long = first_difference("x" * 1000 + "same", "same")
    assert (long.before, len(long.a), long.b) == (1000, 165, "")


def test_answers_that_only_one_side_offered_are_a_cause_of_their_own() -> None:
    items = plain(8, "a")
    more = [replace(one, answer=Answer(loglikelihoods=(*one.answer.loglikelihoods, 0.0)), gold="", value=0.0) for one in items]
    fewer = [replace(one, answer=Answer(loglikelihoods=one.answer.loglikelihoods), gold="") for one in items]
    found = explain(side(fewer), side(more))
    assert [(part.cause, part.n_items, part.detail) for part in found.parts] == [(OFFERED, 8, "A: 4, B: 5 of item 0")]
    assert math.isclose(found.parts[0].amount, found.gap, abs_tol=1e-12)


def test_a_run_that_keeps_no_questions_is_joined_by_its_prompts() -> None:
    items = plain(5, "a")
    own = [replace(one, id=f"own-{one.id}", text="", answer=Answer()) for one in items]
    assert explain(side(own), side(items)).n_shared == 5
    # A question that stands in every prompt joins nothing; the prompts do.
    short = [replace(one, text="Which?", answer=Answer()) for one in items]
    assert explain(side(own), side(short)).n_shared == 5
    unlike = [replace(one, prompt=f"Something else {one.id}") for one in own]
    with pytest.raises(IngestError, match="none of 5 items is one of 5"):
        explain(side(unlike), side(short))


def test_a_setting_that_one_side_does_not_record_is_not_said_to_differ() -> None:
    items = plain(5, "a")
    found = explain(
        side(items, settings={"shots": "0", "dtype": "float32"}), side(items, settings={"shots": "5", "harness": "h"})
    )
    text = "\n".join(found.lines())
    assert "differs: shots: 0 | 5" in text
    assert "only A records: dtype float32" in text
    assert "only B records: harness h" in text
    assert "differs: dtype" not in text
