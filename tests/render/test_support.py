"""The inferred half in words: names in place of letters, bounds in place of zeros, nothing where nothing was tested."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from render.made import card_of, random_rows
from render.verdicts import verdict_of
from safetyrepro.inference import BenchmarkInference, PairInference
from safetyrepro.render.markdown import card_markdown
from safetyrepro.render.page import card_page
from safetyrepro.render.support import borne_sentence, p_text, support_of, support_sentences, support_words
from safetyrepro.stats.support import SupportWord


@pytest.fixture(scope="module")
def inference(tmp_path_factory: pytest.TempPathFactory) -> BenchmarkInference:
    """Two models on eighty items under two configurations."""
    rows = random_rows(models=("one", "two"), levels=("x", "y"), n_items=80, seed=5)
    return card_of(tmp_path_factory.mktemp("card"), rows, draws=200).analysis.support["bench"]


@pytest.fixture
def entry(inference: BenchmarkInference) -> PairInference:
    return inference.pairs[0]


@pytest.mark.parametrize("word", list(SupportWord))
def test_every_word_names_the_models_and_not_the_letters(entry: PairInference, word: SupportWord):
    words = support_words(dataclasses.replace(entry, word=word))
    assert not words.startswith(("A ", "B "))
    assert ("one" in words) == word.value.startswith("A ")
    assert ("two" in words) == word.value.startswith("B ")


def test_a_p_value_that_no_draw_exceeded_is_a_bound(entry: PairInference):
    sampled = dataclasses.replace(entry, exhaustive=False, draws=1000)
    assert p_text(1 / 1000, sampled) == "< 0.001"
    assert p_text(0.25, sampled) == "= 0.25"
    assert p_text(1 / 1000, dataclasses.replace(sampled, exhaustive=True)) == "= 0.001"
    assert p_text(None, sampled) == "not defined"


def test_sentences_name_test_draws_units_and_level(inference: BenchmarkInference, entry: PairInference):
    told = " ".join(support_sentences(inference, entry))
    assert "Test of a reversal: p" in told
    assert f"{entry.draws:,} sign vectors" in told
    assert "80 units, alpha 0.05; Holm over 1 pairs" in told
    assert "simultaneous 95% band" in told


def test_an_unresolved_pair_says_what_could_have_been_seen(inference: BenchmarkInference, entry: PairInference):
    unresolved = dataclasses.replace(entry, word=SupportWord.UNRESOLVED, minimum_detectable_difference=0.123)
    assert "A difference of 0.123" in " ".join(support_sentences(inference, unresolved))
    settled = dataclasses.replace(unresolved, word=SupportWord.A_AHEAD_SOMEWHERE)
    assert "0.123" not in " ".join(support_sentences(inference, settled))


def test_what_is_not_defined_is_left_out_and_not_printed_as_zero(inference: BenchmarkInference, entry: PairInference):
    bare = dataclasses.replace(entry, p_reversal=None, supported_plus=None, supported_minus=None, noise_flip_rate=None)
    bare = dataclasses.replace(bare, word=SupportWord.A_AHEAD_SOMEWHERE)
    assert support_sentences(inference, bare) == ("A reversal cannot be tested on these cells.",)


def test_a_tiny_adjusted_p_value_is_a_bound(inference: BenchmarkInference, entry: PairInference):
    tiny = dataclasses.replace(entry, p_reversal=0.001, holm=0.0001)
    assert "Holm over 1 pairs: p < 0.001" in support_sentences(inference, tiny)[0]


def test_the_inference_of_a_pair_is_found_by_its_models(inference: BenchmarkInference):
    assert support_of(inference, verdict_of([0.1], a="one", b="two")) is inference.pairs[0]
    assert support_of(inference, verdict_of([0.1], a="two", b="one")) is None
    assert support_of(None, verdict_of([0.1])) is None


def test_a_table_without_inference_has_none(tmp_path: Path):
    assert card_of(tmp_path).analysis.support == {}


@pytest.mark.parametrize(
    ("words", "holm", "told"),
    [
        (
            (SupportWord.UNRESOLVED,),
            None,
            "of 1 comparison, a reversal is more than item noise in none, and 1 are not settled (alpha 0.05).",
        ),
        (
            (SupportWord.REVERSAL_SUPPORTED,),
            0.2,
            "of 1 comparison, a reversal is more than item noise in 1 (0 after Holm's correction) (alpha 0.05).",
        ),
        (
            (
                SupportWord.REVERSAL_SUPPORTED,
                SupportWord.B_AHEAD_EVERYWHERE,
                SupportWord.A_AHEAD_SOMEWHERE,
                SupportWord.UNRESOLVED,
            ),
            0.05,
            (
                "of 4 comparisons, a reversal is more than item noise in 1 (1 after Holm's correction), one model is ahead everywhere in 1, "
                "one is ahead somewhere in 1, and 1 are not settled (alpha 0.05)."
            ),
        ),
    ],
)
def test_the_first_screen_counts_what_the_items_bear(
    tmp_path: Path, words: tuple[SupportWord, ...], holm: float | None, told: str
):
    card = card_of(tmp_path, random_rows(models=("one", "two"), levels=("x", "y"), n_items=80, seed=5), draws=200)
    found = card.analysis.support["bench"]
    pairs = tuple(dataclasses.replace(found.pairs[0], word=word, holm=holm) for word in words)
    analysis = dataclasses.replace(card.analysis, support={"bench": dataclasses.replace(found, pairs=pairs)})
    changed = card.model_copy(update={"analysis": analysis})
    assert borne_sentence(changed) == told
    for shown in (card_page(changed), card_markdown(changed)):
        assert told.partition(" (")[0] in shown
    nothing = card.model_copy(update={"analysis": dataclasses.replace(card.analysis, support={})})
    assert borne_sentence(nothing) == ""
    assert "can bear, apart" not in card_page(nothing) + card_markdown(nothing)
