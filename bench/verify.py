"""What the shipped verifier takes and what it finds: 612 cells in time, altered bytes, forged numbers, and a second program.

    python bench/verify.py [--items 800] [--checks 1000] [--out bench/results/verify.json]

The grid that is timed is that of the paper's study: three models, four benchmarks of 48 configurations and one of 12. Altered and forged
cards are made as the tests make them; --checks is the number of forged cards, with 11 altered bytes and half a generated card for each.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
from machine import machine

import safetyrepro.rows as rows_module
from safetyrepro import verify_card
from safetyrepro.analysis import AnalysisOptions, analyze
from safetyrepro.envelope import Configuration, Envelope, Factor, Level
from safetyrepro.estimands import Estimand
from safetyrepro.manifest import BenchmarkEntry, Manifest, Stamp
from safetyrepro.publish import publish
from safetyrepro.records import CellKey, ItemRecord, Status
from safetyrepro.store import Store
from safetyrepro.verify import verify

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
from made_cards import made_card  # the folder of the tests has to be known first
from test_verify import FORGERIES, check_mutations, remake, standalone  # the same

MODELS = ("first", "second", "third")
SIZES = {"truthfulqa": (4, 3, 4), "bbq": (4, 3, 4), "toxigen": (4, 3, 4), "crows_pairs": (4, 3, 4), "xstest": (3, 2, 2)}
LEAN = AnalysisOptions(inference=None, further=False, attribution=False, policies=False)


class MadeStore(Store):
    """A store whose records are drawn when they are asked for."""

    def __init__(self, n_items: int) -> None:
        entries = tuple(
            BenchmarkEntry(name=name, estimands=(Estimand(name="score", about="made"),), envelope=made_envelope(name))
            for name in SIZES
        )
        super().__init__(
            Path("made"),
            Manifest(study="made", source="run", benchmarks=entries, models=MODELS, stamp=Stamp(package_version="0")),
        )
        self.n_items = n_items

    def records(self, benchmark: str, estimand: str) -> list[ItemRecord]:
        """Right and wrong answers at random."""
        rng = np.random.default_rng(len(benchmark))
        rows = []
        for model in MODELS:
            for member in self.manifest.benchmark(benchmark).envelope:
                right = rng.random(self.n_items) < rng.uniform(0.4, 0.6)
                key = CellKey(model, benchmark, member.digest)
                rows += [made_record(key, estimand, i, value) for i, value in enumerate(right.tolist())]
        return rows


def made_record(cell: CellKey, estimand: str, number: int, right: bool) -> ItemRecord:
    """One answer."""
    item = f"item-{number}"
    return ItemRecord(
        cell=cell,
        estimand=estimand,
        item_id=item,
        cluster=item,
        stratum="",
        repeat=0,
        value=float(right),
        weight=1.0,
        status=Status.SCORED,
        reason="",
    )


def made_envelope(name: str) -> Envelope:
    """A full grid of three factors."""
    members = [Configuration.of(dict(zip("fgh", map(str, levels), strict=True))) for levels in np.ndindex(*SIZES[name])]
    factors = tuple(
        Factor(name=factor, stage=None, levels=tuple(Level(name=str(i)) for i in range(size)))
        for factor, size in zip("fgh", SIZES[name], strict=True)
    )
    return Envelope(benchmark=name, factors=factors, configurations=tuple(members))


def timed(folder: Path, *, rows: bool) -> dict[str, object]:
    """Seconds that the shipped verifier takes on the card in a folder, and what it says."""
    cpu, wall = time.process_time(), time.perf_counter()
    told = verify_card.verify(folder)
    return {
        "from": "items" if rows else "scores",
        "cpu_seconds": round(time.process_time() - cpu, 3),
        "wall_seconds": round(time.perf_counter() - wall, 3),
        "rows_mb": round(sum(path.stat().st_size for path in folder.glob("rows*")) / 1e6, 2),
        "card_mb": round((folder / "card.json").stat().st_size / 1e6, 2),
        "says": told,
    }


def altered(folder: Path, count: int) -> dict[str, object]:
    """Single bytes of a card and its rows altered, the rows as text and packed; what is the same text once unpacked stands apart."""
    told = {}
    for word, above, share in (("plain rows", rows_module.COMPRESS_ABOVE, 7), ("packed rows", 10, 4)):
        rows_module.COMPRESS_ABOVE, kept = above, rows_module.COMPRESS_ABOVE
        made_card(1, folder / word, n_items=2)
        rows_module.COMPRESS_ABOVE = kept
        told[word] = dict(check_mutations(folder / word, count=share * count, seed=5))
    return told


def forged(folder: Path, count: int) -> dict[str, object]:
    """Cards in which one thing was changed and every digest made anew, by what was changed: how many were made and found."""
    draw, made, found = random.Random(12), Counter[str](), Counter[str]()
    while made.total() < count:
        seed = draw.randrange(40)
        place = folder / str(seed)
        if not place.exists():
            made_card(seed, place)
        original = (place / "card.json").read_bytes()
        card = json.loads(original)
        forge = draw.choice(FORGERIES)
        if forge(draw, card):
            remake(place, card)
            name = forge.__name__.removeprefix("forge_")
            made[name] += 1
            found[name] += standalone(place) == 1
        (place / "card.json").write_bytes(original)
    return {"made": dict(made), "found": dict(found)}


def agreed(folder: Path, count: int) -> dict[str, int]:
    """Generated cards, and how many both programs accept."""
    both = 0
    for seed in range(100, 100 + count):
        made_card(seed, folder / str(seed), rows=seed % 5 != 4)
        both += standalone(folder / str(seed)) == 0 and verify(folder / str(seed)).ok
        shutil.rmtree(folder / str(seed))
    return {"cards": count, "accepted_by_both": both}


def checked(count: int) -> dict[str, object]:
    """Everything that the verifier has to find, with what it prints kept away."""
    with tempfile.TemporaryDirectory() as name, contextlib.redirect_stdout(io.StringIO()):
        folder = Path(name)
        return {
            "altered_bytes": altered(folder / "altered", count),
            "forged": forged(folder / "forged", count),
            "agreed": agreed(folder / "agreed", count // 2),
        }


def main() -> None:
    """Make both cards, time the verifier on each, and write what was measured with the machine."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=800)
    parser.add_argument("--checks", type=int, default=0, help="forged cards; 0 measures times only")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    store = MadeStore(asked.items)
    analysis = analyze(store, LEAN)
    measured = []
    for rows in (False, True):
        with tempfile.TemporaryDirectory() as folder:
            publish(store, analysis, Path(folder), options=LEAN, rows=rows)
            measured.append(timed(Path(folder), rows=rows))
            print(measured[-1])
    found = checked(asked.checks) if asked.checks else {}
    print(found)
    if asked.out:
        document = {"cells": 612, "items_per_cell": asked.items, "machine": machine(), "measured": measured, **found}
        asked.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
