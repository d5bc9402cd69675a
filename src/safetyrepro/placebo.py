"""Records -> how often the order of two models changes when only the repeat does: the floor under a flip rate.

A repeat (another seed, or the same greedy run again) is no choice that anybody defends, so it is no factor of the envelope.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np

from safetyrepro.pairs import pair_scores
from safetyrepro.records import ItemRecord
from safetyrepro.scores import ScoreTable, rebuilt
from safetyrepro.stats.base import sign_arrays, signs_of
from safetyrepro.stats.repeats import PlaceboFlips, placebo_flips


def placebo_of_pairs(records: Sequence[ItemRecord], table: ScoreTable) -> Mapping[tuple[str, str], PlaceboFlips]:
    """Share of pairs of repeats of one configuration whose verdicts are opposed, for each pair of models.

    Parameters
    ----------
    records : sequence of ItemRecord
        Rows of the benchmark and estimand.
    table : ScoreTable
        The table that the analysis built of them.

    Returns
    -------
    mapping of (first model, second model) to PlaceboFlips
        Empty where no record is a repeat.
    """
    repeats = sorted({record.repeat for record in records})
    if len(repeats) < 2:
        return {}
    tables = [rebuilt(table, [record for record in records if record.repeat == repeat]) for repeat in repeats]
    pairs = itertools.combinations(range(len(table.models)), 2)
    return {(table.models[a], table.models[b]): _flips(tables, a, b) for a, b in pairs}


def _flips(tables: Sequence[ScoreTable], a: int, b: int) -> PlaceboFlips:
    rows = []
    for table in tables:
        scores, known = pair_scores(table, a, b)
        rows.append(sign_arrays(signs_of(scores[0] - scores[1], known)))
    return placebo_flips(np.stack([signs for signs, _ in rows]), known=np.stack([known for _, known in rows]))
