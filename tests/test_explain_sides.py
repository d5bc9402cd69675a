"""What a side does not hold is never invented, and how it writes things down is never a difference."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from safetyrepro.errors import IngestError
from safetyrepro.explain import explain
from safetyrepro.ingest_foreign import ForeignOptions, ingest_foreign
from safetyrepro.prompts import Relation
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
