"""YAML of strangers: the values that JSON has, nothing made or run, and one sentence for what is broken, deep, long or endless."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from safetyrepro.errors import IngestError
from safetyrepro.harnesses.yaml_values import MAX_BYTES, yaml_names, yaml_object

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]))
)
VALUES = st.recursive(
    SCALARS,
    lambda inside: st.lists(inside, max_size=4) | st.dictionaries(st.text("abc", min_size=1), inside, max_size=4),
    max_leaves=12,
)


def read(folder: Path, text: str) -> object:
    path = folder / "file.yml"
    path.write_text(text, encoding="utf-8")
    return yaml_object(path)


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(IngestError) as caught:
        read(folder, text)
    assert "\n" not in caught.value.sentence
    return caught.value.sentence


@given(content=st.dictionaries(st.text("abcdef", min_size=1), VALUES, min_size=1))
def test_what_the_library_writes_is_read_back(content: dict, tmp_path_factory: pytest.TempPathFactory) -> None:
    found = read(tmp_path_factory.mktemp("yaml"), yaml.dump(content, allow_unicode=True))
    assert json.dumps(found, sort_keys=True) == json.dumps(content, sort_keys=True)


def test_a_tag_is_the_value_that_it_is_written_as(tmp_path: Path) -> None:
    marker = tmp_path / "made"
    text = f"a: !!python/object/apply:pathlib.Path.touch ['{marker}']\nb: !!python/tuple [1, x]\nc: !own {{d: 1}}\ne: !!binary aGk=\n"
    assert read(tmp_path, text) == {"a": [str(marker)], "b": [1, "x"], "c": {"d": 1}, "e": "aGk="}
    assert not marker.exists()


def test_dates_and_odd_numbers_stay_text(tmp_path: Path) -> None:
    assert read(tmp_path, "a: 2026-01-02\nb: !!int x\nc: 2026-01-02 03:04:05\n1: one\n") == {
        "a": "2026-01-02",
        "b": "x",
        "c": "2026-01-02 03:04:05",
        "1": "one",
    }


def test_an_anchor_is_read_wherever_it_is_named(tmp_path: Path) -> None:
    assert read(tmp_path, "a: &x {v: 1}\nb: *x\n") == {"a": {"v": 1}, "b": {"v": 1}}


def test_a_small_file_that_stands_for_billions_is_refused(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    assert "stands for more than 1000000 values" in refusal(tmp_path, "\n".join(lines) + "\n")


def test_an_anchor_inside_itself_is_refused(tmp_path: Path) -> None:
    refusal(tmp_path, "a: &x [*x]\n")


@pytest.mark.parametrize("text", ["a: [\n", "a: 'b\n", "\x00\n", "a: b: c\n", "%YAML 9\n---\n", "*x\n"])
def test_what_is_no_yaml_is_refused(text: str, tmp_path: Path) -> None:
    assert "is not YAML" in refusal(tmp_path, text)


@pytest.mark.parametrize("text", ["- a\n", "a\n", "\n", "# only a comment\n"])
def test_what_is_no_object_is_refused(text: str, tmp_path: Path) -> None:
    assert "holds no object" in refusal(tmp_path, text)


def test_depth_length_and_a_cut_are_refused(tmp_path: Path) -> None:
    assert "nested more than" in refusal(tmp_path, f"a: {'[' * 300}{']' * 300}\n")
    assert "is longer than 4 MB" in refusal(tmp_path, f"a: {'x' * MAX_BYTES}\n")
    assert "is cut off" in refusal(tmp_path, "a: 1\nb: 2")


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "file.yml"
    path.write_bytes(b"a: \xff\xfe\xed\n")
    with pytest.raises(IngestError, match="is not YAML"):
        yaml_object(path)
    with pytest.raises(IngestError, match="cannot be read"):
        yaml_object(tmp_path)


def test_outermost_names_are_found_without_parsing(tmp_path: Path) -> None:
    path = tmp_path / "file.yml"
    path.write_text("config:\n  inner: 1\nresults: {broken\n# target: no\ntarget:\n")
    assert yaml_names(path) == {"config", "results", "target"}
