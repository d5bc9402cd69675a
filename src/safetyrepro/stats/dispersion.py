"""How far the score of one model, or the margin of a pair, moves over an envelope.

A model whose score moves a lot need not be in any reversal: a shift that all models share moves
every score and no verdict. So the margin of a pair has its own summary.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import fsum, sqrt

import numpy as np

from safetyrepro.stats.base import TOLERANCE, Flags, Floats, checked_scores, checked_tolerance


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispersion:
    """Spread of one model's score over the configurations where it has one."""

    n_configurations: int
    """Configurations with a score."""
    n_missing: int
    """Configurations without a score."""
    mean: float
    """Mean score."""
    minimum: float
    """Smallest score."""
    maximum: float
    """Largest score."""
    range: float
    """Largest less smallest score."""
    standard_deviation: float
    """Population standard deviation over the configurations (divisor: their number)."""
    sdi: float | None
    """Standard deviation as a share of the largest possible one; None if the scale has no ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginIndex:
    """How much of a pair's margin is due to the configuration."""

    n_configurations: int
    """Configurations in which both scores exist."""
    mean: float
    """Mean of the difference, score of A less score of B."""
    standard_deviation: float
    """Population standard deviation of the difference over configurations."""
    kappa: float | None
    """Share in [0, 1]: 0 = configuration does not matter, 1 = no mean gap; None if all tie."""
    rules_out_reversal: bool
    """Whether mean and standard deviation alone already exclude a reversal."""


def score_dispersion(scores: Floats, known: Flags, *, low: float | None = 0.0, high: float | None = 1.0) -> Dispersion | None:
    """Spread of one model's score over an envelope, and its dispersion index (SDI).

    Parameters
    ----------
    scores : (c,) float array
        Score of the model in every configuration.
    known : (c,) bool array
        True where the score exists.
    low, high : float or None
        Ends of the scale of the score. None if an end does not exist; then there is no SDI.

    Returns
    -------
    Dispersion or None
        None if the model has no score at all.

    Raises
    ------
    ValueError
        If low >= high, or a score lies outside [low, high].

    Notes
    -----
    SDI = sigma / ((high - low) / 2), sigma the population standard deviation of s(c). (high -
    low) / 2 is the largest value that sigma can take (half the configurations at each end), so
    SDI is in [0, 1]. The index is a definition of this project.

    References
    ----------
    Popoviciu 1935, Mathematica (Cluj) 9, p. 129: variance <= (high - low)^2 / 4.
    """
    values, flags = checked_scores(scores, known, n_dimensions=1)
    present = values[flags]
    if present.size == 0:
        return None
    minimum, maximum = float(present.min()), float(present.max())
    mean, deviation = _moments(present)
    return Dispersion(
        n_configurations=present.size,
        n_missing=flags.size - present.size,
        mean=mean,
        minimum=minimum,
        maximum=maximum,
        range=maximum - minimum,
        standard_deviation=deviation,
        sdi=_share_of_largest(deviation, (minimum, maximum), (low, high)),
    )


def margin_index(difference: Floats, known: Flags, *, tolerance: float = TOLERANCE) -> MarginIndex | None:
    """How much of the margin of a pair is due to the configuration.

    Parameters
    ----------
    difference : (c,) float array
        Score of A less score of B in every configuration.
    known : (c,) bool array
        True where both scores exist.
    tolerance : float
        Differences of at most this are ties.

    Returns
    -------
    MarginIndex or None
        None if no configuration has both scores.

    Raises
    ------
    ValueError
        If shapes differ or a known difference is not finite.

    Notes
    -----
    With mean dbar and population standard deviation sigma of d over the m configurations:
    kappa = sigma^2 / (sigma^2 + dbar^2). The share of configurations that are not strictly on the
    side of dbar is at most kappa. |dbar| > sigma sqrt(m - 1) excludes a reversal, and no smaller
    factor would. kappa is None if every difference is a tie.

    References
    ----------
    Cantelli 1929 (the one-sided inequality); Samuelson 1968, Journal of the American Statistical
    Association 63, p. 1522.
    """
    values, flags = checked_scores(difference, known, n_dimensions=1)
    limit = checked_tolerance(tolerance)
    present = values[flags]
    if present.size == 0:
        return None
    mean, deviation = _moments(present)
    all_tied = bool((np.abs(present) <= limit).all())
    squares = deviation**2 + mean**2
    return MarginIndex(
        n_configurations=present.size,
        mean=mean,
        standard_deviation=deviation,
        kappa=None if all_tied or squares == 0 else deviation**2 / squares,
        rules_out_reversal=all_tied or abs(mean) - deviation * sqrt(present.size - 1) > limit,
    )


def _moments(values: Floats) -> tuple[float, float]:
    """Mean and population standard deviation, the same for every order of the values."""
    mean = fsum(values) / values.size
    return mean, sqrt(fsum((values - mean) ** 2) / values.size)


def _share_of_largest(deviation: float, reached: tuple[float, float], scale: tuple[float | None, float | None]) -> float | None:
    """Deviation as a share of half the scale, after a check that the scores lie on the scale."""
    low, high = scale
    if low is not None and high is not None and not low < high:
        raise ValueError(f"expected low < high, got low={low}, high={high}")
    if (low is not None and reached[0] < low) or (high is not None and reached[1] > high):
        raise ValueError(f"scores from {reached[0]} to {reached[1]} leave the scale {low}..{high}")
    if low is None or high is None:
        return None
    return min(1.0, deviation / ((high - low) / 2))
