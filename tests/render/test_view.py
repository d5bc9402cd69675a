"""What the renderings choose to say first, and in which words."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import REVERSAL
from render.made import card_of, random_rows
from render.verdicts import DIFFERENCES, verdict_of
from safetyrepro.card_fields import CARD_FIELDS
from safetyrepro.card_texts import MOST_PAIRS, contested
from safetyrepro.render.view import (
    answer,
    cell_provenance,
    detection_sentence,
    envelopes,
    held_factors,
    matrix_cell,
    pair_word,
    provenance_rows,
    same_settings,
    short_digest,
    shown_benchmarks,
)
from safetyrepro.verdicts import Detection


def rows_with(scores: dict[tuple[str, str], str]) -> list[tuple[str, ...]]:
    """One item, given the score of each model and level."""
    return [(model, "bench", level, "i0", score) for (model, level), score in scores.items()]


@pytest.mark.parametrize(
    ("scores", "word", "reversal"),
    [
        ({("a", "x"): "1", ("b", "x"): "0", ("a", "y"): "0", ("b", "y"): "1"}, "It depends on the configuration", True),
        (
            {("a", "x"): "1", ("b", "x"): "0", ("a", "y"): "1", ("b", "y"): "0"},
            "a is ahead of b in every configuration that was run",
            False,
        ),
        (
            {("a", "x"): "1", ("b", "x"): "0", ("a", "y"): "1", ("b", "y"): "1"},
            "a is ahead of b in some configurations, and behind in none",
            False,
        ),
        ({("a", "x"): "0", ("b", "x"): "1"}, "b is ahead of a in every configuration that was run", False),
        ({("a", "x"): "1", ("b", "x"): "1"}, "The two tie wherever both were measured", False),
        ({("a", "x"): "1", ("b", "x"): ""}, "Not measured", False),
        ({("a", "x"): "1", ("a", "y"): "0"}, "Nothing to compare", False),
    ],
)
def test_the_answer_says_no_more_than_was_measured(
    tmp_path: Path, scores: dict[tuple[str, str], str], word: str, reversal: bool
):
    told = answer(card_of(tmp_path, rows_with(scores)))
    assert (told.word, told.reversal) == (word, reversal)


def test_the_answer_over_several_pairs_counts_the_comparisons(tmp_path: Path):
    rows = [*REVERSAL, *((model, "other", level, item, "1") for model, _, level, item, _ in REVERSAL)]
    told = answer(card_of(tmp_path, rows))
    assert told.word == "For some pairs, it depends on the configuration"
    assert told.sentence.startswith("In 1 of 2 comparisons of two models (2 benchmarks)")


def test_the_answer_without_any_reversal_speaks_of_this_envelope_only(tmp_path: Path):
    rows = [(model, "bench", level, "i0", str(i)) for i, model in enumerate("ab") for level in "xy"]
    rows += [("c", "bench", level, "i0", "1") for level in "xy"]
    told = answer(card_of(tmp_path, rows))
    assert told.word == "No order reverses in this envelope"
    assert "that were run" in told.sentence


@given(DIFFERENCES)
def test_the_word_for_a_pair_follows_from_its_counts(differences: list[float | None]):
    verdict = verdict_of(differences)
    word = pair_word(verdict)
    if verdict.n_plus and verdict.n_minus:
        assert word == "reversal observed"
    elif not verdict.n_known:
        assert word == "not measured"
    else:
        assert word.startswith("no reversal: ")
        assert word.endswith(f"in all {verdict.n_known}")
        assert ("tie" in word) == bool(verdict.n_tie)


@given(st.lists(DIFFERENCES, min_size=1, max_size=25))
def test_every_reversal_is_drawn_up_to_the_limit_and_the_most_contested_first(many: list[list[float | None]]):
    pairs = [verdict_of(differences) for differences in many]
    drawn = contested(pairs)
    n_reversed = sum(pair.reversal for pair in pairs)
    assert sum(pair.reversal for pair in drawn) == min(n_reversed, MOST_PAIRS)
    minorities = [min(pair.n_plus, pair.n_minus) for pair in drawn]
    assert minorities == sorted(minorities, reverse=True)


def test_the_sentence_about_smaller_studies_is_silent_without_a_reversal():
    assert detection_sentence(verdict_of([0.1, 0.2])) == ""


def test_the_sentence_about_smaller_studies_gives_the_chance_of_missing_it():
    curve = tuple(Detection(n_configurations=n, probability=p) for n, p in ((1, 0.0), (2, 0.5), (4, 1.0)))
    verdict = dataclasses.replace(verdict_of([0.1, -0.1, 0.2, -0.2]), detection_curve=curve)
    assert detection_sentence(verdict).endswith("would have missed this reversal: one always, 2 with probability 50%.")


def test_every_required_field_of_a_cell_is_either_shared_or_varies(tmp_path: Path):
    card = card_of(tmp_path)
    fields = cell_provenance(card, card.benchmarks[0])
    assert sorted([*fields.shared, *fields.varying]) == sorted(CARD_FIELDS)
    assert "model" in fields.varying
    assert len(fields.rows) == 4
    assert all(fields.shared.values())


def test_the_matrix_shows_a_pair_from_both_sides(tmp_path: Path):
    rows = random_rows(models=("one", "two", "three"), levels=("x", "y", "z"), n_items=9)
    result = card_of(tmp_path, rows).analysis.benchmarks["bench"]
    pair = result.pairs[0]
    there, back = matrix_cell(result, pair.a, pair.b), matrix_cell(result, pair.b, pair.a)
    assert (there.ahead, there.behind) == (back.behind, back.ahead) == (pair.n_plus, pair.n_minus)
    with pytest.raises(KeyError):
        matrix_cell(result, "one", "one")


def test_envelopes_name_their_factors_and_what_they_hold_fixed(tmp_path: Path):
    rows = [(*row, "same") for row in REVERSAL]
    card = card_of(tmp_path, rows, header=("model", "benchmark", "f", "item_id", "score", "held"))
    (titles, entry), *others = envelopes(card)
    assert titles == ("bench",)
    assert others == []
    assert held_factors(entry) == (("held", "same"),)
    assert shown_benchmarks(card)[0].factors == ("f", "held")


def test_a_digest_is_shortened_and_a_word_is_not():
    assert short_digest("0123456789abcdef0123") == "0123456789ab"
    assert short_digest("not recorded") == "not recorded"
    assert short_digest("0.5") == "0.5"


def test_provenance_says_of_every_field_a_value_or_that_it_is_not_recorded(tmp_path: Path):
    rows = dict(provenance_rows(card_of(tmp_path)))
    assert all(rows.values())
    assert rows["results come from"] == "an ingested table"
    assert rows["seed"] == "not recorded"


def test_a_further_question_does_not_count_towards_the_answer(tmp_path: Path):
    rows = [*REVERSAL, *((model, "other", level, item, "1") for model, _, level, item, _ in REVERSAL)]
    card = card_of(tmp_path, rows)
    further = {**card.analysis.benchmarks, "other": dataclasses.replace(card.analysis.benchmarks["other"], primary=False)}
    told = answer(card.model_copy(update={"analysis": dataclasses.replace(card.analysis, benchmarks=further)}))
    assert told.word == "It depends on the configuration"
    assert told.sentence.startswith("On bench")


def test_what_the_two_configurations_of_a_witness_share_is_said_apart(tmp_path: Path):
    rows = [(*row, "same") for row in REVERSAL]
    card = card_of(tmp_path, rows, header=("model", "benchmark", "f", "item_id", "score", "held"))
    witness = card.analysis.benchmarks["bench"].pairs[0].witness
    assert witness is not None
    assert same_settings(witness, ("held", "f")) == (("held", "same"),)
