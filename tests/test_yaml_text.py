"""A key that stands twice is refused wherever people write YAML; everything else is read as PyYAML reads it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from safetyrepro.claims import read_claims
from safetyrepro.errors import CardError, ClaimError, StudyError
from safetyrepro.profiles import read_profile
from safetyrepro.study import parse_study
from safetyrepro.yaml_text import read_yaml

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
CLAIM = "- claim: a > b on bench everywhere\n"


@given(VALUES)
def test_what_holds_no_key_twice_is_read_as_written(value: object):
    assert read_yaml(yaml.safe_dump(value)) == value


@pytest.mark.parametrize(
    "text", ["a: 1\na: 1", "a: {b: 1, c: 2, b: 3}", "[{x: 1, 'x': 2}]", "1: a\n1: b", "? [a]\n: 1\n? [a]\n: 2"]
)
def test_a_key_that_stands_twice_is_refused(text: str):
    with pytest.raises(yaml.YAMLError, match=r"twice|unhashable"):
        read_yaml(text)


def test_a_key_may_be_overridden_where_a_mapping_is_merged():
    assert read_yaml("base: &one {a: 1, b: 2}\nmine: {<<: *one, b: 3}") == {"base": {"a": 1, "b": 2}, "mine": {"a": 1, "b": 3}}


def test_no_claim_is_passed_over_because_its_key_stands_twice(tmp_path: Path):
    for number, text in enumerate((f"claims:\n{CLAIM}claims:\n{CLAIM}", f"claims:\n{CLAIM}  claim: b > a on bench\n")):
        path = tmp_path / f"claims{number}.yaml"
        path.write_text(text)
        with pytest.raises(ClaimError, match="twice"):
            read_claims(path)


def test_no_setting_of_a_study_or_field_of_a_profile_is_passed_over(tmp_path: Path):
    (tmp_path / "own.yaml").write_text("name: own\nname: other\n")

    with pytest.raises(StudyError, match="'seed' twice"):
        parse_study("name: s\nseed: 1\nseed: 2\n", where="study.yaml")
    with pytest.raises(CardError, match="'name' twice"):
        read_profile(str(tmp_path / "own.yaml"))
