"""Intervals for the mean difference: one configuration, and all configurations at once.

The simultaneous band is what a specification curve needs: it covers all configurations together, so it stays valid after sorting, and
for the configuration that was picked because it looks best. From it follow the numbers of configurations that are truly ahead, and
limits for the true flip rate.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil

import numpy as np
from numpy.typing import NDArray

from safetyrepro.stats.moments import smoothed_means
from safetyrepro.stats.signflips import flipped_sums
from safetyrepro.stats.units import Differences, FloatArray, UnitSums, column_sums, sum_of_squares, unit_sums, with_none

MINIMUM_UNITS = 50
"""With fewer units no simultaneous interval is given: the multiplier quantile is then too small."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedInterval:
    """Interval for the mean difference of one configuration fixed in advance."""

    estimate: float
    """Mean difference over items."""
    centre: float
    """Smoothed mean difference, the middle of the interval."""
    low: float
    """Lower end."""
    high: float
    """Upper end."""
    level: float
    """Confidence level."""
    n_units: int
    """Number of items or clusters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimultaneousBand:
    """Intervals that cover the mean differences of all configurations at once."""

    estimate: tuple[float | None, ...]
    """Mean difference of each configuration over its known items; None where the configuration is missing."""
    centre: tuple[float | None, ...]
    """Smoothed mean difference; None where no interval is given."""
    low: tuple[float | None, ...]
    """Lower end; None where no interval is given: missing, or fewer than 50 units."""
    high: tuple[float | None, ...]
    """Upper end; None where no interval is given."""
    level: float
    """Simultaneous confidence level."""
    critical: float
    """q, the multiplier quantile on the normal scale, before the t scaling."""
    n_units: int
    """Smallest number of units behind an interval."""
    n_configurations: int
    """Configurations with a known item: m."""
    n_without: int
    """Of these, configurations with fewer than 50 units, for which no interval is given."""
    draws: int
    """Number of multiplier draws."""
    span: float
    """Width of the score's range."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlipRateLimits:
    """What a simultaneous band says about the true counts and the true flip rate."""

    supported_plus: int
    """Configurations whose simultaneous interval lies above 0: at least so many truly favour A."""
    supported_minus: int
    """Configurations whose simultaneous interval lies below 0: at least so many truly favour B."""
    n_configurations: int
    """Number of configurations m; those without an interval are undecided."""
    low: float
    """Lower limit of the true flip rate."""
    high: float
    """Upper limit of the true flip rate."""
    level: float
    """Confidence level, of counts and limits together."""


def paired_interval(
    difference: Differences,
    *,
    cluster: NDArray[np.intp] | None = None,
    level: float = 0.95,
    span: float = 1.0,
) -> PairedInterval | None:
    """Smoothed t interval for the mean difference of one configuration.

    Parameters
    ----------
    difference : (n_items,) array
        Outcome of A less outcome of B, same item; without missing items.
    cluster : (n_items,) int array, optional
        Cluster of each item.
    level : float
        Confidence level, in (0, 1).
    span : float
        Width of the score's range.

    Returns
    -------
    PairedInterval or None
        None with fewer than two units.

    Notes
    -----
    centre +- t SE, t the (1 + level)/2 quantile of Student's t with G - 1 degrees of freedom, centre and SE of `moments.smoothed_means`; cut
    to [-span, span]. Never of width zero.

    References
    ----------
    Agresti and Min 2005, Statistics in Medicine 24, 729-740.
    """
    _require_level(level)
    means = smoothed_means(unit_sums(difference[:, None], cluster=cluster), span=span)
    n_units = int(means.n_units[0])
    if n_units < 2:
        return None
    from scipy.special import stdtrit

    centre = float(means.centre[0])
    reach = float(stdtrit(n_units - 1, (1 + level) / 2)) * float(means.standard_error[0])
    return PairedInterval(
        estimate=float(means.estimate[0]),
        centre=centre,
        low=max(-span, centre - reach),
        high=min(span, centre + reach),
        level=level,
        n_units=n_units,
    )


def simultaneous_band(
    difference: Differences,
    *,
    cluster: NDArray[np.intp] | None = None,
    known: NDArray[np.bool_] | None = None,
    rng: np.random.Generator,
    level: float = 0.95,
    draws: int = 10_000,
    span: float = 1.0,
) -> SimultaneousBand | None:
    """Intervals for the mean differences of all configurations, covering all of them at once.

    Parameters
    ----------
    difference : (n_items, n_configurations) array
        Outcome of A less outcome of B, same item, same configuration.
    cluster : (n_items,) int array, optional
        Cluster of each item.
    known : (n_items, n_configurations) truth array, optional
        False where an item is missing for either model: excluded there, for both.
    rng : numpy.random.Generator
        Source of the multipliers.
    level : float
        Simultaneous confidence level, in (0, 1).
    draws : int
        Number of multiplier draws.
    span : float
        Width of the score's range.

    Returns
    -------
    SimultaneousBand or None
        None if every configuration has fewer than 50 units.

    Notes
    -----
    centre_c +- q_t SE_c, centre and SE of `moments.smoothed_means`. q is the `level` quantile, the ceil(level draws)-th smallest value, of max_c |Z*_c|,
    Z*_c = sum_g e_g u_gc / sqrt(sum_g u_gc**2), u_gc = X_gc - d_c n_gc the centred unit sums and e_g one random sign per unit. q_t is the quantile of
    Student's t with G - 1 degrees of freedom at the normal tail of q. Measured coverage of all means .926 (n = 50, 48 configurations, weak
    dependence) to .989 at nominal .95. Ends are cut to [-span, span].

    References
    ----------
    Chernozhukov, Chetverikov and Kato 2013, Annals of Statistics 41, 2786-2819 (multipliers); Agresti and Min 2005 (smoothing).
    """
    _require_level(level)
    units = unit_sums(difference, cluster=cluster, known=known)
    means = smoothed_means(units, span=span)
    given = means.n_units >= MINIMUM_UNITS
    if not given.any():
        return None
    critical = _multiplier_quantile(_only(units, given), rng=rng, level=level, draws=draws)
    reach = _student_quantile(critical, means.n_units) * means.standard_error
    n_configurations = int(np.count_nonzero(means.n_units))
    return SimultaneousBand(
        estimate=with_none(means.estimate, means.n_units > 0),
        centre=with_none(means.centre, given),
        low=with_none(np.maximum(means.centre - reach, -span), given),
        high=with_none(np.minimum(means.centre + reach, span), given),
        level=level,
        critical=critical,
        n_units=int(means.n_units[given].min()),
        n_configurations=n_configurations,
        n_without=n_configurations - int(np.count_nonzero(given)),
        draws=draws,
        span=span,
    )


def flip_rate_limits(band: SimultaneousBand) -> FlipRateLimits:
    """Counts of configurations that are truly ahead, and limits of the true flip rate.

    Parameters
    ----------
    band : SimultaneousBand
        Intervals that cover all configurations at once.

    Returns
    -------
    FlipRateLimits

    Notes
    -----
    s+ and s- intervals lie strictly above and below 0. With probability `level` all means are covered, hence n+ >= s+, n- >= s- and the true rate
    2 n+ n- / m**2 lies between 2 s+ s- / m**2 and its maximum over all assignments of the m - s+ - s- undecided configurations, reached at the n+ in
    [s+, m - s-] nearest to m/2. Measured coverage .998 to 1; wide by nature.

    References
    ----------
    Goeman and Solari 2011, Statistical Science 26, 584-597 (counts of true findings from simultaneous statements).
    """
    plus = sum(low is not None and low > 0 for low in band.low)
    minus = sum(high is not None and high < 0 for high in band.high)
    m = band.n_configurations
    even = min(max(m // 2, plus), m - minus)
    return FlipRateLimits(
        supported_plus=plus,
        supported_minus=minus,
        n_configurations=m,
        low=2 * plus * minus / m**2,
        high=2 * even * (m - even) / m**2,
        level=band.level,
    )


def _require_level(level: float) -> None:
    if not 0.0 < level < 1.0:
        raise ValueError(f"level is {level}, expected a number between 0 and 1")


def _only(units: UnitSums, columns: NDArray[np.bool_]) -> UnitSums:
    """The unit sums of some columns."""
    counts = units.counts if units.counts.shape[1] == 1 else units.counts[:, columns]
    return replace(units, sums=units.sums[:, columns], counts=counts)


def _multiplier_quantile(units: UnitSums, *, rng: np.random.Generator, level: float, draws: int) -> float:
    """The quantile of the largest absolute multiplier sum over the columns.

    The centred sum is a difference of two exact products, so that it does not depend on the order of addition.
    """
    mean = units.sums.sum(axis=0) / units.known_items
    squares = sum_of_squares(units.sums)
    spread = squares - 2 * mean * column_sums(units.sums * units.counts) + mean**2 * sum_of_squares(units.counts)
    scale = np.sqrt(np.where(spread > 2.0**-40 * squares, spread, np.inf))
    n_columns = mean.size
    largest = [
        np.abs((block[:, :n_columns] - mean * block[:, n_columns:]) / scale).max(axis=1)
        for block in flipped_sums(np.hstack([units.sums, units.counts]), rng=rng, draws=draws)
    ]
    ordered = np.sort(np.concatenate(largest))
    return float(ordered[max(ceil(level * ordered.size) - 1, 0)])


def _student_quantile(critical: float, n_units: NDArray[np.int64]) -> FloatArray:
    """Student's quantile with n_units - 1 degrees of freedom at the normal tail of `critical`."""
    from scipy.special import ndtr, stdtrit

    return np.asarray(-stdtrit(np.maximum(n_units - 1.0, 1.0), ndtr(-critical)), dtype=np.float64)
