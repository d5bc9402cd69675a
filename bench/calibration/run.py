"""Repeat the simulations that carry the package's claims, and print each figure beside the one it repeats.

    python bench/calibration/run.py --runs 1000 --output bench/results/calibration

Writes OUTPUT.json and OUTPUT.txt. Exit code 1 if a figure leaves its bound. Deterministic for a seed.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

from covering import band_coverage, effect_coverage, equivalence_size, failure_coverage
from families import claim_families, target_size
from figures import Figure
from reversals import clusters, observed_reversals, reversal_size

Simulation = Callable[[int, int], Iterator[Figure]]
SIMULATIONS: tuple[tuple[Simulation, float], ...] = (
    (observed_reversals, 1.0),
    (clusters, 1.0),
    (reversal_size, 1.0),
    (band_coverage, 1.0),
    (equivalence_size, 1.0),
    (effect_coverage, 0.3),
    (claim_families, 0.3),
    (target_size, 1.0),
    (failure_coverage, 1.0),
)
"""Each simulation and its share of the runs."""


def main(arguments: list[str] | None = None) -> int:
    """Run all simulations, print and write them, and say whether all bounds were kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=20240607)
    parser.add_argument("--output", type=Path, default=None)
    options = parser.parse_args(arguments)
    figures: list[Figure] = []
    seconds: dict[str, float] = {}
    for simulation, part in SIMULATIONS:
        start = time.process_time()
        for figure in simulation(max(1, round(part * options.runs)), options.seed):
            print(line(figure), flush=True)
            figures.append(figure)
        seconds[simulation.__name__] = round(time.process_time() - start, 1)
    kept = [figure for figure in figures if figure.holds is not None]
    last = f"{sum(bool(figure.holds) for figure in kept)} of {len(kept)} bounds kept; CPU seconds {sum(seconds.values()):.0f}"
    print(last)
    if options.output is not None:
        write(options.output, figures, seconds, last, seed=options.seed)
    return 0 if all(figure.holds for figure in kept) else 1


def line(figure: Figure) -> str:
    """One figure as a line of text."""
    verdict = {True: "kept", False: "BROKEN", None: ""}[figure.holds]
    bound = "" if figure.at_most is None else f"<= {figure.at_most:.3f}"
    bound += "" if figure.at_least is None else f">= {figure.at_least:.3f}"
    value = f"{figure.value:.3f} (s.e. {figure.error:.3f}, {figure.runs} runs)"
    return f"{figure.simulation:32} {value:28} reference {figure.reference:22} {bound:9} {verdict:6} {figure.setting}"


def write(output: Path, figures: list[Figure], seconds: dict[str, float], last: str, *, seed: int) -> None:
    """Write the figures as JSON and as text."""
    rows = [{**asdict(figure), "standard_error": figure.error, "holds": figure.holds} for figure in figures]
    content = {"seed": seed, "cpu_seconds": seconds, "figures": rows}
    output.parent.mkdir(parents=True, exist_ok=True)
    output.with_suffix(".json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    output.with_suffix(".txt").write_text("\n".join([*map(line, figures), last]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
