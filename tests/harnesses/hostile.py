"""Damaged and hostile variants of result files, drawn from a generator."""

from __future__ import annotations

import io
import json
import random
import struct
import zipfile
from collections.abc import Callable

import yaml

MUTANTS: list[Callable[[bytes, random.Random], bytes]] = []


def mutant(function: Callable[[bytes, random.Random], bytes]) -> Callable[[bytes, random.Random], bytes]:
    MUTANTS.append(function)
    return function


@mutant
def cut(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


@mutant
def beheaded(data: bytes, rng: random.Random) -> bytes:
    return data[rng.randrange(len(data) + 1) :]


@mutant
def flipped(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 3, 30))):
        changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)


@mutant
def emptied(data: bytes, rng: random.Random) -> bytes:
    return rng.choice(
        (b"", b"\n\n", b"{}", b"[]", b"null", b"[[", b"\xff\xfe", b"\x00" * 100, b"PK\x03\x04", b"PAR1" + b"\x00" * 20)
    )


@mutant
def swapped_blocks(data: bytes, rng: random.Random) -> bytes:
    a, b = sorted(rng.randrange(len(data) + 1) for _ in range(2))
    return data[b:] + data[a:b] + data[:a]


@mutant
def spliced(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data) + 1)
    junk = rng.choice(
        (b"\xed\xa0\x80", b'"\\ud800"', b"NaN", b"-Infinity", b"9" * 5000, b"1e999", b"[" * 3000, b'{"a":' * 2000, b"\x00")
    )
    return data[:at] + junk + data[at:]


def _odd_value(rng: random.Random) -> object:
    return rng.choice(
        (
            None,
            True,
            "",
            "N/A",
            "\ud800",
            float("nan"),
            float("inf"),
            -1e308,
            10**400,
            [],
            {},
            [[[]]],
            {"a": [1, {"b": None}]},
            "x" * 10_000,
            "../../../../etc/passwd",
            "/dev/zero",
            -1,
            999,
            2**63,
        )
    )


def _places(value: object, found: list[tuple[object, object]]) -> None:
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in list(inside)[:200]:
        found.append((value, key))
        _places(below, found)


def _changed(value: object, rng: random.Random) -> object:
    places: list[tuple[object, object]] = []
    _places(value, places)
    for _ in range(rng.choice((1, 2, 8))):
        if not places:
            return _odd_value(rng)
        container, key = rng.choice(places)
        try:
            if isinstance(container, dict) and rng.random() < 0.3:
                del container[key]
            elif isinstance(container, dict) and rng.random() < 0.2:
                container[str(_odd_value(rng))[:50]] = container.pop(key)
            else:
                container[key] = _odd_value(rng)
        except (KeyError, IndexError):
            continue
    return value


def _dumped(value: object) -> bytes:
    return json.dumps(value).encode("utf-8")


@mutant
def retyped(data: bytes, rng: random.Random) -> bytes:
    """JSON that is valid and means something else."""
    try:
        text = data.decode("utf-8")
        try:
            return _dumped(_changed(json.loads(text), rng))
        except json.JSONDecodeError:
            if text.startswith("command: "):
                return yaml.safe_dump(_changed(yaml.safe_load(text), rng), allow_unicode=True).encode("utf-8", "replace")
            lines = [json.loads(line) for line in text.splitlines() if line.strip()]
            chosen = rng.randrange(len(lines))
            lines[chosen] = _changed(lines[chosen], rng)
            return b"\n".join(map(_dumped, lines))
    except (UnicodeDecodeError, ValueError, yaml.YAMLError):
        return retyped_archive(data, rng) if data.startswith(b"PK") else flipped(data, rng)


def retyped_archive(data: bytes, rng: random.Random) -> bytes:
    """An archive one of whose members is changed, renamed to escape, doubled, or left out."""
    try:
        source = zipfile.ZipFile(io.BytesIO(data))
        members = {info.filename: source.read(info) for info in source.infolist()}
    except (zipfile.BadZipFile, NotImplementedError):
        return flipped(data, rng)
    target = io.BytesIO()
    chosen = rng.choice(list(members))
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            action = rng.randrange(5) if name == chosen else -1
            if action == 0:
                archive.writestr(f"../../{name}", content)
            elif action == 1:
                archive.writestr(name, retyped(content, rng))
            elif action == 2:
                archive.writestr(name, b"[" * 1_000_000)
            elif action == 3:
                archive.writestr(name, b" " * 50_000_000)
            elif action != 4:
                archive.writestr(name, content)
    return target.getvalue()


@mutant
def lying_directory(data: bytes, rng: random.Random) -> bytes:
    """A zip directory that lies about sizes and places; other files are cut."""
    at = data.rfind(b"PK\x01\x02")
    if at < 0:
        return cut(data, rng)
    changed = bytearray(data)
    field = rng.choice((10, 16, 20, 24, 42))
    struct.pack_into("<I", changed, at + field, rng.choice((0, 1, 2**31, 2**32 - 1, rng.randrange(2**20))))
    return bytes(changed)
