"""Time and memory of planning alone, from ten thousand requests to a million: both must grow linearly.

Requests as an envelope makes them: for each item 12 prompt cells, each a block of examples shared by all items of the cell, then the
item, then three options. Usage: python bench/plan_scale.py [OUT.json]
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from machine import machine

from safetyrepro.backends.prefix import RowCost, Scorable, cut_rows, plan_prefixes

SIZES = (10_000, 30_000, 100_000, 300_000, 1_000_000)
CELLS, OPTIONS = 12, 3
COST = RowCost(fixed=9e-4, pair=2e-8, longest=4096, heads=16_384)


def requests(count: int) -> list[Scorable]:
    """Requests of an envelope: about 85 tokens each."""
    rng = np.random.default_rng(0)
    stems = [tuple(rng.integers(0, 32_000, 60).tolist()) for _ in range(CELLS)]
    made: list[Scorable] = []
    while len(made) < count:
        item = tuple(rng.integers(0, 32_000, 20).tolist())
        options = [tuple(rng.integers(0, 32_000, 5).tolist()) for _ in range(OPTIONS)]
        made += [Scorable(stem + item + option, 5) for stem in stems for option in options]
    return made[:count]


def measure(count: int) -> dict[str, float]:
    """Plan and cut, and say what it took."""
    sequences = requests(count)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun = time.process_time()
    plan = plan_prefixes(sequences)
    planned = time.process_time()
    rows = len(cut_rows(plan, COST)) - 1
    ended = time.process_time()
    return {
        "requests": count,
        "tokens_naive": plan.counts.naive,
        "tokens_limit": plan.counts.limit,
        "rows": rows,
        "plan_cpu_seconds": planned - begun,
        "cut_cpu_seconds": ended - planned,
        "microseconds_per_request": (ended - begun) / count * 1e6,
        "memory_mb": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024,
    }


def main() -> None:
    """Measure each size in a process of its own, so that peak memory is its own."""
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(measure(int(sys.argv[2]))))
        return
    found = []
    for size in SIZES:
        done = subprocess.run([sys.executable, __file__, "--one", str(size)], capture_output=True, text=True, check=True)
        found.append(json.loads(done.stdout))
        print(json.dumps(found[-1]), flush=True)
    if sys.argv[1:]:
        Path(sys.argv[1]).write_text(json.dumps({"machine": machine(), "sizes": found}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
