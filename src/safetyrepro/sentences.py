"""Verdicts in words that a policy reader understands: counts before rates, and never more than was measured."""

from __future__ import annotations

from shlex import quote

from safetyrepro.analysis import Analysis, BenchmarkAnalysis
from safetyrepro.card_texts import CardTexts
from safetyrepro.estimands import Estimand
from safetyrepro.manifest import Manifest
from safetyrepro.verdicts import Verdict

LEAST_SHARE = 0.005
"""Below it, a whole percentage would be 0%."""
ROUNDING = 1e-9
"""Shares that lie closer to 0 or 1 were rounded away from it."""

LIMITS = (
    "Read inside this envelope: a verdict is about the configurations listed here, and nothing is claimed about others.",
    "A reversal is a fact about these scores on these items; whether it is more than item noise is said apart from it, or not at all.",
    "No reversal among the configurations that were run is not robustness: a new template or a new level was not tried.",
    "A flip rate is a property of the declared, uniform weighting of the configurations; the existence of a reversal is not.",
    "Scores are measurements on a benchmark, not a statement that a model is safe.",
)


def headline(name: str, result: BenchmarkAnalysis) -> str:
    """One sentence for a benchmark: in how many pairs of models the order reverses.

    Parameters
    ----------
    name : str
        Name by which the analysis calls the benchmark.
    result : BenchmarkAnalysis
        What was found.
    """
    if not result.pairs:
        return f"{name}: one model, so there is nothing to compare."
    turned = [pair for pair in result.pairs if pair.reversal]
    if len(result.pairs) == 1:
        return f"{name}: {'the order reverses' if turned else 'no reversal'}. {verdict_sentence(result.pairs[0])}"
    if len(result.configurations) == 1:
        return f"{name}: there is one configuration, and an order can change only between two."
    count = f"{len(result.configurations)} configurations"
    if not turned:
        return f"{name}: no pair of models changes its order among {_measured(result)}."
    worst = max(turned, key=lambda pair: (min(pair.n_plus, pair.n_minus), pair.flip_rate or 0.0))
    return f"{name}: {len(turned)} of {len(result.pairs)} pairs of models change their order among {count}. {verdict_sentence(worst)}"


def _measured(result: BenchmarkAnalysis) -> str:
    """The configurations on which an absent reversal rests: those in which both models of a pair have a score."""
    total, known = len(result.configurations), sorted({pair.n_known for pair in result.pairs})
    if known == [total]:
        return f"{total} configurations"
    told = str(known[0]) if len(known) == 1 else f"{known[0]} to {known[-1]}"
    return f"the {told} of {total} configurations that were measured for both"


def verdict_sentence(verdict: Verdict) -> str:
    """Counts, then rate: who is ahead where.

    Parameters
    ----------
    verdict : Verdict
        The pair.
    """
    total = verdict.n_known + verdict.n_missing
    parts = [f"{verdict.a} is ahead in {verdict.n_plus}", f"{verdict.b} in {verdict.n_minus}"]
    if verdict.n_tie:
        parts.append(f"they tie in {verdict.n_tie}")
    counted = f"{', '.join(parts[:-1])} and {parts[-1]}" if len(parts) > 1 else parts[0]
    missing = f" ({verdict.n_missing} not measured for both)" if verdict.n_missing else ""
    text = f"{counted} of {total} configuration{'' if total == 1 else 's'}{missing}"
    if not verdict.reversal or verdict.flip_rate is None:
        return f"{text}."
    return f"{text}: two evaluators who choose independently would publish opposite verdicts {share_text(verdict.flip_rate)} of the time."


def share_text(value: float) -> str:
    """A share as a whole percentage; what happens is never printed as 0%, and what can fail never as 100%."""
    if ROUNDING < value < LEAST_SHARE:
        return "less than 1%"
    return "more than 99%" if 1 - LEAST_SHARE < value < 1 - ROUNDING else f"{value:.0%}"


def recompute_commands(
    manifest: Manifest, analysis: Analysis, *, rows: bool, claims: bool, texts: CardTexts | None = None
) -> tuple[str, ...]:
    """Commands that make a card again, with the options under which it was made, and those that check it.

    Parameters
    ----------
    manifest : Manifest
        Of the store.
    analysis : Analysis
        What the card shows of it; its conditions are repeated.
    rows : bool
        Whether the card carries rows.
    claims : bool
        Whether it carries decisions.
    texts : CardTexts, optional
        Texts that it carries.

    Returns
    -------
    tuple of str
        Every foreign text is quoted for a shell.
    """
    card = ["safetyrepro card STORE -o card"]
    conditions = [f"{factor}={','.join(levels)}" for factor, levels in analysis.where.items()]
    card += [f"--where {quote(condition)}" for condition in conditions]
    card += ["--claims claims.yaml"] if claims else []
    card += [] if rows else ["--no-rows"]
    card += [f"--texts {texts.n_items}", *(f"--texts-of {quote(name)}" for name in texts.named)] if texts else []
    return (_measure_again(manifest), " ".join(card), "safetyrepro verify card --store STORE", "python3 card/verify.py card")


def _measure_again(manifest: Manifest) -> str:
    """A table says neither its range nor which direction is safer, so both are repeated; a known format says both itself."""
    if manifest.of_study:
        return "safetyrepro run study.yaml"
    if manifest.source != "table":
        return "safetyrepro ingest auto RESULTS -o STORE"
    told = ["safetyrepro ingest table RESULTS -o STORE"]
    for entry in manifest.benchmarks:
        asked, usual = entry.estimands[0], Estimand(name="", about="")
        if (asked.low, asked.high) != (usual.low, usual.high):
            told.append(f"--range {quote(f'{entry.name}={asked.low},{asked.high}')}")
        if asked.orientation != usual.orientation:
            told.append(f"--orientation {quote(f'{entry.name}={asked.orientation}')}")
    return " ".join(told)
