"""How often the gate decides a supported claim about two labels of one model: published studies and a toy run.

    python bench/gate.py ../shared/studies results/quickstart [--draws 1000] [--out bench/results/gate.json]

A hundred and more rates cannot all stay below a limit of two standard errors: a rate that is 5 % exceeds it once in forty.
So the rule was fixed before the second look: a rate above its limit is drawn again, ten times as often and from other seeds, and held to
the limit of that many draws. Both figures are kept, with the chance that a test of this size exceeds the first limit.

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
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from machine import machine
from scipy.stats import binom

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
AGAIN = 10
"""How much more often a rate above its limit is drawn."""
FIRST_SEED = 20261126
Case = tuple[Claim, Scope, ScoreTable]


def stores(studies: Path, toy: Path, folder: Path) -> Iterator[tuple[str, Store]]:
    """Every published table as a store, and the toy run."""
    for table in sorted([*studies.rglob("*.csv"), *studies.rglob("*.csv.gz")]):
        name = table.name.split(".")[0]
        yield name, ingest_table(table, folder / name)
    yield toy.name, open_store(toy)


def cases(store: Store, quantifiers: Sequence[Quantifier]) -> Iterator[Case]:
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


def limit(draws: int) -> float:
    """Most wrong decisions among so many draws: the promised share and two Monte Carlo standard errors."""
    return draws * LEVEL + 2 * math.sqrt(LEVEL * (1 - LEVEL) * draws)


def words(case: Case, draws: int, *, seed: int) -> Counter[Decision]:
    """How often a claim about one model under two names was decided in each way."""
    claim, scope, table = case
    rng, realized = np.random.default_rng(FIRST_SEED + seed), decide_realized(claim, scope)
    tests = (
        claim_test(claim, scope, exchanged(table, rng), InferenceOptions(draws=SIGNS, seed=seed + draw))
        for draw in range(draws)
    )
    return Counter(decide_supported([realized], [test])[0].decision for test in tests)


def measured(case: Case, draws: int) -> dict[str, object]:
    """How often a claim about one model under two names was decided, and what a second look says where that is often."""
    claim, scope, table = case
    n_clusters = len(set(table.clusters))
    wrong = [Decision.HOLDS] if claim.quantifier is Quantifier.DOMINANCE else [Decision.HOLDS, Decision.REFUTED]
    told = words(case, draws, seed=0)
    again = {}
    if any(told[word] > limit(draws) for word in wrong):
        second = words(case, AGAIN * draws, seed=draws)
        again = {
            word.value: {"count": second[word], "draws": AGAIN * draws, "limit": limit(AGAIN * draws)}
            for word in wrong
            if told[word] > limit(draws)
        }
    return {
        "benchmark": claim.benchmark,
        "pair": [claim.a, claim.b],
        "quantifier": claim.quantifier.value,
        "configurations": len(scope.entries),
        "items": len(table.items),
        "exchanged_by": "item" if n_clusters == len(table.items) else f"cluster ({n_clusters})",
        "holds": told[Decision.HOLDS],
        "refuted": told[Decision.REFUTED] if Decision.REFUTED in wrong else None,
        "again": again,
    }


def summary(found: Sequence[dict[str, object]], draws: int) -> dict[str, object]:
    """How many rates are above the limit, how many of them in the second look, and how many chance alone would put there."""
    counts = [count for one in found for count in (one["holds"], one["refuted"]) if isinstance(count, int)]
    again = [look for one in found for look in one["again"].values()]
    pooled = {}
    for quantifier in dict.fromkeys(one["quantifier"] for one in found):
        own = [one[word] for one in found for word in ("holds", "refuted") if one["quantifier"] == quantifier]
        kept = [count for count in own if isinstance(count, int)]
        pooled[quantifier] = round(sum(kept) / len(kept) / draws, 4)
    size = ((SIGNS + 1) * LEVEL // 1) / (SIGNS + 1)
    chance = float(binom.sf(math.floor(limit(draws)), draws, size))
    n_near = sum(count > draws * LEVEL / 2 for count in counts)
    return {
        "draws": draws,
        "limit": limit(draws),
        "rates": len(counts),
        "above_limit": sum(count > limit(draws) for count in counts),
        "above_limit_when_drawn_again": sum(look["count"] > look["limit"] for look in again),
        "drawn_again": again,
        "largest": max(counts),
        "mean_rate": round(sum(counts) / len(counts) / draws, 4),
        "mean_rate_by_quantifier": pooled,
        "size_of_one_test": round(size, 4),
        "chance_that_a_rate_of_this_size_exceeds_the_limit": round(chance, 4),
        "rates_above_half_the_level": n_near,
        "chance_that_one_of_these_exceeds_it": round(1 - (1 - chance) ** n_near, 3),
    }


def main() -> None:
    """Measure every case, say how many are above the limit, and write what was measured with the machine."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("studies", type=Path, nargs="?", default=Path("../shared/studies"))
    parser.add_argument("toy", type=Path, nargs="?", default=Path("results/quickstart"))
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--quantifiers", default=",".join(quantifier.value for quantifier in QUANTIFIERS))
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    begun, found = time.perf_counter(), []
    with tempfile.TemporaryDirectory() as folder:
        for name, store in stores(asked.studies, asked.toy, Path(folder)):
            for case in cases(store, [Quantifier(word) for word in asked.quantifiers.split(",")]):
                found.append({"results": name, **measured(case, asked.draws)})
                print(found[-1], flush=True)
    told = {**summary(found, asked.draws), "seconds": round(time.perf_counter() - begun)}
    print(told)
    if asked.out:
        document = {"machine": machine(), "summary": told, "cases": found}
        asked.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
