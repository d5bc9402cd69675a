"""GridCard -> card.md: the card for a repository page, in plain Markdown; foreign text is escaped to render as itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from safetyrepro.analysis import Analysis
from safetyrepro.card import BenchmarkCard, FactorCard, GridCard
from safetyrepro.render.decisions import decision_lines
from safetyrepro.render.support import borne_sentence, support_of, support_sentences, support_words
from safetyrepro.render.text import counted, inert, items_text, lead_text, markdown_text, number, percent, statuses_text
from safetyrepro.render.view import (
    Shown,
    answer,
    envelopes,
    held_factors,
    pair_word,
    provenance_rows,
    runs_sentence,
    same_settings,
    shown_benchmarks,
)
from safetyrepro.render.view_further import further_pair
from safetyrepro.sentences import verdict_sentence
from safetyrepro.verdicts import Order, Settings, Verdict, Witness

MARKS = {Order.A_AHEAD: "▲", Order.B_AHEAD: "▼", Order.TIE: "=", Order.MISSING: "?"}
MAX_STRIP = 120
MAX_NOT_RUN = 20


def card_markdown(card: GridCard) -> str:
    """Write a card as Markdown.

    Parameters
    ----------
    card : GridCard
        The card.

    Returns
    -------
    str
        CommonMark with tables; equal cards give equal text.
    """
    parts = [_opening(card)]
    parts += [_claims(card)] if card.decisions else []
    parts += [_benchmark(shown, card.analysis) for shown in shown_benchmarks(card)]
    parts += [_envelope(card), _provenance(card), _closing(card)]
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Lines of a Markdown table; cells are Markdown already."""
    yield f"| {' | '.join(heads)} |"
    yield f"|{'|'.join(' --- ' for _ in heads)}|"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _opening(card: GridCard) -> list[str]:
    told = answer(card)
    lines = [
        f"# {markdown_text(card.question, 2000)}",
        "",
        f"**{markdown_text(told.word)}.** {markdown_text(told.sentence, 600)}",
    ]
    if borne := borne_sentence(card):
        lines += ["", f"What the items can bear, apart from these counts: {borne}"]
    if card.note:
        lines += ["", f"Note: {markdown_text(card.note, 4000)}"]
    lines += ["", *(f"- {markdown_text(sentence, 600)}" for sentence in card.headline)]
    if not card.complete:
        lines += ["", "**Incomplete:** some planned cells have no record yet; missing cells count for nobody."]
    return lines


def _claims(card: GridCard) -> list[str]:
    lines = ["## Claims, and what the gate says of them", ""]
    for result in card.decisions:
        level = f"{markdown_text(result.estimand)}, {result.claim.evidence.value} level"
        lines.append(f"- **{result.decision.value}** {markdown_text(result.claim.sentence, 600)} ({level})")
        lines += [f"  - {markdown_text(line, 600)}" for line in decision_lines(result)]
    return lines


def _benchmark(shown: Shown, analysis: Analysis) -> list[str]:
    result = shown.result
    size = f"{counted(len(result.configurations), 'configuration')}, {items_text(result.n_items, result.n_clusters)}"
    lines = [
        f"## {markdown_text(shown.card.name)}",
        "",
        f"{markdown_text(result.estimand.about.rstrip('.'))}; {markdown_text(str(result.estimand.orientation))} is safer. {size}.",
        "",
    ]
    runs = runs_sentence(shown.card)
    lines += [runs, ""] if runs else []
    heads = ("A", "B", "A ahead", "B ahead", "tie", "missing", "flip rate", "minority", "in words")
    lines += table(heads, (_pair_row(pair) for pair in result.pairs))
    for pair in shown.drawn:
        lines += ["", *_pair(pair, shown.factors), *_further(analysis, shown, pair), *_support(shown, pair)]
    rows = (
        (markdown_text(model.name), *_spread(model.dispersion), statuses_text(model.statuses, aggregates=not result.n_items))
        for model in result.models
    )
    return [*lines, "", *table(("model", "lowest", "mean", "highest", "records"), rows)]


def _spread(dispersion: object) -> tuple[str, str, str]:
    from safetyrepro.stats.dispersion import Dispersion

    if not isinstance(dispersion, Dispersion):
        return ("–", "–", "–")
    return number(dispersion.minimum), number(dispersion.mean), number(dispersion.maximum)


def _pair_row(pair: Verdict) -> tuple[str, ...]:
    counts = (pair.n_plus, pair.n_minus, pair.n_tie, pair.n_missing)
    names = (markdown_text(pair.a), markdown_text(pair.b))
    rates = (number(pair.flip_rate), number(pair.minority_rate))
    return (*names, *(str(count) for count in counts), *rates, markdown_text(pair_word(pair)))


def _pair(pair: Verdict, factors: Sequence[str]) -> list[str]:
    lines = [
        f"### {markdown_text(pair.a)} against {markdown_text(pair.b)}: {markdown_text(pair_word(pair))}",
        "",
        markdown_text(verdict_sentence(pair), 600),
    ]
    if len(pair.configurations) <= MAX_STRIP:
        strip = "".join(MARKS[entry.order] for entry in pair.configurations)
        lines += ["", f"Order in each configuration (▲ A ahead, ▼ B ahead, = tie, ? missing): `{strip}`"]
    if pair.witness:
        lines += ["", *_witness(pair, pair.witness)]
        shared = ", ".join(
            f"{markdown_text(name)} = {markdown_text(level)}" for name, level in same_settings(pair.witness, factors)
        )
        lines += ["", f"The same in both: {shared}."] if shared else []
    alone = [entry for entry in pair.one_factor_flip_rate if entry.n_pairs]
    if pair.reversal and alone:
        rows = ((markdown_text(one.factor), str(one.n_opposed), str(one.n_pairs), percent(one.rate)) for one in alone)
        lines += ["", *table(("one choice alone", "opposite", "of pairs", "share"), rows)]
    return lines


def _further(analysis: Analysis, shown: Shown, pair: Verdict) -> list[str]:
    more = further_pair(analysis, shown.card.name, pair)
    lines = [f"- {markdown_text(sentence, 600)}." for sentence in more.policies]
    if more.shares:
        told = ", ".join(f"{markdown_text(bar.label)} {percent(bar.share)}" for bar in more.shares)
        lines.append(f"- what moves the difference ({markdown_text(more.how, 600)}): {told}.")
    return ["", *lines] if lines else []


def _support(shown: Shown, pair: Verdict) -> list[str]:
    entry = support_of(shown.inference, pair)
    if entry is None or shown.inference is None:
        return []
    told = " ".join(markdown_text(sentence, 600) for sentence in support_sentences(shown.inference, entry))
    return ["", f"What the items can bear (inferred): **{markdown_text(support_words(entry), 600)}.** {told}"]


def _witness(pair: Verdict, witness: Witness) -> Iterator[str]:
    heads = (
        "witness",
        f"{markdown_text(pair.a)} ahead by {lead_text(witness.margin_plus)}",
        f"{markdown_text(pair.b)} ahead by {lead_text(-witness.margin_minus)}",
    )
    yield from table(heads, (_setting_row(name, witness) for name in witness.factors))


def _setting_row(name: str, witness: Witness) -> tuple[str, str, str]:
    return markdown_text(name), _level(witness.plus, name), _level(witness.minus, name)


def _level(settings: Settings, name: str) -> str:
    return markdown_text(settings[name]) if settings.get(name) else "–"


def _envelope(card: GridCard) -> list[str]:
    lines = ["## What was varied, and what was not run"]
    for titles, entry in envelopes(card):
        lines += ["", f"### {', '.join(markdown_text(title) for title in titles)}", ""]
        lines += table(
            ("factor", "stage", "levels"), (_factor_row(factor) for factor in entry.factors if len(factor.levels) > 1)
        )
        held = ", ".join(f"{markdown_text(name)} = {markdown_text(level)}" for name, level in held_factors(entry))
        lines += ["", f"Held fixed: {held}."] if held else []
        for exclusion in entry.exclusions:
            lines += ["", f"Left out: {counted(exclusion.count, 'configuration')}; {markdown_text(exclusion.reason)}"]
        lines += _not_run(entry)
    return lines


def _factor_row(factor: FactorCard) -> tuple[str, str, str]:
    levels = ", ".join(markdown_text(level.name) for level in factor.levels)
    return markdown_text(factor.name), factor.stage.lower(), levels


def _not_run(entry: BenchmarkCard) -> list[str]:
    if not entry.n_not_run:
        return []
    lines = ["", f"{counted(entry.n_not_run, 'combination')} of these levels occur for no model and were not run:", ""]
    lines += [f"- {markdown_text(label)}" for label in entry.not_run[:MAX_NOT_RUN]]
    return [*lines, f"- and {entry.n_not_run - MAX_NOT_RUN} more"] if entry.n_not_run > MAX_NOT_RUN else lines


def _provenance(card: GridCard) -> list[str]:
    rows = ((label, markdown_text(value)) for label, value in provenance_rows(card))
    lines = ["## Provenance", "", *table(("what", "value"), rows)]
    models = (
        (markdown_text(model.name), markdown_text(model.weights[:16]), markdown_text(model.dtype), markdown_text(model.engine))
        for model in card.models
    )
    lines += ["", *table(("model", "weights", "number format", "engine"), models)]
    if card.undisclosed:
        lines += ["", f"The source never stated: {markdown_text(', '.join(card.undisclosed), 2000)}."]
    return lines


def _closing(card: GridCard) -> list[str]:
    return [
        "## Limits",
        "",
        *(f"- {limit}" for limit in card.limits),
        "",
        "## How to recompute",
        "",
        "```",
        *(inert(command, 2000) for command in card.recompute),
        "```",
    ]
