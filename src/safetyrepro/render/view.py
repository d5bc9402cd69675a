"""GridCard -> what the page and the Markdown show, in the order in which they show it; words and numbers, no markup."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from safetyrepro.alike import alike_text
from safetyrepro.analysis import BenchmarkAnalysis
from safetyrepro.card import BenchmarkCard, CellCard, GridCard, levels_alike
from safetyrepro.card_fields import cell_fields
from safetyrepro.card_texts import contested
from safetyrepro.inference import BenchmarkInference
from safetyrepro.manifest import PROGRAMS
from safetyrepro.render.text import counted
from safetyrepro.sentences import share_text, verdict_sentence
from safetyrepro.verdicts import Verdict, Witness

MIN_DIGEST = 16
"""Fewest hexadecimal digits that are taken for a digest."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of the whole card in two lines, for the first screen."""

    word: str
    """What to remember: ``It depends on the configuration``."""
    sentence: str
    """How that was counted."""
    reversal: bool
    """Whether any pair of models reverses anywhere."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One benchmark under one estimand, with its card and its analysis side by side."""

    card: BenchmarkCard
    """The envelope, the data and the cells."""
    result: BenchmarkAnalysis
    """What was found."""
    inference: BenchmarkInference | None
    """What the items can bear; None where nothing was inferred."""
    drawn: tuple[Verdict, ...]
    """Pairs that are shown in full, the most contested first."""

    @property
    def factors(self) -> tuple[str, ...]:
        """Names of the envelope's factors, in order."""
        return tuple(factor.name for factor in self.card.factors)

    @property
    def varied(self) -> tuple[str, ...]:
        """Names of the factors on which its configurations differ, in order."""
        return tuple(name for name in self.factors if len({member.get(name) for member in self.result.configurations}) > 1)

    @property
    def reversed_pairs(self) -> int:
        """Pairs whose order reverses."""
        return sum(pair.reversal for pair in self.result.pairs)


@dataclass(frozen=True, slots=True)
class CellFields:
    """The required fields of a benchmark's cells: those that every cell shares, and those that vary."""

    shared: Mapping[str, str]
    """Field -> value, where all cells agree."""
    varying: tuple[str, ...]
    """Fields that differ between cells, in order."""
    rows: tuple[tuple[CellCard, tuple[str, ...]], ...]
    """Each cell with its values of the varying fields."""


def shown_benchmarks(card: GridCard) -> tuple[Shown, ...]:
    """Benchmarks in the order of the page: primary estimands first, as the headline has them."""
    shown = [_shown(card, entry) for entry in card.benchmarks]
    return tuple(sorted(shown, key=lambda entry: not entry.result.primary))


def _shown(card: GridCard, entry: BenchmarkCard) -> Shown:
    result = card.analysis.benchmarks[entry.name]
    return Shown(entry, result, card.analysis.support.get(entry.name), contested(result.pairs))


def runs_sentence(entry: BenchmarkCard) -> str:
    """How many of the configurations can be runs of their own; empty where all are, or where it is not known."""
    runs = entry.n_distinct_runs
    if not runs or runs == len(entry.configurations):
        return ""
    told = f"Behind them {'stands' if runs == 1 else 'stand'} at most {counted(runs, 'distinct run')} of one model"
    return f"{told} (prompts, and decodings by name); the others read the same answers in another way or ask the same."


def alike_sentence(entry: BenchmarkCard) -> str:
    """Levels that changed nothing that some model was asked; said of every model at once where it is so of all, empty where of none."""
    told = {model: alike_text(levels) for model, levels in levels_alike(entry).items()}
    if len(set(told.values())) <= 1:
        return next(iter(told.values()), "")
    return "; ".join(f"{model}: {text}" for model, text in told.items() if text)


def answer(card: GridCard) -> Answer:
    """The answer of a card in two lines, over the primary question of each benchmark."""
    results = [entry for entry in card.analysis.benchmarks.values() if entry.pairs and entry.primary]
    pairs = [(result, pair) for result in results for pair in result.pairs]
    turned = [pair for _, pair in pairs if pair.reversal]
    if not pairs:
        return Answer("Nothing to compare", "The card holds one model.", reversal=False)
    if not any(pair.n_known for _, pair in pairs):
        return Answer("Not measured", "No configuration has a score for both models of any pair.", reversal=False)
    if len(pairs) == 1:
        return _answer_of_one(*pairs[0])
    total = f"{counted(len(pairs), 'comparison')} of two models ({counted(len(results), 'benchmark')})"
    if not turned:
        return Answer(
            "No order reverses in this envelope",
            f"In none of {total} do two of the configurations that were run put the models in opposite order.",
            reversal=False,
        )
    return Answer(
        "It depends on the configuration" if len(turned) == len(pairs) else "For some pairs, it depends on the configuration",
        f"In {len(turned)} of {total}, two configurations put the models in strictly opposite order.",
        reversal=True,
    )


def _answer_of_one(result: BenchmarkAnalysis, pair: Verdict) -> Answer:
    if pair.reversal:
        word = "It depends on the configuration"
    elif pair.n_plus or pair.n_minus:
        ahead, behind = (pair.a, pair.b) if pair.n_plus else (pair.b, pair.a)
        everywhere = not (pair.n_tie or pair.n_missing)
        place = "every configuration that was run" if everywhere else "some configurations, and behind in none"
        word = f"{ahead} is ahead of {behind} in {place}"
    else:
        word = "The two tie wherever both were measured"
    return Answer(word, f"On {result.benchmark}, {verdict_sentence(pair)}", reversal=pair.reversal)


@dataclass(frozen=True, slots=True)
class MatrixCell:
    """One cell of the matrix of models."""

    ahead: int
    """Configurations in which the model of the row is ahead."""
    behind: int
    """Configurations in which the model of the column is ahead."""
    reversal: bool
    """Whether both occur."""


def matrix_cell(result: BenchmarkAnalysis, row: str, column: str) -> MatrixCell:
    """How the model of a row stands against the model of a column.

    Raises
    ------
    KeyError
        If the two are no pair of the benchmark.
    """
    for pair in result.pairs:
        if (pair.a, pair.b) == (row, column):
            return MatrixCell(pair.n_plus, pair.n_minus, pair.reversal)
        if (pair.b, pair.a) == (row, column):
            return MatrixCell(pair.n_minus, pair.n_plus, pair.reversal)
    raise KeyError((row, column))


def same_settings(witness: Witness, factors: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Settings that the two configurations of a witness share, in the order of the factors."""
    shared = [name for name in factors if name in witness.plus and name not in witness.factors]
    return tuple((name, witness.plus[name]) for name in shared)


def envelopes(card: GridCard) -> tuple[tuple[tuple[str, ...], BenchmarkCard], ...]:
    """The different envelopes of a card, each with the titles of the benchmarks that are read over it."""
    groups: dict[str, tuple[list[str], BenchmarkCard]] = {}
    for entry in card.benchmarks:
        key = repr((entry.factors, entry.exclusions, entry.not_run, entry.n_not_run))
        titles, _ = groups.setdefault(key, ([], entry))
        if entry.title not in titles:
            titles.append(entry.title)
    return tuple((tuple(titles), entry) for titles, entry in groups.values())


def held_factors(benchmark: BenchmarkCard) -> tuple[tuple[str, str], ...]:
    """Factors with one level, and that level."""
    return tuple((factor.name, factor.levels[0].name) for factor in benchmark.factors if len(factor.levels) == 1)


def short_digest(value: str) -> str:
    """A digest cut to twelve digits; any other value as it is."""
    return value[:12] if len(value) >= MIN_DIGEST and all(letter in "0123456789abcdef" for letter in value) else value


def pair_word(pair: Verdict) -> str:
    """The realized fact about a pair in a few words."""
    if pair.reversal:
        return "reversal observed"
    if not pair.n_known:
        return "not measured"
    if pair.n_plus or pair.n_minus:
        ahead = pair.a if pair.n_plus else pair.b
        kind = "ahead or tied" if pair.n_tie else "ahead"
        return f"no reversal: {ahead} {kind} in all {pair.n_known}"
    return f"no reversal: tie in all {pair.n_known}"


def detection_sentence(pair: Verdict) -> str:
    """How likely a smaller study would have missed the reversal; empty where there is none to miss."""
    points = [point for point in pair.detection_curve if 1 < point.n_configurations < pair.n_known]
    chosen = points[:: max(1, len(points) // 3)][:4]
    if not chosen:
        return ""
    told = ", ".join(f"{point.n_configurations} with probability {share_text(1 - point.probability)}" for point in chosen)
    return f"A study of fewer configurations, drawn at random, would have missed this reversal: one always, {told}."


def cell_provenance(card: GridCard, benchmark: BenchmarkCard) -> CellFields:
    """The required fields of every cell, with what they share told once."""
    rows = [(cell, cell_fields(card, benchmark, cell)) for cell in benchmark.cells]
    if not rows:
        return CellFields({}, (), ())
    names = list(rows[0][1])
    varying = tuple(name for name in names if len({fields[name] for _, fields in rows}) > 1)
    shared = {name: rows[0][1][name] for name in names if name not in varying}
    return CellFields(shared, varying, tuple((cell, tuple(fields[name] for name in varying)) for cell, fields in rows))


_SOURCES = {"run": "a run of this package", PROGRAMS: f"{PROGRAMS}, over a study of this package"}


def provenance_rows(card: GridCard) -> tuple[tuple[str, str], ...]:
    """Provenance of the whole card, label and value, in words."""
    stamp = card.provenance
    commit = stamp.study.commit + {True: ", with uncommitted changes", False: "", None: ""}[stamp.study.dirty]
    package = stamp.package.commit + {True: ", with uncommitted changes", False: "", None: ""}[stamp.package.dirty]
    return (
        ("results come from", _SOURCES.get(card.source, f"an ingested {card.source}")),
        ("complete", "every planned cell has records" if card.complete else "no: some planned cells have no record"),
        ("unreadable answers count as", _policy(card)),
        ("seed", "not recorded" if stamp.seed is None else str(stamp.seed)),
        ("safetyrepro", f"{stamp.package_version}, commit {package}"),
        ("study's repository", f"commit {commit}"),
        ("python", stamp.python),
        ("libraries", ", ".join(f"{name} {version}" for name, version in sorted(stamp.libraries.items())) or "not recorded"),
        ("system", stamp.system),
        ("processor", stamp.processor),
        ("accelerator", stamp.accelerator),
        ("started", stamp.started),
        ("finished", stamp.finished),
        ("digest of this card", card.digest),
    )


def _policy(card: GridCard) -> str:
    """How unreadable answers count; behind an aggregate there is none that could be counted in another way."""
    if any(result.n_items for result in card.analysis.benchmarks.values()):
        return card.failure_policy.replace("_", " ")
    return "whatever their source took them for; it gives aggregates and no items"


STAGES: Mapping[str, str] = {
    "LOAD": "loading the model",
    "PROMPT": "writing the prompt",
    "DECODE": "drawing the answer",
    "SCORE": "reading the answer",
}
"""Stages in words."""
