"""study.yaml is read or refused with a sentence that names the field."""

from __future__ import annotations

from pathlib import Path

import pytest

from safetyrepro.errors import StudyError
from safetyrepro.study import parse_study, read_study, write_study

GOOD = """
version: 1
name: small
seed: 7
models:
  - {name: a, path: checkpoints/a}
  - {name: b, repository: org/b, revision: abc}
benchmarks:
  - name: bbq
    items: 20
    factors: {template: [cloze, letters]}
    core: [{template: cloze}]
    exclude: [{when: {template: [letters]}, reason: too long}]
"""


def test_a_study_is_read_and_written_back_to_the_same_value(tmp_path: Path):
    study = parse_study(GOOD, where="study.yaml")
    write_study(study, tmp_path / "study.yaml")

    assert read_study(tmp_path / "study.yaml") == study
    assert study.benchmarks[0].factors == {"template": ["cloze", "letters"]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("name: small", "nome: small"), "field 'name'"),
        (("seed: 7", "seed: seven"), "field 'seed'"),
        (("name: b,", "name: a,"), "model a is named twice"),
        (("items: 20", "items: few"), r"field 'benchmarks\.0\.items"),
        (("items: 20", "orientation: up"), "not one of higher, lower"),
        (("version: 1", "version: 2"), "field 'version'"),
        (("name: small", "name: ../up"), "field 'name'"),
        (("seed: 7", "sead: 7"), "field 'sead'"),
    ],
)
def test_a_wrong_field_is_named_in_one_sentence(change: tuple[str, str], message: str):
    with pytest.raises(StudyError, match=message) as caught:
        parse_study(GOOD.replace(*change), where="study.yaml")

    assert "\n" not in caught.value.sentence
    assert caught.value.sentence.startswith("study.yaml: ")


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "just text"])
def test_a_document_that_is_no_mapping_is_refused(text: str):
    with pytest.raises(StudyError, match="holds no mapping"):
        parse_study(text, where="study.yaml")


def test_broken_yaml_is_refused_with_its_line():
    with pytest.raises(StudyError, match=r"is not YAML.*line 2"):
        parse_study("a: 1\nb: [", where="study.yaml")


def test_yaml_cannot_run_code():
    with pytest.raises(StudyError, match="is not YAML"):
        parse_study("!!python/object/apply:os.system ['true']", where="study.yaml")


def test_an_absent_file_and_a_file_that_is_not_text_are_refused(tmp_path: Path):
    with pytest.raises(StudyError, match="cannot be read"):
        read_study(tmp_path / "none.yaml")
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(StudyError, match="is not UTF-8"):
        read_study(tmp_path / "bytes.yaml")
