"""Is a reversal more than item noise? The joint sign-flip test and the words that follow from it.

An observed reversal is cheap: with a true lead of five points everywhere, 200 items and 48 configurations, one appears in four of
five studies. This file decides whether the items bear it. A reversal consists of two claims, "A is ahead somewhere" and "B is ahead
somewhere", and is supported only if each of them is, after the search over configurations has been paid for.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from safetyrepro.stats.signflips import FlipDistribution, flip_distribution, flip_rate_mean, share_at_least
from safetyrepro.stats.units import Differences, UnitSums, discordant_counts, fair_tail, unit_sums, with_none


class SupportWord(Enum):
    """What the items support about a pair on a benchmark; exactly one word applies."""

    REVERSAL_SUPPORTED = "reversal supported"
    """A is truly ahead under some configuration and B under another: both families are rejected."""
    A_AHEAD_EVERYWHERE = "A ahead on every configuration"
    """Each one-sided test on its own rejects "A is not ahead"; no configuration is missing."""
    B_AHEAD_EVERYWHERE = "B ahead on every configuration"
    """Each one-sided test on its own rejects "B is not ahead"; no configuration is missing."""
    A_AHEAD_SOMEWHERE = "A ahead somewhere"
    """A is truly ahead under some configuration: this refutes "B ahead everywhere"."""
    B_AHEAD_SOMEWHERE = "B ahead somewhere"
    """B is truly ahead under some configuration: this refutes "A ahead everywhere"."""
    UNRESOLVED = "unresolved"
    """The items support none of these; the minimum detectable difference says how far they could have."""


class PointTest(Enum):
    """Which test each configuration received on its own."""

    MCNEMAR = "exact McNemar"
    """Binomial test of the discordant items: differences are -1, 0 or 1 and items are independent."""
    SIGN_FLIPS = "sign flips"
    """Sign flips of items or clusters: scores are real-valued, or items come in clusters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReversalTest:
    """Joint sign-flip max-T test of "some configurations favour A and some favour B"."""

    p_reversal: float | None
    """The larger of p_plus and p_minus; None if no configuration has a known item."""
    p_plus: float | None
    """Against "A is ahead nowhere"; None where p_reversal is."""
    p_minus: float | None
    """Against "B is ahead nowhere"; None where p_reversal is."""
    statistic: tuple[float | None, ...]
    """T of each configuration; None where it is missing."""
    adjusted: tuple[float | None, ...]
    """Two-sided single-step max-T p-value of each configuration, corrected for the search; None where it is missing."""
    best: int | None
    """Configuration with the largest T, the first of equal ones: the witness for A."""
    worst: int | None
    """Configuration with the smallest T, the first of equal ones: the witness for B."""
    draws: int
    """Number of sign vectors, the data included."""
    exhaustive: bool
    """Whether all sign vectors were listed; if not, p-values have a Monte Carlo error."""
    n_units: int
    """Number of items or clusters that were flipped."""
    n_missing: int
    """Configurations without any known item; they take no part."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AheadEverywhere:
    """Intersection-union test of "ahead on every configuration", for either model."""

    p_a: float | None
    """Against "A fails to be ahead somewhere": the largest p of `p_plus`; None if a configuration is missing."""
    p_b: float | None
    """Against "B fails to be ahead somewhere": the largest p of `p_minus`; None if a configuration is missing."""
    p_plus: tuple[float | None, ...]
    """One-sided p-value of "A ahead" in each configuration, uncorrected; None where it is missing."""
    p_minus: tuple[float | None, ...]
    """One-sided p-value of "B ahead" in each configuration, uncorrected; None where it is missing."""
    test: PointTest
    """The test that every configuration received."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairSupport:
    """Everything that one set of sign flips says about one pair of models on one benchmark."""

    reversal: ReversalTest
    """The joint test."""
    everywhere: AheadEverywhere
    """The test of each configuration on its own."""
    noise_flip_rate: float | None
    """Mean flip rate over the sign flips: what two indistinguishable models would show; None without configurations."""
    word: SupportWord
    """The word that follows at level `alpha`."""
    alpha: float
    """Level of the word."""


def reversal_test(
    difference: Differences,
    *,
    cluster: NDArray[np.intp] | None = None,
    known: NDArray[np.bool_] | None = None,
    rng: np.random.Generator,
    draws: int = 10_000,
) -> ReversalTest:
    """Test whether some configurations truly favour A and some truly favour B.

    Parameters
    ----------
    difference : (n_items, n_configurations) array
        Outcome of A less outcome of B, same item, same configuration.
    cluster : (n_items,) int array, optional
        Cluster of each item; by default items are independent.
    known : (n_items, n_configurations) truth array, optional
        False where an item is missing for either model: excluded there, for both models. A column without any known item is a
        missing configuration.
    rng : numpy.random.Generator
        Source of the signs.
    draws : int
        Number of sign vectors, the data included; all 2**n are listed with 16 units or fewer.

    Returns
    -------
    ReversalTest

    Notes
    -----
    H0: all theta_c <= 0, or all theta_c >= 0, theta_c the mean difference of configuration c in the population of items.
    T_c = sum_g X_gc / sqrt(sum_g X_gc**2), X_gc the sum of unit g. With one sign per unit, shared by all configurations,
    p_plus = share of draws with max_c T*_c >= max_c T_c, p_minus = share with min_c T*_c <= min_c T_c, p_reversal = max(p_plus, p_minus).
    H0 is a union of two hypotheses, so the larger p-value keeps the level (Berger). Exact if rows are jointly symmetric at theta = 0, asymptotic
    otherwise. Measured size at the least favourable points .023 to .050.

    References
    ----------
    Berger 1982, Technometrics 24, 295-300 (intersection-union); Westfall and Young 1993, chapter 2 (max-T);
    Gail and Simon 1985, Biometrics 41, 361-372 (the question, for independent strata).
    """
    units = unit_sums(difference, cluster=cluster, known=known)
    return _reversal(flip_distribution(units, rng=rng, draws=draws), 0)


def ahead_everywhere(
    difference: Differences,
    *,
    cluster: NDArray[np.intp] | None = None,
    known: NDArray[np.bool_] | None = None,
    rng: np.random.Generator,
    draws: int = 10_000,
) -> AheadEverywhere:
    """Test whether one model is truly ahead on every configuration.

    Parameters
    ----------
    difference, cluster, known, rng, draws
        As in `reversal_test`; rng and draws are used only where sign flips are.

    Returns
    -------
    AheadEverywhere

    Notes
    -----
    p = max_c p_c with one-sided p_c: exact McNemar for differences of -1, 0, 1 without clusters, sign flips otherwise. No correction: "ahead
    everywhere" is claimed only if every single test rejects. A missing configuration leaves the claim unproved (None).

    References
    ----------
    Berger 1982, Technometrics 24, 295-300.
    """
    units = unit_sums(difference, cluster=cluster, known=known)
    if discordant_counts(units) is not None:
        draws = 1
    return _everywhere(units, flip_distribution(units, rng=rng, draws=draws), 0)


def pair_support(
    differences: Differences,
    *,
    cluster: NDArray[np.intp] | None = None,
    known: NDArray[np.bool_] | None = None,
    rng: np.random.Generator,
    draws: int = 10_000,
    alpha: float = 0.05,
) -> tuple[PairSupport, ...]:
    """Reversal test, everywhere test, noise reference and word for several pairs with the same items, from the same flips.

    Parameters
    ----------
    differences : (n_items, n_pairs, n_configurations) array
        Outcome of the first model less outcome of the second, for each pair.
    cluster : (n_items,) int array, optional
        Cluster of each item.
    known : (n_items, n_pairs, n_configurations) truth array, optional
        False where an item is missing for either model of the pair.
    rng : numpy.random.Generator
        Source of the signs.
    draws : int
        Number of sign vectors, the data included.
    alpha : float
        Level of the words, in (0, 1).

    Returns
    -------
    tuple of PairSupport, one for each pair

    Notes
    -----
    Each entry equals what `reversal_test`, `ahead_everywhere` and `noise_reference` give with the same signs. Nothing is corrected for the number of
    pairs: that is `multiplicity.holm` over the declared family.

    References
    ----------
    Berger 1982, Technometrics 24, 295-300; Westfall and Young 1993, chapter 2.
    """
    if differences.ndim != 3:
        raise ValueError(f"differences has {differences.ndim} dimensions, expected 3: items, pairs, configurations")
    n_items, n_pairs, n_configurations = differences.shape
    flat = None if known is None else known.reshape(n_items, n_pairs * n_configurations)
    units = unit_sums(differences.reshape(n_items, n_pairs * n_configurations), cluster=cluster, known=flat)
    if n_pairs == 0:
        return ()
    flips = flip_distribution(units, groups=n_pairs, rng=rng, draws=draws)
    return tuple(_support(units, flips, pair, alpha) for pair in range(n_pairs))


def support_word(
    *,
    p_plus: float | None,
    p_minus: float | None,
    p_a_everywhere: float | None,
    p_b_everywhere: float | None,
    alpha: float = 0.05,
) -> SupportWord:
    """The one word that the p-values support.

    Parameters
    ----------
    p_plus, p_minus : float or None
        Max-T p-values of "A ahead somewhere" and "B ahead somewhere".
    p_a_everywhere, p_b_everywhere : float or None
        Largest one-sided p-values over the configurations; None if a configuration is missing.
    alpha : float
        Level, in (0, 1). None never rejects.

    Returns
    -------
    SupportWord

    Notes
    -----
    In this order: reversal if max(p_plus, p_minus) <= alpha; everywhere; somewhere, for the smaller of the two p-values; unresolved.

    References
    ----------
    Gail and Simon 1985, Biometrics 41, 361-372 (qualitative interaction: some and some); Berger 1982.
    """
    if not 0.0 < alpha < 1.0:
        raise ValueError(f"alpha is {alpha}, expected a number between 0 and 1")
    rejects = [p is not None and p <= alpha for p in (p_plus, p_minus, p_a_everywhere, p_b_everywhere)]
    if rejects[0] and rejects[1]:
        return SupportWord.REVERSAL_SUPPORTED
    words = (
        (rejects[2], SupportWord.A_AHEAD_EVERYWHERE),
        (rejects[3], SupportWord.B_AHEAD_EVERYWHERE),
        (rejects[0], SupportWord.A_AHEAD_SOMEWHERE),
        (rejects[1], SupportWord.B_AHEAD_SOMEWHERE),
    )
    return next((word for holds, word in words if holds), SupportWord.UNRESOLVED)


def p_text(p: float, *, draws: int, exhaustive: bool) -> str:
    """A p-value as it is printed: "< 1/B" if no draw but the data themselves was as extreme.

    Parameters
    ----------
    p : float
        Share of draws.
    draws : int
        Number of draws, the data included.
    exhaustive : bool
        Whether all sign vectors were listed; the p-value is then exact and is printed as it is.
    """
    if not exhaustive and p * draws < 1.5:
        return f"< {1 / draws:.3g}"
    return f"{p:.3g}"


def _support(units: UnitSums, flips: FlipDistribution, pair: int, alpha: float) -> PairSupport:
    """One entry of `pair_support`."""
    reversal = _reversal(flips, pair)
    everywhere = _everywhere(units, flips, pair)
    word = support_word(
        p_plus=reversal.p_plus,
        p_minus=reversal.p_minus,
        p_a_everywhere=everywhere.p_a,
        p_b_everywhere=everywhere.p_b,
        alpha=alpha,
    )
    return PairSupport(
        reversal=reversal, everywhere=everywhere, noise_flip_rate=flip_rate_mean(flips, pair), word=word, alpha=alpha
    )


def _reversal(flips: FlipDistribution, group: int) -> ReversalTest:
    """The joint test of one group of columns."""
    present = flips.present[group]
    statistic = flips.statistic[group]
    highest, lowest = flips.highest[:, group], flips.lowest[:, group]
    some, slack = bool(present.any()), float(flips.slack[group])
    adjusted = share_at_least(np.maximum(highest, -lowest), np.abs(statistic), slack=slack)
    p_plus = float(share_at_least(highest, highest[:1], slack=slack)[0]) if some else None
    p_minus = float(share_at_least(-lowest, -lowest[:1], slack=slack)[0]) if some else None
    return ReversalTest(
        p_reversal=None if p_plus is None or p_minus is None else max(p_plus, p_minus),
        p_plus=p_plus,
        p_minus=p_minus,
        statistic=with_none(statistic, present),
        adjusted=with_none(adjusted, present),
        best=int(np.argmax(np.where(present, statistic, -np.inf))) if some else None,
        worst=int(np.argmin(np.where(present, statistic, np.inf))) if some else None,
        draws=flips.draws,
        exhaustive=flips.exhaustive,
        n_units=flips.n_units,
        n_missing=int(np.count_nonzero(~present)),
    )


def _everywhere(units: UnitSums, flips: FlipDistribution, group: int) -> AheadEverywhere:
    """The tests of each configuration on its own, and their maxima, for one group of columns."""
    present = flips.present[group]
    counts = discordant_counts(units)
    if counts is None:
        plus, minus = flips.at_least[group] / flips.draws, flips.at_most[group] / flips.draws
    else:
        columns = slice(group * present.size, (group + 1) * present.size)
        a_only, b_only = counts[0][columns], counts[1][columns]
        plus, minus = fair_tail(a_only, a_only + b_only), fair_tail(b_only, a_only + b_only)
    complete = present.size > 0 and bool(present.all())
    return AheadEverywhere(
        p_a=float(plus.max()) if complete else None,
        p_b=float(minus.max()) if complete else None,
        p_plus=with_none(plus, present),
        p_minus=with_none(minus, present),
        test=PointTest.SIGN_FLIPS if counts is None else PointTest.MCNEMAR,
    )
