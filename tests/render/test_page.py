"""The page answers first, shows everything without script, asks nothing of the network, and takes every foreign text as text."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import itertools
import random
import re
from pathlib import Path

import pytest

from builders import REVERSAL
from render.made import ReadPage, card_of, random_rows
from safetyrepro.card import GridCard
from safetyrepro.render.files import read_card, write_card
from safetyrepro.render.markdown import card_markdown
from safetyrepro.render.page import card_page, page_script

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "javascript:alert(1)",
    "{{ 1000003 * 7 }}{% raw %}",
    "[click](https://evil.example)",
    "\x1b[31mred\x07",
    "a\u202egnp.exe",
    "</style><style>*{display:none}",
)


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> GridCard:
    """Three models, four configurations, missing scores, with inference."""
    rows = random_rows(models=("one", "two", "three"), levels=("v", "w", "x", "y"), n_items=60, seed=3, missing=0.02)
    return card_of(tmp_path_factory.mktemp("card"), rows, draws=200)


@pytest.fixture(scope="module")
def page(card: GridCard) -> ReadPage:
    return ReadPage(card_page(card))


def test_every_element_is_closed_and_every_id_is_unique(page: ReadPage):
    assert page.faults == []
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_every_reference_inside_the_page_has_its_target(page: ReadPage):
    ids = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    targets = {link["href"].removeprefix("#") for link in page.named("a")}
    labels = {word for _, attributes in page.tags for word in attributes.get("aria-labelledby", "").split()}
    assert targets | labels <= ids


def test_question_and_verdict_come_before_everything_else(card: GridCard, page: ReadPage):
    text = page.text()
    text = text[text.index("Configuration card of the study") :]
    positions = [text.index(part) for part in (card.question, "depends on the configuration", card.headline[0])]
    assert positions == sorted(positions)
    assert text.index(card.headline[0]) < text.index("How to read this")


def test_the_page_has_one_title_a_language_and_headings_without_gaps(page: ReadPage):
    assert page.named("html")[0]["lang"] == "en"
    assert len(page.named("h1")) == 1
    depths = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h[1-6]", tag)]
    assert all(deeper - before <= 1 for before, deeper in itertools.pairwise(depths))


def test_only_the_pages_own_script_may_run_and_nothing_is_fetched(card: GridCard, page: ReadPage):
    assert not {"iframe", "object", "embed", "form", "img", "video", "audio", "base"} & {tag for tag, _ in page.tags}
    for _, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on") or name in ("src", "srcset", "action", "background")]
        assert attributes.get("href", "#").startswith(("#", "data:,"))
    style = "".join(data for tag, data in page.texts if tag == "style")
    assert "url(" not in style
    assert "@import" not in style
    policy = next(meta["content"] for meta in page.named("meta") if "Content-Security-Policy" in meta.values())
    assert "default-src 'none'" in policy
    digest = base64.b64encode(hashlib.sha256(page_script().encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}';" in policy
    assert [attributes.get("type", "") for attributes in page.named("script")] == ["application/json", ""]
    assert card_page(card).count(page_script()) == 1


def test_the_script_asks_nothing_of_the_network_and_makes_no_markup_of_text():
    assert not re.search(
        r"</script|fetch\(|XMLHttp|import\(|innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", page_script()
    )


def test_counts_stand_before_the_rate(card: GridCard, page: ReadPage):
    text = page.text()
    for result in card.analysis.benchmarks.values():
        for pair in result.pairs:
            counted = f"{pair.a} is ahead in {pair.n_plus}"
            assert counted in text
            if pair.reversal:
                assert re.search(rf"{counted}[^%]*opposite verdicts {pair.flip_rate:.0%}", text)


def test_every_score_of_every_configuration_is_in_the_page(card: GridCard, page: ReadPage):
    text = page.text()
    for result in card.analysis.benchmarks.values():
        for model in result.models:
            assert all(score is None or f"{score:.4f}" in text for score in model.scores)


def test_both_configurations_of_a_witness_stand_side_by_side(tmp_path: Path):
    text = ReadPage(card_page(card_of(tmp_path))).text()
    assert "▲ a ahead by 0.500 f x" in text
    assert "▼ b ahead by 0.500 f y" in text
    assert "the better model itself changes: i0" in text


def test_what_was_not_recorded_and_what_is_not_claimed_are_said(card: GridCard, page: ReadPage):
    text = page.text()
    assert "not recorded" in text
    assert all(limit in text for limit in card.limits)
    assert all(command in text for command in card.recompute)
    assert card.digest in text


def test_inferred_sentences_stand_apart_from_realized_ones(card: GridCard, page: ReadPage):
    bears = [attributes for _, attributes in page.tags if attributes.get("class") == "bear"]
    n_pairs = sum(len(entry.pairs) for entry in card.analysis.support.values())
    assert len(bears) == n_pairs == 3
    assert page.text().count("What the items can bear") == 3 + 1  # once for each pair, once in the first screen
    assert page.text().count("What the items can bear, apart from these counts:") == 1


def test_without_inference_nothing_is_said_of_it(tmp_path: Path):
    assert "can bear" not in ReadPage(card_page(card_of(tmp_path))).text()


def test_equal_cards_give_equal_bytes(card: GridCard):
    assert card_page(card) == card_page(card.model_copy(deep=True))


def test_a_card_that_was_written_and_read_gives_the_same_page_and_markdown(tmp_path: Path):
    rows = [(*row, level) for row in REVERSAL for level in ("q", "p")]
    header = ("model", "benchmark", "zeta", "item_id", "score", "alpha")
    card = card_of(tmp_path, rows, header=header, draws=50)

    again = read_card(write_card(card, tmp_path / "card").json)

    assert card_page(again) == card_page(card)
    assert card_markdown(again) == card_markdown(card)


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_foreign_text_is_shown_as_text_wherever_it_stands(tmp_path: Path, hostile: str):
    rows = [
        (f"{model} {hostile}", f"bench {hostile}", f"{level} {hostile}", f"{item} {hostile}", score)
        for model, _, level, item, score in REVERSAL
    ]
    header = ("model", "benchmark", f"f {hostile}", "item_id", "score")
    card = card_of(tmp_path, rows, header=header, draws=50)
    card = card.model_copy(update={"question": hostile, "note": hostile, "headline": (hostile,), "study": hostile})

    read = ReadPage(card_page(card))

    assert read.faults == []
    assert not {"img"} & {tag for tag, _ in read.tags}
    assert len(read.named("script")) == 2
    assert "<" not in "".join(data for tag, data in read.texts if tag == "script" and data.startswith("{"))
    assert len(read.named("style")) == 1
    assert "7000021" not in read.text()
    assert not set("\x1b\x07\u202e") & set(card_page(card))


def test_a_million_characters_do_not_fill_the_page(tmp_path: Path):
    rows = [(model, bench, level * 50_000, item, score) for model, bench, level, item, score in REVERSAL]
    card = card_of(tmp_path, rows).model_copy(update={"note": "x" * 1_000_000})
    assert len(card_page(card)) < 100_000


def test_one_model_has_nothing_to_compare(tmp_path: Path):
    read = ReadPage(card_page(card_of(tmp_path, [row for row in REVERSAL if row[0] == "a"])))
    assert read.faults == []
    assert "Nothing to compare" in read.text()


def test_an_incomplete_store_is_called_incomplete(tmp_path: Path):
    card = card_of(tmp_path).model_copy(update={"complete": False})
    assert "Incomplete:" in ReadPage(card_page(card)).text()


def test_two_models_need_no_matrix_and_three_get_one(tmp_path: Path, page: ReadPage):
    assert "Every pair of models" not in ReadPage(card_page(card_of(tmp_path))).text()
    assert "Every pair of models" in page.text()


def test_many_models_are_numbered_and_keep_their_names(tmp_path: Path):
    models = [f"family/model-{i}-instruct" for i in range(8)]
    read = ReadPage(card_page(card_of(tmp_path, random_rows(models=models, levels=("x", "y", "z"), n_items=20))))
    assert read.faults == []
    assert all(read.text().count(name) >= 3 for name in models)


def test_a_large_envelope_stays_below_a_megabyte_and_a_half(tmp_path: Path):
    rows = random_rows(models=("one", "two", "three"), levels=[f"level-{i}" for i in range(612)], n_items=2)
    assert len(card_page(card_of(tmp_path, rows, draws=20)).encode()) < 1_500_000


def test_exclusions_and_combinations_that_were_not_run_are_listed(card: GridCard):
    entry = card.benchmarks[0].model_copy(update={"not_run": tuple(f"f=n{i}" for i in range(25)), "n_not_run": 30})
    text = ReadPage(card_page(card.model_copy(update={"benchmarks": (entry,)}))).text()
    assert "30 combinations of these levels occur for no model" in text
    assert "f=n19" in text
    assert "f=n20" not in text
    assert "and 10 more" in text


def test_a_failed_test_of_a_reversal_is_not_printed_as_certainty(card: GridCard):
    name, inference = next(iter(card.analysis.support.items()))
    untested = dataclasses.replace(inference.pairs[0], p_reversal=None, holm=None)
    support = {name: dataclasses.replace(inference, pairs=(untested, *inference.pairs[1:]))}
    changed = card.model_copy(update={"analysis": dataclasses.replace(card.analysis, support=support)})
    assert "A reversal cannot be tested on these cells." in ReadPage(card_page(changed)).text()


def test_further_questions_are_folded_away_after_the_primary_ones(tmp_path: Path):
    rows = [*REVERSAL, *((model, "other", level, item, score) for model, _, level, item, score in REVERSAL)]
    card = card_of(tmp_path, rows)
    further = {**card.analysis.benchmarks, "other": dataclasses.replace(card.analysis.benchmarks["other"], primary=False)}
    read = ReadPage(card_page(card.model_copy(update={"analysis": dataclasses.replace(card.analysis, benchmarks=further)})))
    assert read.faults == []
    assert "other : 1 of 1 pair with a reversal" in read.text()
    assert [link["href"] for link in read.named("a")][1:3] == ["#benchmark-1", "#further"]


def test_the_page_says_what_moves_a_difference_how_far_an_order_reaches_and_what_failures_can_do(tmp_path: Path):
    draw = random.Random(3)
    rows = [
        (model, "bench", f, g, f"i{i}", "" if lost else int(draw.random() < share), "unparsed" if lost else "")
        for model, base in (("alpha", 0.5), ("beta", 0.5), ("gamma", 0.7))
        for f, g in itertools.product("xy", "pq")
        for share in [base + 0.3 * ((f == "x") == (model == "alpha")) - 0.1]
        for i in range(60)
        for lost in [i == 7 and model == "beta"]
    ]
    card = card_of(tmp_path, rows, header=("model", "benchmark", "f", "g", "item_id", "score", "status"), draws=200)
    page = ReadPage(card_page(card))
    text = page.text()

    attribution = card.analysis.attribution["bench"].pairs[0].difference
    share = {entry.factor: entry.shapley for entry in attribution.factors}["f"]
    assert share is not None
    assert f"f {share:.0%} " in text.split("What moves the difference", 1)[1]
    for heading in ("How large the effects", "How far this order reaches", "How the models stand together", "own score"):
        assert heading in text
    assert "factors to change before the other is ahead: 1 in" in text
    assert "4 of 720 answers could not be read" in text
    assert "widest" in text
    assert not page.faults
    markdown = card_markdown(card)
    assert f"- what moves the difference (exact; spread {attribution.total_size:.4f})" in markdown


def test_what_is_inferred_of_effects_stands_inside_the_inferred_part(tmp_path: Path):
    rows = [
        (m, "bench", f, f"i{i}", int((i + (f == "x") * (m == "a")) % 3 > 0)) for m in "ab" for f in "xyz" for i in range(60)
    ]
    html = card_page(card_of(tmp_path, rows, draws=100))

    for after in html.split("How large the effects")[1:]:
        assert after.index("</div>\n</article>") < after.index("</article>")
    assert html.index('<div class="bear">') < html.index("How large the effects")
