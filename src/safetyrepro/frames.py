"""Results as dataframes of the library that the reader works with, through narwhals.

::

    from safetyrepro import frames
    verdicts = frames.verdicts(analysis, backend="polars")         # one row for each pair of models and benchmark
    orders = frames.configurations(analysis, backend="polars")     # one row for each of their configurations
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, get_args

from safetyrepro.analysis import Analysis
from safetyrepro.errors import MissingDependency, SafetyReproError
from safetyrepro.verdicts import Verdict

Backend = Literal["pandas", "polars", "pyarrow"]
"""Libraries that give dataframes."""
VERDICT_FIELDS = (
    "a",
    "b",
    "n_plus",
    "n_minus",
    "n_tie",
    "n_missing",
    "reversal",
    "flip_rate",
    "minority_rate",
    "flip_rate_distinct",
    "mean_difference",
)
Frame = Any
"""A dataframe of the library that was asked for; which one is known only when it is called."""
Row = Mapping[str, object]


def verdicts(analysis: Analysis, *, backend: Backend = "pandas") -> Frame:
    """One row for each pair of models on each benchmark: counts first, then rates.

    Parameters
    ----------
    analysis : Analysis
        What was found; of a card, ``card.analysis``.
    backend : str
        ``pandas``, ``polars`` or ``pyarrow``.

    Raises
    ------
    MissingDependency
        If narwhals or the library is not installed.
    """
    return _frame([_verdict_row(name, pair) for name, pair in _pairs(analysis)], backend)


def configurations(analysis: Analysis, *, backend: Backend = "pandas") -> Frame:
    """One row for each configuration of each pair: the factors' levels, both oriented scores, their difference and the order.

    A factor that a benchmark lacks, and a score that is missing, is null.

    Raises
    ------
    MissingDependency
        If narwhals or the library is not installed.
    """
    return _frame(list(_configuration_rows(analysis)), backend)


def scores(analysis: Analysis, *, backend: Backend = "pandas") -> Frame:
    """One row for each cell: model, benchmark, the factors' levels, and the score on the estimand's own scale.

    Raises
    ------
    MissingDependency
        If narwhals or the library is not installed.
    """
    rows = [
        {"benchmark": name, "model": model.name, **settings, "score": score}
        for name, result in analysis.benchmarks.items()
        for model in result.models
        for settings, score in zip(result.configurations, model.scores, strict=True)
    ]
    return _frame(rows, backend)


def _pairs(analysis: Analysis) -> Iterator[tuple[str, Verdict]]:
    for name, result in analysis.benchmarks.items():
        yield from ((name, pair) for pair in result.pairs)


def _verdict_row(name: str, pair: Verdict) -> Row:
    return {"benchmark": name, **{field: getattr(pair, field) for field in VERDICT_FIELDS}}


def _configuration_rows(analysis: Analysis) -> Iterator[Row]:
    for name, pair in _pairs(analysis):
        for entry in pair.configurations:
            yield {
                "benchmark": name,
                "a": pair.a,
                "b": pair.b,
                **entry.settings,
                "core": entry.core,
                "score_a": entry.score_a,
                "score_b": entry.score_b,
                "difference": entry.difference,
                "order": entry.order.value,
                "n_items": entry.n_items,
            }


def _frame(rows: Sequence[Row], backend: Backend) -> Frame:
    if backend not in get_args(Backend):
        raise SafetyReproError(
            f"backend '{backend}'",
            found="is none of the dataframe libraries that are known",
            expected=f"one of {', '.join(get_args(Backend))}",
        )
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = {name: [row.get(name) for row in rows] for name in names}
    try:
        import narwhals as nw

        return nw.from_dict(columns, backend=backend).to_native()
    except ImportError as error:
        library = "narwhals" if (error.name or "").startswith("narwhals") else backend
        raise MissingDependency(library, purpose="results as a dataframe", extra="frames") from error
