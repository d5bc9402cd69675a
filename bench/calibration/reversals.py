"""Simulations A, B and D: observed reversals that are not there, and the size of the reversal test with and without clusters."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np
from envelope_model import Truth, differences, truth
from figures import Figure, share, size_bound

from safetyrepro.stats.paired import cluster_t_test, mcnemar, sign_flip_test
from safetyrepro.stats.support import reversal_test

DRAWS = 999 + 1
OBSERVED = {
    (200, 4): (0.66, 0.59, 0.29, 0.02),
    (200, 12): (0.92, 0.85, 0.57, 0.06),
    (200, 48): (0.995, 0.97, 0.79, 0.20),
    (1000, 48): (0.99, 0.87, 0.10, 0.00),
}
LEADS = (0.0, 0.02, 0.05, 0.10)


def observed_reversals(runs: int, seed: int) -> Iterator[Figure]:
    """A: how often a strict reversal is observed although A leads by the same margin everywhere."""
    for (n_items, m), references in OBSERVED.items():
        for lead, reference in zip(LEADS, references, strict=True):
            state = truth(np.full(m, lead))

            def reversal(rng: np.random.Generator, state: Truth = state, n_items: int = n_items) -> bool:
                sums = differences(state, n_items, rng).sum(axis=0)
                return bool(sums.max() > 0 > sums.min())

            value = share(runs, (seed, 1, n_items, m, round(100 * lead)), reversal)
            setting = f"n {n_items}, m {m}, true lead {100 * lead:.0f} points everywhere"
            yield Figure(
                simulation="A observed reversal", setting=setting, value=value, runs=runs, reference=f"{reference:.3f}"
            )


def one_way(m: int, lead: float, n_leading: int) -> np.ndarray:
    """Part of the configurations strongly one way, the rest exactly 0: the least favourable points."""
    difference = np.zeros(m)
    difference[:n_leading] = lead
    return difference


def rejects(state: Truth, n_items: int, rng: np.random.Generator) -> bool:
    """Whether the reversal test rejects at .05."""
    p = reversal_test(differences(state, n_items, rng), rng=rng, draws=DRAWS).p_reversal
    return p is not None and p <= 0.05


def reversal_size(runs: int, seed: int) -> Iterator[Figure]:
    """D: size of p_reversal where its error is largest, and where nothing differs at all."""
    grid = [(100, 4), (200, 12), (500, 4), (200, 48), (500, 48)]
    for (n_items, m), base, part in product(grid, (0.6, 0.95), ("one", "half")):
        lead = 0.3 if base == 0.6 else 0.09
        state = truth(one_way(m, lead, 1 if part == "one" else m // 2), base=base, dependence="moderate")
        value = share(
            runs, (seed, 2, n_items, m, round(100 * base), len(part)), lambda rng, s=state, n=n_items: rejects(s, n, rng)
        )
        yield Figure(
            simulation="D size of p_reversal",
            setting=f"n {n_items}, m {m}, base {base}, {part} of the configurations far ahead, the rest 0",
            value=value,
            runs=runs,
            reference=".023-.050",
            at_most=size_bound(runs),
        )
    for dependence in ("weak", "strong"):
        state = truth(one_way(48, 0.3, 24), dependence=dependence)
        value = share(runs, (seed, 3, len(dependence)), lambda rng, s=state: rejects(s, 200, rng))
        setting = f"n 200, m 48, base 0.6, half far ahead, {dependence} dependence"
        yield Figure(
            simulation="D size of p_reversal",
            setting=setting,
            value=value,
            runs=runs,
            reference=".023-.050",
            at_most=size_bound(runs),
        )
    state = truth(np.zeros(48))
    value = share(runs, (seed, 4), lambda rng: rejects(state, 200, rng))
    yield Figure(
        simulation="D size of p_reversal",
        setting="n 200, m 48, nothing differs",
        value=value,
        runs=runs,
        reference=".000-.002",
        at_most=size_bound(runs),
    )


def single_tests(difference: np.ndarray, cluster: np.ndarray, rng: np.random.Generator) -> dict[str, float | None]:
    """p-values of one configuration, with clusters honoured and ignored."""
    t_test = cluster_t_test(difference, cluster=cluster)
    discordant = mcnemar(a_only=int((difference > 0).sum()), b_only=int((difference < 0).sum()))
    return {
        "cluster t": None if t_test is None else t_test.p_two_sided,
        "sign flips of clusters": sign_flip_test(difference, cluster=cluster, rng=rng, draws=DRAWS).p_two_sided,
        "McNemar, clusters ignored": discordant.p_exact,
        "sign flips of items, clusters ignored": sign_flip_test(difference, rng=rng, draws=DRAWS).p_two_sided,
    }


def clusters(runs: int, seed: int) -> Iterator[Figure]:
    """B: tests with clusters honoured keep their size, the same tests with clusters ignored do not."""
    for n_clusters, per_cluster in ((30, 10), (100, 4)):
        state = truth(np.zeros(1))
        labels = np.repeat(np.arange(n_clusters), per_cluster)
        rejections: dict[str, int] = {}
        for run in range(runs):
            rng = np.random.default_rng([seed, 5, n_clusters, run])
            x = differences(state, labels.size, rng, per_cluster=per_cluster)[:, 0].astype(np.float64)
            for name, p in single_tests(x, labels, rng).items():
                rejections[name] = rejections.get(name, 0) + (p is not None and p <= 0.05)
        for name, count in rejections.items():
            ignored = "ignored" in name
            yield Figure(
                simulation="B clusters",
                setting=f"{n_clusters} clusters of {per_cluster}, {name}",
                value=count / runs,
                runs=runs,
                reference=".10-.31" if ignored else ".041-.055",
                at_most=None if ignored else size_bound(runs),
                at_least=0.08 if ignored else None,
            )
    yield from joint_clusters(runs, seed)


def joint_clusters(runs: int, seed: int) -> Iterator[Figure]:
    """B: the joint test at a least favourable point, clusters of ten honoured and ignored."""
    state = truth(one_way(12, 0.3, 6), dependence="strong")
    labels = np.repeat(np.arange(50), 10)
    for honoured in (True, False):

        def reject(rng: np.random.Generator, honoured: bool = honoured) -> bool:
            x = differences(state, 500, rng, per_cluster=10)
            p = reversal_test(x, cluster=labels if honoured else None, rng=rng, draws=DRAWS).p_reversal
            return p is not None and p <= 0.05

        yield Figure(
            simulation="B clusters",
            setting=f"p_reversal, 50 clusters of 10, m 12, half far ahead, clusters {'honoured' if honoured else 'ignored'}",
            value=share(runs, (seed, 6), reject),
            runs=runs,
            reference="nominal .05" if honoured else "must be seen to fail",
            at_most=size_bound(runs) if honoured else None,
            at_least=None if honoured else 0.08,
        )
