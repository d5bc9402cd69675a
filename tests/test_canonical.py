"""Canonical JSON: the standard's own examples, an independent reading of numbers, and equal bytes for equal content."""

from __future__ import annotations

import json
import math
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safetyrepro.canonical import canonical_digest, canonical_json, number_text

RFC_NUMBERS = [
    (0x0000000000000000, "0"),
    (0x8000000000000000, "0"),
    (0x0000000000000001, "5e-324"),
    (0x8000000000000001, "-5e-324"),
    (0x7FEFFFFFFFFFFFFF, "1.7976931348623157e+308"),
    (0x4340000000000000, "9007199254740992"),
    (0x4430000000000000, "295147905179352830000"),
    (0x44B52D02C7E14AF5, "9.999999999999997e+22"),
    (0x44B52D02C7E14AF6, "1e+23"),
    (0x444B1AE4D6E2EF4E, "999999999999999700000"),
    (0x444B1AE4D6E2EF50, "1e+21"),
    (0x3EB0C6F7A0B5ED8C, "9.999999999999997e-7"),
    (0x3EB0C6F7A0B5ED8D, "0.000001"),
    (0x41B3DE4355555553, "333333333.3333332"),
    (0xBECBF647612F3696, "-0.0000033333333333333333"),
    (0x43143FF3C1CB0959, "1424953923781206.2"),
]
"""RFC 8785, appendix B: bits of a double, and its text."""
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@pytest.mark.parametrize(("bits", "text"), RFC_NUMBERS)
def test_numbers_are_written_as_in_the_standard(bits: int, text: str):
    value = struct.unpack(">d", bits.to_bytes(8, "big"))[0]

    assert number_text(value) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_reads_back_as_the_same_double(value: float):
    assert float(number_text(value)) == value


@settings(max_examples=60, deadline=None)
@given(JSON)
def test_a_value_reads_back_and_is_written_to_the_same_bytes(value: object):
    content = canonical_json(value)

    assert json.loads(content, parse_int=float) == value
    assert canonical_json(json.loads(content)) == content


def test_names_are_sorted_by_utf_16_code_units_as_in_the_standard():
    names = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\u0080", "\u00f6"]

    ordered = list(json.loads(canonical_json(dict.fromkeys(names))))

    assert ordered == ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]


def test_the_example_of_the_standard():
    value = {
        "numbers": [333333333.33333329, 1e30, 4.50, 2e-3, 0.000000000000000000000000001],
        "string": '\u20ac$\u000f\u000aA\'B"\\\\"/',
        "literals": [None, True, False],
    }
    expected = (
        '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )

    assert canonical_json(value).decode() == expected


@pytest.mark.parametrize("value", [math.nan, math.inf, 2**53 + 1, "\ud800"])
def test_what_is_no_json_number_or_text_is_refused(value: object):
    with pytest.raises(ValueError):
        canonical_json([value])


@pytest.mark.parametrize("value", [{1: 2}, {"a": {3}}, b"x"])
def test_what_is_no_json_type_is_refused(value: object):
    with pytest.raises((TypeError, ValueError)):
        canonical_json(value) if value != b"x" else canonical_json({"a": object()})


def test_equal_content_has_one_digest_whatever_its_order():
    assert canonical_digest({"a": 1, "b": 1.0}) == canonical_digest({"b": 1, "a": 1.0})
    assert canonical_digest({"a": 1}) != canonical_digest({"a": 2})
