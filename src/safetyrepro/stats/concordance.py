"""How far configurations agree on the order of the models: Kendall's W, tau and discordance.

Configurations are the raters. They are not independent raters, so no significance is attached.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import comb, fsum

import numpy as np
from numpy.typing import NDArray

from safetyrepro.stats.base import (
    TOLERANCE,
    Flags,
    Floats,
    Integers,
    checked_scores,
    checked_tolerance,
    complete_configurations,
    tier_numbers,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Concordance:
    """Agreement of the configurations on the order of the models."""

    n_models: int
    """Models that are ordered."""
    n_configurations: int
    """Configurations with a score of every model; the raters."""
    n_left_out: int
    """Configurations that lack a score of some model."""
    kendall_w: float | None
    """Kendall's W, corrected for ties, in [0, 1]; 1 says nothing if there is one configuration."""
    n_configuration_pairs: int
    """Unordered pairs of configurations, the denominator of `mean_tau_a`."""
    mean_tau_a: float | None
    """Mean Kendall tau-a over configuration pairs, in [-1, 1]; None without a pair."""
    mean_tau_b: float | None
    """Mean Kendall tau-b over the pairs where it is defined; None if there is none."""
    n_undefined_tau_b: int
    """Configuration pairs without a tau-b: one of the two ties all models."""
    mean_discordance: float | None
    """Mean share of model pairs in strictly opposite order, over configuration pairs."""
    tolerance: float
    """Largest difference that counted as a tie."""


def concordance(scores: Floats, known: Flags, *, tolerance: float = TOLERANCE) -> Concordance:
    """Agreement of the configurations on the order of the models.

    Parameters
    ----------
    scores : (n_models, c) float array
        Score of every cell, larger is safer.
    known : (n_models, c) bool array
        True where the cell has a score. A configuration that lacks one is left out and counted.
    tolerance : float
        Scores that differ by at most this tie.

    Returns
    -------
    Concordance
        With None for what is not defined: W with fewer than two models, without a complete
        configuration or if every one ties all models; tau without two configurations.

    Raises
    ------
    ValueError
        If shapes differ or a known score is not finite.

    Notes
    -----
    With k configurations, n models, R_a the sum of the mid-ranks of model a over configurations,
    S = sum_a (R_a - k (n + 1) / 2)^2 and t the sizes of the tie groups of a configuration:

    W = 12 S / (k^2 (n^3 - n) - k sum (t^3 - t)).

    For two configurations with C model pairs in the same strict order, D in the opposite one and
    P = n (n - 1) / 2: tau_a = (C - D) / P, discordance = D / P, and
    tau_b = (C - D) / sqrt((P - T1) (P - T2)), T the pairs tied in each. Mean tau_a and mean
    discordance are always defined where there are two configurations: prefer them. For two
    models without ties W = ((n+ - n-) / m)^2. Under random ranking W has expectation 1/k.
    Tie groups of W are closed under chains; tau compares each pair directly.

    References
    ----------
    Kendall and Smith 1939, Annals of Mathematical Statistics 10, p. 275; Kendall 1970, Rank
    Correlation Methods, 4th ed., chapters 3 and 6 (ties).
    """
    values, flags = checked_scores(scores, known, n_dimensions=2)
    complete = complete_configurations(flags)
    columns = values[:, complete]
    n_models, n_configurations = columns.shape
    pairwise = _pairwise(columns, checked_tolerance(tolerance))
    return Concordance(
        n_models=n_models,
        n_configurations=n_configurations,
        n_left_out=int(complete.size - n_configurations),
        kendall_w=_kendall_w(tier_numbers(columns, tolerance=tolerance)),
        n_configuration_pairs=comb(n_configurations, 2),
        mean_tau_a=pairwise.mean_tau_a,
        mean_tau_b=pairwise.mean_tau_b,
        n_undefined_tau_b=pairwise.n_undefined_tau_b,
        mean_discordance=pairwise.mean_discordance,
        tolerance=float(tolerance),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pairwise:
    """Agreement averaged over pairs of configurations."""

    mean_tau_a: float | None = None
    """See `Concordance`."""
    mean_tau_b: float | None = None
    """See `Concordance`."""
    n_undefined_tau_b: int = 0
    """See `Concordance`."""
    mean_discordance: float | None = None
    """See `Concordance`."""


def _kendall_w(tiers: Integers) -> float | None:
    """W from tiers, in whole numbers until the last division; None if the divisor is 0."""
    n_configurations, n_models = tiers.shape
    doubled_sums = [0] * n_models
    ties = 0
    for row in tiers:
        sizes = np.bincount(row)
        # Twice the mid-rank is a whole number: 2 x (models in better tiers) + size + 1.
        doubled = 2 * (np.cumsum(sizes) - sizes) + sizes + 1
        doubled_sums = [total + rank for total, rank in zip(doubled_sums, doubled[row].tolist(), strict=True)]
        ties += sum(size**3 - size for size in sizes.tolist())
    centre = n_configurations * (n_models + 1)
    four_s = sum((total - centre) ** 2 for total in doubled_sums)
    divisor = n_configurations**2 * (n_models**3 - n_models) - n_configurations * ties
    return 3 * four_s / divisor if divisor else None


def _pairwise(columns: Floats, tolerance: float) -> _Pairwise:
    """Tau and discordance over all pairs of configurations, from exact counts of model pairs."""
    n_models, n_configurations = columns.shape
    n_model_pairs = comb(n_models, 2)
    if n_configurations < 2 or n_model_pairs == 0:
        return _Pairwise()
    signs = _model_pair_signs(columns, tolerance)
    strict = np.abs(signs)
    upper = np.triu_indices(n_configurations, k=1)
    # Sums of products of -1, 0, 1 are whole numbers below 2^53, so float64 keeps them exact.
    score = (signs @ signs.T)[upper]
    both_strict = (strict @ strict.T)[upper]
    n_strict = strict.sum(axis=1)
    spread = (n_strict[upper[0]] * n_strict[upper[1]]).astype(np.float64)
    defined = spread > 0
    tau_b = score[defined] / np.sqrt(spread[defined])
    denominator = n_model_pairs * score.size
    return _Pairwise(
        mean_tau_a=int(score.sum()) / denominator,
        mean_tau_b=fsum(tau_b) / tau_b.size if tau_b.size else None,
        n_undefined_tau_b=int((~defined).sum()),
        mean_discordance=int((both_strict - score).sum()) / (2 * denominator),
    )


def _model_pair_signs(columns: Floats, tolerance: float) -> NDArray[np.float64]:
    """(c, n_model_pairs) array of +1, 0, -1: who of each pair is ahead in each configuration."""
    first, second = np.triu_indices(columns.shape[0], k=1)
    gaps = (columns[first] - columns[second]).T
    return np.sign(gaps) * (np.abs(gaps) > tolerance)
