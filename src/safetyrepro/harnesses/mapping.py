"""A package's words -> ours, where both mean the same: benchmarks, questions, scoring rules.

What a package calls two tasks may be two questions about one benchmark (MC1 and MC2), and what it calls two metrics may be one
question under two scoring rules (``acc`` and ``acc_norm``). Everything else keeps the package's own words.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from safetyrepro.estimands import Estimand
from safetyrepro.harnesses.base import ForeignRun

_TASKS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "truthfulqa_mc1": ("truthfulqa", {"acc": "mc1"}),
    "truthfulqa_mc2": ("truthfulqa", {"acc": "mc2"}),
    "truthfulqa:mc": ("truthfulqa", {"truthfulqa_mc1": "mc1", "truthfulqa_mc2": "mc2"}),
    "crows_pairs_english": ("crows_pairs", {}),
    "inspect_evals/xstest": ("xstest", {}),
}
"""Task of a package -> our benchmark, and the questions that its metrics answer."""

_RULES: Mapping[str, str] = {
    "acc": "sum",
    "acc_norm": "per_character",
    "acc_bytes": "per_byte",
    "acc_mutual_info": "pmi",
}
"""lm-evaluation-harness, multiple choice: metric -> our scoring rule of one question, the share of right choices."""

_CHOICES = frozenset({"multiple_choice", "LOGPROBS"})
_LETTERS = frozenset({"multiple_choice_joint", "multiple_choice_separate_original", "multiple_choice_separate_calibrated"})
_ACCURACY = "accuracy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A run under one scoring rule, in our words."""

    run: ForeignRun
    """The run."""
    benchmark: str
    """Name of the benchmark."""
    settings: Mapping[str, str]
    """Factor -> level."""
    estimands: Mapping[str, Estimand]
    """Metric of the file -> the question it answers, under our name."""

    @property
    def reported(self) -> dict[str, float | None]:
        """Question -> aggregate as the file reports it."""
        return {estimand.name: self.run.reported.get(metric) for metric, estimand in self.estimands.items()}


def cells_of(run: ForeignRun) -> tuple[Cell, ...]:
    """Return the cells of a run: one, or one for each scoring rule that its metrics stand for."""
    if run.in_our_words:
        own = {estimand.name: estimand for estimand in run.estimands}
        return (Cell(run=run, benchmark=run.benchmark, settings=dict(run.settings), estimands=own),)
    benchmark, questions = _TASKS.get(run.benchmark, (run.benchmark, {}))
    rules: dict[str, dict[str, Estimand]] = {}
    scoring = run.settings.get("scoring")
    for estimand in run.estimands:
        metric = estimand.name
        rule = _RULES.get(metric, "sum") if scoring in _CHOICES else ""
        name = questions.get(metric) or _question(metric, scoring)
        rules.setdefault(rule, {})[metric] = replace(estimand, name=name)
    return tuple(
        Cell(
            run=run,
            benchmark=benchmark,
            settings={**run.settings, "scoring": rule} if rule else dict(run.settings),
            estimands=estimands,
        )
        for rule, estimands in rules.items()
    )


def _question(metric: str, scoring: str | None) -> str:
    if metric == "acc" or (metric in _RULES and scoring in _CHOICES):
        return _ACCURACY
    return _ACCURACY if metric == "exact_match" and scoring in _LETTERS else metric
