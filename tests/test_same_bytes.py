"""A card's bytes depend on its store and on nothing else: not on threads, kernels, time zone, locale, hash seed or folder."""

from __future__ import annotations

import os
import platform
import random
import subprocess
import sys
from pathlib import Path

import pytest

from builders import write_table
from safetyrepro.ingest import ingest_table

PLACES = [
    {
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "TZ": "UTC",
        "LC_ALL": "C.UTF-8",
        "PYTHONHASHSEED": "1",
        "OPENBLAS_CORETYPE": "Haswell",
    },
    {
        "OMP_NUM_THREADS": "2",
        "OPENBLAS_NUM_THREADS": "2",
        "TZ": "Asia/Kathmandu",
        "LC_ALL": "C",
        "PYTHONHASHSEED": "2",
        "OPENBLAS_CORETYPE": "Prescott",
    },
]
"""Two ways in which machines differ; an unknown kernel name is passed over by the library."""
KERNEL = """
import ctypes, pathlib, numpy
for path in (pathlib.Path(numpy.__file__).parents[1] / "numpy.libs").glob("*openblas*"):
    name = ctypes.CDLL(str(path)).scipy_openblas_get_corename64_
    name.restype = ctypes.c_char_p
    print(name().decode())
"""
"""What prints the kernel that NumPy's own OpenBLAS chose."""
HEADER = ("model", "benchmark", "f", "g", "item_id", "cluster", "score")


def table(folder: Path, *, n_items: int) -> Path:
    """Real-valued and binary scores, clusters, and some gaps."""
    draw = random.Random(3)
    rows = [
        (
            model,
            bench,
            f,
            g,
            f"i{i}",
            f"c{i // 2}",
            "" if draw.random() < 0.02 else round(draw.random(), 3 if bench == "real" else 0),
        )
        for bench in ("real", "binary")
        for model in ("é", "b", "c")
        for f in "xyz"
        for g in "12"
        for i in range(n_items)
    ]
    return write_table(folder / "t.csv", rows, HEADER)


def card_bytes(store: Path, out: Path, place: dict[str, str]) -> dict[str, bytes]:
    """Every file of a card that another process made in another environment."""
    command = [sys.executable, "-m", "safetyrepro", "card", str(store), "-o", str(out)]
    done = subprocess.run(command, env={**os.environ, **place}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {path.name: path.read_bytes() for path in sorted(out.iterdir())}


@pytest.mark.parametrize("n_items", [12, pytest.param(150, marks=pytest.mark.long)])
def test_two_cards_of_one_store_are_the_same_bytes(tmp_path: Path, n_items: int):
    store = ingest_table(table(tmp_path, n_items=n_items), tmp_path / "store").folder

    one, other = (card_bytes(store, tmp_path / f"out{i}", place) for i, place in enumerate(PLACES))

    assert set(one) >= {"card.json", "card.html", "card.md", "rows.jsonl", "verify.py", "card.intoto.json"}
    assert {name for name in one if one[name] != other[name]} == set()


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the two kernels are those of x86-64")
def test_the_two_places_do_use_two_kernels():
    names = []
    for place in PLACES:
        command = [sys.executable, "-c", KERNEL]
        done = subprocess.run(command, env={**os.environ, **place}, capture_output=True, text=True, check=True)
        names.append(done.stdout)
    if not all(names):
        pytest.skip("NumPy does not bring its own OpenBLAS here")

    assert names[0] != names[1]
