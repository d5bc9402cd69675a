"""Verdicts on several benchmarks -> what one pair of models does on all of them at once, over the configurations they share.

Nothing follows from the benchmarks for their average, nor back, so all are given.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from safetyrepro.stats.base import Flags, Floats
from safetyrepro.stats.several_benchmarks import several_benchmarks
from safetyrepro.verdicts import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class JointVerdicts:
    """The verdicts of one benchmark, with what joins them to others'."""

    name: str
    """Name by which the analysis calls the benchmark."""
    width: float
    """Width of the score's range, by which differences are made comparable."""
    pairs: tuple[Verdict, ...]
    """Every pair of models."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JointPair:
    """One pair of models on several benchmarks, over the configurations they share."""

    a: str
    """First model."""
    b: str
    """Second model."""
    benchmarks: tuple[str, ...]
    """Benchmarks that have the same factors, and so may share configurations."""
    n_configurations: int
    """Configurations in which both models have a score on each of them: the denominator, squared, of the rates."""
    n_left_out: int
    """Configurations of any of them that lack a score on another."""
    with_reversal: tuple[str, ...]
    """Benchmarks that reverse within the shared configurations."""
    some_flip_rate: float
    """Share of ordered pairs of configurations on which at least one benchmark is opposed."""
    all_flip_rate: float
    """Share of ordered pairs of configurations on which each benchmark is opposed."""
    average_n_plus: int
    """Shared configurations in which A is ahead in the mean over benchmarks, each on a scale of width 1."""
    average_n_minus: int
    """Shared configurations in which B is ahead in that mean."""
    average_n_tie: int
    """Shared configurations in which that mean ties."""
    average_flip_rate: float
    """2 n+ n- / m^2 of that mean."""


def join_benchmarks(found: Sequence[JointVerdicts]) -> tuple[JointPair, ...]:
    """Every pair of models on every group of benchmarks with the same factors.

    Parameters
    ----------
    found : sequence of JointVerdicts
        The benchmarks, with the same models in the same order.

    Returns
    -------
    tuple of JointPair
        Empty where no two benchmarks share a configuration.
    """
    groups: dict[frozenset[str], list[JointVerdicts]] = defaultdict(list)
    for entry in found:
        if entry.pairs and entry.pairs[0].configurations:
            groups[frozenset(entry.pairs[0].configurations[0].settings)].append(entry)
    joined = (_pairs(group) for group in groups.values() if len(group) > 1)
    return tuple(pair for pairs in joined for pair in pairs)


def _pairs(group: Sequence[JointVerdicts]) -> list[JointPair]:
    result = []
    for verdicts in zip(*(entry.pairs for entry in group), strict=True):
        pair = _pair(group, verdicts)
        if pair is not None:
            result.append(pair)
    return result


def _pair(group: Sequence[JointVerdicts], verdicts: Sequence[Verdict]) -> JointPair | None:
    digests = list(dict.fromkeys(entry.digest for verdict in verdicts for entry in verdict.configurations))
    rows = [_row(verdict, digests, entry.width) for verdict, entry in zip(verdicts, group, strict=True)]
    found = several_benchmarks(np.stack([values for values, _ in rows]), np.stack([known for _, known in rows]))
    if found.some_flip_rate is None or found.all_flip_rate is None or found.average_flip_rate is None:
        return None
    return JointPair(
        a=verdicts[0].a,
        b=verdicts[0].b,
        benchmarks=tuple(entry.name for entry in group),
        n_configurations=found.n_configurations,
        n_left_out=found.n_left_out,
        with_reversal=tuple(group[i].name for i in found.with_reversal),
        some_flip_rate=found.some_flip_rate,
        all_flip_rate=found.all_flip_rate,
        average_n_plus=found.average.n_plus,
        average_n_minus=found.average.n_minus,
        average_n_tie=found.average.n_tie,
        average_flip_rate=found.average_flip_rate,
    )


def _row(verdict: Verdict, digests: Sequence[str], width: float) -> tuple[Floats, Flags]:
    """Differences of one benchmark in the order of the digests, on a scale of width 1, and which exist."""
    held: Mapping[str, float | None] = {entry.digest: entry.difference for entry in verdict.configurations}
    found = [held.get(digest) for digest in digests]
    values = np.array([0.0 if value is None else value / width for value in found])
    return values, np.array([value is not None for value in found], dtype=bool)
