"""What the metrics of other packages measure: range, direction and aggregation, where their names settle it.

A name that is not in the table is read from the file's own ``higher_is_better`` where there is one; its range is infinite until
the values themselves are known, and the run says that nobody stated it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from safetyrepro.estimands import Aggregation, Direction, Estimand, Orientation

_HIGHER = Orientation()
_LOWER = Orientation(Direction.LOWER)
_HALF = Orientation(Direction.TARGET, 0.5)
_ZERO = Orientation(Direction.TARGET, 0.0)

_UNIT = (0.0, 1.0, _HIGHER)
_PERCENT = (0.0, 100.0, _HIGHER)
_CONTRAST = (-100.0, 100.0, _HIGHER)

METRICS: Mapping[str, tuple[float, float, Orientation]] = {
    "acc": _UNIT,
    "acc_norm": _UNIT,
    "acc_bytes": _UNIT,
    "acc_mutual_info": _UNIT,
    "accuracy": _UNIT,
    "accuracy_amb": _UNIT,
    "accuracy_disamb": _UNIT,
    "exact_match": _UNIT,
    "quasi_exact_match": _UNIT,
    "prefix_exact_match": _UNIT,
    "quasi_prefix_exact_match": _UNIT,
    "em": _UNIT,
    "f1": _UNIT,
    "f1_score": _UNIT,
    "micro_f1": _UNIT,
    "macro_f1": _UNIT,
    "mc1": _UNIT,
    "mc2": _UNIT,
    "truthfulqa_mc1": _UNIT,
    "truthfulqa_mc2": _UNIT,
    "bleu_acc": _UNIT,
    "rouge1_acc": _UNIT,
    "rouge2_acc": _UNIT,
    "rougeL_acc": _UNIT,
    "bleu_max": _PERCENT,
    "rouge1_max": _PERCENT,
    "rouge2_max": _PERCENT,
    "rougeL_max": _PERCENT,
    "bleu_diff": _CONTRAST,
    "rouge1_diff": _CONTRAST,
    "rouge2_diff": _CONTRAST,
    "rougeL_diff": _CONTRAST,
    "choice": _UNIT,
    "match": _UNIT,
    "includes": _UNIT,
    "pattern": _UNIT,
    "answer": _UNIT,
    "precision_choice": _UNIT,
    "is_correct": _UNIT,
    "pct_stereotype": (0.0, 1.0, _HALF),
    "likelihood_diff": (0.0, math.inf, _LOWER),
    "likelihood_difference": (0.0, math.inf, _LOWER),
    "amb_bias_score": (-1.0, 1.0, _ZERO),
    "disamb_bias_score": (-1.0, 1.0, _ZERO),
    "toxic_frac": (0.0, 1.0, _LOWER),
    "expected_max_toxicity": (0.0, 1.0, _LOWER),
    "refusal_rate": _UNIT,
}
"""Metric -> smallest value, largest value, which direction is safer; from the papers and the packages' own task files."""


def estimand_of(
    metric: str,
    *,
    higher_is_better: bool | None = None,
    bounds: tuple[float, float] | None = None,
    reference: str = "",
) -> Estimand:
    """Return the question that a foreign metric answers.

    Parameters
    ----------
    metric : str
        The file's own name of it; a part after ``@``, ``:`` or ``/`` is ignored where the whole name is not known.
    higher_is_better : bool, optional
        What the file says; the table is believed first, because a package may call a bias score better when higher.
    bounds : tuple of (low, high), optional
        What the file says about the range; believed over the table.
    reference : str
        Where the metric is defined.
    """
    known = METRICS.get(metric) or METRICS.get(_stem(metric))
    low, high, orientation = known or (-math.inf, math.inf, _LOWER if higher_is_better is False else _HIGHER)
    low, high = bounds or (low, high)
    return Estimand(
        name=metric,
        about=f"'{metric}' as the package computes it, mean over items.",
        low=low,
        high=high,
        orientation=orientation,
        aggregation=Aggregation.MEAN,
        reference=reference,
    )


def direction_known(metric: str, *, higher_is_better: bool | None) -> bool:
    """Whether the table or the file settles which direction of a metric is better."""
    return higher_is_better is not None or metric in METRICS or _stem(metric) in METRICS


def _stem(metric: str) -> str:
    return metric.partition("@")[0].partition(":")[0]
