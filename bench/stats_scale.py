"""Cost of the statistics against size, beside a plain loop and beside the limits of this machine measured in the same run.

    python bench/stats_scale.py small            # 3 models x 48 configurations x 5 benchmarks x 1,000 items, 10,000 sign flips
    python bench/stats_scale.py large --folder /somewhere/with/1.1/GB   # 100 models x 1,000 configurations x 10,000 items on disk

Times are CPU seconds of all threads of this process. `large` first measures smaller sizes, then the whole; the table of outcomes lies on disk as bytes, is read
through a memory map, and is removed afterwards.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import combinations, islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from safetyrepro.stats.flips import count_orders, flip_rates
from safetyrepro.stats.intervals import flip_rate_limits, simultaneous_band
from safetyrepro.stats.signflips import sign_blocks
from safetyrepro.stats.support import pair_support

Outcomes = NDArray[np.uint8]


@contextmanager
def measured(into: dict[str, float], name: str) -> Iterator[None]:
    """CPU seconds of a block, added under a name."""
    start = time.process_time()
    yield
    into[name] = into.get(name, 0.0) + time.process_time() - start


def best_of(work: Callable[[], object], repeats: int = 3) -> float:
    """Least CPU seconds of several calls."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def machine_limits() -> dict[str, float]:
    """What one CPU second buys here: single-precision products and copied bytes."""
    a, b = np.ones((2000, 4000), np.float32), np.ones((4000, 1000), np.float32)
    source = np.ones(2**28, np.uint8)
    target = np.empty_like(source)
    np.copyto(target, source)
    return {
        "sgemm_gflop_per_s": 2 * 2000 * 4000 * 1000 / best_of(lambda: a @ b) / 1e9,
        "copy_gb_per_s": 2 * source.size / best_of(lambda: np.copyto(target, source)) / 1e9,
    }


def peak_gigabytes() -> float:
    """Largest resident set so far, pages of the mapped file included."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def loop_tests(x: NDArray[np.float64], draws: int, rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The plain numpy loop: extremes of T draw by draw, with the signs that the package would draw."""
    scale = np.sqrt((x**2).sum(axis=0))
    highest, lowest = [], []
    for block in sign_blocks(len(x), rng=rng, draws=draws):
        for signs in block:
            t = (signs[:, None] * x).sum(axis=0) / scale
            highest.append(t.max())
            lowest.append(t.min())
    return np.array(highest), np.array(lowest)


def small(options: argparse.Namespace) -> dict[str, object]:
    """Three models, 48 configurations, five benchmarks of 1,000 items, 10,000 sign flips."""
    n_items, m, draws, n_benchmarks, loop_draws = 1000, 48, options.draws or 10_000, 5, 200
    rng = np.random.default_rng(1)
    seconds: dict[str, float] = {}
    for benchmark in range(n_benchmarks):
        outcomes = (rng.random((3, n_items, m)) < 0.6).astype(np.int8)
        x = np.stack([outcomes[a] - outcomes[b] for a, b in combinations(range(3), 2)], axis=1)
        with measured(seconds, "sign flips, 3 pairs x 5 benchmarks"):
            supports = pair_support(x, rng=np.random.default_rng(benchmark), draws=draws)
        with measured(seconds, "simultaneous bands, 3 pairs x 5 benchmarks"):
            for pair in range(3):
                band = simultaneous_band(x[:, pair], rng=np.random.default_rng(benchmark), draws=draws)
                assert band is not None
                flip_rate_limits(band)
    with measured(seconds, f"plain loop, 1 pair, {loop_draws} draws"):
        highest, lowest = loop_tests(x[:, 0].astype(np.float64), loop_draws, np.random.default_rng(benchmark))
    again = pair_support(x[:, :1], rng=np.random.default_rng(benchmark), draws=loop_draws)[0].reversal
    equal = again.p_plus == float((highest >= highest[0]).mean()) and again.p_minus == float((lowest <= lowest[0]).mean())
    loop_all = seconds[f"plain loop, 1 pair, {loop_draws} draws"] * draws / loop_draws * 3 * n_benchmarks
    limits = machine_limits()
    product = 2 * draws * n_items * 3 * m * n_benchmarks / limits["sgemm_gflop_per_s"] / 1e9
    ours = seconds["sign flips, 3 pairs x 5 benchmarks"]
    return {
        "size": f"3 models x {m} configurations x {n_benchmarks} benchmarks x {n_items} items, {draws} sign flips",
        "cpu_seconds": seconds,
        "plain_loop_extrapolated_cpu_seconds": loop_all,
        "loop_over_ours": loop_all / ours,
        "product_at_sgemm_limit_cpu_seconds": product,
        "ours_over_limit": ours / product,
        "p_values_equal_to_the_loop": equal,
        "p_reversal_of_last_benchmark": [support.reversal.p_reversal for support in supports],
        "peak_resident_gb": peak_gigabytes(),
        "limits": limits,
    }


def write_outcomes(path: Path, shape: tuple[int, int, int]) -> None:
    """Random right-or-wrong outcomes as bytes, (models, items, configurations), one model at a time."""
    n_models, n_items, m = shape
    with path.open("wb") as file:
        for model in range(n_models):
            rng = np.random.default_rng([7, model])
            limit = (150 + rng.integers(-6, 7, size=m)).astype(np.uint8)
            drawn = np.frombuffer(rng.bytes(n_items * m), dtype=np.uint8).reshape(n_items, m)
            file.write((drawn < limit).view(np.uint8).tobytes())


def deterministic_part(outcomes: Outcomes) -> dict[str, int]:
    """Scores of all cells in one pass, then counts and flip rates of all pairs."""
    n_models, n_items, m = outcomes.shape
    scores = np.stack([outcomes[model].sum(axis=0, dtype=np.int64) for model in range(n_models)]) / n_items
    known = np.ones(m, dtype=np.bool_)
    pairs = reversals = 0
    for a, b in combinations(range(n_models), 2):
        counts = count_orders(scores[a], scores[b], known)
        flip_rates(counts)
        pairs += 1
        reversals += counts.reversal
    return {"pairs": pairs, "reversals": reversals}


def flipped_pairs(outcomes: Outcomes, n_pairs: int, draws: int) -> list[float | None]:
    """p_reversal of the first pairs, one pair in memory at a time."""
    p = []
    for a, b in islice(combinations(range(len(outcomes)), 2), n_pairs):
        x = outcomes[a].view(np.int8) - outcomes[b].view(np.int8)
        p.append(pair_support(x[:, None, :], rng=np.random.default_rng([a, b]), draws=draws)[0].reversal.p_reversal)
    return p


def large_once(path: Path, shape: tuple[int, int, int], n_pairs: int, draws: int) -> dict[str, object]:
    """One size: write, map, measure, remove."""
    write_outcomes(path, shape)
    outcomes = np.memmap(path, dtype=np.uint8, mode="r", shape=shape)
    seconds: dict[str, float] = {}
    with measured(seconds, "deterministic, all pairs"):
        counted = deterministic_part(outcomes)
    with measured(seconds, f"{draws} sign flips of {n_pairs} pairs"):
        p = flipped_pairs(outcomes, n_pairs, draws)
    del outcomes
    path.unlink()
    return {
        "models_items_configurations": shape,
        "outcomes": int(np.prod(shape)),
        "cpu_seconds": seconds,
        "total_cpu_seconds": sum(seconds.values()),
        **counted,
        "pairs_flipped": n_pairs,
        "smallest_p": min(value for value in p if value is not None),
        "peak_resident_gb": peak_gigabytes(),
    }


def large(options: argparse.Namespace) -> dict[str, object]:
    """Smaller sizes first, then 1e9 outcomes out of core."""
    draws = options.draws or 2000
    sizes = [((20, 1_000, 200), 10), ((50, 3_000, 500), 25), ((100, 10_000, 1_000), 50)]
    limits = machine_limits()
    rows = []
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for shape, n_pairs in sizes[: options.sizes]:
            row = large_once(Path(folder) / "outcomes.bin", shape, n_pairs, draws)
            product = 2 * draws * shape[1] * shape[2] * n_pairs / limits["sgemm_gflop_per_s"] / 1e9
            row["product_at_sgemm_limit_cpu_seconds"] = product
            row["one_read_at_copy_limit_cpu_seconds"] = row["outcomes"] / limits["copy_gb_per_s"] / 1e9  # type: ignore[operator]  # an int
            rows.append(row)
            print(json.dumps(row), file=sys.stderr, flush=True)
    return {"draws": draws, "limits": limits, "sizes": rows}


def main() -> int:
    """Run one case and print and write its figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", choices=["small", "large"])
    parser.add_argument("--draws", type=int, default=None)
    parser.add_argument("--folder", type=Path, default=None, help="where the large table is written, about 1.1 GB")
    parser.add_argument("--sizes", type=int, default=3, help="how many of the three sizes of `large` to measure")
    parser.add_argument("--output", type=Path, default=None)
    options = parser.parse_args()
    result = small(options) if options.case == "small" else large(options)
    text = json.dumps({"case": options.case, "numpy": np.__version__, **result}, indent=1)
    print(text)
    if options.output is not None:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
