"""A study's factors become an envelope, or are refused where they are wrong."""

from __future__ import annotations

import pytest

from safetyrepro.envelope import Configuration, Exclusion, Factor, Level, Stage
from safetyrepro.envelopes import build_envelope
from safetyrepro.errors import StudyError
from safetyrepro.study import BenchmarkSpec

FACTORS = (
    Factor(
        name="scoring",
        stage=Stage.SCORE,
        levels=(
            Level(name="sum", requires={"template": ("cloze",)}),
            Level(name="mean", requires={"template": ("cloze",)}),
            Level(name="letter", requires={"template": ("letters",)}),
        ),
    ),
    Factor(name="dtype", stage=Stage.LOAD, levels=(Level(name="float32"), Level(name="bfloat16"))),
    Factor(name="template", stage=Stage.PROMPT, levels=(Level(name="cloze"), Level(name="letters"))),
)


def made(load: dict[str, list[str]] | None = None, **spec):
    return build_envelope(BenchmarkSpec(name="b", **spec), FACTORS, load=load or {}, where="study.yaml")


def labels(envelope) -> list[str]:
    return [member.label for member in envelope]


def test_a_factor_that_is_not_named_keeps_its_first_admitted_level():
    assert labels(made()) == ["dtype=float32 | template=cloze | scoring=sum"]
    assert labels(made(factors={"template": ["letters"]})) == ["dtype=float32 | template=letters | scoring=letter"]


def test_factors_come_in_the_order_of_their_stages():
    assert [factor.name for factor in made().factors] == ["dtype", "template", "scoring"]


def test_nested_levels_are_neither_crossed_nor_counted_as_excluded():
    envelope = made(factors={"template": ["cloze", "letters"], "scoring": ["sum", "mean", "letter"]})

    assert len(envelope) == 3
    assert envelope.exclusions == ()


def test_a_load_factor_of_the_study_multiplies_the_envelope():
    assert len(made(load={"dtype": ["float32", "bfloat16"]})) == 2


def test_exclusions_keep_their_reason_and_their_count():
    envelope = made(
        factors={"template": ["cloze", "letters"], "scoring": ["sum", "mean", "letter"]},
        exclude=[{"when": {"scoring": ["mean"]}, "reason": "not now"}],
    )

    assert [(entry.reason, entry.count) for entry in envelope.exclusions] == [("not now", 1)]
    assert len(envelope) == 2


def test_circumstances_can_hide_levels_with_a_reason():
    envelope = build_envelope(
        BenchmarkSpec(name="b", factors={"scoring": ["sum", "mean"]}),
        FACTORS,
        load={},
        where="study.yaml",
        hidden=[Exclusion(condition={"scoring": ("mean",)}, reason="no judge")],
    )

    assert [(entry.reason, entry.count) for entry in envelope.exclusions] == [("no judge", 1)]


def test_members_can_be_listed_one_by_one_and_are_completed():
    envelope = made(configurations=[{"template": "letters"}, {"scoring": "mean"}])

    assert labels(envelope) == [
        "dtype=float32 | template=letters | scoring=letter",
        "dtype=float32 | template=cloze | scoring=mean",
    ]


def test_core_conditions_mark_members():
    envelope = made(factors={"scoring": ["sum", "mean"]}, core=[{"scoring": "mean"}])

    assert [member["scoring"] for member in envelope.core] == ["mean"]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"factors": {"temprature": ["0"]}}, "nobody obeys a factor 'temprature'; expected one of dtype, template, scoring"),
        ({"factors": {"template": ["cloz"]}}, "factor 'template' has no level 'cloz'; expected some of cloze, letters"),
        ({"factors": {"template": []}}, "factor 'template' has no level listed"),
        (
            {"factors": {"scoring": ["sum", "letter"]}},
            "level 'letter' of 'scoring' occurs in no configuration; expected template one of letters",
        ),
        ({"core": [{"template": "letters"}]}, "no configuration of the envelope meets"),
        ({"exclude": [{"when": {"shots": ["0"]}, "reason": "r"}]}, "nobody obeys a factor 'shots'"),
        ({"exclude": [{"when": {"template": ["cloze"]}, "reason": "r"}]}, "no configuration is left"),
        ({"configurations": [{"template": "cloze", "scoring": "letter"}]}, "exclude each other"),
    ],
)
def test_what_nobody_obeys_is_refused_in_one_sentence_that_names_the_choice(spec: dict, message: str):
    with pytest.raises(StudyError) as caught:
        made(**spec)

    assert message in caught.value.sentence
    assert caught.value.sentence.startswith("study.yaml, benchmark 'b'")


def test_an_envelope_holds_only_factors_levels_that_occur():
    envelope = made(factors={"template": ["letters"]})

    assert {factor.name: factor.names for factor in envelope.factors}["scoring"] == ("letter",)
    assert envelope.configurations == (Configuration((("dtype", "float32"), ("template", "letters"), ("scoring", "letter"))),)
