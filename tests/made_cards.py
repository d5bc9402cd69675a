"""Random small stores of every kind, and the folders of their cards."""

from __future__ import annotations

import random
from pathlib import Path

from claim_grids import MemoryStore, grid_envelope
from safetyrepro.analysis import AnalysisOptions, analyze
from safetyrepro.estimands import Aggregation, Estimand, Orientation
from safetyrepro.inference import InferenceOptions
from safetyrepro.manifest import BenchmarkEntry, Manifest, Stamp
from safetyrepro.publish import Published, publish
from safetyrepro.records import AGGREGATE_ITEM, CellKey, ItemRecord, Status
from safetyrepro.scores import FailurePolicy, ItemRule
from safetyrepro.verdicts import Claim, Quantifier, Relation

NAMES = ("a", "b", 'c "quoted", é\n')
UNREAD = (Status.UNPARSED, Status.FAILED, Status.JUDGE_REFUSED, Status.NOT_RUN)
DIRECTIONS = ("higher", "lower", "target(0.5)")
LEAN = AnalysisOptions(inference=InferenceOptions(draws=200, seed=3), further=False, attribution=False)


def made_estimand(draw: random.Random, name: str) -> Estimand:
    """A question of any direction and aggregation."""
    return Estimand(
        name=name,
        about="made",
        orientation=Orientation.parse(draw.choice(DIRECTIONS)),
        aggregation=draw.choice(list(Aggregation)),
    )


def made_store(seed: int, *, n_items: int | None = None) -> MemoryStore:
    """A store of two or three models, up to six configurations and one or two questions; some answers lack a value."""
    draw = random.Random(seed)
    models = NAMES[: draw.choice((2, 3))]
    envelope = grid_envelope(draw.randint(1, 6), n_core=1)
    estimands = tuple(made_estimand(draw, name) for name in ("score", "other")[: draw.choice((1, 2))])
    items = n_items or draw.randint(1, 8)
    rows = [
        row
        for estimand in estimands
        for model in models
        for member in envelope.configurations
        if draw.random() > 0.1
        for row in _cell(draw, estimand, CellKey(model, "bench", member.digest), items)
    ]
    manifest = Manifest(
        study="made",
        question="Which?",
        source="table",
        failure_policy=draw.choice(list(FailurePolicy)).value,
        benchmarks=(BenchmarkEntry(name="bench", estimands=estimands, envelope=envelope),),
        models=models,
        stamp=Stamp(package_version="0"),
        complete=True,
    )
    return MemoryStore(manifest, rows)


def _cell(draw: random.Random, estimand: Estimand, cell: CellKey, n_items: int) -> list[ItemRecord]:
    if draw.random() < 0.1:
        return [_row(estimand, cell, AGGREGATE_ITEM, 0, draw.choice((0.25, 0.5, 0.7)))]
    rows = []
    for i in range(n_items):
        for repeat in range(draw.choice((1, 1, 1, 2))):
            value = draw.choice((0.0, 0.1, 0.3, 0.5, 1.0))
            status = draw.choice(UNREAD) if draw.random() < 0.1 else Status.SCORED
            if draw.random() > 0.05:
                rows.append(
                    _row(estimand, cell, f"i{i}", repeat, value, status=status, weight=draw.choice((1.0, 1.0, 0.5, 0.0)))
                )
    return rows


def _row(
    estimand: Estimand,
    cell: CellKey,
    item: str,
    repeat: int,
    value: float,
    *,
    status: Status = Status.SCORED,
    weight: float = 1.0,
) -> ItemRecord:
    scored = status is Status.SCORED
    return ItemRecord(
        cell=cell,
        estimand=estimand.name,
        item_id=item,
        cluster=f"cluster of {item}",
        stratum="even" if item[-1:] in "02468" else "odd",
        repeat=repeat,
        value=value if scored else None,
        weight=weight,
        status=status,
        reason="" if scored else "made so",
    )


def made_claims() -> tuple[Claim, ...]:
    """One realized claim for each quantifier that every made store has."""
    quantifiers = list(Quantifier)
    return tuple(
        Claim(a="a", b="b", benchmark="bench", quantifier=quantifier, relation=relation, margin=margin)
        for quantifier, relation, margin in zip(
            quantifiers, [Relation.AHEAD, Relation.NOT_BEHIND] * 4, (0.0, 0.1, 0.0, 0.0, -0.1, 0.0, 0.5), strict=False
        )
    )


def made_card(seed: int, folder: Path, *, rows: bool = True, n_items: int | None = None) -> Published:
    """The card of a made store, with decisions."""
    store = made_store(seed, n_items=n_items)
    rows = rows or store.manifest.failure_policy == FailurePolicy.PAIRWISE.value
    rule = random.Random(seed + 1).choice(list(ItemRule))
    options = AnalysisOptions(inference=LEAN.inference, item_rule=rule, further=seed % 2 == 0, attribution=seed % 2 == 0)
    return publish(store, analyze(store, options), folder, options=options, claims=made_claims(), rows=rows)
