"""Unreadable and failed answers: every policy's verdict, the worst and the best case, and the word that waits for them."""

from __future__ import annotations

import itertools
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import configuration, record, write_table
from made_tables import table_of
from safetyrepro.analysis import AnalysisOptions, analyze
from safetyrepro.inference import InferenceOptions
from safetyrepro.ingest import ingest_table
from safetyrepro.placebo import placebo_of_pairs
from safetyrepro.policies import BenchmarkPolicies, Standing, judge_policies
from safetyrepro.records import ItemRecord, Status
from safetyrepro.scores import FailurePolicy
from safetyrepro.stats.support import SupportWord

X, Y = configuration(f="x"), configuration(f="y")
HEADER = ("model", "benchmark", "f", "item_id", "score", "status")
OPTIONS = InferenceOptions(draws=200, resamples=0)


def answers(model: str, text: str, level: str = "x") -> list[ItemRecord]:
    """One record for each letter: 1 right, 0 wrong, u unparsed, f failed, n not run."""
    words = {"u": Status.UNPARSED, "f": Status.FAILED, "n": Status.NOT_RUN}
    return [
        record(
            model=model,
            settings={"f": level},
            item=f"i{i}",
            value=None if letter in words else float(letter),
            status=words.get(letter),
        )
        for i, letter in enumerate(text)
    ]


def judged(*rows: ItemRecord, orientation: str = "higher") -> BenchmarkPolicies | None:
    return judge_policies(rows, table_of(rows, ("a", "b"), (X, Y), orientation=orientation))


def test_where_every_answer_was_read_there_is_nothing_to_decide():
    assert judged(*answers("a", "10n"), *answers("b", "01n")) is None


def test_failures_are_counted_by_kind():
    found = judged(*answers("a", "1uf"), *answers("b", "01n"))

    assert found is not None
    assert (found.n_unparsed, found.n_failed, found.n_records) == (1, 1, 6)


def test_an_order_that_hangs_on_the_policy_is_named():
    found = judged(*answers("a", "1uu0"), *answers("b", "1000"))

    assert found is not None
    pair = found.pairs[0]
    assert {entry.policy: entry.standing for entry in pair.policies} == {
        FailurePolicy.WRONG: Standing.TIED,
        FailurePolicy.DROPPED: Standing.A_ONLY,
        FailurePolicy.PAIRWISE: Standing.TIED,
    }
    assert pair.depends
    assert pair.sentence.startswith(
        "the order depends on the failure policy: wrong: they tie (A 0, B 0, tie 1); dropped: only A"
    )


def test_policies_that_agree_need_no_sentence():
    found = judged(*answers("a", "111u"), *answers("b", "0000"))

    assert found is not None
    assert (found.pairs[0].depends, found.pairs[0].sentence) == (False, "")
    assert found.pairs[0].n_open == 0
    bounds = found.pairs[0].bounds[0]
    assert (bounds.low, bounds.high, bounds.missing_a, bounds.missing_b, bounds.n_items) == (0.75, 1.0, 1, 0, 4)


def test_an_item_that_one_model_was_never_asked_is_no_failure_of_it():
    found = judged(*answers("a", "1u"), *answers("b", "0"))

    assert found is not None
    assert (found.n_unparsed, found.n_failed) == (1, 0)
    assert found.pairs[0].bounds == ()


cell = st.text(alphabet="01uf", min_size=3, max_size=3)


@settings(max_examples=80)
@given(cell, cell)
def test_bounds_are_the_ends_of_every_completion(a: str, b: str):
    found = judged(*answers("a", a), *answers("b", b))
    holes = [[0, 1] if letter in "uf" else [int(letter)] for letter in a + b]
    values = [Fraction(sum(made[:3]) - sum(made[3:]), 3) for made in itertools.product(*holes)]

    if found is None:
        assert len(values) == 1
        return
    pair = found.pairs[0]
    assert (pair.bounds[0].low, pair.bounds[0].high) == pytest.approx((float(min(values)), float(max(values))))
    assert pair.n_open == (len({(value > 0) - (value < 0) for value in values}) > 1)
    for entry in pair.policies:
        assert entry.n_plus + entry.n_minus + entry.n_tie + entry.n_missing == 2


@settings(max_examples=40)
@given(cell, cell)
def test_exchanging_the_models_turns_the_bounds_round(a: str, b: str):
    one, other = judged(*answers("a", a), *answers("b", b)), judged(*answers("a", b), *answers("b", a))

    if one is None or other is None:
        assert one is other
        return
    for mine, theirs in zip(one.pairs[0].bounds, other.pairs[0].bounds, strict=True):
        assert (mine.low, mine.high, mine.missing_a) == (-theirs.high, -theirs.low, theirs.missing_b)


def test_a_lower_orientation_turns_the_bounds_round():
    found = judged(*answers("a", "1u"), *answers("b", "00"), orientation="lower")

    assert found is not None
    assert (found.pairs[0].bounds[0].low, found.pairs[0].bounds[0].high) == (-1.0, -0.5)


def test_why_there_are_no_bounds_is_told():
    target = judged(*answers("a", "1u"), *answers("b", "00"), orientation="target(0.5)")
    twice = judged(*answers("a", "1u"), *answers("b", "00"), record(model="a", item="i0", repeat=1))
    weighted = judged(*answers("a", "1u"), *answers("b", "00"), record(model="a", item="i5", weight=2.0))

    assert [found.pairs[0].no_bounds for found in (target, twice, weighted) if found] == [
        "the distance to a target is not a mean over items",
        "an item was asked several times in one cell",
        "the score is not a plain mean over items",
    ]


def unread(folder: Path) -> Path:
    """B is ahead on twelve items; A leaves most of them unread and is right on the rest."""
    rows = [("a", "bench", "x", f"i{i}", "" if i < 10 else 1, "unparsed" if i < 10 else "") for i in range(12)]
    rows += [("b", "bench", "x", f"i{i}", 1 if i < 11 else 0, "") for i in range(12)]
    return write_table(folder / "t.csv", rows, HEADER)


def test_a_verdict_that_hangs_on_the_policy_is_unresolved_and_names_it(tmp_path: Path):
    store = ingest_table(unread(tmp_path), tmp_path / "s")

    held = analyze(store, AnalysisOptions(inference=OPTIONS)).support["bench"].pairs[0]
    bare = analyze(store, AnalysisOptions(inference=OPTIONS, policies=False)).support["bench"].pairs[0]

    assert bare.word is SupportWord.B_AHEAD_EVERYWHERE
    assert held.word is SupportWord.UNRESOLVED
    assert "dropped: only A is ahead" in held.unresolved_because
    assert (held.p_reversal, held.p_b_everywhere) == (bare.p_reversal, bare.p_b_everywhere)


def test_repeats_of_one_configuration_set_the_floor():
    rows = [
        record(model=model, item="i0", value=value, repeat=repeat)
        for repeat, (a, b) in enumerate([(1.0, 0.0), (0.0, 1.0), (1.0, 0.5)])
        for model, value in (("a", a), ("b", b))
    ]

    flips = placebo_of_pairs(rows, table_of(rows, ("a", "b"), (X, Y)))["a", "b"]

    assert (flips.n_opposed, flips.n_pairs, flips.n_configurations) == (2, 3, 1)


def test_without_repeats_there_is_no_floor():
    assert placebo_of_pairs(answers("a", "1"), table_of(answers("a", "1"), ("a", "b"), (X,))) == {}


def test_a_repeat_column_reaches_the_inference(tmp_path: Path):
    rows = [
        (model, "bench", "x", "i0", value, repeat)
        for repeat, values in ((0, (1, 0)), (1, (0, 1)))
        for model, value in zip("ab", values, strict=True)
    ]
    path = write_table(tmp_path / "t.csv", rows, (*HEADER[:-1], "repeat"))

    pair = analyze(ingest_table(path, tmp_path / "s"), AnalysisOptions(inference=OPTIONS)).support["bench"].pairs[0]

    assert pair.placebo is not None
    assert (pair.placebo.n_opposed, pair.placebo.n_pairs, pair.placebo.rate) == (1, 1, 1.0)


def test_equivalence_is_tested_only_within_a_declared_margin(tmp_path: Path):
    rows = [
        (model, "bench", "x", f"i{i}", 1 if i % 2 or (model, i) == ("b", 0) else 0, "") for model in "ab" for i in range(400)
    ]
    store = ingest_table(write_table(tmp_path / "t.csv", rows, HEADER), tmp_path / "s")

    asked = analyze(store, AnalysisOptions(inference=InferenceOptions(draws=100, resamples=0, margin=0.05))).support["bench"]
    unasked = analyze(store, AnalysisOptions(inference=OPTIONS)).support["bench"]

    assert asked.pairs[0].equivalence is not None
    assert asked.pairs[0].equivalence.p_everywhere is not None
    assert asked.pairs[0].equivalence.p_everywhere < 0.01
    assert unasked.pairs[0].equivalence is None
