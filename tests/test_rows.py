"""A card's rows: one line a row, read back as they were, under a root that a plain definition gives too."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path

import pytest

import safetyrepro.rows as rows_module
from made_cards import LEAN, made_card, made_store
from safetyrepro.analysis import analyze
from safetyrepro.card_store import card_options, card_store
from safetyrepro.errors import CardError
from safetyrepro.rows import COLUMNS, RowsEntry, make_rows, merkle_root


def plain_root(leaves: list[bytes]) -> bytes:
    """The tree of RFC 6962, as its recursion says."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    left = 1
    while left * 2 < len(leaves):
        left *= 2
    return hashlib.sha256(b"\x01" + plain_root(leaves[:left]) + plain_root(leaves[left:])).digest()


@pytest.mark.parametrize("n_leaves", [0, 1, 2, 3, 5, 8, 13, 64, 100])
def test_the_root_is_that_of_the_recursive_definition(n_leaves: int):
    leaves = [f"leaf {i}".encode() for i in range(n_leaves)]

    assert merkle_root(leaves) == plain_root(leaves)


def test_the_first_line_names_the_columns_and_every_record_is_a_line():
    store = made_store(2)

    made = make_rows(store, analyze(store, LEAN))

    lines = [json.loads(line) for line in made.content.splitlines()]
    assert lines[0] == list(COLUMNS)
    assert made.entry.n_rows == len(lines) - 1
    assert {len(line) for line in lines} == {len(COLUMNS)}


@pytest.mark.parametrize("seed", range(6))
def test_rows_read_back_as_the_records_they_came_from(tmp_path: Path, seed: int):
    card = made_card(seed, tmp_path).card
    assert card.rows is not None

    again = card_store(card, tmp_path, card.rows)

    for result in card.analysis.benchmarks.values():
        before = made_store(seed).records(result.benchmark, result.estimand.name)
        after = again.records(result.benchmark, result.estimand.name)
        assert [(r.cell, r.item_id, r.repeat, r.value, r.weight, r.status) for r in before] == [
            (r.cell, r.item_id, r.repeat, r.value, r.weight, r.status) for r in after
        ]


def test_an_analysis_of_the_rows_is_that_of_the_store(tmp_path: Path):
    card = made_card(4, tmp_path).card
    assert card.rows is not None

    assert analyze(card_store(card, tmp_path, card.rows), card_options(card)) == card.analysis


def test_large_rows_are_compressed_to_the_same_bytes_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(rows_module, "COMPRESS_ABOVE", 10)
    store = made_store(3)
    analysis = analyze(store, LEAN)

    one, other = make_rows(store, analysis), make_rows(store, analysis)

    assert one.entry.file == "rows.jsonl.gz"
    assert one.content == other.content
    assert hashlib.sha256(gzip.decompress(one.content)).hexdigest() == one.entry.sha256


@pytest.mark.parametrize("content", [b"", b'["benchmark"]\n', b"\x1f\x8b\x08\x00"])
def test_altered_rows_are_refused_by_name(tmp_path: Path, content: bytes):
    card = made_card(3, tmp_path).card
    assert card.rows is not None
    (tmp_path / card.rows.file).write_bytes(content)

    with pytest.raises(CardError, match="its bytes are not those that the card names"):
        card_store(card, tmp_path, card.rows)


@pytest.mark.parametrize("line", [b"[]", b'["none",1]', b"{", b'["bench","a","x","i","c","s",0,1,1,"hoped"]'])
def test_a_line_that_is_no_row_is_refused_with_its_number(tmp_path: Path, line: bytes):
    card = made_card(3, tmp_path).card
    text = b'["head"]\n' + line + b"\n"
    (tmp_path / "rows.jsonl").write_bytes(text)
    entry = RowsEntry(file="rows.jsonl", n_rows=1, sha256=hashlib.sha256(text).hexdigest(), merkle_root="")

    with pytest.raises(CardError, match="line 2"):
        card_store(card, tmp_path, entry)


def test_absent_rows_are_refused(tmp_path: Path):
    card = made_card(3, tmp_path / "card").card
    assert card.rows is not None

    with pytest.raises(CardError, match="cannot be read"):
        card_store(card, tmp_path, card.rows)
