"""JSON is read one value at a time, equals what json.loads reads, and is refused in one sentence where it is not sound."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safetyrepro.errors import IngestError
from safetyrepro.harnesses.bounded import JsonReader, json_header, json_member, json_records, sniff

scalars = st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats(allow_nan=False) | st.text(max_size=30)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4)
)


class Trickle:
    """A stream that gives its text in small, given pieces."""

    def __init__(self, text: str, size: int) -> None:
        self._stream, self._size = io.StringIO(text), size

    def read(self, size: int, /) -> str:
        return self._stream.read(min(size, self._size))


def reader(text: str, *, size: int = 10**9, max_chars: int = 10**6) -> JsonReader:
    return JsonReader(Trickle(text, size), "file", max_chars=max_chars)


@given(values, st.integers(1, 50), st.sampled_from([None, 0, 1]), st.booleans())
def test_a_value_is_what_json_loads_gives_however_the_text_arrives(value, size, indent, ascii_only) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    expected = json.loads(text)
    assert reader(f"  {text}\n", size=size).value() == expected or "\\ud" in text.lower()


@settings(max_examples=30)
@given(st.lists(values, max_size=6))
def test_the_records_of_lines_and_of_a_list_are_the_same(tmp_path_factory, records) -> None:
    folder = tmp_path_factory.mktemp("json")
    plain = json.loads(json.dumps([record for record in records if not isinstance(record, list)]))
    lines, array = folder / "a.json", folder / "b.jsonl"
    lines.write_text("\n".join(json.dumps(record) for record in plain))
    array.write_text(json.dumps(plain, indent=1))
    assert list(json_records(lines)) == plain
    assert list(json_records(array)) == plain


@given(st.dictionaries(st.text(max_size=5), values, max_size=5), st.integers(1, 30))
def test_an_object_is_walked_member_by_member(content, size) -> None:
    walked = reader(json.dumps(content, indent=1), size=size)
    found = {}
    for name in walked.members():
        found[name] = walked.value()
    assert found == json.loads(json.dumps(content))
    assert walked.peek() == ""


def test_a_member_can_be_passed_over_and_streamed(tmp_path: Path) -> None:
    path = tmp_path / "log.json"
    path.write_text(json.dumps({"a": 1, "samples": [{"id": 1}, {"id": 2}], "b": [3]}))
    assert json_header(path, without=frozenset({"samples"})) == {"a": 1, "b": [3]}
    assert list(json_member(path, "samples")) == [{"id": 1}, {"id": 2}]
    assert list(json_member(path, "absent")) == []
    assert list(json_member(path, "a")) == []


def test_numbers_that_json_does_not_know_are_kept_as_they_stand() -> None:
    found = reader("[NaN, Infinity, -Infinity, 1e999]").value()
    assert math.isnan(found[0])
    assert found[1:] == [math.inf, -math.inf, math.inf]


def test_half_a_surrogate_pair_becomes_a_replacement_character() -> None:
    assert reader('{"a\\ud800": "\\ud83d\\ude00 \\udc00"}').value() == {"a\ufffd": "😀 \ufffd"}


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"\xef\xbb\xbf[1]")
    assert list(json_records(path)) == [1]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"a": 1', "the text ends early|not JSON"),
        ('{"a" 1}', "should"),
        ("{1: 2}", "has no name"),
        ('{"a": tru}', "not JSON"),
        ('{"a": "never ends', "not JSON"),
        ("[1 2]", "not JSON"),
        ("[" * 5000 + "]" * 5000, "levels deep"),
        ("[" * 500 + "]" * 500, "levels deep"),
        ("9" * 5000, "thousands of digits"),
        ("", "not JSON"),
        ('["' + "x" * 3_000_000 + '"]', "longer than"),
    ],
)
def test_what_is_not_sound_is_refused_with_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(IngestError, match=sentence) as caught:
        walked = reader(text, size=100_000, max_chars=2_000_000)
        if text.startswith("{"):
            for _ in walked.members():
                walked.value()
        else:
            walked.value()
    assert "\n" not in caught.value.sentence


def test_text_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b'{"a": "\xff"}')
    with pytest.raises(IngestError, match="not UTF-8"):
        json_header(path)


def test_a_file_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(IngestError, match="cannot be read"):
        json_header(tmp_path / "absent.json")
    with pytest.raises(IngestError, match="cannot be read"):
        sniff(tmp_path / "absent.json")


@pytest.mark.parametrize(
    ("data", "kind", "names"),
    [
        (b'{"a": 1, "b": {"c": 2}}', "object", {"a", "b"}),
        (b'{"a": 1}\n{"a": 2}', "lines", {"a"}),
        (b'[{"a": 1}, {"b": 2}]', "list", {"a"}),
        (b"[]", "list", set()),
        (b"PK\x03\x04", "zip", set()),
        (b"PAR1", "parquet", set()),
        (b"hello", "other", set()),
        (b"", "other", set()),
        (b'{"a": 1, "b": ', "object", {"a", "b"}),
    ],
)
def test_a_file_is_known_by_its_beginning(tmp_path: Path, data: bytes, kind: str, names: set[str]) -> None:
    path = tmp_path / "file"
    path.write_bytes(data)
    found = sniff(path)
    assert (found.kind, found.names) == (kind, frozenset(names))


def test_the_members_of_small_members_are_known_too(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text('{"eval": {"task": "t"}, "n": 1}')
    assert sniff(path).inner == {"eval.task"}


def test_an_enormous_file_is_read_one_record_at_a_time(tmp_path: Path) -> None:
    import tracemalloc

    path = tmp_path / "big.jsonl"
    line = json.dumps({"doc_id": 1, "text": "x" * 2000})
    with path.open("w") as file:
        for _ in range(5_000):
            file.write(line + "\n")
    tracemalloc.start()
    assert sum(1 for _ in json_records(path)) == 5_000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert path.stat().st_size > 10_000_000
    assert peak < 4_000_000
