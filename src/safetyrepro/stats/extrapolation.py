"""What may be said beyond the configurations that were evaluated, and no more.

Two questions that look alike have different units. For a random cell of the same grid the unit is
the configuration. For a new level of a factor (a new template) the unit is the level: 48
configurations with four templates are four observations, however many cells they fill.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import comb

import numpy as np

from safetyrepro.stats.base import Flags, Integers, checked_levels, sign_arrays


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelLeftOut:
    """One level of a factor against all other levels."""

    level: int
    """The level, as it stands in the table of levels."""
    n_plus: int
    """Configurations with this level in which A is strictly ahead."""
    n_minus: int
    """Configurations with this level in which B is strictly ahead."""
    n_tie: int
    """Configurations with this level that tie."""
    rest_plus: int
    """Configurations with another level in which A is strictly ahead."""
    rest_minus: int
    """Configurations with another level in which B is strictly ahead."""
    opposes: bool
    """Whether most strict verdicts of the level are opposite to most of the rest."""
    surprises: bool
    """Whether the rest shows one strict order only and this level shows the other one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorLeftOut:
    """How the levels of one factor stand to the rest, each left out in turn."""

    factor: int
    """Column of the factor in the table of levels."""
    n_levels: int
    """Levels with at least one compared configuration."""
    n_opposing: int
    """Levels that oppose the rest."""
    n_surprising: int
    """Levels that show a strict order which the rest does not."""
    levels: tuple[LevelLeftOut, ...]
    """The levels, ascending."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GridLimit:
    """Upper confidence limit for the reversing cells of a grid of which a random part was evaluated."""

    n_reversing: int
    """Reversing cells among those evaluated."""
    n_evaluated: int
    """Cells evaluated, drawn at random without replacement."""
    n_cells: int
    """All cells of the grid."""
    alpha: float
    """Chance that the limit is too low, at most."""
    upper_count: int
    """Largest number of reversing cells of the grid that is not refuted."""
    upper_share: float
    """`upper_count` as a share of all cells."""
    next_cell: float
    """(k + 1/2) / (m + 1): estimated chance that a random cell reverses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewLevelLimit:
    """Upper confidence limit for the chance that a new level behaves like the counted ones."""

    n_counted: int
    """Levels that oppose the rest (or surprise it)."""
    n_levels: int
    """Levels seen, taken as a random sample of all levels."""
    alpha: float
    """Chance that the limit is too low, at most."""
    upper: float
    """Largest chance that is not refuted."""


def leave_one_level_out(signs: Sequence[int | None], levels: Integers) -> tuple[FactorLeftOut, ...]:
    """For each factor, which of its levels go against all the others.

    Parameters
    ----------
    signs : sequence of c entries
        Verdict per configuration: +1, 0, -1, None where missing.
    levels : (c, f) int array
        Level of every factor in every configuration.

    Returns
    -------
    tuple of FactorLeftOut
        One for each column of `levels`. Levels without a compared configuration are not listed.

    Raises
    ------
    ValueError
        If `levels` has not one row per configuration.

    Notes
    -----
    For level l of a factor, with n+, n- over the configurations that hold l and N+, N- over those
    that do not: l opposes the rest iff (n+ - n-) (N+ - N-) < 0, and surprises it iff exactly one
    of N+ and N- is 0 and the corresponding one of n+ and n- is not: whoever had all other levels
    would have seen no reversal, and this level shows one.

    References
    ----------
    Leave-one-group-out validation; Yarkoni 2022, The generalizability crisis, Behavioral and
    Brain Sciences 45, e1 (why the level is the unit).
    """
    verdicts, known = sign_arrays(signs)
    table = checked_levels(levels, n_configurations=verdicts.size)[known]
    return tuple(_factor_left_out(verdicts[known], table[:, factor], factor) for factor in range(table.shape[1]))


def grid_limit(*, n_reversing: int, n_evaluated: int, n_cells: int, alpha: float = 0.05) -> GridLimit:
    """Upper limit for the number of reversing cells of a grid, from a random part of it.

    Parameters
    ----------
    n_reversing : int
        Reversing cells among those evaluated (k).
    n_evaluated : int
        Cells evaluated (m), drawn at random without replacement.
    n_cells : int
        All cells of the grid (M), k <= m <= M, M >= 1.
    alpha : float
        Chance of error, in (0, 1).

    Returns
    -------
    GridLimit
        The limit holds with probability at least 1 - alpha, whatever the true number is.

    Raises
    ------
    ValueError
        If the counts do not fit each other, or alpha is outside (0, 1).

    Notes
    -----
    upper = max {K : P(X <= k) > alpha}, X hypergeometric: the number of reversing cells among m
    drawn from M of which K reverse. Exact in whole numbers. With m = M it is k. next_cell =
    (k + 1/2) / (m + 1) is the mean of the posterior under Jeffreys' prior. Neither says anything
    about levels that the grid does not have, or if the cells were not drawn at random.

    References
    ----------
    Katz 1953, Confidence intervals for the number showing a certain characteristic in a
    population when sampling is without replacement, JASA 48, p. 256; Jeffreys 1961, Theory of
    Probability, 3rd ed., section 3.1.
    """
    _check_alpha(alpha)
    if not 0 <= n_reversing <= n_evaluated <= n_cells or n_cells < 1:
        raise ValueError(
            f"expected 0 <= n_reversing <= n_evaluated <= n_cells and n_cells >= 1, got {n_reversing}, {n_evaluated}, {n_cells}"
        )
    upper = _largest_not_refuted(n_reversing, n_evaluated, n_cells, Fraction(repr(alpha)))
    return GridLimit(
        n_reversing=n_reversing,
        n_evaluated=n_evaluated,
        n_cells=n_cells,
        alpha=alpha,
        upper_count=upper,
        upper_share=upper / n_cells,
        next_cell=(n_reversing + 0.5) / (n_evaluated + 1),
    )


def new_level_limit(*, n_counted: int, n_levels: int, alpha: float = 0.05) -> NewLevelLimit:
    """Upper limit for the chance that a new level of a factor goes against the rest.

    Parameters
    ----------
    n_counted : int
        Levels that go against the rest (k).
    n_levels : int
        Levels seen (L), 0 <= k <= L, L >= 1.
    alpha : float
        Chance of error, in (0, 1).

    Returns
    -------
    NewLevelLimit
        One-sided limit at confidence 1 - alpha.

    Raises
    ------
    ValueError
        If the counts do not fit each other, or alpha is outside (0, 1).

    Notes
    -----
    upper = the 1 - alpha quantile of Beta(k + 1, L - k); 1 if k = L; 1 - alpha^(1/L) if k = 0.
    Four levels of which none opposes leave 53 %: four templates cannot carry a claim about the
    next one. Assumes that the levels are a random sample of those that could be used, which
    levels picked by hand are not; then even this limit is too low.

    References
    ----------
    Clopper and Pearson 1934, Biometrika 26, p. 404.
    """
    _check_alpha(alpha)
    if not 0 <= n_counted <= n_levels or n_levels < 1:
        raise ValueError(f"expected 0 <= n_counted <= n_levels and n_levels >= 1, got {n_counted}, {n_levels}")
    return NewLevelLimit(
        n_counted=n_counted, n_levels=n_levels, alpha=alpha, upper=_clopper_pearson_upper(n_counted, n_levels, alpha)
    )


def unseen_ordering_share(frequencies: Sequence[int]) -> float | None:
    """Estimated chance that a random configuration shows an ordering never seen so far.

    Parameters
    ----------
    frequencies : sequence of int
        How often each observed ordering occurs, each at least 1.

    Returns
    -------
    float or None
        In [0, 1]; None if nothing was observed.

    Raises
    ------
    ValueError
        If a frequency is below 1.

    Notes
    -----
    N1 / m: orderings seen exactly once over configurations seen. For a random cell of the same
    grid, not for a new level.

    References
    ----------
    Good 1953, Biometrika 40, p. 237 (Good and Turing).
    """
    if any(frequency < 1 for frequency in frequencies):
        raise ValueError(f"frequencies must be at least 1, got {list(frequencies)}")
    return sum(frequency == 1 for frequency in frequencies) / sum(frequencies) if frequencies else None


def _factor_left_out(verdicts: Integers, column: Integers, factor: int) -> FactorLeftOut:
    """All levels of one factor, from its column of levels."""
    levels = tuple(_level_left_out(verdicts, column == level, level) for level in np.unique(column).tolist())
    return FactorLeftOut(
        factor=factor,
        n_levels=len(levels),
        n_opposing=sum(level.opposes for level in levels),
        n_surprising=sum(level.surprises for level in levels),
        levels=levels,
    )


def _level_left_out(verdicts: Integers, held: Flags, level: int) -> LevelLeftOut:
    """One level, from the configurations that hold it."""
    plus, minus = int((verdicts[held] == 1).sum()), int((verdicts[held] == -1).sum())
    rest_plus, rest_minus = int((verdicts[~held] == 1).sum()), int((verdicts[~held] == -1).sum())
    only_plus, only_minus = rest_plus > 0 == rest_minus, rest_minus > 0 == rest_plus
    return LevelLeftOut(
        level=level,
        n_plus=plus,
        n_minus=minus,
        n_tie=int(held.sum()) - plus - minus,
        rest_plus=rest_plus,
        rest_minus=rest_minus,
        opposes=(plus - minus) * (rest_plus - rest_minus) < 0,
        surprises=(only_plus and minus > 0) or (only_minus and plus > 0),
    )


def _largest_not_refuted(n_reversing: int, n_evaluated: int, n_cells: int, alpha: Fraction) -> int:
    """Bisection: P(X <= k) falls as the number of reversing cells grows."""
    low, high = n_reversing, n_reversing + n_cells - n_evaluated
    allowed = alpha * comb(n_cells, n_evaluated)
    while low < high:
        middle = (low + high + 1) // 2
        ways = sum(comb(middle, x) * comb(n_cells - middle, n_evaluated - x) for x in range(n_reversing + 1))
        if ways > allowed:
            low = middle
        else:
            high = middle - 1
    return low


def _clopper_pearson_upper(n_counted: int, n_levels: int, alpha: float) -> float:
    """The 1 - alpha quantile of Beta(k + 1, L - k), in closed form at both ends."""
    if n_counted == n_levels:
        return 1.0
    if n_counted == 0:
        return float(1 - alpha ** (1 / n_levels))
    from scipy.special import betaincinv

    return float(betaincinv(n_counted + 1, n_levels - n_counted, 1 - alpha))


def _check_alpha(alpha: float) -> None:
    """Refuse an alpha outside (0, 1)."""
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must lie in (0, 1), got {alpha}")
