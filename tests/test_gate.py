"""Claims about realized scores: equal to their plain meaning on every grid, and never made true by what is left out."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from builders import estimand
from claim_grids import Grid, MemoryStore, grid_analysis, grid_envelope, grid_settings, plain_decision
from safetyrepro.analysis import Analysis, AnalysisOptions, analyze
from safetyrepro.errors import ClaimError
from safetyrepro.gate import Tester, decide, exit_code
from safetyrepro.gate_baseline import compare
from safetyrepro.gate_supported import ClaimTest
from safetyrepro.manifest import BenchmarkEntry, Manifest, Stamp
from safetyrepro.records import CellKey, ItemRecord, Status
from safetyrepro.scope import Scope, claim_scope
from safetyrepro.verdicts import Claim, ClaimResult, Decision, EvidenceLevel, Quantifier, Relation

SCORES = (None, 0.0, 0.25, 0.5, 0.75)
MARGINS = (0.0, 0.0, 0.25, 0.1, -0.25)
COMPLETE: Grid = [(0.75, 0.5), (0.5, 0.25), (0.5, 0.25), (0.25, 0.0)]


def untested(claim: Claim, scope: Scope) -> ClaimTest:
    raise AssertionError(f"{claim} on {scope} was tested although it is realized")


NO_TESTER: Tester = untested


def claim(quantifier: Quantifier = Quantifier.EVERYWHERE, **changes) -> Claim:
    return Claim(a="a", b="b", benchmark="bench", quantifier=quantifier, **changes)


def decided(grid: Grid, *claims: Claim, n_core: int = 0) -> tuple[ClaimResult, ...]:
    return decide(claims, grid_analysis(grid, n_core=n_core), NO_TESTER)


def made(rng: random.Random) -> tuple[Grid, Claim, int]:
    """A random grid of at most four configurations, a claim on it, and the size of its core tier."""
    n = rng.randint(1, 4)
    grid = [(rng.choice(SCORES), rng.choice(SCORES)) for _ in range(n)]
    chosen = claim(rng.choice(list(Quantifier)), relation=rng.choice(list(Relation)), margin=rng.choice(MARGINS))
    return grid, chosen, rng.randint(1, n)


def scope_of(grid: Grid, chosen: Claim, n_core: int) -> Grid:
    return grid[:n_core] if chosen.quantifier is Quantifier.CORE else grid


def check_grids(seed: int, count: int) -> None:
    rng = random.Random(seed)
    for _ in range(count):
        grid, chosen, n_core = made(rng)
        found = decided(grid, chosen, n_core=n_core)[0]
        assert found.decision.value == plain_decision(chosen, scope_of(grid, chosen, n_core)), (grid, chosen, n_core)
        assert found.n_satisfied + found.n_contradicted + found.n_missing == found.n_configurations


def test_a_decision_is_what_every_completion_of_the_missing_cells_says():
    check_grids(seed=1, count=500)


@pytest.mark.long
def test_a_decision_is_what_every_completion_says_on_ten_thousand_grids():
    check_grids(seed=2, count=10_000)


def check_deletions(seed: int, count: int) -> None:
    rng = random.Random(seed)
    for _ in range(count):
        grid, chosen, n_core = made(rng)
        before = decided(grid, chosen, n_core=n_core)[0].decision
        c, side = rng.randrange(len(grid)), rng.randrange(2)
        cut = [(None if (i, 0) == (c, side) else a, None if (i, 1) == (c, side) else b) for i, (a, b) in enumerate(grid)]
        after = decided(cut, chosen, n_core=n_core)[0].decision
        assert after is not Decision.HOLDS or before is Decision.HOLDS, (grid, cut, chosen)


def test_leaving_a_cell_out_never_makes_a_claim_hold():
    check_deletions(seed=3, count=150)


@pytest.mark.long
def test_leaving_a_cell_out_never_makes_a_claim_hold_on_many_grids():
    check_deletions(seed=4, count=5_000)


def test_a_tie_refutes_ahead_and_satisfies_not_behind():
    grid = [(0.5, 0.5), (0.75, 0.25)]

    ahead, level = decided(grid, claim(), claim(relation=Relation.NOT_BEHIND))

    assert (ahead.decision, level.decision) == (Decision.REFUTED, Decision.HOLDS)
    assert [one.settings for one in ahead.witness] == grid_settings(1)


def test_a_witness_names_the_scores_as_the_claim_does_and_the_fewest_factors_that_turn_it():
    grid = [(0.5, 0.25), (0.25, 0.75), (0.5, 0.25)]
    turned = Claim(a="b", b="a", benchmark="bench")

    result = decided(grid, turned)[0]

    assert result.decision is Decision.REFUTED
    assert (result.witness[0].score_a, result.witness[0].score_b) == (0.25, 0.5)
    assert result.flips == ("f",)
    assert (result.n_satisfied, result.n_contradicted) == (1, 2)


def test_the_widest_contradiction_is_the_first_witness():
    result = decided([(0.5, 0.25), (0.25, 0.5), (0.0, 0.75)], claim())[0]

    assert [one.score_b for one in result.witness] == [0.75, 0.5]


def test_dominance_is_refuted_by_cells_of_different_configurations():
    result = decided([(0.25, 0.0), (0.75, 0.5)], claim(Quantifier.DOMINANCE))[0]

    assert result.decision is Decision.REFUTED
    assert [(one.score_a, one.score_b) for one in result.witness] == [(0.25, 0.0), (0.75, 0.5)]
    assert "A's worst score is 0.25, B's best 0.5" in result.reason


def test_what_is_missing_is_named_with_the_command_that_runs_it():
    analysis = grid_analysis([(0.75, 0.5), (None, 0.25)])

    result = decide([claim()], analysis, NO_TESTER, run_again="safetyrepro run study.yaml")[0]

    assert result.decision is Decision.UNDETERMINED
    assert [one.settings["f"] for one in result.missing] == ["y"]
    assert result.missing[0].score_b == 0.25
    assert result.remedy == "Run what is missing: safetyrepro run study.yaml"


def two_estimands(*, narrow: int, level: str = "xy") -> Analysis:
    """Two configurations per level of g; the second estimand has a score only where g is below `narrow` and f is one of `level`."""
    envelope = grid_envelope(4)
    rows = [
        scored(model, member.digest, name, value=0.5 + 0.25 * (model == "a"))
        for name in ("score", "other")
        for model in "ab"
        for c, member in enumerate(envelope.configurations)
        if name == "score" or (c // 2 < narrow and "xy"[c % 2] in level)
    ]
    entry = BenchmarkEntry(
        name="bench", estimands=tuple(replace(estimand(), name=name) for name in ("score", "other")), envelope=envelope
    )
    manifest = Manifest(study="made", source="run", benchmarks=(entry,), models=("a", "b"), stamp=Stamp(package_version="0"))
    return analyze(
        MemoryStore(manifest, rows), AnalysisOptions(inference=None, further=False, attribution=False, policies=False)
    )


def scored(model: str, digest: str, name: str, *, value: float) -> ItemRecord:
    return ItemRecord(
        cell=CellKey(model, "bench", digest),
        estimand=name,
        item_id="i",
        cluster="i",
        stratum="",
        repeat=0,
        value=value,
        weight=1.0,
        status=Status.SCORED,
        reason="",
    )


def test_what_was_run_and_has_no_such_score_is_not_to_be_run_again_but_the_claim_narrowed():
    analysis = two_estimands(narrow=1)

    wide = decide([claim(estimand="other")], analysis, NO_TESTER, run_again="safetyrepro run study.yaml")[0]
    narrow = decide([claim(estimand="other", where=(("g", ("0",)),))], analysis, NO_TESTER)[0]

    assert (wide.decision, wide.because) == (Decision.UNDETERMINED, "not covered")
    assert wide.remedy == "2 of these 2 were run and give no 'other': narrow the claim with 'where g=0'."
    assert (narrow.decision, narrow.because) == (Decision.HOLDS, "")


def test_a_claim_is_narrowed_by_as_many_factors_as_it_takes():
    wide = decide([claim(estimand="other")], two_estimands(narrow=1, level="y"), NO_TESTER)[0]

    assert wide.remedy == "3 of these 3 were run and give no 'other': narrow the claim with 'where g=0 and f=y'."


def test_a_score_that_exists_nowhere_has_no_condition_to_narrow_to():
    wide = decide([claim(estimand="other")], two_estimands(narrow=0), NO_TESTER)[0]

    assert wide.remedy == "4 of these 4 were run and give no 'other': narrow the claim."


def test_conditions_narrow_the_scope():
    grid = [(0.5, 0.25), (0.25, 0.5), (0.5, 0.25)]

    result = decided(grid, claim(where=(("f", ("x",)),)))[0]

    assert (result.decision, result.n_configurations) == (Decision.HOLDS, 2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"a": "z"}, "there is no model 'z'"),
        ({"b": "a"}, "compares a model with itself"),
        ({"benchmark": "none"}, "there is no benchmark 'none'"),
        ({"estimand": "mc9"}, "there is no benchmark 'bench:mc9'"),
        ({"where": (("h", ("x",)),)}, "there is no factor 'h'"),
        ({"where": (("f", ("z",)),)}, "there is no level of 'f' 'z'"),
        ({"where": (("f", ("y",)), ("g", ("1",)))}, "no configuration meets its conditions"),
        ({"quantifier": Quantifier.CORE}, "no configuration is in the core tier"),
    ],
)
def test_a_claim_that_does_not_fit_is_refused_and_never_decided(changes: dict, message: str):
    words = {"a": "a", "b": "b", "benchmark": "bench", **changes}

    with pytest.raises(ClaimError) as caught:
        decided([(0.5, 0.25), (0.5, 0.25), (0.5, 0.25)], Claim(**words))

    assert message in caught.value.sentence
    assert "\n" not in caught.value.sentence


def test_results_without_a_verdict_on_the_pair_are_refused():
    analysis = grid_analysis(COMPLETE)
    result = analysis.benchmarks["bench"]
    cut = replace(analysis, benchmarks={"bench": replace(result, pairs=())})

    with pytest.raises(ClaimError, match="no verdict on this pair"):
        decide([claim()], cut, NO_TESTER)


def test_one_refuted_claim_decides_the_exit_code_then_an_undetermined_one():
    grid = [(0.5, 0.25), (0.25, 0.5), (None, 0.25)]
    holds, refuted = claim(Quantifier.SOMEWHERE), claim()
    undetermined = claim(Quantifier.MEAN)

    def code(*claims: Claim) -> int:
        return exit_code(decided(grid, *claims))

    assert code(holds) == 0
    assert code(holds, undetermined) == 3
    assert code(undetermined, refuted, holds) == 1


def test_a_baseline_names_the_configurations_that_turned_under_the_same_settings():
    before, now = grid_analysis(COMPLETE), grid_analysis([(0.25, 0.5), *COMPLETE[1:]])
    results = decide([claim()], now, NO_TESTER)

    change = compare(results, now, before, NO_TESTER)[0]

    assert (change.before, change.after, change.changed) == (Decision.HOLDS, Decision.REFUTED, True)
    assert [one.settings for one in change.turned] == grid_settings(1)
    assert "1 configuration that satisfied it contradicts it now" in change.reason


def test_a_baseline_with_fewer_configurations_gives_the_flip_set_of_the_new_ones():
    before, now = grid_analysis(COMPLETE[:1]), grid_analysis([COMPLETE[0], (0.25, 0.5)])
    results = decide([claim()], now, NO_TESTER)

    change = compare(results, now, before, NO_TESTER)[0]

    assert (change.n_new, change.flips, change.turned) == (1, ("f",), ())
    assert "flip set {f}" in change.reason


def test_a_claim_that_the_baseline_cannot_answer_is_said_to_be_so():
    now = grid_analysis(COMPLETE)
    before = grid_analysis(COMPLETE[:1])
    results = decide([claim(where=(("g", ("1",)),))], now, NO_TESTER)

    change = compare(results, now, before, NO_TESTER)[0]

    assert change.before is None
    assert "there is no level of 'g' '1'" in change.reason


def test_regained_configurations_are_counted_too():
    before, now = grid_analysis([(0.25, 0.5), *COMPLETE[1:]]), grid_analysis(COMPLETE)

    change = compare(decide([claim()], now, NO_TESTER), now, before, NO_TESTER)[0]

    assert (change.before, change.after, len(change.regained)) == (Decision.REFUTED, Decision.HOLDS, 1)


def test_a_realized_claim_is_never_tested_and_a_supported_one_is():
    with pytest.raises(AssertionError, match="was tested"):
        decided(COMPLETE, claim(evidence=EvidenceLevel.SUPPORTED))


def test_a_scope_turns_scores_and_differences_to_the_claims_names():
    scope = claim_scope(Claim(a="b", b="a", benchmark="bench"), grid_analysis([(0.75, 0.5)]))

    assert scope.turned
    assert scope.scores(scope.entries[0]) == (0.5, 0.75)
    assert scope.difference(scope.entries[0]) == -0.25
