"""How often the gate decides a supported claim about two labels of one model: published studies and a toy run.

    python bench/gate.py ../shared/studies results/quickstart [--draws 1000] [--out bench/results/gate.json]

In each draw the labels of two models are exchanged at random, item by item or cluster by cluster, in all configurations at once.
Then neither model is ahead, and a claim that is said to hold, or to be refuted, is an error; 5 % of them are promised at most.
That A's worst configuration is below B's best is true of one model under two names wherever configurations differ, so that only
HOLDS is an error of the claim "whatever the configurations".
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from machine import machine

from safetyrepro.analysis import AnalysisOptions, analyze, score_table
from safetyrepro.gate import decide_realized, decide_supported
from safetyrepro.gate_supported import claim_test
from safetyrepro.inference import InferenceOptions
from safetyrepro.ingest import ingest_table
from safetyrepro.scope import Scope, claim_scope
from safetyrepro.scores import ScoreTable
from safetyrepro.store import Store, open_store
from safetyrepro.verdicts import Claim, Decision, EvidenceLevel, Quantifier

LEAN = AnalysisOptions(inference=None, further=False, attribution=False, policies=False)
QUANTIFIERS = [quantifier for quantifier in Quantifier if quantifier is not Quantifier.CORE]
UNDER_TARGETS = (Quantifier.EVERYWHERE, Quantifier.SOMEWHERE, Quantifier.MAJORITY)
"""Quantifiers that can be tested where an estimand is best at a target."""
SIGNS = 250
"""Sign vectors of each test."""
LEVEL = 0.05


def stores(studies: Path, toy: Path, folder: Path) -> Iterator[tuple[str, Store]]:
    """Every published table as a store, and the toy run."""
    for table in sorted([*studies.rglob("*.csv"), *studies.rglob("*.csv.gz")]):
        name = table.name.split(".")[0]
        yield name, ingest_table(table, folder / name)
    yield toy.name, open_store(toy)


def cases(store: Store, quantifiers: Sequence[Quantifier]) -> Iterator[tuple[Claim, Scope, ScoreTable]]:
    """Claims on the first pair of models of every benchmark, with their scopes and tables; what cannot be tested is left out."""
    a, b = store.manifest.models[:2]
    for entry in store.manifest.benchmarks:
        options = replace(LEAN, models=(a, b), benchmarks=(entry.name,))
        analysis = analyze(store, options)
        table = score_table(store, entry, entry.estimands[0], options)
        target = entry.estimands[0].orientation.target is not None
        for quantifier in quantifiers:
            claim = Claim(a=a, b=b, benchmark=entry.name, quantifier=quantifier, evidence=EvidenceLevel.SUPPORTED)
            if not target or quantifier in UNDER_TARGETS:
                yield claim, claim_scope(claim, analysis), table


def exchanged(table: ScoreTable, rng: np.random.Generator) -> ScoreTable:
    """The labels of two models exchanged at random, cluster by cluster, in all configurations at once."""
    cluster = table.cluster_index
    flip = (rng.random(int(cluster.max(initial=-1)) + 1) < 0.5)[cluster]
    values, known, weights = (np.where(flip, array[::-1], array) for array in (table.values, table.known, table.weights))
    return replace(table, values=values, known=known, weights=weights)


def measured(claim: Claim, scope: Scope, table: ScoreTable, draws: int) -> dict[str, object]:
    """How often a claim about one model under two names was decided."""
    rng = np.random.default_rng(20261126)
    realized = decide_realized(claim, scope)
    words = []
    for draw in range(draws):
        test = claim_test(claim, scope, exchanged(table, rng), InferenceOptions(draws=SIGNS, seed=draw))
        words.append(decide_supported([realized], [test])[0].decision)
    n_clusters = len(set(table.clusters))
    return {
        "benchmark": claim.benchmark,
        "pair": [claim.a, claim.b],
        "quantifier": claim.quantifier.value,
        "configurations": len(scope.entries),
        "items": len(table.items),
        "exchanged_by": "item" if n_clusters == len(table.items) else f"cluster ({n_clusters})",
        "holds": words.count(Decision.HOLDS),
        "refuted": None if claim.quantifier is Quantifier.DOMINANCE else words.count(Decision.REFUTED),
    }


def main() -> None:
    """Measure every case, say how many are above the limit, and write what was measured with the machine."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("studies", type=Path)
    parser.add_argument("toy", type=Path)
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--quantifiers", default=",".join(quantifier.value for quantifier in QUANTIFIERS))
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    begun, found = time.perf_counter(), []
    with tempfile.TemporaryDirectory() as folder:
        for name, store in stores(asked.studies, asked.toy, Path(folder)):
            for claim, scope, table in cases(store, [Quantifier(word) for word in asked.quantifiers.split(",")]):
                found.append({"results": name, **measured(claim, scope, table, asked.draws)})
                print(found[-1], flush=True)
    limit = asked.draws * (LEVEL + 2 * math.sqrt(LEVEL * (1 - LEVEL) / asked.draws))
    counts = [count for one in found for count in (one["holds"], one["refuted"]) if isinstance(count, int)]
    summary = {
        "draws": asked.draws,
        "limit": limit,
        "rates": len(counts),
        "above_limit": sum(count > limit for count in counts),
        "largest": max(counts),
        "mean_rate": round(sum(counts) / len(counts) / asked.draws, 4),
        "seconds": round(time.perf_counter() - begun),
    }
    print(summary)
    if asked.out:
        document = {"machine": machine(), "summary": summary, "cases": found}
        asked.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
