"""Corrections for several claims: Holm over a declared family, Benjamini-Hochberg and Benjamini-Yekutieli for exploration.

A family is what a report claims, fixed before looking. A claim that cannot be tested (None) leaves the family and is counted aloud; it never
enters the arithmetic, where a not-a-number would either spread to all entries or silently enlarge the family.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np

from safetyrepro.stats.units import FloatArray


class Correction(Enum):
    """What the adjusted p-values control."""

    HOLM = "Holm"
    """Chance of any false claim, under every dependence."""
    BH = "FDR (Benjamini-Hochberg)"
    """Expected share of false claims, under independence or positive dependence."""
    BY = "FDR (Benjamini-Yekutieli)"
    """Expected share of false claims, under every dependence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdjustedFamily:
    """Adjusted p-values of a family of claims."""

    adjusted: tuple[float | None, ...]
    """Adjusted p-value of each claim, in the order given; None where the claim has none."""
    family_size: int
    """Claims with a p-value: the size that was corrected for."""
    n_untested: int
    """Claims without a p-value, left out of the family."""
    correction: Correction
    """The correction."""

    def count_at(self, alpha: float) -> int:
        """Number of claims whose adjusted p-value is at most alpha."""
        return sum(p is not None and p <= alpha for p in self.adjusted)


def holm(p: Sequence[float | None]) -> AdjustedFamily:
    """Holm's step-down adjustment.

    Parameters
    ----------
    p : sequence of float or None
        p-values of the declared family, in [0, 1]; None where a claim could not be tested.

    Returns
    -------
    AdjustedFamily

    Notes
    -----
    With k p-values, sorted p_(1) <= ... <= p_(k): adjusted p_(i) = min(1, max over j <= i of (k - j + 1) p_(j)).

    References
    ----------
    Holm 1979, Scandinavian Journal of Statistics 6, 65-70.
    """
    return _adjusted(p, Correction.HOLM, _step_down)


def benjamini_hochberg(p: Sequence[float | None]) -> AdjustedFamily:
    """Benjamini and Hochberg's step-up adjustment; label the list "FDR".

    Parameters
    ----------
    p : sequence of float or None
        p-values, in [0, 1]; None where a claim could not be tested.

    Returns
    -------
    AdjustedFamily

    Notes
    -----
    Adjusted p_(i) = min(1, min over j >= i of k p_(j) / j).

    References
    ----------
    Benjamini and Hochberg 1995, Journal of the Royal Statistical Society B 57, 289-300.
    """
    return _adjusted(p, Correction.BH, lambda ordered: _step_up(ordered, 1.0))


def benjamini_yekutieli(p: Sequence[float | None]) -> AdjustedFamily:
    """Benjamini and Yekutieli's adjustment, valid under every dependence, such as differences among three models.

    Parameters
    ----------
    p : sequence of float or None
        p-values, in [0, 1]; None where a claim could not be tested.

    Returns
    -------
    AdjustedFamily

    Notes
    -----
    Adjusted p_(i) = min(1, min over j >= i of k h p_(j) / j) with h = 1 + 1/2 + ... + 1/k.

    References
    ----------
    Benjamini and Yekutieli 2001, Annals of Statistics 29, 1165-1188, theorem 1.3.
    """
    return _adjusted(p, Correction.BY, lambda ordered: _step_up(ordered, float(np.sum(1.0 / np.arange(1, ordered.size + 1)))))


def _adjusted(p: Sequence[float | None], correction: Correction, steps: Callable[[FloatArray], FloatArray]) -> AdjustedFamily:
    """The adjustment of the tested claims, put back in the order given."""
    tested = [index for index, value in enumerate(p) if value is not None]
    values = np.array([value for value in p if value is not None], dtype=np.float64)
    if not ((values >= 0.0) & (values <= 1.0)).all():
        raise ValueError("a p-value lies outside [0, 1] or is not a number; give None for a claim that could not be tested")
    order = np.argsort(values, kind="stable")
    adjusted: list[float | None] = [None] * len(p)
    for position, value in zip(order.tolist(), steps(values[order]).tolist(), strict=True):
        adjusted[tested[position]] = min(1.0, value)
    return AdjustedFamily(
        adjusted=tuple(adjusted), family_size=len(tested), n_untested=len(p) - len(tested), correction=correction
    )


def _step_down(ordered: FloatArray) -> FloatArray:
    """Running maximum of (k - j + 1) p_(j)."""
    return np.maximum.accumulate(np.arange(ordered.size, 0, -1) * ordered)


def _step_up(ordered: FloatArray, factor: float) -> FloatArray:
    """Running minimum from above of factor k p_(j) / j."""
    scaled = factor * ordered.size * ordered / np.arange(1, ordered.size + 1)
    return np.asarray(np.minimum.accumulate(scaled[::-1])[::-1], dtype=np.float64)
