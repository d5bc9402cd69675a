"""How often the gate finds a difference of the size that it says it would have shown, and how it shares a claim's level and power.

    python bench/gate_power.py [--draws 250] [--out bench/results/gate_power.json]

The lead of the first model has in every configuration the size that the gate states with power .8, as read from a few grids drawn beforehand.
Items are alike in all configurations, partly alike, or drawn anew; in some cases they come in clusters of four that agree, the last
configuration differs on more items than the others, or the claim gives a margin away, and the lead is counted from there.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean

import numpy as np
from machine import machine
from numpy.typing import NDArray

from safetyrepro.analysis import AnalysisOptions, analyze, score_table
from safetyrepro.detectable import POWER
from safetyrepro.gate_supported import ClaimTest, claim_test
from safetyrepro.inference import InferenceOptions
from safetyrepro.scope import claim_scope
from safetyrepro.verdicts import Claim, EvidenceLevel, Quantifier

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
from claim_grids import MemoryStore, grid_store

LEAN = AnalysisOptions(inference=None, further=False, attribution=False, policies=False)
ALPHA, SIGNS, PILOTS = 0.05, 400, 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is planted, and what is claimed of it."""

    quantifier: Quantifier
    items: int = 300
    configurations: int = 4
    alike: float = 0.3
    """Share of items that are answered alike in all configurations."""
    items_of_a_cluster: int = 1
    discordance: tuple[float, float] = (0.3, 0.3)
    """Share of items on which the models differ, in the last configuration and in all others."""
    margin: float = 0.0


EVEN = [quantifier for quantifier in Quantifier if quantifier is not Quantifier.CORE]
MANY = [Quantifier.EVERYWHERE, Quantifier.SOMEWHERE, Quantifier.WORST_CASE, Quantifier.DOMINANCE]
CASES = [
    *[Case(quantifier=quantifier) for quantifier in EVEN],
    *[Case(quantifier=quantifier, items=600, configurations=3, items_of_a_cluster=4) for quantifier in MANY],
    *[Case(quantifier=Quantifier.EVERYWHERE, items=n, configurations=1) for n in (100, 1000)],
    *[Case(quantifier=Quantifier.EVERYWHERE, configurations=12, alike=alike) for alike in (0.0, 1.0)],
    *[Case(quantifier=quantifier, alike=0.0, discordance=(0.6, 0.25)) for quantifier in EVEN],
    *[Case(quantifier=quantifier, margin=0.02) for quantifier in (Quantifier.EVERYWHERE, Quantifier.SOMEWHERE)],
]


def planted(rng: np.random.Generator, lead: float, case: Case) -> MemoryStore:
    """Right and wrong answers of two models whose mean difference is `lead` in every configuration."""
    units = case.items // case.items_of_a_cluster
    own = np.stack([_answers(rng, lead, psi, units) for psi in _discordances(case)], axis=1)
    same = _answers(rng, lead, case.discordance[1], units)[:, None, :]
    answers = np.where(rng.random((units, 1, 1)) < case.alike, same, own).repeat(case.items_of_a_cluster, axis=0)
    values: dict[tuple[str, int, int], float | None] = {
        (model, c, i): float(answers[i, c, m]) for m, model in enumerate("ab") for i, c in np.ndindex(answers.shape[:2])
    }
    names = [f"c{i // case.items_of_a_cluster}" for i in range(case.items)] if case.items_of_a_cluster > 1 else ()
    return grid_store(values, (case.configurations, case.items), clusters=names)


def _discordances(case: Case) -> list[float]:
    last, others = case.discordance
    return [others] * (case.configurations - 1) + [last]


def _answers(rng: np.random.Generator, lead: float, discordance: float, units: int) -> NDArray[np.float64]:
    """(units, 2): one right and one wrong where they differ, else both right or both wrong as often."""
    chances = [(discordance + lead) / 2, (discordance - lead) / 2, (1 - discordance) / 2, (1 - discordance) / 2]
    pairs = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.0, 0.0]])
    return pairs[rng.choice(4, p=chances, size=units)]


def tested(case: Case, lead: float, rng: np.random.Generator, seed: int) -> ClaimTest:
    """The gate's test of one planted grid."""
    claim = Claim(
        a="a",
        b="b",
        benchmark="bench",
        quantifier=case.quantifier,
        evidence=EvidenceLevel.SUPPORTED,
        alpha=ALPHA,
        margin=case.margin,
    )
    store = planted(rng, lead, case)
    scope = claim_scope(claim, analyze(store, LEAN))
    table = score_table(store, store.manifest.benchmarks[0], scope.result.estimand, LEAN)
    return claim_test(claim, scope, table, InferenceOptions(draws=SIGNS, seed=seed))


def stated(tests: list[ClaimTest]) -> float:
    """Mean of what they say that they would have shown."""
    sizes = [test.minimum_detectable_difference for test in tests]
    return fmean(size for size in sizes if size is not None)


def measured(case: Case, draws: int) -> dict[str, object]:
    """Share of draws in which the claim is proved."""
    rng = np.random.default_rng(20261126)
    size = 0.1
    for _ in range(2):
        size = stated([tested(case, size - case.margin, rng, seed) for seed in range(PILOTS)])
    tests = [tested(case, size - case.margin, rng, draw) for draw in range(draws)]
    found = sum(test.p_holds is not None and test.p_holds <= ALPHA for test in tests)
    told = {**asdict(case), "quantifier": case.quantifier.value}
    return {**told, "planted": round(size, 4), "stated": round(stated(tests), 4), "power": round(found / draws, 4)}


def main() -> None:
    """Measure every case, and write what was measured with the machine."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=250)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    found = []
    for case in CASES:
        found.append(measured(case, asked.draws))
        print(found[-1], flush=True)
    if asked.out:
        error = round(math.sqrt(POWER * (1 - POWER) / asked.draws), 4)
        document = {
            "machine": machine(),
            "stated_power": POWER,
            "draws": asked.draws,
            "monte_carlo_error": error,
            "cases": found,
        }
        asked.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
