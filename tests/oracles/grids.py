"""Random envelopes for property tests: ties, near ties, missing cells, one model, no configuration."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

Cell = float | None


@dataclass(frozen=True)
class Grid:
    """Scores of some models over the configurations of a (possibly incomplete) product of factors."""

    cells: list[list[Cell]]
    levels: NDArray[np.int64]

    @property
    def n_configurations(self) -> int:
        return len(self.levels)

    @property
    def scores(self) -> NDArray[np.float64]:
        filled = [[-7.0 if cell is None else cell for cell in row] for row in self.cells]
        return np.array(filled, dtype=np.float64).reshape(len(self.cells), self.n_configurations)

    @property
    def known(self) -> NDArray[np.bool_]:
        flags = [[cell is not None for cell in row] for row in self.cells]
        return np.array(flags, dtype=np.bool_).reshape(len(self.cells), self.n_configurations)


@st.composite
def grids(
    draw: st.DrawFn, *, min_models: int = 1, max_models: int = 5, max_configurations: int = 8, missing: bool = True
) -> Grid:
    """Scores on the lattice 0, .1, .2, .3, moved by less than half the tolerance now and then."""
    n_levels = draw(st.sampled_from([(2, 2), (2, 3), (3, 3), (2, 2, 2), (2, 1, 3), (3,), (2,), (1,), ()]))
    every = list(product(*(range(n) for n in n_levels)))
    left_out = draw(st.sets(st.sampled_from(every), max_size=3))
    kept = [levels for levels in draw(st.permutations(every)) if levels not in left_out][:max_configurations]
    n_models = draw(st.integers(min_models, max_models))
    size = n_models * len(kept)
    values: list[int | None] = [0, 1, 2, 3]
    steps = draw(st.lists(st.sampled_from([*values, None] if missing else values), min_size=size, max_size=size))
    nudges = draw(st.lists(st.sampled_from([0, 0, 0, 1, -1]), min_size=size, max_size=size))
    flat = [None if step is None else step / 10 + nudge * 4e-13 for step, nudge in zip(steps, nudges, strict=True)]
    cells = [flat[row * len(kept) : (row + 1) * len(kept)] for row in range(n_models)]
    return Grid(cells, np.array(kept, dtype=np.int64).reshape(len(kept), len(n_levels)))


def signs(*, max_size: int = 9) -> st.SearchStrategy[list[int | None]]:
    """Verdicts of one pair, missing ones included."""
    return st.lists(st.sampled_from([1, 0, -1, None]), max_size=max_size)
