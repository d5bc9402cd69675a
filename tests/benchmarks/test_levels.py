"""Shared levels: nesting, defaults, and a source for each."""

from __future__ import annotations

import pytest

from safetyrepro.benchmarks import choices, levels
from safetyrepro.envelope import Configuration, Evidence, product


def test_every_template_level_is_rendered_and_every_rendering_is_a_level() -> None:
    assert set(levels.TEMPLATES) == set(choices.TEMPLATES)
    assert set(levels.CLOZE_TEMPLATES) | set(levels.LETTER_TEMPLATES) == set(levels.TEMPLATES)


@pytest.mark.parametrize("level", [*levels.TEMPLATES.values(), *levels.SHOTS.values(), *levels.SCORING.values()])
def test_every_shared_level_has_words_and_a_source(level) -> None:
    assert level.about.endswith(".")
    assert level.sources
    assert all(source.version or source.file or source.evidence is Evidence.OWN for source in level.sources)


def test_scoring_is_nested_in_presentation() -> None:
    template = levels.template_factor("cloze", "helm_letters", "inspect_reasoning")
    joint = ("helm_letters", "inspect_reasoning")
    scoring = levels.scoring_factor("sum", "pmi", "letter_token", "parsed_letter", cloze=("cloze",), joint=joint)
    got: dict[str, list[str]] = {}
    for configuration in product((template, scoring)):
        got.setdefault(configuration["template"], []).append(configuration["scoring"])
    assert got == {
        "cloze": ["sum", "pmi"],
        "helm_letters": ["sum", "letter_token", "parsed_letter"],
        "inspect_reasoning": ["sum", "parsed_letter"],
    }


def test_sampling_exists_only_where_an_answer_is_free() -> None:
    template = levels.template_factor("helm_letters")
    scoring = levels.scoring_factor("sum", "letter_token", "parsed_letter")
    sampled = [c["scoring"] for c in product((template, levels.DECODING, scoring)) if c["decoding"] == "model_default"]
    assert sampled == ["parsed_letter"]


def test_the_default_order_exists_everywhere_and_the_others_under_letters() -> None:
    order = levels.order_factor("seeded", "as_listed", joint=("helm_letters",))
    members = product((levels.template_factor("cloze", "helm_letters"), order))
    assert [(c["template"], c["order"]) for c in members] == [
        ("cloze", "seeded"),
        ("helm_letters", "seeded"),
        ("helm_letters", "as_listed"),
    ]


def test_what_a_configuration_does_not_name_keeps_its_default() -> None:
    factors = (levels.DELIMITER, levels.PREFIX)
    assert levels.completed(Configuration.of({"prefix": "bos", "harness": "x"}), factors) == {
        "delimiter": "space",
        "prefix": "bos",
    }


def test_shots_mix_shared_and_own_levels() -> None:
    own = levels.TEMPLATES["cloze"]
    assert levels.shots_factor("0", own, "5").names == ("0", "cloze", "5")
    assert levels.SHOTS["5"].sources[0].package == "helm"


@pytest.mark.parametrize(
    ("source", "package"),
    [
        (levels.lm_eval("f"), "lm-evaluation-harness"),
        (levels.helm("f"), "helm"),
        (levels.inspect_ai("f"), "inspect_ai"),
        (levels.inspect_evals("f"), "inspect_evals"),
        (levels.lighteval("f"), "lighteval"),
        (levels.openbench("f"), "openbench"),
    ],
)
def test_a_source_names_package_version_and_file(source, package: str) -> None:
    assert source.package == package
    assert source.version
    assert str(source).startswith(f"{package}@{source.version}:f (read)")
