"""Grids of scores and items for claims, and what a claim means on them, written plainly."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from builders import configuration, estimand
from safetyrepro.analysis import Analysis, AnalysisOptions, analyze
from safetyrepro.envelope import Envelope, Factor, Level
from safetyrepro.estimands import Estimand
from safetyrepro.manifest import BenchmarkEntry, Manifest, Stamp
from safetyrepro.records import CellKey, ItemRecord, Status
from safetyrepro.store import Store
from safetyrepro.verdicts import Claim, Quantifier, Relation

Grid = Sequence[tuple[float | None, float | None]]
"""Score of A and of B in each configuration; None where the cell is missing."""
FAR = 1000.0


class MemoryStore(Store):
    """A store whose records never touch the disk."""

    def __init__(self, manifest: Manifest, rows: list[ItemRecord]) -> None:
        super().__init__(Path("memory"), manifest)
        self._rows = rows

    def records(self, benchmark: str, estimand: str) -> list[ItemRecord]:
        """The rows of a benchmark."""
        return [row for row in self._rows if row.cell.benchmark == benchmark and row.estimand == estimand]


def grid_settings(n_configurations: int) -> list[dict[str, str]]:
    """Configurations of two factors: f alternates, g goes up; g stands first, so that the order of factors is not that of names."""
    return [{"g": str(c // 2), "f": "xy"[c % 2]} for c in range(n_configurations)]


def grid_envelope(n_configurations: int, n_core: int = 0) -> Envelope:
    """An envelope of those configurations, the first few in the core tier."""
    members = tuple(configuration(**chosen) for chosen in grid_settings(n_configurations))
    levels = {name: dict.fromkeys(member[name] for member in members) for name in ("g", "f")}
    return Envelope(
        benchmark="bench",
        factors=tuple(
            Factor(name=name, stage=None, levels=tuple(Level(name=one) for one in found)) for name, found in levels.items()
        ),
        configurations=members,
        core=frozenset(members[:n_core]),
    )


def grid_store(
    values: Mapping[tuple[str, int, int], float | None],
    shape: tuple[int, int],
    made: Estimand | None = None,
    *,
    n_core: int = 0,
    clusters: Sequence[str] = (),
) -> MemoryStore:
    """A store of (model, configuration, item) -> value; an absent key is a record that was never made."""
    n_configurations, _ = shape
    envelope = grid_envelope(n_configurations, n_core)
    rows = [
        ItemRecord(
            cell=CellKey(model, "bench", envelope.configurations[c].digest),
            estimand="score",
            item_id=f"i{i}",
            cluster=clusters[i] if clusters else f"i{i}",
            stratum="",
            repeat=0,
            value=value,
            weight=1.0,
            status=Status.SCORED if value is not None else Status.FAILED,
            reason="",
        )
        for (model, c, i), value in values.items()
    ]
    manifest = Manifest(
        study="made",
        source="table",
        benchmarks=(BenchmarkEntry(name="bench", estimands=(made or estimand(),), envelope=envelope),),
        models=("a", "b"),
        stamp=Stamp(package_version="0"),
    )
    return MemoryStore(manifest, rows)


def grid_analysis(grid: Grid, *, n_core: int = 0) -> Analysis:
    """The analysis of one item with these scores."""
    values = {
        (model, c, 0): score
        for c, scores in enumerate(grid)
        for model, score in zip("ab", scores, strict=True)
        if score is not None
    }
    return analyze(
        grid_store(values, (len(grid), 1), n_core=n_core),
        AnalysisOptions(inference=None, further=False, attribution=False, policies=False),
    )


def item_store(difference: np.ndarray, *, base: float = 0.0, clusters: Sequence[str] = ()) -> MemoryStore:
    """A store whose items differ as given, (items, configurations); NaN is an item that B never got."""
    values: dict[tuple[str, int, int], float | None] = {}
    for i, c in itertools.product(*map(range, difference.shape)):
        x = float(difference[i, c])
        if np.isnan(x):
            values["a", c, i] = base
        else:
            values["a", c, i], values["b", c, i] = base + max(x, 0.0), base + max(-x, 0.0)
    return grid_store(values, (difference.shape[1], difference.shape[0]), clusters=clusters)


def holds_on(claim: Claim, grid: Sequence[tuple[float, float]]) -> bool:
    """What a claim means where nothing is missing."""

    def fine(a: float, b: float) -> bool:
        gap = a - b + claim.margin
        return gap > 1e-12 if claim.relation is Relation.AHEAD else gap >= -1e-12

    each, a, b = [fine(*scores) for scores in grid], *zip(*grid, strict=True)
    return {
        Quantifier.EVERYWHERE: all(each),
        Quantifier.CORE: all(each),
        Quantifier.SOMEWHERE: any(each),
        Quantifier.MAJORITY: sum(each) > len(each) / 2,
        Quantifier.MEAN: fine(sum(a) / len(a), sum(b) / len(b)),
        Quantifier.WORST_CASE: fine(min(a), min(b)),
        Quantifier.DOMINANCE: fine(min(a), max(b)),
    }[claim.quantifier]


def plain_decision(claim: Claim, grid: Grid) -> str:
    """HOLDS if the claim is true whatever the missing cells would be, REFUTED if it is false whatever they would be."""
    choices = [(score,) if score is not None else (-FAR, FAR) for scores in grid for score in scores]
    told = {holds_on(claim, list(zip(cells[::2], cells[1::2], strict=True))) for cells in itertools.product(*choices)}
    return "UNDETERMINED" if len(told) == 2 else "HOLDS" if told == {True} else "REFUTED"
