"""Texts in a card: only what was asked for and may be given away, as it reached the models, and inert wherever it is shown."""

from __future__ import annotations

import dataclasses
import html
import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from builders import REVERSAL, response, write_table
from claim_grids import MemoryStore, item_store
from made_cards import LEAN
from render.made import ReadPage
from safetyrepro.analysis import Analysis, analyze
from safetyrepro.backends.base import short_digest
from safetyrepro.canonical import canonical_json
from safetyrepro.card import GridCard, card_digest, make_card
from safetyrepro.card_texts import MOST_ITEMS, MOST_LETTERS, carried_texts, withheld
from safetyrepro.cli import app
from safetyrepro.errors import CardError
from safetyrepro.ingest import ingest_table
from safetyrepro.manifest import DataEntry
from safetyrepro.publish import publish
from safetyrepro.records import ItemRecord, Response
from safetyrepro.render.carried import MOST_WORDS, side_by_side, texts_sentence
from safetyrepro.render.files import read_card
from safetyrepro.render.page import card_page
from safetyrepro.store import open_store
from safetyrepro.verify import verify

HOSTILE = 'Is <script>alert(1)</script> {{ 7*7 }} \x1b[31m\u202esafe\u202c?\njavascript:alert(2) </pre></details>"'
DIFFERENCES = np.array([[1, 1], [1, -1], [-1, -1], [0, -1], [1, 0], [0, 0]], dtype=float)


class AskedStore(MemoryStore):
    """A store that remembers what was asked."""

    texts: dict[str, str]
    answers: list[Response]

    def prompts(self, digests: set[str]) -> dict[str, str]:
        return {digest: text for digest, text in self.texts.items() if digest in digests}

    def responses(self) -> Iterator[Response]:
        return iter(self.answers)


def asked_store(*, licence: str = "MIT", name: str = "bench", several: bool = False, tail: str = "") -> AskedStore:
    """Six items, two configurations that reverse a and b, and a prompt for each item, configuration and model."""
    plain = item_store(DIFFERENCES)
    texts: dict[str, str] = {}
    answers: list[Response] = []

    def with_prompt(record: ItemRecord) -> ItemRecord:
        told = [f"{record.item_id} under {record.cell.configuration}{tail}"]
        told += [f"and again {told[0]}"] if several else []
        digests = [short_digest(text) for text in told]
        texts.update(zip(digests, told, strict=True))
        keys = tuple(f"{record.cell.model}{digest}" for digest in digests)
        behind = zip(keys, digests, strict=True)
        answers.extend(dataclasses.replace(response(key=key), prompt_digest=digest) for key, digest in behind)
        cell = dataclasses.replace(record.cell, benchmark=name)
        joined = short_digest("\n".join(digests)) if several else digests[0]
        return dataclasses.replace(record, cell=cell, prompt_digest=joined, keys=keys)

    entry = plain.manifest.benchmarks[0]
    data = DataEntry(licence=licence)
    envelope = dataclasses.replace(entry.envelope, benchmark=name)
    benchmarks = (entry.model_copy(update={"name": name, "data": data, "envelope": envelope}),)
    rows = [with_prompt(record) for record in plain.records("bench", entry.estimands[0].name)]
    store = AskedStore(plain.manifest.model_copy(update={"benchmarks": benchmarks}), rows)
    store.texts, store.answers = texts, answers
    return store


def card_with(store: AskedStore, n_items: int = 3, **named: tuple[str, ...]) -> tuple[GridCard, Analysis]:
    analysis = analyze(store, LEAN)
    return make_card(
        store, analysis, texts=carried_texts(store, analysis, n_items=n_items, named=named.get("named", ()))
    ), analysis


def test_the_texts_are_those_that_reached_the_models_where_the_order_turns():
    card, analysis = card_with(asked_store())

    assert card.texts is not None
    (carried,) = card.texts.benchmarks
    (witness,) = carried.witnesses
    result = analysis.benchmarks[carried.benchmark]
    pair = result.pairs[0]
    assert pair.witness is not None
    digest = dict(zip(map(str, result.configurations), card.benchmarks[0].digests, strict=True))
    assert (witness.a, witness.b, carried.left_out) == (pair.a, pair.b, "")
    assert witness.items[0].item == "i1"  # the item on which the better model itself changes
    for one in witness.items:
        assert one.plus.a == (f"{one.item} under {digest[str(pair.witness.plus)]}",)
        assert one.minus.a == (f"{one.item} under {digest[str(pair.witness.minus)]}",)
        assert one.plus.b is one.minus.b is None
    assert texts_sentence(carried) == "3 items of 1 witness, licence MIT."


def test_an_item_of_several_requests_has_each_of_its_texts():
    card, _ = card_with(asked_store(several=True))

    assert card.texts is not None
    first = card.texts.benchmarks[0].witnesses[0].items[0]
    assert len(first.plus.a) == 2
    assert first.plus.a[1] == f"and again {first.plus.a[0]}"


def test_items_on_which_nobody_differs_are_never_among_them():
    card, _ = card_with(asked_store(), n_items=MOST_ITEMS)

    assert card.texts is not None
    assert {one.item for one in card.texts.benchmarks[0].witnesses[0].items} == {"i0", "i1", "i2", "i3", "i4"}


@pytest.mark.parametrize(
    ("licence", "name", "why"),
    [
        ("not recorded", "bench", "the licence of its data is not recorded"),
        ("proprietary", "bench", "the licence of its data, proprietary, is not among those known to permit it"),
        ("CDLA-Permissive-2.0", "toxigen", "they deride groups of people"),
        ("MIT", "crows_pairs_english", "they state stereotypes of groups of people"),
    ],
)
def test_what_may_not_be_given_away_is_left_out_with_the_reason(licence: str, name: str, why: str):
    card, _ = card_with(asked_store(licence=licence, name=name))

    assert card.texts is not None
    (carried,) = card.texts.benchmarks
    assert (carried.left_out, carried.witnesses) == (why, ())
    assert "i1 under" not in card.texts.model_dump_json()
    assert f"left out: {why}." in card_page(card)


def test_whoever_answers_for_a_licence_can_name_the_benchmark_but_never_one_that_hurts():
    card, _ = card_with(asked_store(licence="not recorded"), named=("bench",))
    assert card.texts is not None
    assert card.texts.benchmarks[0].witnesses
    assert "--texts 3 --texts-of bench" in " ".join(card.recompute)

    with pytest.raises(CardError, match="never carried: they deride"):
        card_with(asked_store(name="toxigen"), named=("toxigen",))
    with pytest.raises(CardError, match="no benchmark 'other'"):
        card_with(asked_store(), named=("other",))
    assert withheld("ToxiGen_prompts")
    assert not withheld("bbq")


@pytest.mark.parametrize("n_items", [0, -1, MOST_ITEMS + 1])
def test_a_number_out_of_range_is_refused(n_items: int):
    with pytest.raises(CardError, match=f"1 to {MOST_ITEMS}"):
        card_with(asked_store(), n_items=n_items)


def test_a_store_without_prompts_says_so():
    store = asked_store()
    store.texts, store.answers = {}, []
    card, _ = card_with(store)

    assert card.texts is not None
    assert card.texts.benchmarks[0].left_out == "the store holds none of its rendered prompts"


def test_without_being_asked_a_card_carries_no_text():
    store = asked_store()
    card = make_card(store, analyze(store, LEAN))

    assert card.texts is None
    assert "i1 under" not in card.model_dump_json() + card_page(card)


def test_a_long_text_is_cut_in_its_middle():
    card, _ = card_with(asked_store(tail="x" * 3 * MOST_LETTERS + "END"))

    assert card.texts is not None
    (text,) = card.texts.benchmarks[0].witnesses[0].items[0].plus.a
    assert len(text) < MOST_LETTERS + 60
    assert "characters are left out" in text
    assert text.endswith("END")


def test_a_hostile_text_is_shown_as_text():
    text = card_page(card_with(asked_store(tail=HOSTILE))[0])
    page = ReadPage(text)

    assert page.faults == []
    assert sum(tag == "script" for tag, _ in page.tags) == 2  # the page's own data and script
    assert "<script>alert" not in text
    assert "{{ 7*7 }}" in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert not any(value.startswith("javascript:") for _, attributes in page.tags for value in attributes.values())


def plain(marked: object) -> str:
    return html.unescape(re.sub("</?mark>", "", str(marked)))


WORDS = st.lists(st.sampled_from(["one", "two", " ", "\n", "<b>", "&amp;", "{{", "</mark>"]), max_size=12).map("".join)


@given(WORDS, WORDS)
def test_marks_take_nothing_away_and_stand_only_around_what_differs(first: str, second: str):
    columns = side_by_side(first, second)

    assert [plain(column) for column in columns] == ["\n".join(text.splitlines()) for text in (first, second)]
    unmarked = [re.sub(r"<mark>.*?</mark>", "", str(column), flags=re.DOTALL) for column in columns]
    assert unmarked[0] == unmarked[1]


def test_long_stretches_that_differ_are_marked_as_a_whole():
    first, second = ("same " + word * (MOST_WORDS + 1) + "end" for word in ("a b ", "c d "))

    assert str(side_by_side(first, second)[0]).count("<mark>") == 1
    assert str(side_by_side("long " * 10 * MOST_WORDS + "x", "long " * 10 * MOST_WORDS + "y")[1]).endswith("<mark>y</mark>")


def test_a_card_with_texts_is_made_and_verified_from_the_command_line(tmp_path: Path):
    store, out = tmp_path / "store", tmp_path / "card"
    ingest_table(write_table(tmp_path / "t.csv", REVERSAL), store)

    made = CliRunner().invoke(app, ["card", str(store), "-o", str(out), "--texts", "2"])

    assert made.exit_code == 0, made.output
    assert "left out: the licence of its data is not recorded." in made.output
    assert "--texts 2" in " ".join(read_card(out / "card.json").recompute)
    assert verify(out).ok
    assert verify(out, open_store(store)).ok


def test_another_text_than_the_stores_is_found_by_whoever_has_the_store(tmp_path: Path):
    store = asked_store()
    analysis = analyze(store, LEAN)
    carried = carried_texts(store, analysis, n_items=2)
    made = publish(store, analysis, tmp_path, options=LEAN, texts=carried)
    assert verify(tmp_path, store).ok

    forged = made.card.model_dump(mode="json")
    forged["texts"]["benchmarks"][0]["witnesses"][0]["items"][0]["plus"]["a"] = ["something else"]
    card = GridCard.model_validate_json(json.dumps(forged))
    digest = card_digest(card)
    (tmp_path / "card.json").write_bytes(canonical_json(card.model_copy(update={"digest": digest}).model_dump(mode="json")))

    assert "texts" in verify(tmp_path, store).differs
