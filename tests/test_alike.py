"""Which configurations ask a model the same: counted as runs, named as levels, whatever scoring adds."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from safetyrepro.alike import AlikeLevels, alike_levels, alike_text, distinct_runs
from safetyrepro.envelope import Configuration, Factor, Level, Stage


def factor(name: str, stage: Stage, *levels: str) -> Factor:
    return Factor(name=name, stage=stage, levels=tuple(Level(name=level) for level in levels))


SYSTEM = factor("system", Stage.PROMPT, "none", "helpful", "default")
DECODING = factor("decoding", Stage.DECODE, "short", "long")
SCORING = factor("scoring", Stage.SCORE, "words", "judge")
FACTORS = (SYSTEM, DECODING, SCORING)


def members(factors=FACTORS) -> list[Configuration]:
    names = [one.name for one in factors]
    return [
        Configuration(tuple(zip(names, levels, strict=True))) for levels in itertools.product(*(one.names for one in factors))
    ]


def by_prompt(configuration: Configuration) -> tuple[str, ...]:
    """An empty system prompt is what the template writes by itself; a judge asks one thing more."""
    system = configuration["system"].replace("default", "none")
    return system, configuration["decoding"], *(["judged"] if configuration["scoring"] == "judge" else [])


def test_configurations_that_differ_in_scoring_alone_are_one_run_whatever_a_rule_asks_beside():
    asked = {one: (one["system"], one["decoding"], one["scoring"]) for one in members()}

    assert distinct_runs(asked, FACTORS) == 6
    assert alike_levels(asked, FACTORS) == ()


def test_levels_that_give_the_same_prompt_are_one_run_and_are_named():
    asked = {one: by_prompt(one) for one in members()}

    assert distinct_runs(asked, FACTORS) == 4
    assert alike_levels(asked, FACTORS) == (AlikeLevels(factor="system", levels=("none", "default"), n_alike=2, n_pairs=2),)
    assert alike_text(alike_levels(asked, FACTORS)) == "system none = default"


def test_levels_that_coincide_somewhere_only_are_named_with_the_count():
    asked = {one: by_prompt(one) if one["decoding"] == "short" else one.label for one in members()}

    (found,) = alike_levels(asked, FACTORS)

    assert found == AlikeLevels(factor="system", levels=("none", "default"), n_alike=1, n_pairs=2)
    assert found.sentence == "system none = default in 1 of 2 pairs of runs"
    assert distinct_runs(asked, FACTORS) == 5


def test_three_levels_that_coincide_are_named_together():
    asked = {one: one["decoding"] for one in members()}

    (found,) = alike_levels(asked, FACTORS)

    assert found == AlikeLevels(factor="system", levels=("none", "helpful", "default"), n_alike=6, n_pairs=6)
    assert distinct_runs(asked, FACTORS) == 2


def test_runs_that_are_never_scored_alike_are_not_compared():
    nested = (factor("template", Stage.PROMPT, "cloze", "letters"), factor("scoring", Stage.SCORE, "sum", "letter"))
    kept = [one for one in members(nested) if one["template"][0] == {"sum": "c", "letter": "l"}[one["scoring"]]]
    asked = dict.fromkeys(kept, "the same")

    assert distinct_runs(asked, nested) == 2
    assert alike_levels(asked, nested) == ()


def test_nothing_asked_is_no_run():
    assert distinct_runs({}, FACTORS) == 0
    assert alike_text(()) == ""


@given(st.lists(st.integers(0, 3), min_size=6, max_size=6))
def test_distinct_runs_equal_the_different_questions_where_every_run_is_scored_by_one_rule(questions: list[int]):
    plain = (SYSTEM, DECODING)
    asked = dict(zip(members(plain), questions, strict=True))

    assert distinct_runs(asked, plain) == len(set(questions))
    for entry in alike_levels(asked, plain):
        for one, other in itertools.combinations(entry.levels, 2):
            same = [
                asked[a] == asked[b]
                for a, b in itertools.combinations(asked, 2)
                if a.differing(b) == (entry.factor,) and {a[entry.factor], b[entry.factor]} == {one, other}
            ]
            assert sum(same) == entry.n_alike if len(entry.levels) == 2 else any(same)
