"""Configurations, products and exclusions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import configuration
from safetyrepro.envelope import (
    Configuration,
    Envelope,
    Evidence,
    Exclusion,
    Factor,
    Level,
    Source,
    Stage,
    Tier,
    exclude,
    product,
)

TEMPLATE = Factor(name="template", stage=Stage.PROMPT, levels=(Level(name="cloze"), Level(name="letters")))
SCORING = Factor(
    name="scoring",
    stage=Stage.SCORE,
    levels=(
        Level(name="sum"),
        Level(name="pmi", requires={"template": ("cloze",)}),
        Level(name="token", requires={"template": ("letters",)}),
    ),
)

settings = st.dictionaries(st.text(min_size=1, max_size=4), st.text(max_size=4), max_size=4)


def test_stages_are_ordered_by_what_they_cost():
    assert Stage.LOAD < Stage.PROMPT < Stage.DECODE < Stage.SCORE


@given(settings)
def test_the_digest_of_a_configuration_does_not_depend_on_the_order_of_its_settings(chosen: dict[str, str]):
    backwards = dict(reversed(list(chosen.items())))

    assert Configuration.of(chosen).digest == Configuration.of(backwards).digest


@given(settings, settings)
def test_two_configurations_share_a_digest_exactly_when_their_settings_are_equal(one: dict[str, str], other: dict[str, str]):
    assert (Configuration.of(one).digest == Configuration.of(other).digest) == (one == other)


@given(settings, settings)
def test_differing_names_the_factors_on_which_levels_or_presence_differ(one: dict[str, str], other: dict[str, str]):
    expected = {name for name in {*one, *other} if one.get(name) != other.get(name)}

    assert set(Configuration.of(one).differing(Configuration.of(other))) == expected


def test_a_nested_level_occurs_only_beside_the_levels_it_requires():
    labels = [member.label for member in product([TEMPLATE, SCORING])]

    assert labels == [
        "template=cloze | scoring=sum",
        "template=cloze | scoring=pmi",
        "template=letters | scoring=sum",
        "template=letters | scoring=token",
    ]


def test_the_product_of_no_factor_is_the_one_empty_configuration():
    assert product([]) == (Configuration(()),)
    assert product([])[0].label == "(no factor)"


def test_exclusions_are_counted_once_for_the_first_that_matches():
    members = product([TEMPLATE, SCORING])
    rules = [
        Exclusion(condition={"template": ("letters",)}, reason="no letters"),
        Exclusion(condition={"scoring": ("sum",)}, reason="no sum"),
    ]

    kept, counted = exclude(members, rules)

    assert [member.label for member in kept] == ["template=cloze | scoring=pmi"]
    assert [entry.count for entry in counted] == [2, 1]


def test_a_configuration_answers_for_its_factors_and_refuses_others():
    chosen = configuration(template="cloze", scoring="sum")

    assert chosen["scoring"] == "sum"
    assert chosen.get("shots") == ""
    assert chosen.restricted(["scoring"]) == configuration(scoring="sum")
    assert chosen.matches({"template": ["cloze", "letters"]})
    assert not chosen.matches({"shots": ["0"]})
    with pytest.raises(KeyError):
        chosen["shots"]


def test_a_factor_answers_for_its_levels_and_refuses_others():
    assert SCORING.level("pmi").requires == {"template": ("cloze",)}
    with pytest.raises(KeyError):
        SCORING.level("none")


def test_an_envelope_knows_the_tier_of_its_members_and_its_digest_follows_them():
    members = product([TEMPLATE])
    whole = Envelope(benchmark="b", factors=(TEMPLATE,), configurations=members, core=frozenset(members[:1]))
    part = Envelope(benchmark="b", factors=(TEMPLATE,), configurations=members[:1])

    assert [whole.tier(member) for member in whole] == [Tier.CORE, Tier.STRESS]
    assert len(whole) == 2
    assert whole.digest != part.digest


def test_a_source_reads_as_package_version_file_and_evidence():
    full = Source(package="lm-eval", version="0.4.5", file="a.yaml:3", evidence=Evidence.CHECKED)

    assert str(full) == "lm-eval@0.4.5:a.yaml:3 (checked)"
    assert str(Source(package="ours", evidence=Evidence.OWN)) == "ours (own)"
