"""What missing cells allow, and what a few configurations show."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings

from oracles import deterministic as slow
from oracles.grids import signs
from safetyrepro.stats.base import OrderCounts
from safetyrepro.stats.flips import count_orders, flip_rates
from safetyrepro.stats.partial import detection_curve, missing_bounds


def counts_of(verdicts: list[int | None]) -> OrderCounts:
    difference = np.array([0 if verdict is None else verdict for verdict in verdicts], dtype=float)
    known = np.array([verdict is not None for verdict in verdicts], dtype=bool)
    return count_orders(difference, np.zeros(len(verdicts)), known)


def curve(plus: int, minus: int, sizes: list[int]) -> list[float]:
    return [point.probability for point in detection_curve(counts_of([1] * plus + [-1] * minus), sizes)]


def test_five_of_forty_eight_are_found_as_often_as_the_text_prints() -> None:
    assert curve(43, 5, [2, 4, 8, 12, 20]) == pytest.approx([0.19, 0.37, 0.62, 0.78, 0.94], abs=0.005)
    assert curve(36, 12, [4]) == pytest.approx([1 - (58905 + 495) / 194580], abs=1e-15)  # .695, by hand


@given(signs())
def test_the_whole_envelope_shows_every_reversal_and_one_configuration_none(verdicts: list[int | None]) -> None:
    counts = counts_of(verdicts)
    if counts.n_compared == 0:
        return
    one, whole = detection_curve(counts, [1, counts.n_compared])
    assert one.probability == 0
    assert whole.probability == counts.reversal


@settings(max_examples=30)
@given(signs())
def test_mean_rates_over_all_parts_of_one_size_follow_the_rate_of_distinct_pairs(verdicts: list[int | None]) -> None:
    held = slow.present(verdicts)
    u = flip_rates(counts_of(verdicts)).flip_rate_distinct
    for size in range(2, len(held) + 1):
        assert u is not None
        parts = [flip_rates(counts_of(list(part))) for part in combinations(held, size)]
        distinct = [part.flip_rate_distinct for part in parts if part.flip_rate_distinct is not None]
        plain = [part.flip_rate for part in parts if part.flip_rate is not None]
        assert sum(distinct) / len(parts) == pytest.approx(u, abs=1e-12)
        assert sum(plain) / len(parts) == pytest.approx(u * (size - 1) / size, abs=1e-12)


@pytest.mark.parametrize("size", [0, 3, -1])
def test_a_part_larger_than_the_envelope_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match=r"1\.\.2"):
        detection_curve(counts_of([1, -1, None]), [size])


def test_detection_is_exact_for_large_envelopes() -> None:
    (point,) = detection_curve(counts_of([1] * 999 + [-1]), [500])
    assert point.probability == float(Fraction(1, 2))


@given(signs())
def test_without_missing_cells_the_bounds_are_the_rates(verdicts: list[int | None]) -> None:
    held: list[int | None] = list(slow.present(verdicts))
    bounds, rates = missing_bounds(counts_of(held)), flip_rates(counts_of(held))
    if bounds is None:
        assert held == []
        return
    assert (bounds.flip_rate.low, bounds.flip_rate.high) == (rates.flip_rate, rates.flip_rate)
    assert (bounds.minority_rate.low, bounds.minority_rate.high) == (rates.minority_rate, rates.minority_rate)
    assert bounds.reversal_possible == counts_of(held).reversal


@given(signs())
def test_a_reversal_is_possible_exactly_if_some_completion_shows_one(verdicts: list[int | None]) -> None:
    bounds = missing_bounds(counts_of(verdicts))
    if bounds is not None:
        assert bounds.reversal_possible == any(1 in filled and -1 in filled for filled in slow.completions(verdicts))


def test_a_grid_without_a_single_score_leaves_everything_open() -> None:
    bounds = missing_bounds(counts_of([None] * 4))
    assert bounds is not None
    assert (bounds.flip_rate.low, bounds.flip_rate.high) == (0, 0.5)
    assert bounds.n_missing == bounds.n_configurations == 4


def test_an_empty_envelope_has_no_bounds() -> None:
    assert missing_bounds(counts_of([])) is None


def test_one_missing_configuration_has_no_distinct_pair() -> None:
    bounds = missing_bounds(counts_of([None]))
    assert bounds is not None
    assert bounds.flip_rate_distinct is None
    assert not bounds.reversal_possible
