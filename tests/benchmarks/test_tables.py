"""A damaged table is refused with one sentence; a sound one is read whatever its line ends are."""

from __future__ import annotations

import pytest

from safetyrepro.benchmarks.tables import check_numbering, read_table
from safetyrepro.errors import DataError

COLUMNS = ("id", "text")


def table(content: bytes) -> list[dict[str, str]]:
    return read_table({"t.csv": content}, "t.csv", COLUMNS, edition="owner/name@1234567")


def refusal(content: bytes) -> str:
    with pytest.raises(DataError) as caught:
        table(content)
    return str(caught.value)


def test_line_ends_of_both_kinds_in_one_file_are_read_as_rows():
    assert [row["id"] for row in table(b"id,text\r\n1,a\n2,b\r\n3,c")] == ["1", "2", "3"]


def test_a_line_end_inside_quotes_stays_as_it_is_written():
    assert table(b'id,text\r\n1,"a\nb\r\nc"\r\n')[0]["text"] == "a\nb\r\nc"


def test_a_byte_order_mark_is_not_part_of_the_first_column():
    assert table(b"\xef\xbb\xbfid,text\n1,a\n") == [{"id": "1", "text": "a"}]


def test_further_columns_are_kept():
    assert table(b"id,text,more\n1,a,z\n")[0]["more"] == "z"


def test_an_absent_file_is_named():
    with pytest.raises(DataError, match=r"t\.csv: the file is absent"):
        read_table({}, "t.csv", COLUMNS, edition="owner/name@1234567")


def test_a_renamed_column_is_named_with_those_that_are_there():
    message = refusal(b"id,words\n1,a\n")
    assert "no column 'text' but 'id', 'words'" in message
    assert "owner/name@1234567" in message


def test_a_file_without_header_is_refused():
    assert "no column 'id' but no header" in refusal(b"")


def test_a_row_of_another_width_is_named_by_number():
    assert "t.csv, row 2: 3 fields; expected 2" in refusal(b"id,text\n1,a\n2,b,c\n")


def test_another_encoding_is_named_by_the_first_byte_that_does_not_fit():
    assert "byte 10 is not UTF-8" in refusal("id,text\n1,é\n".encode("latin-1"))


def test_a_broken_quote_is_refused():
    assert "is not a CSV file" in refusal(b'id,text\n1,"a"b\n')


@pytest.mark.parametrize("numbers", [["1", "3"], ["1", "1"], ["2", "1"], ["2"], ["1", "x"]])
def test_a_gap_a_repetition_or_another_order_of_row_numbers_is_refused(numbers):
    with pytest.raises(DataError, match="a row is missing, added or moved"):
        check_numbering(numbers, first=1, path="t.csv", edition="owner/name@1234567")


def test_numbers_in_order_pass_from_any_start():
    check_numbering(["7", "8"], first=7, path="t.csv", edition="owner/name@1234567")
    check_numbering([], first=0, path="t.csv", edition="owner/name@1234567")
