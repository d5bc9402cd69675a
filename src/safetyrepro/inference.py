"""ScoreTable -> what the items can bear: the inferential half, apart from everything that is realized.

The analysis says what happened on these items. This step says what would be said of items like these (population L2: the items
are a sample; clusters are the unit). Nothing here changes a count, an order or a witness.
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from safetyrepro.detectable import detectable
from safetyrepro.estimands import Aggregation, Direction
from safetyrepro.scores import ScoreTable
from safetyrepro.stats.equivalence import EquivalenceTest, equivalence_test
from safetyrepro.stats.intervals import FlipRateLimits, flip_rate_limits, simultaneous_band
from safetyrepro.stats.multiplicity import benjamini_hochberg, holm
from safetyrepro.stats.repeats import PlaceboFlips
from safetyrepro.stats.support import PairSupport, SupportWord, pair_support, support_word
from safetyrepro.stats.target import target_test

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
POPULATION = "items like these (the evaluated items as a sample, clusters as units)"


@dataclass(frozen=True, slots=True, kw_only=True)
class InferenceOptions:
    """How much evidence is asked for."""

    alpha: float = 0.05
    """Level of the verdict words."""
    draws: int = 10_000
    """Number of sign vectors."""
    seed: int = 0
    """Seed of every draw."""
    margin: float | None = None
    """Largest difference that does not matter, declared before looking; None: equivalence is not asked."""
    resamples: int = 1_000
    """Bootstrap resamples behind the sizes of effects; 0 leaves them out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BandPoint:
    """The simultaneous interval of one configuration."""

    low: float
    """Lower end, on the scale of the difference."""
    high: float
    """Upper end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairInference:
    """What the items support about one pair on one benchmark."""

    a: str
    """First model."""
    b: str
    """Second model."""
    word: SupportWord
    """The verdict word."""
    p_reversal: float | None
    """Joint sign-flip max-T, intersection-union; None where no configuration can be tested."""
    p_plus: float | None
    """Against "A is ahead nowhere"."""
    p_minus: float | None
    """Against "B is ahead nowhere"."""
    p_a_everywhere: float | None
    """Against "A fails to be ahead somewhere"; None where a configuration is missing."""
    p_b_everywhere: float | None
    """Against "B fails to be ahead somewhere"; None where a configuration is missing."""
    draws: int
    """Number of sign vectors, the data included."""
    exhaustive: bool
    """Whether all sign vectors were listed."""
    n_units: int
    """Items or clusters that were flipped."""
    band: tuple[BandPoint | None, ...] = ()
    """Simultaneous 1 - alpha band over the configurations; empty below 50 units and for targets."""
    supported_plus: int | None = None
    """Configurations whose interval lies above zero: a lower limit of the true number."""
    supported_minus: int | None = None
    """Configurations whose interval lies below zero."""
    flip_rate_low: float | None = None
    """Lower limit of the true flip rate that the band implies."""
    flip_rate_high: float | None = None
    """Upper limit of the true flip rate that the band implies."""
    noise_flip_rate: float | None = None
    """Mean flip rate that two indistinguishable models would show on these items."""
    discordance: float | None = None
    """Share of item comparisons on which the two differ, over all configurations."""
    minimum_detectable_difference: float | None = None
    """Difference that these items would have shown with power .8 under the band's critical value."""
    holm: float | None = None
    """p_reversal, Holm-adjusted over the family."""
    benjamini_hochberg: float | None = None
    """p_reversal, Benjamini-Hochberg-adjusted over the family; exploration."""
    unresolved_because: str = ""
    """Why the word is unresolved whatever the p-values say: the order depends on how unreadable answers count."""
    equivalence: EquivalenceTest | None = None
    """Whether the two are equivalent within the declared margin in each configuration; None without a margin and for targets."""
    placebo: PlaceboFlips | None = None
    """How often repeats of one configuration are opposed: the floor of the flip rate; None where nothing was repeated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkInference:
    """What the items of one benchmark support."""

    pairs: tuple[PairInference, ...]
    """Every pair of models, in the order of the analysis."""
    population: str
    """What the statements are about."""
    alpha: float
    """Level of the words and the band."""
    seed: int
    """Seed of the draws."""
    family_size: int = 0
    """Number of tested pairs over which p-values were adjusted."""


def infer(table: ScoreTable, options: InferenceOptions, *, name: str) -> BenchmarkInference:
    """Say what the items of one benchmark support about each pair of models.

    Parameters
    ----------
    table : ScoreTable
        Scores with items.
    options : InferenceOptions
        Level, draws, seed.
    name : str
        Name by which the analysis calls the benchmark; spreads the seed.

    Returns
    -------
    BenchmarkInference
        Without pairs where there are no items.
    """
    pairs = list(itertools.combinations(range(len(table.models)), 2))
    cluster = table.cluster_index
    found: list[PairInference] = []
    if len(table.items) > 0 and pairs:
        if table.estimand.orientation.direction is Direction.TARGET:
            found = [_target_pair(table, pair, cluster, options, name) for pair in pairs]
        else:
            found = _direct_pairs(table, pairs, cluster, options, name)
    return BenchmarkInference(pairs=tuple(found), population=POPULATION, alpha=options.alpha, seed=options.seed)


def generator(options: InferenceOptions, *words: str) -> np.random.Generator:
    """The generator of one purpose: the study's seed spread by what it is for."""
    return np.random.default_rng([options.seed, zlib.crc32("\n".join(words).encode())])


def item_terms(table: ScoreTable, model: int) -> Floats:
    """Each item's share in a model's score: their mean over items is the score, in every configuration.

    Parameters
    ----------
    table : ScoreTable
        Scores; not of a target orientation.
    model : int
        Index of the model.

    Returns
    -------
    (configurations, items) float array
        For a plain mean the values themselves. With weights, R + w (v - R) / wbar: the influence value of a ratio R. For a
        balanced mean, values scaled by n / (K n_stratum). 0 where not known.

    References
    ----------
    Hampel 1974, Journal of the American Statistical Association 69, p. 383 (influence values).
    """
    values: Floats = table.values[model]
    known, weights = table.known[model], table.weights[model]
    if table.estimand.aggregation is Aggregation.BALANCED:
        return values * _balance(known & (weights > 0), table.strata)
    if np.all(weights[known] == 1.0):
        return values
    n_known = known.sum(axis=1, keepdims=True)
    wbar = np.divide(weights.sum(axis=1, keepdims=True), n_known, out=np.ones_like(values[:, :1]), where=n_known > 0)
    ratio = table.raw[model][:, None]
    terms = ratio + np.divide(weights * (values - ratio), wbar, out=np.zeros_like(values), where=wbar > 0)
    return np.where(known, terms, 0.0)


def _balance(counted: Flags, strata: Sequence[str]) -> Floats:
    names = np.array(strata)
    distinct = sorted(set(strata))
    scale = np.zeros(counted.shape)
    totals = counted.sum(axis=1, keepdims=True)
    for name in distinct:
        inside = counted & (names == name)
        sizes = inside.sum(axis=1, keepdims=True)
        factor = np.divide(totals, len(distinct) * sizes, out=np.zeros(totals.shape), where=sizes > 0)
        scale = np.where(inside, factor, scale)
    return scale


def pair_arrays(table: ScoreTable, pair: tuple[int, int], terms: Sequence[Floats]) -> tuple[Floats, Flags]:
    """Difference of two models for each item and configuration, and where it is known; its mean is that of the scores.

    Parameters
    ----------
    table : ScoreTable
        Scores; not of a target orientation.
    pair : tuple of int
        Indices of the models.
    terms : sequence of (configurations, items) float array
        `item_terms` of every model.

    Returns
    -------
    tuple of (items, configurations) arrays
        Oriented difference, 0 where either has no value, and the mask.
    """
    a, b = pair
    sign = -1.0 if table.estimand.orientation.direction is Direction.LOWER else 1.0
    both = table.known[a] & table.known[b] & (table.scored[a] & table.scored[b])[:, None]
    return np.where(both, sign * (terms[a] - terms[b]), 0.0).T, both.T


def _direct_pairs(
    table: ScoreTable, pairs: Sequence[tuple[int, int]], cluster: NDArray[np.intp], options: InferenceOptions, name: str
) -> list[PairInference]:
    terms = [item_terms(table, model) for model in range(len(table.models))]
    arrays = [pair_arrays(table, pair, terms) for pair in pairs]
    differences = np.stack([difference for difference, _ in arrays], axis=1)
    known = np.stack([flags for _, flags in arrays], axis=1)
    support = pair_support(
        differences,
        cluster=cluster_units(cluster),
        known=known,
        rng=generator(options, name, "signs"),
        draws=options.draws,
        alpha=options.alpha,
    )
    span = float(max(table.estimand.high - table.estimand.low, np.abs(differences).max(initial=0.0)))
    found = []
    for pair, entry, array in zip(pairs, support, arrays, strict=True):
        rng = generator(options, name, *(table.models[index] for index in pair), "band")
        made = _direct_pair(table, pair, entry, array, band=_band(array, cluster, span, rng=rng, options=options))
        found.append(replace(made, equivalence=_equivalence(array, cluster, span, options)))
    return found


def _equivalence(
    arrays: tuple[Floats, Flags], cluster: NDArray[np.intp], span: float, options: InferenceOptions
) -> EquivalenceTest | None:
    if options.margin is None:
        return None
    return equivalence_test(arrays[0], margin=options.margin, cluster=cluster_units(cluster), known=arrays[1], span=span)


def cluster_units(cluster: NDArray[np.intp]) -> NDArray[np.intp] | None:
    """The clusters of a table's items; None where every item is its own, since exact tests of single items apply then."""
    return None if len(set(cluster.tolist())) == cluster.size else cluster


def _direct_pair(
    table: ScoreTable, pair: tuple[int, int], support: PairSupport, arrays: tuple[Floats, Flags], *, band: _Band
) -> PairInference:
    difference, known = arrays
    test = support.reversal
    discordance = float((difference[known] != 0).mean()) if known.any() else None
    scale = table.estimand.high - table.estimand.low
    return PairInference(
        a=table.models[pair[0]],
        b=table.models[pair[1]],
        word=support.word,
        p_reversal=test.p_reversal,
        p_plus=test.p_plus,
        p_minus=test.p_minus,
        p_a_everywhere=support.everywhere.p_a,
        p_b_everywhere=support.everywhere.p_b,
        draws=test.draws,
        exhaustive=test.exhaustive,
        n_units=test.n_units,
        band=band.points,
        supported_plus=band.limits.supported_plus if band.limits else None,
        supported_minus=band.limits.supported_minus if band.limits else None,
        flip_rate_low=band.limits.low if band.limits else None,
        flip_rate_high=band.limits.high if band.limits else None,
        noise_flip_rate=support.noise_flip_rate,
        discordance=discordance,
        minimum_detectable_difference=detectable(arrays, band.cluster, band.critical, alpha=support.alpha, scale=scale),
    )


@dataclass(frozen=True, slots=True)
class _Band:
    """The simultaneous band of a pair, or the lack of one."""

    points: tuple[BandPoint | None, ...] = ()
    limits: FlipRateLimits | None = None
    critical: float | None = None
    cluster: NDArray[np.intp] | None = None


def _band(
    arrays: tuple[Floats, Flags], cluster: NDArray[np.intp], span: float, *, rng: np.random.Generator, options: InferenceOptions
) -> _Band:
    band = simultaneous_band(
        arrays[0],
        cluster=cluster_units(cluster),
        known=arrays[1],
        rng=rng,
        level=1 - options.alpha,
        draws=options.draws,
        span=span,
    )
    if band is None:
        return _Band(cluster=cluster_units(cluster))
    points = tuple(
        None if low is None or high is None else BandPoint(low=low, high=high)
        for low, high in zip(band.low, band.high, strict=True)
    )
    return _Band(points, flip_rate_limits(band), band.critical, cluster_units(cluster))


def _target_pair(
    table: ScoreTable, pair: tuple[int, int], cluster: NDArray[np.intp], options: InferenceOptions, name: str
) -> PairInference:
    a, b = pair
    target = table.estimand.orientation.target
    assert target is not None
    both = (table.known[a] & table.known[b] & (table.scored[a] & table.scored[b])[:, None]).T
    first, second = (np.where(both, item_terms(table, model).T, 0.0) for model in pair)
    rng = generator(options, name, table.models[a], table.models[b], "target")
    test = target_test(first, second, target=target, cluster=cluster_units(cluster), known=both, rng=rng, draws=options.draws)
    ps = (test.p_plus, test.p_minus, test.p_a_everywhere, test.p_b_everywhere)
    return PairInference(
        a=table.models[a],
        b=table.models[b],
        word=support_word(p_plus=ps[0], p_minus=ps[1], p_a_everywhere=ps[2], p_b_everywhere=ps[3], alpha=options.alpha),
        p_reversal=test.p_reversal,
        p_plus=ps[0],
        p_minus=ps[1],
        p_a_everywhere=ps[2],
        p_b_everywhere=ps[3],
        draws=test.draws,
        exhaustive=test.exhaustive,
        n_units=test.n_units,
        discordance=float((first != second)[both].mean()) if both.any() else None,
    )


def adjusted(found: Mapping[str, BenchmarkInference], family: Sequence[str]) -> dict[str, BenchmarkInference]:
    """Adjust p_reversal over every pair of the named benchmarks.

    Parameters
    ----------
    found : mapping
        By name of the analysis.
    family : sequence of str
        Names whose pairs form the family; the others keep no adjusted value.

    Returns
    -------
    dict
        The same, with `holm`, `benjamini_hochberg` and `family_size` filled in.
    """
    raw = [pair.p_reversal for name in family for pair in found[name].pairs]
    step, rate = holm(raw), benjamini_hochberg(raw)
    entries = iter(zip(step.adjusted, rate.adjusted, strict=True))
    result = dict(found)
    for name in family:
        pairs = []
        for pair in found[name].pairs:
            corrected, discovered = next(entries)
            pairs.append(replace(pair, holm=corrected, benjamini_hochberg=discovered))
        result[name] = replace(found[name], pairs=tuple(pairs), family_size=step.family_size)
    return result
