"""ScoreTable -> Verdict: the realized order of one pair of models over an envelope, with its witness."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from safetyrepro.scores import FailurePolicy, ScoreTable, cell_score, paired_differences
from safetyrepro.stats.base import TOLERANCE, OrderCounts
from safetyrepro.stats.dispersion import margin_index
from safetyrepro.stats.flips import count_orders, flip_rates, one_factor_flip_rate
from safetyrepro.stats.partial import detection_curve, missing_bounds
from safetyrepro.stats.witnesses import Witness as WitnessIndices
from safetyrepro.stats.witnesses import discordant_items, items_that_turn, widest_witness
from safetyrepro.verdicts import (
    ConfigurationVerdict,
    Detection,
    FactorFlip,
    Interval,
    Order,
    Verdict,
    Witness,
    WitnessItems,
)

CURVE_SIZES = (1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 96)
ORDERS = {1: Order.A_AHEAD, -1: Order.B_AHEAD, 0: Order.TIE, None: Order.MISSING}

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


def pair_verdict(
    table: ScoreTable,
    a: int,
    b: int,
    *,
    levels: NDArray[np.int64],
    factors: Sequence[str],
    core: Sequence[bool],
) -> Verdict:
    """The realized order of two models over the envelope of a table.

    Parameters
    ----------
    table : ScoreTable
        Scores.
    a, b : int
        Indices of the models.
    levels : (configurations, factors) int array
        Level of every factor in every configuration.
    factors : sequence of str
        Names of the columns of `levels`.
    core : sequence of bool
        Whether each configuration is in the core tier.

    Returns
    -------
    Verdict
    """
    scores, known = pair_scores(table, a, b)
    counts = count_orders(scores[0], scores[1], known)
    rates = flip_rates(counts)
    difference = scores[0] - scores[1]
    margin = margin_index(difference, known)
    bounds = missing_bounds(counts)
    witness = widest_witness(difference, known, levels)
    return Verdict(
        a=table.models[a],
        b=table.models[b],
        n_plus=counts.n_plus,
        n_minus=counts.n_minus,
        n_tie=counts.n_tie,
        n_missing=counts.n_missing,
        reversal=counts.reversal,
        flip_rate=rates.flip_rate,
        minority_rate=rates.minority_rate,
        flip_rate_distinct=rates.flip_rate_distinct,
        weak_disagreement=rates.weak_disagreement,
        missing_bounds=Interval(low=bounds.flip_rate.low, high=bounds.flip_rate.high) if bounds else None,
        margin_index=margin.kappa if margin else None,
        mean_difference=margin.mean if margin else None,
        one_factor_flip_rate=_factor_flips(counts, levels, factors),
        detection_curve=_curve(counts),
        witness=_named_witness(table, (a, b), witness, factors) if witness else None,
        configurations=_configurations(table, (a, b), scores, counts, core=core),
        tolerance=TOLERANCE,
    )


def pair_scores(table: ScoreTable, a: int, b: int) -> tuple[Floats, Flags]:
    """Oriented scores of two models, (2, configurations), and where both exist.

    Under the policy ``dropped_pairwise`` an item without a value for either model leaves both denominators, so the scores
    belong to the pair and not to the models. Two aggregates without items keep their scores: there is no item to leave out.
    """
    if table.policy is not FailurePolicy.PAIRWISE:
        return table.scores[[a, b]], table.scored[a] & table.scored[b]
    shape = (2, len(table.configurations))
    scores, known = np.zeros(shape), np.zeros(shape, dtype=bool)
    strata = np.array(table.strata, dtype=object)
    for row, model in enumerate((a, b)):
        for c in range(shape[1]):
            both = table.known[a, c] & table.known[b, c]
            raw = cell_score(
                table.values[model, c][both], table.weights[model, c][both], list(strata[both]), table.estimand.aggregation
            )
            if raw is not None:
                scores[row, c], known[row, c] = table.estimand.orientation.oriented(raw), True
            elif table.scored[[a, b], c].all() and not table.known[[a, b], c].any():
                scores[row, c], known[row, c] = table.scores[model, c], True
    return scores, known[0] & known[1]


def _factor_flips(counts: OrderCounts, levels: NDArray[np.int64], factors: Sequence[str]) -> tuple[FactorFlip, ...]:
    return tuple(
        FactorFlip(factor=factors[entry.factor], n_pairs=entry.n_pairs, n_opposed=entry.n_opposed, rate=entry.rate)
        for entry in one_factor_flip_rate(counts.signs, levels)
    )


def _curve(counts: OrderCounts) -> tuple[Detection, ...]:
    total = counts.n_compared
    if not counts.reversal:
        return ()
    sizes = [size for size in CURVE_SIZES if size < total] + [total]
    return tuple(
        Detection(n_configurations=size, probability=point.probability)
        for size, point in zip(sizes, detection_curve(counts, sizes), strict=True)
    )


def _configurations(
    table: ScoreTable, pair: tuple[int, int], scores: Floats, counts: OrderCounts, *, core: Sequence[bool]
) -> tuple[ConfigurationVerdict, ...]:
    a, b = pair
    shared = (table.known[a] & table.known[b]).sum(axis=1)
    own = table.policy is not FailurePolicy.PAIRWISE
    entries = []
    for c, configuration in enumerate(table.configurations):
        known = counts.signs[c] is not None
        entries.append(
            ConfigurationVerdict(
                settings=configuration.as_dict(),
                digest=configuration.digest,
                core=core[c],
                order=ORDERS[counts.signs[c]],
                score_a=float(scores[0, c]) if known or (own and table.scored[a, c]) else None,
                score_b=float(scores[1, c]) if known or (own and table.scored[b, c]) else None,
                difference=float(scores[0, c] - scores[1, c]) if known else None,
                n_items=int(shared[c]),
            )
        )
    return tuple(entries)


def _named_witness(table: ScoreTable, pair: tuple[int, int], witness: WitnessIndices, factors: Sequence[str]) -> Witness:
    return Witness(
        plus=table.configurations[witness.plus].as_dict(),
        minus=table.configurations[witness.minus].as_dict(),
        margin_plus=witness.margin_plus,
        margin_minus=witness.margin_minus,
        factors=tuple(factors[column] for column in witness.factors),
        items=_witness_items(table, pair, witness) if table.items else None,
    )


def _witness_items(table: ScoreTable, pair: tuple[int, int], witness: WitnessIndices) -> WitnessItems:
    difference, known = paired_differences(table, *pair)
    zeros = np.zeros(len(table.items))
    plus, minus = (discordant_items(difference[:, c], zeros, known[:, c]) for c in (witness.plus, witness.minus))

    def named(indices: Sequence[int]) -> tuple[str, ...]:
        return tuple(table.items[i] for i in indices)

    return WitnessItems(
        plus_a_better=named(plus.a_better),
        plus_b_better=named(plus.b_better),
        minus_a_better=named(minus.a_better),
        minus_b_better=named(minus.b_better),
        turned=named(items_that_turn(plus, minus)),
    )
