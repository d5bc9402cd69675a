"""Who ships which level, and where a published configuration stands among all that were run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from safetyrepro import atlas
from safetyrepro.analysis import Analysis
from safetyrepro.benchmarks import benchmark_modules
from safetyrepro.claims import parse_claim
from safetyrepro.cli import app
from safetyrepro.commands.locate import _apart
from safetyrepro.errors import ClaimError, SafetyReproError, StudyError
from safetyrepro.opened import open_results
from safetyrepro.options import parse_settings
from safetyrepro.scope import claim_scope

MODULES = dict(benchmark_modules())
TEMPLATES, SHOTS = ("qa", "chat"), ("0", "5")


def invoke(*arguments: str):
    return CliRunner().invoke(app, list(arguments))


@pytest.mark.parametrize("name", MODULES)
def test_every_level_of_every_factor_is_in_the_atlas_with_who_ships_it(name: str) -> None:
    module = MODULES[name]
    rows = atlas.practices(module)
    listed = {(row.factor, row.level) for row in rows if row.factor != "edition"}
    assert listed == {(factor.name, level.name) for factor in module.FACTORS for level in factor.levels}
    assert all(row.package and row.about for row in rows)
    assert {row.evidence for row in rows} <= {"checked", "read", "own"}
    assert any(row.factor == "edition" for row in rows)


def test_defaults_and_the_papers_levels_are_marked() -> None:
    rows = {(row.factor, row.level): row for row in atlas.practices(MODULES["truthfulqa"])}
    assert rows["template", "cloze"].default
    assert not rows["template", "cloze_chat"].default
    assert rows["template", "helm_letters"].paper
    assert not rows["template", "inspect_reasoning"].paper
    assert rows["order", "seeded"].paper
    assert not rows["order", "as_listed"].paper
    assert rows["scoring", "pmi"].requires["template"][:2] == ("cloze", "cloze_chat")
    assert rows["scoring", "pmi"].stage == "score"


def test_only_some_factors_can_be_asked_for_and_others_are_refused() -> None:
    assert {row.factor for row in atlas.practices(MODULES["bbq"], ["shots", "edition"])} == {"shots", "edition"}
    with pytest.raises(StudyError, match="some of edition, template, shots"):
        atlas.practices(MODULES["bbq"], ["judge"])


def test_the_command_prints_a_table_or_json() -> None:
    shown = invoke("defaults", "bbq", "--factor", "scoring")
    assert shown.exit_code == 0
    assert "lm-evaluation-harness" in shown.output
    assert "sum *" in shown.output
    assert "1 checked, " in shown.output
    rows = json.loads(invoke("defaults", "bbq", "--json").output)
    assert {row["factor"] for row in rows} >= {"template", "shots", "scoring", "delimiter", "decoding", "edition"}
    refused = invoke("defaults", "mmlu")
    assert isinstance(refused.exception, StudyError)


SCORES = {
    # template, shots: (A, B); A less B is .4, .1, .1, -.2
    ("qa", "0"): ("0.9", "0.5"),
    ("qa", "5"): ("0.6", "0.5"),
    ("chat", "0"): ("0.5", "0.4"),
    ("chat", "5"): ("0.3", "0.5"),
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("located")
    lines = ["model,benchmark,template,shots,item_id,score"]
    for (template, shots), scores in SCORES.items():
        lines += [f"{model},bbq,{template},{shots},i,{score}" for model, score in zip("AB", scores, strict=True)]
    (folder / "scores.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    done = invoke("ingest", "table", str(folder / "scores.csv"), "--out", str(folder / "store"))
    assert done.exit_code == 0, done.output
    return folder / "store"


@pytest.fixture(scope="module")
def analysis(store: Path) -> Analysis:
    return open_results(store).analysis


def standing(analysis: Analysis, sentence: str, **at: str):
    claim = parse_claim(sentence)
    return atlas.standings(claim, claim_scope(claim, analysis), at)


def test_a_configuration_has_a_rank_and_the_claim_a_count(analysis: Analysis) -> None:
    (one,) = standing(analysis, "A > B on bbq", template="qa", shots="0")
    assert (one.rank, one.n_known, one.n_holds, one.n_tied, one.holds) == (1, 4, 3, 0, True)
    assert one.sentence == "1st most favourable to A of 4; it holds here (+0.4); the relation holds in 3 of 4"


def test_equal_differences_share_the_better_rank(analysis: Analysis) -> None:
    (one,) = standing(analysis, "A > B on bbq", template="chat", shots="0")
    assert (one.rank, one.n_tied) == (2, 1)
    assert "2nd most favourable to A of 4, tied with 1" in one.sentence


def test_the_other_direction_turns_ranks_round(analysis: Analysis) -> None:
    (one,) = standing(analysis, "B > A on bbq", template="chat", shots="5")
    assert (one.rank, one.holds, one.n_holds) == (1, True, 1)


def test_a_margin_and_a_weak_relation_are_obeyed(analysis: Analysis) -> None:
    (one,) = standing(analysis, "A >= B - 0.2 on bbq", template="chat", shots="5")
    assert (one.rank, one.holds, one.n_holds) == (4, True, 4)
    (other,) = standing(analysis, "A > B + 0.1 on bbq", template="qa", shots="5")
    assert other.holds is False
    assert "it does not hold here" in other.sentence


def test_a_condition_that_several_meet_lists_them_best_first(analysis: Analysis) -> None:
    assert [one.rank for one in standing(analysis, "A > B on bbq", shots="5")] == [2, 4]


def test_a_claims_own_condition_narrows_the_scope(analysis: Analysis) -> None:
    (one,) = standing(analysis, "A > B on bbq everywhere where template=chat", shots="0")
    assert (one.rank, one.n_known) == (1, 2)


def test_what_is_not_in_scope_is_refused(analysis: Analysis) -> None:
    with pytest.raises(ClaimError, match=r"--at template=verse: occurs in no configuration.*expected one of chat, qa"):
        standing(analysis, "A > B on bbq", template="verse")
    with pytest.raises(ClaimError, match="a factor of its envelope"):
        standing(analysis, "A > B on bbq", colour="red")


@given(st.lists(st.sampled_from([-0.5, -0.25, 0.0, 0.25, 0.5]), min_size=1, max_size=8))
def test_ranks_count_the_configurations_that_favour_a_more(differences: list[float]) -> None:
    claim = parse_claim("A > B on bbq")
    scope = scope_of(differences)
    found = atlas.standings(claim, scope, {})
    assert [one.rank for one in found] == sorted(1 + sum(other > value for other in differences) for value in differences)
    assert all(one.n_tied == differences.count(one.difference) - 1 for one in found)
    assert {one.n_holds for one in found} == {sum(value > 0 for value in differences)}


def scope_of(differences: list[float | None]):
    """A scope of the given differences, as `claim_scope` would make it."""
    from safetyrepro.scope import Scope
    from safetyrepro.verdicts import ConfigurationVerdict, Order

    def entry(number: int, value: float | None) -> ConfigurationVerdict:
        return ConfigurationVerdict(
            settings={"f": str(number)},
            digest=str(number),
            score_a=value,
            score_b=None if value is None else 0.0,
            difference=value,
            order=Order.MISSING if value is None else Order.TIE,
            core=False,
            n_items=1,
        )

    entries = tuple(entry(number, value) for number, value in enumerate(differences))
    return Scope(name="bbq", result=None, verdict=None, turned=False, entries=entries, indices=tuple(range(len(entries))))


def test_a_configuration_without_a_score_has_no_rank_and_stands_last() -> None:
    found = atlas.standings(parse_claim("A > B on bbq"), scope_of([None, 0.5, -0.5]), {})
    assert [one.rank for one in found] == [1, 2, None]
    assert found[2].holds is None
    assert found[2].sentence == "no score here; the relation holds in 1 of 2; 1 lack a score"


def test_settings_that_no_configuration_has_together_are_refused() -> None:
    scope = scope_of([0.5])
    with pytest.raises(ClaimError, match="occurs in no configuration"):
        atlas.standings(parse_claim("A > B on bbq"), scope, {"f": "9"})


@pytest.mark.parametrize(
    ("number", "word"),
    [(1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (12, "12th"), (22, "22nd"), (113, "113th")],
)
def test_ranks_are_written_as_people_write_them(number: int, word: str) -> None:
    assert atlas.ordinal(number) == word


def test_settings_are_read_from_the_command_line() -> None:
    assert parse_settings(["a=1,b=x y", "c=2"]) == {"a": "1", "b": "x y", "c": "2"}
    for text in ("a", "a=", "=1", "a=1,a=2"):
        with pytest.raises(SafetyReproError, match="--at"):
            parse_settings([text])


def test_locate_prints_the_standing_of_each_configuration(store: Path) -> None:
    shown = invoke("locate", str(store), "--claim", "A > B on bbq", "--at", "template=qa,shots=0")
    assert shown.exit_code == 0, shown.output
    words = " ".join(shown.output.split())
    assert "1st most favourable to A of 4" in words
    assert "A is A, B is B." in words
    assert "template=qa shots=0" in words or "shots=0 template=qa" in words
    rows = json.loads(invoke("locate", str(store), "--claim", "A > B on bbq", "--at", "shots=5", "--json").output)
    assert [row["rank"] for row in rows] == [2, 4]
    assert rows[0]["sentence"].startswith("2nd most favourable")


def test_what_all_configurations_share_is_said_once_below_the_table() -> None:
    varied, constant = _apart([{"template": "qa", "dtype": "float32"}, {"template": "cloze", "dtype": "float32"}])
    assert varied == {"template"}
    assert constant == ("dtype=float32",)
    assert _apart([{"shots": "0"}, {"template": "qa"}]) == ({"shots", "template"}, ())
    assert _apart([{"shots": "0"}]) == (frozenset(), ("shots=0",))
