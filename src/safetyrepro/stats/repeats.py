"""Placebo flip rate: how often the verdict changes when nothing but the seed, or nothing at all, does.

A seed is not a choice that anybody defends, so it is no factor of the envelope. How often two seeds, or two repetitions of a greedy run, give opposite
verdicts under one configuration is the floor against which the flip rate is read.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceboFlips:
    """Opposite verdicts between repetitions of the same configuration."""

    n_opposed: int
    """Pairs of repetitions with strictly opposite verdicts."""
    n_pairs: int
    """Pairs of repetitions of one configuration, both verdicts known."""
    n_configurations: int
    """Configurations with at least two known verdicts."""
    rate: float | None
    """n_opposed / n_pairs; None without pairs."""


def placebo_flips(signs: NDArray[np.int8] | NDArray[np.int64], *, known: NDArray[np.bool_] | None = None) -> PlaceboFlips:
    """Share of pairs of repetitions within a configuration whose verdicts are opposed.

    Parameters
    ----------
    signs : (n_repeats, n_configurations) int array
        Verdict of each repetition: 1, 0 or -1.
    known : (n_repeats, n_configurations) truth array, optional
        False where a repetition has no verdict.

    Returns
    -------
    PlaceboFlips

    Raises
    ------
    ValueError
        If the shapes differ or a known sign is none of 1, 0, -1.

    Notes
    -----
    sum_c r+_c r-_c / sum_c C(r_c, 2), r+_c, r-_c and r_c the numbers of positive, negative and known verdicts of configuration c. Distinct pairs: a
    repetition is not compared with itself. Compare with the distinct-pair flip rate of the envelope.

    References
    ----------
    Hoeffding 1948, Annals of Mathematical Statistics 19, 293-325 (a mean over all pairs).
    """
    there = np.ones(signs.shape, dtype=np.bool_) if known is None else known
    if signs.ndim != 2 or there.shape != signs.shape:
        raise ValueError(f"signs has shape {signs.shape} and known {there.shape}, expected repeats by configurations in both")
    if not np.isin(signs[there], (-1, 0, 1)).all():
        raise ValueError("a sign must be 1, 0 or -1")
    plus = np.count_nonzero(there & (signs == 1), axis=0)
    minus = np.count_nonzero(there & (signs == -1), axis=0)
    repeats = np.count_nonzero(there, axis=0)
    n_opposed = int(np.sum(plus * minus))
    n_pairs = int(np.sum(repeats * (repeats - 1) // 2))
    return PlaceboFlips(
        n_opposed=n_opposed,
        n_pairs=n_pairs,
        n_configurations=int(np.count_nonzero(repeats >= 2)),
        rate=n_opposed / n_pairs if n_pairs else None,
    )
