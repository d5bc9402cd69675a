"""One changed byte in a real file is noticed: it is named as no known edition, and refused in one sentence where that is asked."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from safetyrepro.benchmarks.data import load_data
from safetyrepro.errors import DataError

FILES = {
    "truthfulqa": "TruthfulQA.csv",
    "bbq": "data/Age.jsonl",
    "toxigen": "annotated_train.csv",
    "xstest": "xstest_prompts.csv",
    "crows_pairs": "data/crows_pairs_anonymized.csv",
}


@pytest.mark.parametrize("name", FILES)
def test_a_real_file_with_one_changed_byte_is_refused_by_its_digest(shared: Path, tmp_path: Path, name: str) -> None:
    module: ModuleType = import_module(f"safetyrepro.benchmarks.{name}")
    content = bytearray((shared / "data" / name / FILES[name]).read_bytes())
    content[len(content) // 2] ^= 1
    place = tmp_path / FILES[name]
    place.parent.mkdir(exist_ok=True)
    place.write_bytes(content)
    if name == "truthfulqa":
        (tmp_path / "data").mkdir()
        (tmp_path / "data" / "mc_task.json").write_bytes((shared / "data" / name / "data" / "mc_task.json").read_bytes())
    assert any(f"{FILES[name]} is no known edition" in note for note in load_data(module, tmp_path).notes)
    with pytest.raises(DataError, match="no known edition") as caught:
        load_data(module, tmp_path, strict=True)
    assert "\n" not in str(caught.value)
    assert FILES[name] in str(caught.value)
