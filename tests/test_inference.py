"""The inferential half with names on it: item terms average to the scores, families are counted, nothing realized moves."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import REVERSAL, configuration, estimand, record, write_table
from safetyrepro.analysis import AnalysisOptions, analyze
from safetyrepro.estimands import Aggregation, Estimand
from safetyrepro.inference import InferenceOptions, adjusted, generator, infer, item_terms
from safetyrepro.ingest import ingest_table
from safetyrepro.scores import ScoreTable, build_table
from safetyrepro.stats.support import SupportWord

X = configuration(f="x")
OPTIONS = InferenceOptions(draws=500, seed=1)


def table(rows: list, made: Estimand | None = None) -> ScoreTable:
    return build_table(rows, benchmark="bench", estimand=made or estimand(), models=("a", "b"), configurations=(X,))


def split(n_items: int, *, a: float = 1.0, b: float = 0.0, size: int = 1) -> list:
    """Every item right for A and wrong for B, in clusters of a size."""
    return [
        record(model=model, item=f"i{i}", value=value, cluster=f"c{i // size}")
        for i in range(n_items)
        for model, value in (("a", a), ("b", b))
    ]


weights = st.lists(
    st.tuples(st.sampled_from([0.0, 0.5, 1.0]), st.sampled_from([0.0, 1.0]), st.sampled_from(["s", "t"])),
    min_size=1,
    max_size=12,
)


@given(weights, st.sampled_from(list(Aggregation)))
@settings(deadline=None)
def test_the_mean_of_the_item_terms_is_the_score(rows: list[tuple[float, float, str]], aggregation: Aggregation):
    records = [
        record(item=f"i{i}", value=value, weight=weight, stratum=stratum) for i, (value, weight, stratum) in enumerate(rows)
    ]
    made = table(records, Estimand(name="score", about="", aggregation=aggregation))

    if made.scored[0, 0]:
        terms = item_terms(made, 0)[0][made.known[0, 0]]
        counted = (made.weights[0, 0] > 0)[made.known[0, 0]]
        chosen = terms[counted] if aggregation is Aggregation.BALANCED else terms
        assert np.isclose(chosen.mean(), made.raw[0, 0])


def test_a_clear_difference_is_supported_and_two_equal_models_are_unresolved():
    ahead = infer(table(split(60)), OPTIONS, name="bench").pairs[0]
    equal = infer(table(split(60, a=1.0, b=1.0)), OPTIONS, name="bench").pairs[0]

    assert ahead.word is SupportWord.A_AHEAD_EVERYWHERE
    assert ahead.supported_plus == 1
    assert equal.word is SupportWord.UNRESOLVED
    assert equal.discordance == 0.0
    assert equal.minimum_detectable_difference is None


def test_items_of_one_cluster_are_one_unit():
    alone = infer(table(split(60)), OPTIONS, name="bench").pairs[0]
    clustered = infer(table(split(60, size=20)), OPTIONS, name="bench").pairs[0]

    assert (alone.n_units, clustered.n_units) == (60, 3)
    assert clustered.word is SupportWord.UNRESOLVED
    assert clustered.band == ()
    assert clustered.supported_plus is None


def test_no_band_is_given_below_fifty_units():
    assert infer(table(split(49)), OPTIONS, name="bench").pairs[0].band == ()
    assert len(infer(table(split(50)), OPTIONS, name="bench").pairs[0].band) == 1


def test_a_lower_orientation_turns_the_word_round():
    made = infer(table(split(60), estimand(orientation="lower")), OPTIONS, name="bench").pairs[0]

    assert made.word is SupportWord.B_AHEAD_EVERYWHERE


def test_a_target_is_tested_by_the_distance_to_it():
    rows = split(60, a=50.0, b=90.0)

    made = infer(table(rows, estimand(high=100.0, orientation="target(50)")), OPTIONS, name="bench").pairs[0]

    assert made.word is SupportWord.A_AHEAD_EVERYWHERE
    assert made.band == ()


def test_the_same_seed_gives_the_same_numbers_and_names_spread_it():
    one, again = (infer(table(split(30, b=0.5)), OPTIONS, name="bench") for _ in range(2))

    assert one == again
    assert generator(OPTIONS, "x").random() != generator(OPTIONS, "y").random()


def test_aggregates_without_items_support_nothing():
    assert infer(table([]), OPTIONS, name="bench").pairs == ()


def test_the_family_is_counted_and_other_benchmarks_keep_no_adjusted_value():
    found = {name: infer(table(split(60)), OPTIONS, name=name) for name in ("one", "two", "two:other")}

    result = adjusted(found, ["one", "two"])

    assert result["one"].family_size == 2
    assert result["one"].pairs[0].holm is not None
    assert result["two:other"].pairs[0].holm is None
    assert result["one"].pairs[0].p_reversal == found["one"].pairs[0].p_reversal


def test_leaving_inference_out_changes_nothing_that_is_realized(tmp_path: Path):
    store = ingest_table(write_table(tmp_path / "t.csv", REVERSAL), tmp_path / "s")

    with_it, without = analyze(store), analyze(store, AnalysisOptions(inference=None))

    assert with_it.benchmarks == without.benchmarks
    assert without.support == {}
    assert set(with_it.support) == {"bench"}


@pytest.mark.long
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_multilingual_study_is_supported_as_published(tmp_path: Path, shared: Path, seed: int):
    source = shared / "studies/truthfulqa_multi/truthfulqa_multi_bleu_acc.csv.gz"
    store = ingest_table(source, tmp_path / "s")

    result = analyze(store, AnalysisOptions(inference=InferenceOptions(seed=seed)))

    pairs = result.support["truthfulqa_gen_bleu_acc"].pairs
    assert sum(pair.reversal for pair in result.benchmarks["truthfulqa_gen_bleu_acc"].pairs) == 59
    for count, expected in (("p_reversal", 24), ("benjamini_hochberg", 21), ("holm", 10)):
        assert abs(sum(getattr(pair, count) <= 0.05 for pair in pairs) - expected) <= 1
    assert json.loads((shared / "studies/truthfulqa_multi/truthfulqa_multi_bleu_acc.truth.json").read_text())


def test_items_of_one_cluster_make_a_larger_difference_detectable_only():
    mixed = [
        record(model=m, item=f"i{i}", value=float((i // 2 + (m == "a")) % 2), cluster=f"c{i // 2}")
        for i in range(80)
        for m in "ab"
    ]
    alone = [record(model=row.cell.model, item=row.item_id, value=row.value) for row in mixed]

    clustered, single = (infer(table(rows), OPTIONS, name="bench").pairs[0] for rows in (mixed, alone))

    assert single.minimum_detectable_difference is not None
    assert clustered.minimum_detectable_difference is not None
    assert clustered.minimum_detectable_difference > 1.3 * single.minimum_detectable_difference
