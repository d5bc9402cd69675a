"""Time to verify a card of 612 cells: from its scores alone, and from its item rows, with the shipped verifier.

    python bench/verify.py [--items 800] [--out bench/results/verify.json]

The grid is that of the paper's study: three models, four benchmarks of 48 configurations and one of 12.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
from machine import machine

from safetyrepro import verify_card
from safetyrepro.analysis import AnalysisOptions, analyze
from safetyrepro.envelope import Configuration, Envelope, Factor, Level
from safetyrepro.estimands import Estimand
from safetyrepro.manifest import BenchmarkEntry, Manifest, Stamp
from safetyrepro.publish import publish
from safetyrepro.records import CellKey, ItemRecord, Status
from safetyrepro.store import Store

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


def main() -> None:
    """Make both cards, time the verifier on each, and write what was measured with the machine."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=800)
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
    if asked.out:
        document = {"cells": 612, "items_per_cell": asked.items, "machine": machine(), "measured": measured}
        asked.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
