"""How many settings away a reversal is: robustness radius and minimal flip sets.

From a configuration in which one model is strictly ahead, the radius is the smallest number of
factors that have to be set differently before the other model is ahead. Everything is enumerated
over the configurations that exist, so it is exact for the envelope and says nothing beyond it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from safetyrepro.stats.base import Flags, Integers, checked_levels, sign_arrays

NOT_REACHED = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceFlips:
    """What turns around the verdict of one reference configuration."""

    reference: int
    """Index of the reference configuration."""
    verdict: int
    """Its verdict: +1 (A ahead) or -1 (B ahead)."""
    radius: int | None
    """Fewest factors to change for the opposite verdict; None if no configuration has it."""
    radius_lower: int | None
    """The same with every missing configuration counted as opposite; None if there is neither."""
    nearest: int | None
    """First configuration at distance `radius` with the opposite verdict."""
    losing_radius: int | None
    """Fewest factors to change for a tie or the opposite verdict; None if none has either."""
    losing_radius_lower: int | None
    """The same with every missing configuration counted as lost."""
    minimal_sets: tuple[tuple[int, ...], ...]
    """Inclusion-minimal sets of factors some re-setting of which reverses; smallest first."""
    n_missing: int
    """Listed configurations without a verdict: while there are any, `radius` is an upper bound."""


@dataclass(frozen=True, slots=True)
class RadiusCount:
    """How many references have one radius."""

    radius: int
    """Fewest factors to change for the opposite verdict."""
    n_references: int
    """Configurations with a strict verdict that have this radius."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RobustnessRadii:
    """Radius of every configuration of an envelope."""

    radii: tuple[int | None, ...]
    """Radius of each configuration; None without a strict verdict or an opposite one."""
    losing_radii: tuple[int | None, ...]
    """Radius to losing the verdict; None without a strict verdict or if it is never lost."""
    histogram: tuple[RadiusCount, ...]
    """Number of references by radius, ascending."""
    n_references: int
    """Configurations with a strict verdict."""
    n_never: int
    """References whose verdict no evaluated configuration opposes."""
    n_missing: int
    """Listed configurations without a verdict: while there are any, radii are upper bounds."""


def minimal_flips(signs: Sequence[int | None], levels: Integers, *, reference: int) -> ReferenceFlips | None:
    """The smallest changes of a reference configuration that reverse its verdict.

    Parameters
    ----------
    signs : sequence of c entries
        Verdict per configuration: +1, 0, -1, None where missing.
    levels : (c, f) int array
        Level of every factor in every configuration.
    reference : int
        Index of the configuration to start from.

    Returns
    -------
    ReferenceFlips or None
        None if the reference has no strict verdict: then there is nothing to reverse.

    Raises
    ------
    ValueError
        If `reference` is no configuration, or `levels` has not one row per configuration.

    Notes
    -----
    With D(c, c') the set of factors whose levels differ: r(c) = min |D(c, c')| over evaluated c'
    with v(c') = -v(c). The verdict survives any change of up to r(c) - 1 factors within this
    envelope. Minimal flip sets are the inclusion-minimal D(c, c') among those c'. The radius to
    losing takes v(c') != v(c). On a partial grid r is an upper bound; the lower bound counts
    listed but unevaluated configurations as opposite.

    References
    ----------
    Exact enumeration, O(c f) for one reference. The sets are contrastive explanations in the
    sense of Ignatiev et al. 2020, From Contrastive to Abductive Explanations and Back Again.
    """
    verdicts, known = sign_arrays(signs)
    table = checked_levels(levels, n_configurations=verdicts.size)
    if not 0 <= reference < verdicts.size:
        raise ValueError(f"reference must lie in 0..{verdicts.size - 1}, got {reference}")
    verdict = int(verdicts[reference])
    if verdict == 0:
        return None
    changed = table != table[reference]
    distance = changed.sum(axis=1)
    opposed = known & (verdicts == -verdict)
    lost = known & (verdicts != verdict)
    radius = _least(distance, opposed)
    return ReferenceFlips(
        reference=reference,
        verdict=verdict,
        radius=radius,
        radius_lower=_least(distance, opposed | ~known),
        nearest=None if radius is None else int(np.flatnonzero(opposed & (distance == radius))[0]),
        losing_radius=_least(distance, lost),
        losing_radius_lower=_least(distance, lost | ~known),
        minimal_sets=_minimal_sets(changed[opposed]),
        n_missing=int((~known).sum()),
    )


def robustness_radii(signs: Sequence[int | None], levels: Integers) -> RobustnessRadii:
    """Robustness radius of every configuration of an envelope, and their histogram.

    Parameters
    ----------
    signs : sequence of c entries
        Verdict per configuration: +1, 0, -1, None where missing.
    levels : (c, f) int array
        Level of every factor in every configuration.

    Returns
    -------
    RobustnessRadii
        Configurations without a strict verdict have no radius.

    Raises
    ------
    ValueError
        If `levels` has not one row per configuration.

    Notes
    -----
    r(c) as in `minimal_flips`, for every c with v(c) != 0. Either all references of a pair have a
    radius (there is a reversal) or none has one.

    References
    ----------
    Exact enumeration over pairs of configurations, O(c^2 f).
    """
    verdicts, known = sign_arrays(signs)
    table = checked_levels(levels, n_configurations=verdicts.size)
    radii = [_nearest_of(table, verdicts, known & (verdicts == -verdicts[c]), c) for c in range(verdicts.size)]
    losing = [_nearest_of(table, verdicts, known & (verdicts != verdicts[c]), c) for c in range(verdicts.size)]
    tally = Counter(radius for radius in radii if radius is not None)
    n_references = int((verdicts != 0).sum())
    return RobustnessRadii(
        radii=tuple(radii),
        losing_radii=tuple(losing),
        histogram=tuple(RadiusCount(radius, tally[radius]) for radius in sorted(tally)),
        n_references=n_references,
        n_never=n_references - tally.total(),
        n_missing=int((~known).sum()),
    )


def _nearest_of(levels: Integers, verdicts: Integers, targets: Flags, reference: int) -> int | None:
    """Distance from a reference to the nearest target; None if it has no strict verdict."""
    if verdicts[reference] == 0:
        return None
    return _least((levels != levels[reference]).sum(axis=1), targets)


def _least(distance: Integers, targets: Flags) -> int | None:
    """Smallest distance to a target, None if there is no target."""
    nearest = int(np.min(distance, where=targets, initial=NOT_REACHED))
    return None if nearest == NOT_REACHED else nearest


def _minimal_sets(changed: Flags) -> tuple[tuple[int, ...], ...]:
    """Rows that contain no other row, as sets of factors; smallest first, then by factor."""
    sets = {frozenset(np.flatnonzero(row).tolist()) for row in np.unique(changed, axis=0)}
    minimal: list[frozenset[int]] = []
    for candidate in sorted(sets, key=lambda factors: (len(factors), sorted(factors))):
        if not any(smaller <= candidate for smaller in minimal):
            minimal.append(candidate)
    return tuple(tuple(sorted(factors)) for factors in minimal)
