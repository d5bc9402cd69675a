"""One pair of models on several benchmarks at once, over the configurations they share.

Nothing follows from the benchmarks for their average, nor back: both benchmarks may reverse and
the average never, and the average may reverse although neither benchmark does. So all are given.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import fsum

import numpy as np

from safetyrepro.stats.base import (
    TOLERANCE,
    Flags,
    Floats,
    Integers,
    OrderCounts,
    checked_scores,
    checked_tolerance,
    sign_arrays,
    signs_of,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeveralBenchmarks:
    """Reversals of one pair of models on several benchmarks over shared configurations."""

    n_benchmarks: int
    """Benchmarks that were joined."""
    n_configurations: int
    """Configurations in which both models have a score on every benchmark."""
    n_left_out: int
    """Configurations that lack a score on some benchmark."""
    with_reversal: tuple[int, ...]
    """Benchmarks, by index, that reverse within the shared configurations."""
    some_flip_rate: float | None
    """Share of ordered configuration pairs on which at least one benchmark is opposed."""
    all_flip_rate: float | None
    """Share of ordered configuration pairs on which every benchmark is opposed."""
    average: OrderCounts
    """Orders by the mean difference over the benchmarks (macro average)."""
    average_flip_rate: float | None
    """2 n+ n- / m^2 of the macro average."""


def several_benchmarks(difference: Floats, known: Flags, *, tolerance: float = TOLERANCE) -> SeveralBenchmarks:
    """Reversals of one pair of models on several benchmarks, jointly.

    Parameters
    ----------
    difference : (n_benchmarks, c) float array
        Score of A less score of B on each benchmark in each configuration, on comparable scales.
    known : (n_benchmarks, c) bool array
        True where both scores exist. A configuration that lacks one is left out and counted.
    tolerance : float
        Differences of at most this are ties.

    Returns
    -------
    SeveralBenchmarks
        Rates are None if no configuration is shared.

    Raises
    ------
    ValueError
        If there is no benchmark, shapes differ, or a known difference is not finite.

    Notes
    -----
    With v_b(c) the verdict on benchmark b and m shared configurations: some_flip_rate =
    #{(c, c') : v_b(c) v_b(c') = -1 for some b} / m^2, all_flip_rate the same "for every b". Both
    are 0 or more and all <= each benchmark's flip rate <= some. The macro average takes
    sign(mean_b d_b(c)); no implication holds between it and the benchmarks.

    References
    ----------
    Counting over ordered pairs, as for a single benchmark; the counter-examples are in
    docs/explanation.
    """
    values, flags = checked_scores(difference, known, n_dimensions=2)
    limit = checked_tolerance(tolerance)
    n_benchmarks = values.shape[0]
    if n_benchmarks == 0:
        raise ValueError("expected at least one benchmark, got none")
    shared = np.asarray(flags.all(axis=0))
    held = values[:, shared]
    verdicts = np.array([_verdicts(row, limit) for row in held], dtype=np.int64).reshape(held.shape)
    some, every = _opposed_pairs(verdicts)
    n_pairs = held.shape[1] ** 2
    average = _macro_average(held, limit)
    plus, minus = (verdicts == 1).any(axis=1), (verdicts == -1).any(axis=1)
    return SeveralBenchmarks(
        n_benchmarks=n_benchmarks,
        n_configurations=held.shape[1],
        n_left_out=shared.size - held.shape[1],
        with_reversal=tuple(np.flatnonzero(plus & minus).tolist()),
        some_flip_rate=some / n_pairs if n_pairs else None,
        all_flip_rate=every / n_pairs if n_pairs else None,
        average=average,
        average_flip_rate=2 * average.n_plus * average.n_minus / n_pairs if n_pairs else None,
    )


def _verdicts(row: Floats, tolerance: float) -> Integers:
    """Verdicts of one benchmark as numbers."""
    return sign_arrays(signs_of(row, np.ones(row.shape, dtype=np.bool_), tolerance=tolerance))[0]


def _opposed_pairs(verdicts: Integers) -> tuple[int, int]:
    """Ordered pairs of configurations opposed on some benchmark, and on every one."""
    n_configurations = verdicts.shape[1]
    some = np.zeros((n_configurations, n_configurations), dtype=np.bool_)
    every = np.ones_like(some)
    for row in verdicts:
        opposed = np.outer(row, row) == -1
        some |= opposed
        every &= opposed
    return int(some.sum()), int(every.sum())


def _macro_average(difference: Floats, tolerance: float) -> OrderCounts:
    """Orders by the mean of the differences, each mean rounded once."""
    means = np.array([fsum(column) / column.size for column in difference.T], dtype=np.float64)
    signs = signs_of(means, np.ones(means.shape, dtype=np.bool_), tolerance=tolerance)
    return OrderCounts(
        n_plus=signs.count(1),
        n_minus=signs.count(-1),
        n_tie=signs.count(0),
        n_missing=0,
        signs=signs,
        tolerance=tolerance,
    )
