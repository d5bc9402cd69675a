"""Several benchmarks together: nothing follows from them for their average, nor back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from oracles import beyond as slow
from oracles import deterministic
from oracles.grids import Grid, grids
from safetyrepro.stats.several_benchmarks import SeveralBenchmarks, several_benchmarks


def of(rows: list[list[float]]) -> SeveralBenchmarks:
    difference = np.array(rows, dtype=float)
    return several_benchmarks(difference, np.ones(difference.shape, dtype=bool))


@given(grids(max_models=3))
def test_joint_rates_equal_their_definition_on_shared_configurations(grid: Grid) -> None:
    difference = grid.scores - 0.15
    found = several_benchmarks(difference, grid.known)
    columns = [[x - 0.15 for x in column] for column in deterministic.columns(grid.cells)]
    rows = [[column[b] for column in columns] for b in range(len(grid.cells))]
    verdicts = [[deterministic.sign(x, 0.0) or 0 for x in row] for row in rows]
    shares = slow.flip_shares(verdicts)
    assert found.n_configurations == len(columns)
    assert found.n_configurations + found.n_left_out == grid.n_configurations
    if shares is None:
        assert (found.some_flip_rate, found.all_flip_rate, found.average_flip_rate) == (None, None, None)
        return
    assert (found.some_flip_rate, found.all_flip_rate) == pytest.approx(shares, abs=1e-12)
    assert found.with_reversal == tuple(b for b, row in enumerate(verdicts) if 1 in row and -1 in row)
    means = [deterministic.sign(float(np.mean(column)), 0.0) or 0 for column in columns]
    assert list(found.average.signs) == means
    assert found.average_flip_rate == pytest.approx(deterministic.flip_rate(means), abs=1e-12)
    for row in verdicts:
        rate = deterministic.flip_rate(row)
        assert rate is not None
        assert shares[1] - 1e-12 <= rate <= shares[0] + 1e-12


def test_both_benchmarks_may_reverse_and_their_average_never() -> None:
    found = of([[0.1, -0.1], [-0.1, 0.1]])
    assert found.with_reversal == (0, 1)
    assert not found.average.reversal
    assert found.average.n_tie == 2
    assert (found.some_flip_rate, found.all_flip_rate) == (0.5, 0.5)


def test_the_average_may_reverse_although_no_benchmark_does() -> None:
    found = of([[0.3, 0.1], [-0.1, -0.2]])
    assert found.with_reversal == ()
    assert found.average.reversal
    assert (found.some_flip_rate, found.average_flip_rate) == (0, 0.5)


def test_a_configuration_that_one_benchmark_lacks_is_left_out_and_counted() -> None:
    found = several_benchmarks(np.array([[0.1, -0.1], [0.1, 0.0]]), np.array([[True, True], [True, False]]))
    assert (found.n_configurations, found.n_left_out, found.with_reversal) == (1, 1, ())


def test_no_benchmark_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one benchmark"):
        several_benchmarks(np.zeros((0, 2)), np.zeros((0, 2), dtype=bool))
