"""Time to verify a card of 612 cells: from its scores alone, and from its item rows, with the shipped verifier.

    python bench/verify.py [--items 800]

The grid is that of the paper's study: three models, four benchmarks of 48 configurations and one of 12.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

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


def main() -> None:
    """Make both cards and time the verifier on each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=800)
    store = MadeStore(parser.parse_args().items)
    analysis = analyze(store, LEAN)
    for word, rows in (("scores", False), ("items", True)):
        with tempfile.TemporaryDirectory() as folder:
            publish(store, analysis, Path(folder), options=LEAN, rows=rows)
            size = sum(path.stat().st_size for path in Path(folder).glob("rows*"))
            cpu, wall = time.process_time(), time.perf_counter()
            told = verify_card.verify(Path(folder))
            print(
                f"612 cells from {word}: {time.process_time() - cpu:.2f} s CPU, {time.perf_counter() - wall:.2f} s wall; rows {size / 1e6:.1f} MB; {told}"
            )


if __name__ == "__main__":
    main()
