"""Canonical JSON (RFC 8785, JCS): equal content gives equal bytes, in every program that follows it.

Written here because it is fifty lines that a reader can check, and the digest of every card rests on it. All of the standard is
covered but numbers that are no IEEE doubles: a whole number that no double equals is refused, as are NaN, infinities and lone surrogates.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence

LARGEST_WHOLE, LARGEST_DOUBLE = 2**53, 2**1024 - 2**970
"""Whole numbers up to the first are exact in a double; none beyond the second is one."""
MOST_PLACES, MOST_ZEROS = 21, 6
"""Longer numbers, and those with as many zeros behind the point, are written with an exponent."""


def canonical_json(value: object) -> bytes:
    """The one text of a value of JSON, as UTF-8.

    Parameters
    ----------
    value : object
        None, booleans, numbers, text, sequences, and mappings whose keys are text.

    Raises
    ------
    TypeError
        If a value is of a type that JSON lacks.
    ValueError
        If a number is not finite or too large, or a text holds a lone surrogate.
    """
    return "".join(_parts(value)).encode("utf-8")


def canonical_digest(value: object) -> str:
    """SHA-256 of the canonical text, in lower-case hexadecimal digits."""
    return hashlib.sha256(canonical_json(value)).hexdigest()


def _parts(value: object) -> Iterator[str]:
    if value is None or isinstance(value, bool):
        yield {None: "null", True: "true", False: "false"}[value]
    elif isinstance(value, str):
        yield json.dumps(value, ensure_ascii=False)
    elif isinstance(value, int | float):
        yield number_text(value)
    elif isinstance(value, Mapping):
        yield from _object(value)
    elif isinstance(value, Sequence):
        yield from _array(value)
    else:
        raise TypeError(f"a value of type {type(value).__name__} is no JSON")


def _array(value: Sequence[object]) -> Iterator[str]:
    yield "["
    for i, entry in enumerate(value):
        if i:
            yield ","
        yield from _parts(entry)
    yield "]"


def _object(value: Mapping[object, object]) -> Iterator[str]:
    """Names in order of their UTF-16 code units, which differs from that of characters beyond U+FFFF."""
    names = []
    for name in value:
        if not isinstance(name, str):
            raise TypeError(f"the name {name!r} of a member is no text")
        names.append(name)
    yield "{"
    for i, name in enumerate(sorted(names, key=lambda name: name.encode("utf-16-be"))):
        yield f"{',' if i else ''}{json.dumps(name, ensure_ascii=False)}:"
        yield from _parts(value[name])
    yield "}"


def number_text(value: float) -> str:
    """A number as ECMAScript prints it: the fewest digits that read back as the same double.

    Raises
    ------
    ValueError
        If it is not finite, or a whole number that no double equals.

    Notes
    -----
    With the decimal point n places behind the start of the digits: plain notation for -6 < n <= 21, otherwise an exponent with
    its sign.

    References
    ----------
    ECMA-262, Number::toString; RFC 8785, section 3.2.2.3.
    """
    if isinstance(value, int):
        if abs(value) <= LARGEST_WHOLE:
            return str(value)
        text = number_text(float(value)) if abs(value) <= LARGEST_DOUBLE else ""
        if text != str(value) and (not text or int(float(value)) != value):
            raise ValueError("a whole number beyond 2**53 is neither a double nor the text of one")
        return text
    if not math.isfinite(value):
        raise ValueError(f"{value} is no number of JSON")
    if value == 0:
        return "0"
    mantissa, _, exponent = repr(abs(value)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    point = len(digits) - len(fraction) + int(exponent or 0)
    return ("-" if value < 0 else "") + _notation(digits.rstrip("0"), point)


def _notation(digits: str, point: int) -> str:
    """Digits with the decimal point `point` places behind the start."""
    if len(digits) <= point <= MOST_PLACES:
        return digits + "0" * (point - len(digits))
    if 0 < point <= MOST_PLACES:
        return f"{digits[:point]}.{digits[point:]}"
    if -MOST_ZEROS < point <= 0:
        return f"0.{'0' * -point}{digits}"
    tail = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{digits[0]}{tail}e{point - 1:+d}"
