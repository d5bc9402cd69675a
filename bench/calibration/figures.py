"""What a simulation reports: one figure, its Monte Carlo error, the reference figure, and the bound that it must keep."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt

import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One number of one simulation."""

    simulation: str
    """Letter and subject."""
    setting: str
    """What was simulated."""
    value: float
    """Share of runs."""
    runs: int
    """Number of runs."""
    reference: str
    """The figure of section 7 of the statistics text, or the nominal one."""
    at_most: float | None = None
    """Bound from above that the value must keep, Monte Carlo error included; None if it is only shown."""
    at_least: float | None = None
    """Bound from below, alike."""

    @property
    def error(self) -> float:
        """Monte Carlo standard error."""
        return sqrt(max(self.value * (1 - self.value), 1e-12) / self.runs)

    @property
    def holds(self) -> bool | None:
        """Whether the bounds are kept; None without bounds."""
        if self.at_most is None and self.at_least is None:
            return None
        above = self.at_least is None or self.value >= self.at_least
        return above and (self.at_most is None or self.value <= self.at_most)


def share(runs: int, seed: tuple[int, ...], event: Callable[[np.random.Generator], bool]) -> float:
    """Share of runs in which an event happens; run r has the generator of (seed, r)."""
    return sum(bool(event(np.random.default_rng([*seed, run]))) for run in range(runs)) / runs


def size_bound(runs: int, nominal: float = 0.05) -> float:
    """Nominal size plus two Monte Carlo standard errors."""
    return nominal + 2 * sqrt(nominal * (1 - nominal) / runs)
