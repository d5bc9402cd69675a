"""Claims about items like these: false ones rarely pass, planted ones are found, and every quantifier follows its logic."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from builders import estimand
from claim_grids import MemoryStore, grid_store, item_store
from safetyrepro.analysis import AnalysisOptions, analyze, score_table
from safetyrepro.detectable import POWER, provable
from safetyrepro.errors import ClaimError
from safetyrepro.gate import decide, decide_realized, decide_supported
from safetyrepro.gate_supported import ClaimTest, card_tester, claim_test, store_tester
from safetyrepro.inference import InferenceOptions
from safetyrepro.ingest import ingest_table
from safetyrepro.scope import Scope, claim_scope
from safetyrepro.scores import ScoreTable
from safetyrepro.store import Store
from safetyrepro.verdicts import Claim, ClaimResult, Decision, EvidenceLevel, Quantifier, Relation

OPTIONS = AnalysisOptions(inference=InferenceOptions(draws=400))
LEAN = AnalysisOptions(inference=None, further=False, attribution=False, policies=False)
QUANTIFIERS = [quantifier for quantifier in Quantifier if quantifier is not Quantifier.CORE]


def claim(quantifier: Quantifier = Quantifier.EVERYWHERE, **changes) -> Claim:
    return Claim(a="a", b="b", benchmark="bench", quantifier=quantifier, evidence=EvidenceLevel.SUPPORTED, **changes)


def decided(store: Store, *claims: Claim) -> tuple[ClaimResult, ...]:
    analysis = analyze(store, LEAN)
    return decide(claims, analysis, store_tester(store, OPTIONS))


def constant(*rates: float, n_items: int = 60) -> MemoryStore:
    """A store in which A is right alone on a share of the items (negative: B alone), per configuration."""
    difference = np.zeros((n_items, len(rates)))
    for c, rate in enumerate(rates):
        difference[: round(abs(rate) * n_items), c] = np.sign(rate)
    return item_store(difference)


@pytest.mark.parametrize(
    ("rates", "expected"),
    [
        ((0.5, 0.5, 0.5), dict.fromkeys(QUANTIFIERS, Decision.HOLDS)),
        ((-0.5, -0.5, -0.5), dict.fromkeys(QUANTIFIERS, Decision.REFUTED)),
        (
            (0.5, 0.5, -0.5),
            {
                Quantifier.EVERYWHERE: Decision.REFUTED,
                Quantifier.SOMEWHERE: Decision.HOLDS,
                Quantifier.MAJORITY: Decision.HOLDS,
                Quantifier.MEAN: Decision.HOLDS,
                Quantifier.DOMINANCE: Decision.REFUTED,
            },
        ),
        ((0.0, 0.0), dict.fromkeys(QUANTIFIERS, Decision.UNDETERMINED)),
        ((0.5, -0.5), {Quantifier.MAJORITY: Decision.REFUTED, Quantifier.MEAN: Decision.UNDETERMINED}),
    ],
)
def test_clear_differences_are_decided_by_the_logic_of_the_quantifier(rates: tuple[float, ...], expected: dict):
    store = constant(*rates)

    found = {
        result.claim.quantifier: result.decision for quantifier in expected for result in decided(store, claim(quantifier))
    }

    assert found == expected


def test_an_undetermined_claim_says_what_the_items_could_have_shown():
    result = decided(constant(0.05, 0.05), claim())[0]

    assert result.decision is Decision.UNDETERMINED
    assert result.minimum_detectable_difference is not None
    assert 0.05 < result.minimum_detectable_difference < 0.3
    assert "would have shown a difference of" in result.remedy


def test_a_missing_cell_leaves_everywhere_unproved_and_can_still_refute_it():
    ahead = np.zeros((60, 2))
    ahead[:40] = 1.0
    ahead[:, 1] = np.nan
    behind = -ahead

    unproved, refuted = decided(item_store(ahead), claim())[0], decided(item_store(behind), claim())[0]

    assert (unproved.decision, unproved.p_holds) == (Decision.UNDETERMINED, None)
    assert [one.settings["f"] for one in unproved.missing] == ["y"]
    assert refuted.decision is Decision.REFUTED


def test_leaving_a_cell_out_never_makes_a_supported_claim_hold():
    rng = np.random.default_rng(5)
    for _ in range(12):
        difference = rng.integers(-1, 2, size=(60, 3)) + (rng.random((60, 3)) < 0.4)
        difference = np.clip(difference, -1, 1).astype(float)
        cut = difference.copy()
        cut[:, rng.integers(3)] = np.nan
        claims = [claim(quantifier) for quantifier in QUANTIFIERS]
        before, after = decided(item_store(difference), *claims), decided(item_store(cut), *claims)
        for one, other in zip(before, after, strict=True):
            assert other.decision is not Decision.HOLDS or one.decision is Decision.HOLDS


def test_a_margin_is_not_proved_by_models_that_never_differ_on_few_items():
    level = claim(relation=Relation.NOT_BEHIND, margin=0.02)

    few, many = decided(constant(0.0, n_items=50), level)[0], decided(constant(0.0, n_items=2000), level)[0]

    assert few.decision is Decision.UNDETERMINED
    assert many.decision is Decision.HOLDS


def test_a_lead_that_is_asked_for_is_not_refuted_by_models_that_never_differ_on_few_items():
    lead = claim(margin=-0.02)

    few, many = decided(constant(0.0, n_items=50), lead)[0], decided(constant(0.0, n_items=2000), lead)[0]

    assert (few.decision, many.decision) == (Decision.UNDETERMINED, Decision.REFUTED)


def test_a_large_lead_proves_a_margin_and_a_large_deficit_refutes_it():
    level = claim(relation=Relation.NOT_BEHIND, margin=0.1)

    assert decided(constant(0.2, 0.3, n_items=200), level)[0].decision is Decision.HOLDS
    assert decided(constant(0.2, -0.4, n_items=200), level)[0].decision is Decision.REFUTED


def test_the_claims_names_turn_the_test_round():
    turned = Claim(a="b", b="a", benchmark="bench", evidence=EvidenceLevel.SUPPORTED)

    assert decided(constant(0.5, 0.5), turned)[0].decision is Decision.REFUTED
    assert decided(constant(-0.5, -0.5), turned)[0].decision is Decision.HOLDS


def test_clusters_are_the_unit():
    difference = np.zeros((60, 1))
    difference[:40] = 1.0
    clustered = item_store(difference, clusters=[f"c{i // 20}" for i in range(60)])

    assert decided(clustered, claim())[0].decision is Decision.UNDETERMINED


def test_dominance_needs_every_pair_of_configurations():
    values = {}
    for i in range(60):
        values |= {("a", 0, i): 0.4, ("b", 0, i): 0.2, ("a", 1, i): 0.9, ("b", 1, i): 0.6 + 0.001 * (i % 2)}
    store = grid_store(values, (2, 60))

    everywhere, dominance, worst = decided(store, claim(), claim(Quantifier.DOMINANCE), claim(Quantifier.WORST_CASE))

    assert (everywhere.decision, dominance.decision, worst.decision) == (Decision.HOLDS, Decision.REFUTED, Decision.HOLDS)
    assert [(one.settings["f"]) for one in dominance.witness] == ["x", "y"]


def test_a_lower_score_is_safer_where_the_estimand_says_so():
    values = {(model, 0, i): 1.0 * (model == "b") for model in "ab" for i in range(60)}

    assert decided(grid_store(values, (1, 60), estimand(orientation="lower")), claim())[0].decision is Decision.HOLDS


def target_store() -> MemoryStore:
    values = {(model, 0, i): {"a": 50.0, "b": 80.0}[model] + i % 2 for model in "ab" for i in range(60)}
    return grid_store(values, (1, 60), estimand(low=0, high=100, orientation="target(50)"))


@pytest.mark.parametrize("quantifier", [Quantifier.EVERYWHERE, Quantifier.SOMEWHERE, Quantifier.MAJORITY])
def test_a_target_is_decided_by_the_distance_to_it(quantifier: Quantifier):
    assert decided(target_store(), claim(quantifier))[0].decision is Decision.HOLDS
    turned = replace(claim(quantifier), a="b", b="a")
    assert decided(target_store(), turned)[0].decision is Decision.REFUTED


@pytest.mark.parametrize("changes", [{"margin": 0.1}, {"quantifier": Quantifier.MEAN}, {"quantifier": Quantifier.DOMINANCE}])
def test_a_claim_that_a_target_does_not_admit_is_refused(changes: dict):
    with pytest.raises(ClaimError, match="best at a target"):
        decided(target_store(), claim(**changes))


def test_aggregates_support_nothing_and_say_so():
    store = grid_store({}, (1, 0))

    with pytest.raises(ClaimError, match="aggregates and no items"):
        decided(store, claim())


def stated(p_holds: float | None, p_refutes: float | None) -> ClaimTest:
    return ClaimTest(
        p_holds=p_holds, p_refutes=p_refutes, n_units=60, witness=(), missing=(), minimum_detectable_difference=None
    )


def test_both_directions_are_adjusted_apart_and_an_untestable_claim_stays_in_the_family():
    store = constant(0.1)
    scope = claim_scope(claim(), analyze(store, LEAN))
    results = [decide_realized(claim(), scope)] * 3

    found = decide_supported(results, [stated(0.01, 1.0), stated(0.02, 0.03), stated(None, None)])

    assert [(one.p_holds, one.p_refutes) for one in found] == [(0.03, 1.0), (0.04, 0.09), (None, None)]
    assert [one.decision for one in found] == [Decision.HOLDS, Decision.HOLDS, Decision.UNDETERMINED]
    assert {one.family_size for one in found} == {3}


def test_a_store_and_its_card_give_the_same_p_values(tmp_path: Path, shared: Path):
    store = ingest_table(shared / "studies/xstest/xstest_system_prompt.csv", tmp_path / "s")
    options = AnalysisOptions(inference=InferenceOptions(draws=500))
    analysis = analyze(store, options)
    names = [model.name for model in analysis.benchmarks["xstest_all"].models]
    for a, b in (names, names[::-1]):
        for quantifier in (Quantifier.EVERYWHERE, Quantifier.SOMEWHERE):
            made = replace(claim(quantifier), a=a, b=b, benchmark="xstest_all")
            scope = claim_scope(made, analysis)
            of_store = store_tester(store, options)(made, scope)
            of_card = card_tester(analysis, lambda _: None)(made, scope)
            assert (of_store.p_holds, of_store.p_refutes) == (of_card.p_holds, of_card.p_refutes)


def test_a_card_without_rows_says_that_the_store_is_needed(tmp_path: Path):
    store = constant(0.5, 0.5)
    analysis = analyze(store, OPTIONS)

    with pytest.raises(ClaimError, match="Name the store"):
        decide([claim(margin=0.01)], analysis, card_tester(analysis, lambda _: None))
    table = score_table(store, store.manifest.benchmarks[0], estimand(), OPTIONS)
    found = decide([claim(margin=0.01)], analysis, card_tester(analysis, lambda _: table))
    assert found[0].decision is Decision.HOLDS


def swapped(table: ScoreTable, rng: np.random.Generator) -> ScoreTable:
    """The labels of two models exchanged at random, cluster by cluster, in all configurations at once."""
    cluster = table.cluster_index
    flip = (rng.random(cluster.max() + 1) < 0.5)[cluster]

    def exchange(values: np.ndarray) -> np.ndarray:
        return np.where(flip, values[::-1], values)

    return replace(table, values=exchange(table.values), known=exchange(table.known), weights=exchange(table.weights))


def check_same_models(table: ScoreTable, scope: Scope, made: Claim, *, count: int) -> None:
    """Wrong words stay below the level plus two Monte Carlo standard errors.

    That A's worst configuration is below B's best is true of one model under two names wherever configurations differ, so
    only HOLDS is wrong of dominance.
    """
    rng = np.random.default_rng(11)
    words = []
    for draw in range(count):
        options = InferenceOptions(draws=250, seed=draw)
        test = claim_test(made, scope, swapped(table, rng), options)
        words.append(decide_supported([decide_realized(made, scope)], [test])[0].decision)
    limit = 0.05 + 2 * np.sqrt(0.05 * 0.95 / count)
    wrong_words = (Decision.HOLDS,) if made.quantifier is Quantifier.DOMINANCE else (Decision.HOLDS, Decision.REFUTED)
    for wrong in wrong_words:
        assert words.count(wrong) / count <= limit, (made.quantifier, wrong, words.count(wrong))


def studied(shared: Path, folder: Path) -> tuple[Store, str, tuple[str, str]]:
    store = ingest_table(shared / "studies/xstest/xstest_system_prompt.csv", folder)
    return store, "xstest_all", (store.manifest.models[0], store.manifest.models[1])


def pair_table(store: Store, benchmark: str, pair: tuple[str, str]) -> ScoreTable:
    entry = store.manifest.benchmark(benchmark)
    return score_table(store, entry, entry.estimands[0], replace(OPTIONS, models=pair))


@pytest.mark.parametrize("quantifier", [Quantifier.EVERYWHERE, Quantifier.SOMEWHERE])
@pytest.mark.parametrize("count", [60, pytest.param(1000, marks=pytest.mark.long)])
def test_two_labels_of_one_model_rarely_decide_a_claim_on_a_published_study(
    tmp_path: Path, shared: Path, quantifier: Quantifier, count: int
):
    store, benchmark, pair = studied(shared, tmp_path / "s")
    made = replace(claim(quantifier), a=pair[0], b=pair[1], benchmark=benchmark)
    scope = claim_scope(made, analyze(store, LEAN))

    check_same_models(pair_table(store, benchmark, pair), scope, made, count=count)


@pytest.mark.parametrize("quantifier", QUANTIFIERS)
@pytest.mark.parametrize("count", [40, pytest.param(1000, marks=pytest.mark.long)])
def test_two_labels_of_one_model_rarely_decide_a_claim_on_a_made_grid(quantifier: Quantifier, count: int):
    rng = np.random.default_rng(8)
    shared_part = rng.integers(-1, 2, size=(80, 1))
    difference = np.where(rng.random((80, 4)) < 0.5, shared_part, rng.integers(-1, 2, size=(80, 4))).astype(float)
    store = item_store(difference)
    made = claim(quantifier)
    scope = claim_scope(made, analyze(store, LEAN))
    table = score_table(store, store.manifest.benchmarks[0], estimand(), OPTIONS)

    check_same_models(table, scope, made, count=count)


@pytest.mark.parametrize("count", [40, pytest.param(1000, marks=pytest.mark.long)])
def test_two_labels_of_one_model_rarely_decide_a_claim_where_items_come_in_clusters(count: int):
    """The items of a cluster agree, so that a test which took them for units would decide far too often."""
    rng = np.random.default_rng(10)
    difference = np.repeat(rng.integers(-1, 2, size=(30, 3)), 4, axis=0).astype(float)
    store = item_store(difference, clusters=[f"c{i // 4}" for i in range(120)])
    scope = claim_scope(claim(), analyze(store, LEAN))
    table = score_table(store, store.manifest.benchmarks[0], estimand(), OPTIONS)

    check_same_models(table, scope, claim(), count=count)
    apart = replace(table, clusters=table.items)
    n_refuted = 0
    for draw in range(count):
        drawn = replace(swapped(table, rng), clusters=apart.clusters)
        test = claim_test(claim(), scope, drawn, InferenceOptions(draws=250, seed=draw))
        n_refuted += test.p_refutes is not None and test.p_refutes <= 0.05
    assert n_refuted / count > 0.15


@pytest.mark.parametrize(("quantifier", "n_configurations"), [(Quantifier.EVERYWHERE, 1), (Quantifier.MAJORITY, 3)])
@pytest.mark.parametrize("count", [20, pytest.param(300, marks=pytest.mark.long)])
def test_a_planted_difference_is_found_with_the_stated_power(quantifier: Quantifier, n_configurations: int, count: int):
    rng = np.random.default_rng(9)
    shape, discordance, level = (300, n_configurations), 0.3, claim(quantifier)
    differing = np.repeat(np.arange(300) < 90, n_configurations).reshape(shape).astype(float)
    size = provable((differing, np.ones(shape, dtype=np.bool_)), None, quantifier, alpha=0.05, scale=1.0)
    assert size is not None
    chances = [(discordance + size) / 2, (discordance - size) / 2, 1 - discordance]
    found, stated_sizes = 0, []
    for draw in range(count):
        store = item_store(rng.choice([1.0, -1.0, 0.0], p=chances, size=shape))
        scope = claim_scope(level, analyze(store, LEAN))
        table = score_table(store, store.manifest.benchmarks[0], estimand(), OPTIONS)
        test = claim_test(level, scope, table, InferenceOptions(draws=400, seed=draw))
        stated_sizes.append(test.minimum_detectable_difference)
        found += test.p_holds is not None and test.p_holds <= 0.05
    assert found / count >= POWER - 2 * np.sqrt(POWER * (1 - POWER) / count)
    assert np.mean(stated_sizes) == pytest.approx(size, rel=0.05)


def test_what_would_have_been_shown_is_counted_from_the_margin():
    level = claim(relation=Relation.NOT_BEHIND, margin=0.02)

    balanced = np.repeat([1.0, -1.0, 0.0, 0.0, 0.0], 12)[:, None]

    told, same = decided(item_store(balanced), level)[0], decided(constant(0.0, 0.0), level)[0]

    assert "beyond -0.02 with power .8" in told.remedy
    assert (same.minimum_detectable_difference, same.remedy) == (
        None,
        "These items can show no difference at all: measure more.",
    )


def test_dominance_counts_every_pair_of_configurations():
    store = constant(0.05, 0.05, 0.05)
    everywhere, dominance = decided(store, claim())[0], decided(store, claim(Quantifier.DOMINANCE))[0]

    assert everywhere.minimum_detectable_difference is not None
    assert dominance.minimum_detectable_difference is not None
    assert everywhere.minimum_detectable_difference < dominance.minimum_detectable_difference


def test_the_difference_of_a_family_is_stated_at_the_level_that_is_left_to_each_claim():
    store = constant(0.05, 0.05)

    alone, together = decided(store, claim())[0], decided(store, *[claim()] * 5)[0]

    assert alone.minimum_detectable_difference is not None
    assert together.minimum_detectable_difference is not None
    assert alone.minimum_detectable_difference < together.minimum_detectable_difference


def test_a_card_with_rows_states_the_difference_that_its_store_states():
    store = constant(0.05, 0.02)
    analysis = analyze(store, OPTIONS)
    table = score_table(store, store.manifest.benchmarks[0], estimand(), OPTIONS)

    of_store = decide([claim()], analysis, store_tester(store, OPTIONS))[0]
    of_card = decide([claim()], analysis, card_tester(analysis, lambda _: table))[0]
    of_scores = decide([claim()], analysis, card_tester(analysis, lambda _: None))[0]

    assert of_card == of_store
    assert of_scores.decision is Decision.UNDETERMINED
    assert of_scores.minimum_detectable_difference is not None


def test_a_margin_far_beyond_the_scale_is_refused():
    with pytest.raises(ClaimError, match="far beyond the scale"):
        decided(constant(0.5, 0.5), claim(margin=1e300))
