"""What the items can bear, in words: the inferred half of a card, kept apart from every count and order."""

from __future__ import annotations

from collections import Counter

from safetyrepro.card import GridCard
from safetyrepro.inference import BenchmarkInference, PairInference
from safetyrepro.render.beyond import inferred_sentences
from safetyrepro.render.text import counted, inert, number, percent
from safetyrepro.stats.support import SupportWord
from safetyrepro.verdicts import Verdict

EVERYWHERE = (SupportWord.A_AHEAD_EVERYWHERE, SupportWord.B_AHEAD_EVERYWHERE)
SOMEWHERE = (SupportWord.A_AHEAD_SOMEWHERE, SupportWord.B_AHEAD_SOMEWHERE)
SMALL = 1e-3
"""Adjusted p-values below this are printed as below it."""


def support_of(inference: BenchmarkInference | None, pair: Verdict) -> PairInference | None:
    """The inference about a pair; None where none was made."""
    found = inference.pairs if inference else ()
    return next((entry for entry in found if (entry.a, entry.b) == (pair.a, pair.b)), None)


def support_words(entry: PairInference) -> str:
    """The verdict word with the models' own names."""
    texts = {
        SupportWord.REVERSAL_SUPPORTED: "The reversal is more than item noise",
        SupportWord.A_AHEAD_EVERYWHERE: f"{entry.a} ahead on every configuration",
        SupportWord.B_AHEAD_EVERYWHERE: f"{entry.b} ahead on every configuration",
        SupportWord.A_AHEAD_SOMEWHERE: f"{entry.a} ahead somewhere",
        SupportWord.B_AHEAD_SOMEWHERE: f"{entry.b} ahead somewhere",
        SupportWord.UNRESOLVED: "Unresolved: these items do not settle who is ahead",
    }
    return texts[entry.word]


def p_text(value: float | None, entry: PairInference) -> str:
    """A p-value with its sign of relation; ``below 1/B`` where no draw was as extreme."""
    if value is None:
        return "not defined"
    if not entry.exhaustive and value <= 1 / entry.draws:
        return f"< {1 / entry.draws:g}"
    return f"= {value:.3g}"


def support_sentences(inference: BenchmarkInference, entry: PairInference) -> tuple[str, ...]:
    """What stands behind the word: the test, the configurations whose order the items support, and what noise alone would show."""
    signs = f"all {entry.draws:,} sign vectors" if entry.exhaustive else f"{entry.draws:,} sign vectors"
    test = (
        f"Test of a reversal: p {p_text(entry.p_reversal, entry)} ({signs}, {entry.n_units:,} units, alpha {inference.alpha:g}"
    )
    if entry.holm is not None:
        holm = f"= {entry.holm:.3g}" if entry.holm >= SMALL else f"< {SMALL:g}"
        test += f"; Holm over {inference.family_size} pairs: p {holm}"
    if entry.benjamini_hochberg is not None and inference.family_size and inference.family_size > 1:
        test += f"; as an exploration, Benjamini-Hochberg: q = {entry.benjamini_hochberg:.3g}"
    sentences = [f"{test})." if entry.p_reversal is not None else "A reversal cannot be tested on these cells."]
    if entry.supported_plus is not None and entry.supported_minus is not None:
        sentences.append(
            f"Outside the simultaneous {percent(1 - inference.alpha)} band: {entry.a} ahead in at least {entry.supported_plus}, "
            f"{entry.b} in at least {entry.supported_minus} configurations."
        )
    if entry.noise_flip_rate is not None:
        sentences.append(
            f"Two models that do not differ would show a flip rate of {percent(entry.noise_flip_rate)} on these items."
        )
    if entry.word is SupportWord.UNRESOLVED and entry.minimum_detectable_difference is not None:
        detectable = number(entry.minimum_detectable_difference)
        sentences.append(f"A difference of {detectable} in one configuration would have been seen with probability 80%.")
    if entry.unresolved_because:
        sentences.append(f"Unresolved: {inert(entry.unresolved_because, 600)}.")
    sentences += [f"Further, {sentence}." for sentence in inferred_sentences(entry, alpha=inference.alpha)]
    return tuple(sentences)


def borne_sentence(card: GridCard) -> str:
    """What the items can bear of the whole card, over the primary question of each benchmark; empty where nothing was inferred."""
    results = {name: result for name, result in card.analysis.benchmarks.items() if result.primary}
    found = [inference for name, inference in card.analysis.support.items() if name in results and inference.pairs]
    pairs = [pair for inference in found for pair in inference.pairs]
    if not pairs:
        return ""
    words, alpha = Counter(pair.word for pair in pairs), found[0].alpha
    kept = sum(pair.word is SupportWord.REVERSAL_SUPPORTED and pair.holm is not None and pair.holm <= alpha for pair in pairs)
    reversals = words[SupportWord.REVERSAL_SUPPORTED]
    corrected = f" ({kept} after Holm's correction)" if reversals else ""
    parts = [f"a reversal is more than item noise in {reversals or 'none'}{corrected}"]
    for told, members in (("one model is ahead everywhere in {}", EVERYWHERE), ("one is ahead somewhere in {}", SOMEWHERE)):
        n = sum(words[member] for member in members)
        parts += [told.format(n)] if n else []
    parts += [f"{words[SupportWord.UNRESOLVED]} are not settled"] if words[SupportWord.UNRESOLVED] else []
    listed = parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])}, and {parts[-1]}"
    return f"of {counted(len(pairs), 'comparison')}, {listed} (alpha {alpha:g})."
