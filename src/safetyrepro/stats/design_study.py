"""How many templates and items give the sign of the full grid: a design study by resampling.

The answer is one sentence for whoever plans a benchmark: "the sign agrees with the full grid in 95 % of draws at 6 templates x 300 items".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from safetyrepro.stats.units import Differences, FloatArray, signs_of_sums, unit_sums


@dataclass(frozen=True, slots=True, kw_only=True)
class DesignPoint:
    """Agreement with the full grid at one size."""

    n_groups: int
    """Number of templates, or of configurations if none were named, that were drawn."""
    n_items: int
    """Number of items that were drawn."""
    n_agreeing: int
    """Draws, over all decided pairs, whose sign was that of the full grid."""
    n_draws: int
    """Draws times decided pairs."""
    agreement: float | None
    """n_agreeing / n_draws; None if no pair is decided on the full grid."""
    worst_pair: float | None
    """Smallest agreement of a single pair; None if no pair is decided on the full grid."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DesignStudy:
    """Agreement with the full grid at all sizes that were asked for."""

    points: tuple[DesignPoint, ...]
    """One entry for each size, in the order given."""
    n_pairs: int
    """Number of pairs of models."""
    n_tied: int
    """Pairs that tie on the full grid: they have no sign to agree with."""
    draws: int
    """Number of random orders of groups and items."""


def design_study(
    differences: Differences,
    *,
    sizes: Sequence[tuple[int, int]],
    group: NDArray[np.intp] | None = None,
    rng: np.random.Generator,
    draws: int = 1_000,
) -> DesignStudy:
    """Chance that a smaller study gives the sign that the full grid gives.

    Parameters
    ----------
    differences : (n_items, n_pairs, n_configurations) array
        Outcome of the first model less outcome of the second, complete.
    sizes : sequence of (int, int)
        Numbers of groups and of items to try, each between 1 and what there is.
    group : (n_configurations,) int array, optional
        Template (or other group) of each configuration: a group is drawn with all its configurations. By default each configuration alone.
    rng : numpy.random.Generator
        Source of the draws.
    draws : int
        Number of random orders.

    Returns
    -------
    DesignStudy

    Raises
    ------
    ValueError
        If a size is not available.

    Notes
    -----
    Each draw puts groups and items in random order; a size takes the first ones, without replacement. Agreement: the sum of differences over
    the drawn items and configurations has the sign of the sum over all; a tie in the draw does not agree. Sums are whole numbers on a grid, so a
    tie is a tie. Conditional on this grid: new templates and new items bring more variation than this, see `dependability`.

    References
    ----------
    Brennan 2001, Generalizability Theory, chapter 4 (D studies).
    """
    n_items, n_pairs, n_configurations = differences.shape
    labels = np.arange(n_configurations) if group is None else np.unique(group, return_inverse=True)[1].ravel()
    n_groups = int(labels.max(initial=-1)) + 1
    _require_available(sizes, n_groups, n_items)
    units = unit_sums(differences.reshape(n_items, n_pairs * n_configurations))
    rounding = units.rounding * n_configurations
    table = _by_group(units.sums.reshape(n_items, n_pairs, n_configurations), labels, n_groups)
    full = signs_of_sums(table.sum(axis=(0, 2)), rounding)
    decided = full != 0
    agreeing = np.zeros((len(sizes), n_pairs), dtype=np.int64)
    for _ in range(draws):
        shuffled = table[rng.permutation(n_items)][:, :, rng.permutation(n_groups)]
        agreeing += np.array([signs_of_sums(total, rounding) == full for total in _first(shuffled, sizes)]).reshape(
            len(sizes), n_pairs
        )
    return DesignStudy(
        points=tuple(_point(size, row[decided], draws) for size, row in zip(sizes, agreeing, strict=True)),
        n_pairs=n_pairs,
        n_tied=int(np.count_nonzero(~decided)),
        draws=draws,
    )


def cheapest_design(study: DesignStudy, *, target: float = 0.95) -> DesignPoint | None:
    """The point with the fewest group x item evaluations whose agreement reaches the target, None if none does.

    Parameters
    ----------
    study : DesignStudy
    target : float
        Wanted agreement, in (0, 1].

    Notes
    -----
    Of equally dear points the one with fewer groups.

    References
    ----------
    Brennan 2001, Generalizability Theory, chapter 4 (D studies).
    """
    reaching = [point for point in study.points if point.agreement is not None and point.agreement >= target]
    return min(reaching, key=lambda point: (point.n_groups * point.n_items, point.n_groups), default=None)


def design_sentence(point: DesignPoint, *, groups: str = "templates") -> str:
    """The agreement of a point as a sentence.

    Parameters
    ----------
    point : DesignPoint
    groups : str
        What a group is called, in the plural.
    """
    if point.agreement is None:
        return "no pair of models has a sign on the full grid"
    return f"sign agrees with the full grid in {100 * point.agreement:.0f} % of draws at {point.n_groups} {groups} x {point.n_items} items"


def _require_available(sizes: Sequence[tuple[int, int]], n_groups: int, n_items: int) -> None:
    """Refuse a size that cannot be drawn without replacement."""
    for groups, items in sizes:
        if not (1 <= groups <= n_groups and 1 <= items <= n_items):
            raise ValueError(f"size {groups} x {items} cannot be drawn from {n_groups} groups x {n_items} items")


def _by_group(sums: FloatArray, labels: NDArray[np.intp], n_groups: int) -> FloatArray:
    """(n_items, n_pairs, n_groups) sums over the configurations of each group."""
    return np.stack([sums[:, :, labels == label].sum(axis=2) for label in range(n_groups)], axis=2)


def _first(shuffled: FloatArray, sizes: Sequence[tuple[int, int]]) -> list[FloatArray]:
    """(n_pairs,) sum over the first groups and items, for each size."""
    by_items = {items: shuffled[:items].sum(axis=0) for items in {items for _, items in sizes}}
    return [by_items[items][:, :groups].sum(axis=1) for groups, items in sizes]


def _point(size: tuple[int, int], agreeing: NDArray[np.int64], draws: int) -> DesignPoint:
    """Agreement at one size over the decided pairs."""
    n_draws = draws * agreeing.size
    return DesignPoint(
        n_groups=size[0],
        n_items=size[1],
        n_agreeing=int(agreeing.sum()),
        n_draws=n_draws,
        agreement=int(agreeing.sum()) / n_draws if n_draws else None,
        worst_pair=int(agreeing.min()) / draws if n_draws else None,
    )
