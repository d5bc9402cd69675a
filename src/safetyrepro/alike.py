"""Configurations that ask a model the same: how many different runs stand behind an envelope, and which levels have no effect.

A level can change nothing by construction: an empty system prompt and none are one prompt under many chat templates. Configurations
that differ in such a level alone tie whatever the models are, so an envelope is read with the number of its distinct runs beside it.
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from safetyrepro.envelope import Configuration, Factor, Stage

Asked = Mapping[Configuration, Hashable]
"""Configuration -> whatever is equal exactly where all items ask the model the same."""
Run = dict[Configuration, Hashable]
"""Scoring settings -> what is asked under them, of the configurations that agree in everything else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlikeLevels:
    """Levels of one factor under which the model is asked the same, all other settings being equal."""

    factor: str
    """Name of the factor."""
    levels: tuple[str, ...]
    """The levels, two or more."""
    n_alike: int
    """Pairs of runs that differ in these levels alone and ask the same."""
    n_pairs: int
    """Pairs of runs that differ in these levels alone."""

    @property
    def sentence(self) -> str:
        """The finding in words."""
        where = "" if self.n_alike == self.n_pairs else f" in {self.n_alike} of {self.n_pairs} pairs of runs"
        return f"{self.factor} {' = '.join(self.levels)}{where}"


def distinct_runs(asked: Asked, factors: Sequence[Factor]) -> int:
    """How many different runs stand behind configurations.

    Parameters
    ----------
    asked : mapping of Configuration to a hashable value
        What each configuration asks.
    factors : sequence of Factor
        The factors of the envelope, with their stages.

    Returns
    -------
    int
        Configurations that differ in scoring alone read one run, whatever further questions a scoring rule adds. Of the rest, those
        that ask the same wherever they are scored alike are one run too.
    """
    alike: list[Run] = []
    for run in _runs(asked, factors).values():
        known = next((other for other in alike if _same(run, other)), None)
        if known is None:
            alike.append(dict(run))
        else:
            known.update(run)
    return len(alike)


def alike_levels(asked: Asked, factors: Sequence[Factor]) -> tuple[AlikeLevels, ...]:
    """Levels that ask the same as another level of their factor, in the order of the factors.

    Parameters
    ----------
    asked, factors
        As in `distinct_runs`.

    Returns
    -------
    tuple of AlikeLevels
        Levels that ask the same in every pair of runs that differ in them alone are put together; two levels that do so in some
        pairs only are an entry of their own, with the count. Factors of the stage SCORE ask nothing and are left out.
    """
    runs = _runs(asked, factors)
    found: list[AlikeLevels] = []
    for factor in factors:
        if factor.stage is not Stage.SCORE and len(factor.levels) > 1:
            found += _of_factor(factor, runs)
    return tuple(found)


def alike_text(levels: Iterable[AlikeLevels]) -> str:
    """Findings on one line; empty where there are none."""
    return "; ".join(entry.sentence for entry in levels)


def _runs(asked: Asked, factors: Sequence[Factor]) -> dict[Configuration, Run]:
    """Settings before scoring -> scoring settings -> what is asked."""
    scoring = {factor.name for factor in factors if factor.stage is Stage.SCORE}
    runs: dict[Configuration, Run] = {}
    for configuration, what in asked.items():
        before = Configuration(tuple(pair for pair in configuration.settings if pair[0] not in scoring))
        runs.setdefault(before, {})[configuration.restricted(scoring)] = what
    return runs


def _same(one: Run, other: Run) -> bool:
    """Whether two runs are scored alike somewhere, and ask the same wherever they are."""
    shared = one.keys() & other.keys()
    return bool(shared) and all(one[scoring] == other[scoring] for scoring in shared)


def _of_factor(factor: Factor, runs: Mapping[Configuration, Run]) -> list[AlikeLevels]:
    beside: dict[Configuration, dict[str, Run]] = {}
    for before, run in runs.items():
        rest = Configuration(tuple(pair for pair in before.settings if pair[0] != factor.name))
        beside.setdefault(rest, {})[before.get(factor.name)] = run
    counts = {pair: _counted(pair, beside.values()) for pair in itertools.combinations(factor.names, 2)}
    whole = {pair for pair, (n_alike, n_pairs) in counts.items() if n_alike == n_pairs > 0}
    groups = _joined(factor.names, whole)
    found = [
        AlikeLevels(
            factor=factor.name,
            levels=levels,
            n_alike=sum(counts[pair][0] for pair in itertools.combinations(levels, 2)),
            n_pairs=sum(counts[pair][1] for pair in itertools.combinations(levels, 2)),
        )
        for levels in groups
    ]
    inside = {pair for levels in groups for pair in itertools.combinations(levels, 2)}
    partly = [(pair, count) for pair, count in counts.items() if count[0] and pair not in inside]
    return found + [AlikeLevels(factor=factor.name, levels=pair, n_alike=n, n_pairs=of) for pair, (n, of) in partly]


def _counted(pair: tuple[str, str], beside: Iterable[Mapping[str, Run]]) -> tuple[int, int]:
    """Pairs of runs that ask the same, and all pairs that are scored alike somewhere."""
    a, b = pair
    both = [(runs[a], runs[b]) for runs in beside if a in runs and b in runs]
    comparable = [(one, other) for one, other in both if one.keys() & other.keys()]
    return sum(_same(one, other) for one, other in comparable), len(comparable)


def _joined(names: Sequence[str], pairs: Iterable[tuple[str, str]]) -> list[tuple[str, ...]]:
    """Levels that pairs connect, in declared order."""
    group = {name: {name} for name in names}
    for a, b in pairs:
        joined = group[a] | group[b]
        group |= dict.fromkeys(joined, joined)
    found = dict.fromkeys(tuple(name for name in names if name in members) for members in group.values())
    return [levels for levels in found if len(levels) > 1]
