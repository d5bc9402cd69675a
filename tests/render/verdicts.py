"""Verdicts from lists of differences, and a strategy that draws such lists."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

from builders import configuration
from safetyrepro.verdicts import ConfigurationVerdict, Order, Verdict

DIFFERENCES = st.lists(st.none() | st.floats(-1, 1).map(lambda value: round(value, 3)), min_size=1, max_size=30)
"""Differences of a pair; None is missing, 0 a tie."""


def order_of(difference: float | None) -> Order:
    """The order that a difference means."""
    if difference is None:
        return Order.MISSING
    return Order.A_AHEAD if difference > 0 else Order.B_AHEAD if difference < 0 else Order.TIE


def verdict_of(differences: Sequence[float | None], *, a: str = "A", b: str = "B") -> Verdict:
    """A verdict whose configurations have these differences; only what a drawing reads is worked out."""
    orders = [order_of(difference) for difference in differences]
    entries = []
    for i, (difference, order) in enumerate(zip(differences, orders, strict=True)):
        settings = {"place": f"p{i}", "parity": "even" if i % 2 == 0 else "odd", "held": "same"}
        entries.append(
            ConfigurationVerdict(
                settings=settings,
                digest=configuration(**settings).digest,
                core=False,
                order=order,
                score_a=None if difference is None else 0.5 + difference / 2,
                score_b=None if difference is None else 0.5 - difference / 2,
                difference=difference,
                n_items=1,
            )
        )
    plus, minus = orders.count(Order.A_AHEAD), orders.count(Order.B_AHEAD)
    return Verdict(
        a=a,
        b=b,
        n_plus=plus,
        n_minus=minus,
        n_tie=orders.count(Order.TIE),
        n_missing=orders.count(Order.MISSING),
        reversal=bool(plus and minus),
        flip_rate=None,
        minority_rate=None,
        flip_rate_distinct=None,
        weak_disagreement=None,
        missing_bounds=None,
        margin_index=None,
        mean_difference=None,
        one_factor_flip_rate=(),
        detection_curve=(),
        witness=None,
        configurations=tuple(entries),
        tolerance=1e-12,
    )
