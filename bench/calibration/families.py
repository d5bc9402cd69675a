"""Simulations F and N: several claims at once, and metrics with a target."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from envelope_model import Truth, differences, truth
from figures import Figure, size_bound
from reversals import one_way
from scipy.special import ndtri

from safetyrepro.stats.multiplicity import benjamini_hochberg, benjamini_yekutieli, holm
from safetyrepro.stats.support import reversal_test
from safetyrepro.stats.target import target_test

DRAWS = 2000
N_CLAIMS, N_NULL = 18, 12


def claim_families(runs: int, seed: int) -> Iterator[Figure]:
    """F: 18 claims of a reversal, 12 of them false at least favourable points."""
    null = truth(one_way(12, 0.3, 6))
    real = truth(np.linspace(-0.2, 0.2, 12))
    counts = {"uncorrected": 0.0, "Holm": 0.0, "BH": 0.0, "BY": 0.0}
    for run in range(runs):
        rng = np.random.default_rng([seed, 21, run])
        p = [_p(null if claim < N_NULL else real, rng) for claim in range(N_CLAIMS)]
        counts["uncorrected"] += min(value for value in p[:N_NULL] if value is not None) <= 0.05
        counts["Holm"] += any(value is not None and value <= 0.05 for value in holm(p).adjusted[:N_NULL])
        counts["BH"] += _false_share(benjamini_hochberg(p).adjusted)
        counts["BY"] += _false_share(benjamini_yekutieli(p).adjusted)
    what = {"uncorrected": (".31-.37", "any false claim"), "Holm": (".008-.028", "any false claim")}
    what |= {"BH": (".010-.023", "mean share of false claims"), "BY": (".002-.006", "mean share of false claims")}
    for name, total in counts.items():
        reference, error = what[name]
        yield Figure(
            simulation="F families",
            setting=f"18 claims, 12 false, {name}: {error}",
            value=total / runs,
            runs=runs,
            reference=reference,
            at_most=None if name == "uncorrected" else size_bound(runs),
            at_least=0.2 if name == "uncorrected" else None,
        )


def _p(state: Truth, rng: np.random.Generator) -> float | None:
    return reversal_test(differences(state, 300, rng), rng=rng, draws=DRAWS).p_reversal


def _false_share(adjusted: tuple[float | None, ...]) -> float:
    """Share of the claims at .05 that are false; 0 without claims."""
    made = [claim for claim, value in enumerate(adjusted) if value is not None and value <= 0.05]
    return sum(claim < N_NULL for claim in made) / len(made) if made else 0.0


def target_size(runs: int, seed: int) -> Iterator[Figure]:
    """N: metrics with a target of one half; two models equally far from it, on the same or on opposite sides."""
    settings = {"same side, .6 and .6": (0.6, 0.6), "opposite sides, .4 and .6": (0.4, 0.6), "both on the target": (0.5, 0.5)}
    for number, (name, rates) in enumerate(settings.items()):
        for m in (1, 12):
            rejected = 0
            for run in range(runs):
                rng = np.random.default_rng([seed, 22, number, m, run])
                a, b = _scores(np.array(rates), m, rng)
                result = target_test(a, b, target=0.5, rng=rng, draws=1000)
                p = result.p[0] if m == 1 else min(result.p_plus or 1.0, result.p_minus or 1.0) * 2
                rejected += p is not None and p <= 0.05
            yield Figure(
                simulation="N target metrics, size",
                setting=f"n 300, m {m}, {name}" + ("" if m == 1 else ", closer somewhere (either, at .025 each)"),
                value=rejected / runs,
                runs=runs,
                reference=".004-.059",
                at_most=size_bound(runs),
            )


def _scores(rates: np.ndarray, m: int, rng: np.random.Generator) -> np.ndarray:
    """(2, 300, m) answers of two models with the given rates in all configurations."""
    shared = rng.standard_normal((1, 300, 1)) + rng.standard_normal((2, 300, 1))
    latent = (shared + rng.standard_normal((2, 300, m))) / np.sqrt(3)
    return (latent < ndtri(rates)[:, None, None]).astype(np.float64)
