"""card.md says what the page says, as Markdown that renders to just that."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from builders import REVERSAL
from render.made import card_of, random_rows
from safetyrepro.card import GridCard
from safetyrepro.gate import decide_realized
from safetyrepro.render.markdown import card_markdown
from safetyrepro.scope import claim_scope
from safetyrepro.verdicts import Claim

HOSTILE = (
    "<script>alert(1)</script>",
    "[click](javascript:alert(1))",
    "![x](https://evil.example/x.png)",
    "**bold** `code` | cell",
    "https://evil.example",
    "- item\n# head",
    "\x1b[31mred",
    "a\u202eb",
    "&lt;b&gt;",
)
RENDERER = MarkdownIt("commonmark", {"html": True}).enable("table")


def rendered(card: GridCard) -> str:
    return RENDERER.render(card_markdown(card))


def test_question_and_answer_open_the_document(tmp_path: Path):
    lines = card_markdown(card_of(tmp_path)).splitlines()
    assert lines[0].startswith("# ")
    assert lines[2].startswith("**It depends on the configuration.** On bench, a is ahead in 1 and b in 1 of 2 configurations")


def test_counts_witness_limits_and_commands_are_in_the_document(tmp_path: Path):
    card = card_of(tmp_path)
    text = card_markdown(card)
    assert "| a | b | 1 | 1 | 0 | 0 | 0.500 | 0.500 | reversal observed |" in text
    assert "| f | x | y |" in text
    assert "`▲▼`" in text
    assert all(limit in text for limit in card.limits)
    assert all(command in text for command in card.recompute)


def test_every_table_has_as_many_cells_in_each_row_as_in_its_head(tmp_path: Path):
    rows = random_rows(models=("one|1", "two", "three"), levels=("v|", "w", "x"), n_items=12, missing=0.1)
    width = None
    for line in card_markdown(card_of(tmp_path, rows, draws=50)).splitlines():
        if not line.startswith("|"):
            width = None
            continue
        n_cells = len(re.findall(r"(?<!\\)\|", line))
        width = width or n_cells
        assert n_cells == width, line


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_foreign_text_renders_as_itself(tmp_path: Path, hostile: str):
    rows = [(f"{model}{hostile}", "bench", f"{level}{hostile}", item, score) for model, _, level, item, score in REVERSAL]
    card = card_of(tmp_path, rows).model_copy(update={"question": hostile, "headline": (hostile,), "note": hostile})

    html = rendered(card)

    assert not re.search(r"<(script|img|a|b|em)\b", html)
    assert html.count("<h1>") == 1
    assert not set("\x1b\u202e") & set(html)


def test_inference_has_its_own_paragraph(tmp_path: Path):
    rows = random_rows(models=("one", "two"), levels=("x", "y"), n_items=80, seed=1)
    text = card_markdown(card_of(tmp_path, rows, draws=200))
    assert text.count("What the items can bear (inferred): **") == 1


def test_equal_envelopes_of_several_benchmarks_are_described_once(tmp_path: Path):
    rows = [*REVERSAL, *((model, "other", level, item, score) for model, _, level, item, score in REVERSAL)]
    text = card_markdown(card_of(tmp_path, rows))
    assert "### bench, other" in text
    assert text.count("| factor | stage | levels |") == 1


def test_equal_cards_give_equal_text_that_ends_with_one_line_break(tmp_path: Path):
    card = card_of(tmp_path)
    text = card_markdown(card)
    assert text == card_markdown(card.model_copy(deep=True))
    assert text.endswith("```\n")
    assert not text.endswith("\n\n")


def test_a_long_envelope_has_no_strip(tmp_path: Path):
    rows = random_rows(models=("one", "two"), levels=[f"l{i}" for i in range(121)], n_items=2)
    assert "Order in each configuration" not in card_markdown(card_of(tmp_path, rows))


def test_combinations_that_were_not_run_are_listed_up_to_twenty(tmp_path: Path):
    card = card_of(tmp_path)
    entry = card.benchmarks[0].model_copy(update={"not_run": tuple(f"f=n{i}" for i in range(25)), "n_not_run": 25})
    text = card_markdown(card.model_copy(update={"benchmarks": (entry,), "complete": False}))
    assert "25 combinations of these levels occur for no model" in text
    assert "- and 5 more" in text
    assert "**Incomplete:**" in text


def test_a_tiny_lead_is_never_printed_as_nothing(tmp_path: Path):
    rows = [
        ("a", "bench", "x", "i", "0.5001"),
        ("b", "bench", "x", "i", "0.5"),
        ("a", "bench", "y", "i", "0"),
        ("b", "bench", "y", "i", "1"),
    ]

    text = card_markdown(card_of(tmp_path, rows))

    assert "| witness | a ahead by less than 0.001 | b ahead by 1.000 |" in text


def test_distinct_runs_are_told_where_they_are_fewer_than_configurations(tmp_path: Path):
    card = card_of(tmp_path)
    told = {
        runs: card_markdown(
            card.model_copy(
                update={"benchmarks": tuple(one.model_copy(update={"n_distinct_runs": runs}) for one in card.benchmarks)}
            )
        )
        for runs in (None, 1, 2)
    }

    assert told[None] == told[2]
    assert "Behind them stands at most 1 distinct run of one model" in told[1]


def test_decisions_stand_before_the_benchmarks_with_what_refutes_them(tmp_path: Path):
    card = card_of(tmp_path)
    claim = Claim(a="a", b="b", benchmark="bench", say="**A** is safer")
    scope = claim_scope(claim, card.analysis)
    decided = card.model_copy(update={"decisions": (decide_realized(claim, scope),)})

    text = card_markdown(decided)

    assert "## Claims" not in card_markdown(card)
    assert text.index("## Claims") < text.index("## bench")
    assert "- **REFUTED** \\*\\*A\\*\\* is safer" in text.replace("&#42;", "\\*")
    assert "witness: f=y" in text
