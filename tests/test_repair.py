"""Where a refuted claim is true: what trying every part finds, what the gate says of it, and what other items say."""

from __future__ import annotations

import itertools
import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from builders import estimand, write_table
from claim_grids import Grid, MemoryStore, grid_analysis, grid_settings, grid_store, item_store, plain_decision
from oracles.subcubes import boxes, cut_out
from safetyrepro import repair as repair_module
from safetyrepro.analysis import AnalysisOptions, analyze, score_table
from safetyrepro.claims import parse_claim
from safetyrepro.cli import app
from safetyrepro.confirmation import Confirmation, confirm
from safetyrepro.errors import ClaimError
from safetyrepro.estimands import Orientation
from safetyrepro.gate import decide_realized
from safetyrepro.inference import InferenceOptions, generator
from safetyrepro.ingest import TableOptions, ingest_table
from safetyrepro.repair import LABEL, Repair, repair
from safetyrepro.scope import claim_scope
from safetyrepro.verdicts import Claim, Decision, Quantifier, Relation

SCORES = (None, 0.0, 0.25, 0.5, 0.75, 1.0)
OPTIONS = InferenceOptions(draws=300)
BARE = AnalysisOptions(inference=None, further=False, attribution=False, policies=False)
RUNNER = CliRunner()


def claim(quantifier: Quantifier = Quantifier.EVERYWHERE, **changes) -> Claim:
    return Claim(a="a", b="b", benchmark="bench", quantifier=quantifier, **changes)


def repaired(grid: Grid, chosen: Claim, n_core: int = 0) -> Repair:
    analysis = grid_analysis(grid, n_core=n_core)
    return repair(chosen, claim_scope(chosen, analysis), None, OPTIONS, most=1_000)


def table_of_levels(indices: list[int], n: int) -> list[tuple[int, ...]]:
    """Levels of the made grids as numbers, for the places in scope."""
    settings = grid_settings(n)
    names = {name: list(dict.fromkeys(entry[name] for entry in settings)) for name in ("f", "g")}
    return [tuple(names[name].index(settings[c][name]) for name in ("f", "g")) for c in indices]


def plain_parts(grid: Grid, chosen: Claim, n_core: int) -> set[frozenset[int]]:
    """Every largest part in which the claim is true, by trying all products of sets of levels."""
    where = list(range(n_core)) if chosen.quantifier is Quantifier.CORE else list(range(len(grid)))
    levels = table_of_levels(where, len(grid))

    def true_in(members: frozenset[int]) -> bool:
        return bool(members) and plain_decision(chosen, [grid[where[c]] for c in members]) == "HOLDS"

    sets = {cut_out(levels, box) for box in boxes(levels)}
    fine = {frozenset(where[c] for c in members) for members in sets if true_in(members)}
    return {members for members in fine if not any(members < other for other in fine)}


def members_of(result: Repair, n: int) -> set[frozenset[int]]:
    settings = grid_settings(n)
    found = set()
    for entry in result.repaired:
        conditions = dict(entry.claim.where)
        chosen = [c for c in range(n) if all(settings[c][name] in levels for name, levels in conditions.items())]
        found.add(frozenset(chosen))
    return found


def made(rng: random.Random, quantifiers: list[Quantifier]) -> tuple[Grid, Claim, int]:
    n = rng.randint(1, 10)
    scores = SCORES if rng.random() < 0.3 else SCORES[1:]
    grid = [(rng.choice(scores), rng.choice(scores)) for _ in range(n)]
    return (
        grid,
        claim(rng.choice(quantifiers), relation=rng.choice(list(Relation)), margin=rng.choice((0.0, 0.0, 0.25, -0.25))),
        rng.randint(1, n),
    )


def check_random(seed: int, count: int, quantifiers: list[Quantifier]) -> int:
    """Compare with trying everything, and pass each repaired claim through the grammar and the gate."""
    rng, n_parts = random.Random(seed), 0
    for _ in range(count):
        grid, chosen, n_core = made(rng, quantifiers)
        analysis = grid_analysis(grid, n_core=n_core)
        result = repaired(grid, chosen, n_core)
        core = set(range(n_core)) if chosen.quantifier is Quantifier.CORE else set(range(len(grid)))
        assert {members & core for members in members_of(result, len(grid))} == plain_parts(grid, chosen, n_core), (
            grid,
            chosen,
        )
        for entry in result.repaired:
            read = parse_claim(entry.claim.canonical)
            again = decide_realized(read, claim_scope(read, analysis))
            assert again.decision is Decision.HOLDS, (grid, chosen, entry.claim.canonical)
            assert entry.result.decision is Decision.HOLDS
        n_parts += result.n_found
    return n_parts


def test_parts_of_claims_about_every_configuration_are_those_that_trying_everything_finds():
    assert check_random(1, 100, [Quantifier.EVERYWHERE, Quantifier.CORE]) > 100


def test_parts_of_other_claims_are_those_that_trying_everything_finds():
    others = [one for one in Quantifier if one not in (Quantifier.EVERYWHERE, Quantifier.CORE)]
    assert check_random(2, 25, others) > 20


@pytest.mark.long
def test_a_thousand_random_grids_agree_with_trying_everything():
    assert check_random(3, 1_000, [Quantifier.EVERYWHERE, Quantifier.CORE]) > 1_000
    assert check_random(4, 300, list(Quantifier)) > 300


def test_a_claim_that_holds_is_its_own_largest_part():
    result = repaired([(1.0, 0.0)] * 4, claim())

    assert result.result.decision is Decision.HOLDS
    assert [(entry.conditions, entry.share) for entry in result.repaired] == [((), 1.0)]
    assert result.repaired[0].claim == claim()


def test_a_claim_that_is_true_nowhere_has_no_part():
    result = repaired([(0.0, 1.0)] * 4, claim())

    assert (result.result.decision, result.repaired, result.n_found) == (Decision.REFUTED, (), 0)


def test_the_share_the_smallest_margin_and_where_it_is_are_told():
    result = repaired([(1.0, 0.0), (0.0, 1.0), (0.75, 0.5), (0.0, 1.0)], claim(margin=0.25))

    entry = result.repaired[0]
    assert result.label == LABEL == "found after looking"
    assert entry.conditions == (("f", ("x",)),)
    assert (entry.share, entry.smallest_margin, entry.weakest) == (0.5, 0.5, {"f": "x", "g": "1"})
    assert entry.claim.canonical == "a > b - 0.25 on bench everywhere where f=x"


def test_a_condition_of_the_claim_is_kept_or_narrowed():
    grid: Grid = [(1.0, 0.0), (0.0, 1.0), (0.0, 1.0), (1.0, 0.0), (1.0, 0.0), (1.0, 0.0)]

    kept = repaired(grid, claim(where=(("f", ("x",)),)))
    narrowed = repaired(grid, claim(where=(("g", ("0", "2")),)))

    assert [entry.claim.where for entry in kept.repaired] == [(("f", ("x",)), ("g", ("0", "2")))]
    assert [entry.claim.where for entry in narrowed.repaired] == [(("g", ("0", "2")), ("f", ("x",))), (("g", ("2",)),)]
    assert kept.repaired[0].share == pytest.approx(2 / 3)


def test_a_missing_cell_is_in_no_part():
    result = repaired([(1.0, 0.0), (None, 0.0), (1.0, 0.0), (1.0, 0.0)], claim())

    assert result.result.decision is Decision.UNDETERMINED
    assert {entry.conditions for entry in result.repaired} == {(("f", ("x",)),), (("g", ("1",)),)}


def test_only_the_first_parts_are_listed_and_the_others_counted():
    grid: Grid = [(1.0, 0.0) if c % 3 else (0.0, 1.0) for c in range(8)]
    scope = claim_scope(claim(), grid_analysis(grid))

    result = repair(claim(), scope, None, OPTIONS, most=1)

    assert len(result.repaired) == 1
    assert result.n_found > 1


def test_too_many_parts_are_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(repair_module, "MOST_DECIDED", 3)

    with pytest.raises(ClaimError, match="too many parts"):
        repaired([(1.0, 0.0)] * 6, claim(Quantifier.MEAN))


def differences(n_items: int, *rates: float) -> MemoryStore:
    """A right alone on a share of the items (negative: B alone), per configuration."""
    x = np.zeros((n_items, len(rates)))
    for c, rate in enumerate(rates):
        x[: round(abs(rate) * n_items), c] = np.sign(rate)
    return item_store(x)


def on_store(store: MemoryStore, chosen: Claim, options: InferenceOptions = OPTIONS) -> tuple[Repair, Confirmation]:
    scope = claim_scope(chosen, analyze(store, BARE))
    entry = store.manifest.benchmarks[0]
    table = score_table(store, entry, entry.estimands[0], BARE)
    records = store.records("bench", "score")
    return repair(chosen, scope, table, options), confirm(chosen, scope, table, records, options=options)


def test_the_limits_hold_for_every_part_at_once():
    found, _ = on_store(differences(200, 0.5, -0.4, 0.02, -0.4), claim())

    entry = found.repaired[0]
    assert entry.conditions == (("f", ("x",)),)
    assert entry.low is not None
    assert entry.high is not None
    assert entry.low < entry.smallest_margin < entry.high
    assert entry.low < 0


def test_a_pair_that_is_named_the_other_way_round_has_the_limits_turned():
    store = differences(200, 0.5, -0.4, 0.3, -0.4)
    turned = replace(claim(), a="b", b="a")

    ahead, behind = on_store(store, claim())[0].repaired[0], on_store(store, turned)[0].repaired[0]

    assert (ahead.conditions, behind.conditions) == ((("f", ("x",)),), (("f", ("y",)),))
    assert ahead.low is not None
    assert behind.low is not None
    assert ahead.low > 0.1
    assert behind.low > 0.1


def test_no_limit_is_given_below_fifty_units_and_for_claims_that_are_not_about_each():
    few, _ = on_store(differences(20, 0.5, -0.5), claim())
    mean, _ = on_store(differences(200, 0.5, -0.6), claim(Quantifier.MEAN))

    assert few.repaired[0].low is None
    assert (mean.repaired[0].low, mean.repaired[0].smallest_margin) == (None, None)


def test_a_planted_part_is_confirmed_on_other_items():
    rng = np.random.default_rng(3)
    x = np.where(rng.random((240, 4)) < 0.6, np.array([1, -1, 1, -1]), 0)

    _, found = on_store(item_store(x.astype(float)), claim())

    assert (found.n_found_on, found.n_tested_on, found.n_found) == (120, 120, 1)
    assert found.tested[0].conditions == (("f", ("x",)),)
    assert found.tested[0].result.decision is Decision.HOLDS
    assert found.tested[0].result.family_size == 1
    assert found.tested[0].realized.decision is Decision.HOLDS


@pytest.mark.parametrize("size", [1, 4])
def test_what_the_first_half_suggests_is_held_against_the_other_half_alone(size: int):
    n_clusters = 60
    order = generator(OPTIONS, "bench", "split").permutation(n_clusters).tolist()
    first = set(order[: n_clusters // 2])
    x = np.array([[0.5, -1.0] if i // size in first else [-1.0, -1.0] for i in range(n_clusters * size)])
    store = item_store(x, clusters=[f"c{i // size}" for i in range(n_clusters * size)])

    _, found = on_store(store, claim())

    assert [entry.conditions for entry in found.tested] == [(("f", ("x",)),)]
    assert found.tested[0].realized.decision is Decision.REFUTED
    assert found.tested[0].realized.n_contradicted == 1
    assert found.tested[0].result.decision is Decision.REFUTED


def test_two_equal_models_are_confirmed_nowhere_more_often_than_alpha():
    rng = np.random.default_rng(11)
    confirmed = 0
    for run in range(40):
        store = item_store(rng.integers(-1, 2, size=(60, 4)).astype(float))
        _, found = on_store(store, claim(), InferenceOptions(draws=100, seed=run))
        confirmed += any(entry.result.decision is Decision.HOLDS for entry in found.tested)
    assert confirmed <= 5


def test_the_split_goes_by_cluster_and_by_seed():
    x = np.random.default_rng(5).integers(-1, 2, size=(40, 2)).astype(float)
    clustered = item_store(x, clusters=[f"c{i // 4}" for i in range(40)])

    _, one = on_store(clustered, claim())
    _, again = on_store(clustered, claim())
    _, other = on_store(clustered, claim(), InferenceOptions(draws=300, seed=1))

    assert (one.n_found_on, one.n_tested_on) == (5, 5)
    assert one == again
    assert one != other


def test_one_cluster_cannot_be_split():
    store = item_store(np.ones((4, 2)), clusters=["c"] * 4)

    with pytest.raises(ClaimError, match="cannot be split"):
        on_store(store, claim())


def test_a_target_has_parts_without_limits():
    values = {
        (model, c, i): value
        for c, pair in enumerate([(0.5, 0.9), (0.9, 0.5)])
        for i in range(60)
        for model, value in zip("ab", pair, strict=True)
    }
    store = grid_store(values, (2, 60), estimand(orientation="target(0.5)"))

    found, confirmed = on_store(store, claim())

    assert found.repaired[0].conditions == (("f", ("x",)),)
    assert found.repaired[0].low is None
    assert confirmed.tested[0].result.decision is Decision.HOLDS


def table(folder: Path) -> Path:
    """A ahead under x, B under y, on sixty items."""
    rows = [
        (model, "bench", level, f"i{i}", int((model == "a") == (level == "x") or i % 5 == 0))
        for model, level, i in itertools.product("ab", "xy", range(60))
    ]
    return write_table(folder / "t.csv", rows)


def test_the_command_says_where_the_claim_is_true_and_confirms_it(tmp_path: Path):
    ingest_table(table(tmp_path), tmp_path / "s")

    done = RUNNER.invoke(
        app, ["repair", str(tmp_path / "s"), "a > b on bench", "--confirm", "--draws", "200"], env={"COLUMNS": "120"}
    )

    assert done.exit_code == 0, done.output
    text = " ".join(done.output.split())
    assert "REFUTED a > b on bench" in text
    assert "Found after looking: the largest parts in which it is true." in text
    assert "1. f=x 1 configuration (50% of the claim's); smallest margin +0.8000 under f=x" in text
    assert "the items bear it" in text
    assert "looked for on 30 clusters of items, tested on the other 30 (seed 0); 1 of 1 parts tested. HOLDS f=x" in text


def test_the_command_says_why_there_are_no_limits(tmp_path: Path):
    rows = [(model, "bench", level, "i0", int((model == "a") == (level == "x"))) for model in "ab" for level in "xy"]
    ingest_table(write_table(tmp_path / "t.csv", rows), tmp_path / "s")

    done = RUNNER.invoke(app, ["repair", str(tmp_path / "s"), "a > b on bench"])

    assert "No limits: they need 50 items or clusters" in " ".join(done.output.split())


def test_the_command_prints_json(tmp_path: Path):
    ingest_table(table(tmp_path), tmp_path / "s")

    done = RUNNER.invoke(app, ["repair", str(tmp_path / "s"), "a > b on bench", "--json", "--draws", "200"])

    document = json.loads(done.output)
    assert document["confirmation"] is None
    assert document["repair"]["label"] == LABEL
    assert document["repair"]["repaired"][0]["claim"]["where"] == [["f", ["x"]]]


def test_the_command_says_when_there_is_no_part_and_when_nothing_was_found_on_the_first_half(tmp_path: Path):
    rows = [(model, "bench", "x", f"i{i}", int(model == "b")) for model in "ab" for i in range(10)]
    ingest_table(write_table(tmp_path / "t.csv", rows), tmp_path / "s")

    done = RUNNER.invoke(app, ["repair", str(tmp_path / "s"), "a > b on bench", "--confirm"])

    assert done.exit_code == 0
    assert "No condition on the factors makes it true" in done.output


@pytest.mark.parametrize("sentence", ["a beats b", "a > z on bench", "a > b on none", "a > b on bench where f=q"])
def test_a_claim_that_cannot_be_read_or_names_what_is_not_there_is_refused(tmp_path: Path, sentence: str):
    ingest_table(table(tmp_path), tmp_path / "s")

    done = RUNNER.invoke(app, ["repair", str(tmp_path / "s"), sentence])

    assert isinstance(done.exception, ClaimError)


def test_hostile_names_do_not_reach_the_terminal(tmp_path: Path):
    rows = [
        (model, "bench", f"\x1b[31m{level}", "i0", int((model == "a") == (level == "x"))) for model in "ab" for level in "xy"
    ]
    options = TableOptions(orientations={"": Orientation()})
    ingest_table(write_table(tmp_path / "t.csv", rows), tmp_path / "s", options=options)

    done = RUNNER.invoke(app, ["repair", str(tmp_path / "s"), "a > b on bench"])

    assert done.exit_code == 0
    assert "\x1b" not in done.output
