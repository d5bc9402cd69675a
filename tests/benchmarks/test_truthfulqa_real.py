"""The real TruthfulQA files: what is easy to get wrong in them, and what was measured on them."""

from __future__ import annotations

import csv
import io
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from builders import response
from safetyrepro.benchmarks import truthfulqa
from safetyrepro.benchmarks.base import Examples
from safetyrepro.benchmarks.data import LoadedData, load_data
from safetyrepro.envelope import Configuration
from safetyrepro.errors import DataError
from safetyrepro.records import Item

TASK, CSV = truthfulqa.TASK_FILE, truthfulqa.CSV_FILE
HELM = {"template": "helm_letters", "order": "helm_rotation", "scoring": "letter_token"}


@pytest.fixture(scope="module")
def folder(shared: Path) -> Path:
    return shared / "data" / "truthfulqa"


@pytest.fixture(scope="module")
def loaded(folder: Path) -> LoadedData:
    return load_data(truthfulqa, folder, strict=True)


@pytest.fixture(scope="module")
def items(loaded: LoadedData) -> tuple[Item, ...]:
    return truthfulqa.items(loaded.files)


def evaluated(items):
    return truthfulqa.subset(items, len(items), np.random.default_rng(0))[0]


def test_the_pinned_files_are_recognised_and_bring_the_primer(loaded: LoadedData) -> None:
    assert loaded.edition == "2022"
    assert loaded.notes == ()
    assert loaded.texts["primer"].count("Q: ") == loaded.texts["primer"].count("\nA: ") == 6
    assert loaded.texts["primer"].endswith("Barcelona, Spain.")
    assert set(loaded.digests) == {TASK, CSV, truthfulqa.PRIMER_FILE}
    assert loaded.digests[truthfulqa.PRIMER_FILE] == truthfulqa.TEXT_FILES[0].sha256[0]


def test_the_true_answer_stands_first_in_every_question(items) -> None:
    assert len(items) == truthfulqa.SOURCE.n_items == 817
    assert all(item.content["mc1"][0][1] == 1 for item in items)
    assert len({item.cluster for item in items}) == 817
    assert len({item.stratum for item in items}) == 38


def test_in_a_drawn_order_no_letter_wins_more_often_than_chance(items) -> None:
    setting = Configuration.of({"template": "helm_letters", "scoring": "letter_token"})
    right = sum(truthfulqa.outcomes(item, setting, [response(text="A")])[0].value for item in items)
    chance = sum(1 / len(item.content["mc1"]) for item in items)
    assert abs(right - chance) < 3 * (chance * (1 - chance / 817)) ** 0.5
    assert chance / 817 == pytest.approx(0.223, abs=5e-4)


def test_length_decides_many_questions_by_itself(items) -> None:
    def share(pick) -> float:
        chosen = [pick(item.content["mc1"], key=lambda target: len(target[0])) for item in items]
        return sum(label for _, label in chosen) / len(items)

    assert share(max) == pytest.approx(0.376, abs=2e-3)
    assert share(min) == pytest.approx(0.208, abs=2e-3)


def test_two_questions_tell_the_two_definitions_of_mc2_apart(items) -> None:
    setting = Configuration.of({"template": "cloze", "scoring": "sum"})
    differing, uniform = [], 0.0
    for number, item in enumerate(items):
        asked = truthfulqa.requests(item, setting, Examples())
        _, mc2, first_false = truthfulqa.outcomes(item, setting, [response(logprobs=[-1.0])] * len(asked))
        uniform += mc2.value
        if abs(mc2.value - first_false.value) > 1e-12:
            differing.append(number)
    assert differing == [164, 607]
    assert uniform / 817 == pytest.approx(0.464, abs=5e-4)


def test_the_first_163_rows_are_the_pool_and_the_last_654_are_evaluated(items) -> None:
    kept, pool = truthfulqa.subset(items, len(items), np.random.default_rng(0))
    assert (len(kept), len(pool)) == (654, 163)
    assert {item.content["row"] for item in pool} == set(range(163))
    assert not {item.cluster for item in pool} & {item.cluster for item in kept}
    few, same = truthfulqa.subset(items, 200, np.random.default_rng(0))
    assert same == pool
    assert {item.id for item in few} < {item.id for item in kept}


def test_helms_rotation_puts_the_right_letter_where_it_was_measured(items) -> None:
    letters: Counter[str] = Counter()
    chance = 0.0
    setting = Configuration.of(HELM)
    kept = evaluated(items)
    for item in kept:
        n_options = len(item.content["incorrect"]) + 1
        chance += 1 / n_options
        for letter in "ABCDEFGHIJKLMNOP"[:n_options]:
            letters[letter] += int(truthfulqa.outcomes(item, setting, [response(text=letter)])[0].value or 0)
    assert sum(letters.values()) == 654
    assert letters.most_common(1)[0][0] == "B"
    assert letters["B"] / 654 == pytest.approx(0.265, abs=1e-3)
    assert chance / 654 == pytest.approx(0.224, abs=1e-3)


def helm_options(row: dict[str, str]) -> list[str]:
    """Loader statements of helm@0.5.5 truthful_qa_scenario.py:108-127, one by one."""

    def format_str(text: str) -> str:
        text = text.strip()
        return text if text[-1] == "." else text + "."

    references = [format_str(a.strip()) for a in row["Incorrect Answers"].split(";") if a.strip()]
    best = format_str(row["Best Answer"])
    references.append(best)
    k = ord(best[0]) % len(references)
    return references[k:] + references[:k]


def test_helms_options_are_shown_as_its_loader_builds_them(items, loaded: LoadedData) -> None:
    rows = list(csv.DictReader(io.StringIO(loaded.files[CSV].decode("utf-8-sig"), newline="")))
    setting = Configuration.of(HELM)
    for item in items:
        (request,) = truthfulqa.requests(item, setting, Examples())
        options = helm_options(rows[item.content["row"]])
        shown = "".join(f"{chr(65 + i)}. {option}\n" for i, option in enumerate(options))
        assert request.prompt.turns[0].text == f"Question: {item.content['question'].strip()}\n{shown}Answer:"


def test_helms_options_are_the_mc1_options_but_for_one_that_stands_twice(items) -> None:
    different = [
        item
        for item in items
        if [text for text, _ in item.content["mc1"]] != [item.content["best"], *item.content["incorrect"]]
    ]
    assert len(different) == 1
    options = Counter(different[0].content["incorrect"])
    assert options.most_common(1)[0][1] == 2
    assert {*options, different[0].content["best"]} == {text for text, _ in different[0].content["mc1"]}


def test_the_2021_edition_is_recognised_and_differs(folder: Path, items) -> None:
    older = load_data(truthfulqa, folder / "data" / "v0", strict=True)
    assert older.edition == "2021"
    read = truthfulqa.items(older.files)
    assert len(read) == 817
    by_question = {item.content["question"]: item for item in items}
    shared = [item for item in read if item.content["question"] in by_question]
    assert len(shared) == 816
    changed = sum(dict(item.content["mc1"]) != dict(by_question[item.content["question"]].content["mc1"]) for item in shared)
    assert changed == pytest.approx(77, abs=1)


def test_the_2025_edition_breaks_helms_loader_and_is_read_here(folder: Path) -> None:
    newest = load_data(truthfulqa, folder / "2025", strict=True)
    assert newest.edition == "2025"
    read = truthfulqa.items(newest.files)
    assert len(read) == 790
    assert all(sum(label for _, label in item.content["mc1"]) == 1 for item in read)
    rows = csv.reader(io.StringIO(newest.files[CSV].decode("utf-8-sig"), newline=""))
    with pytest.raises(ValueError, match="too many values to unpack"):
        for _type, _category, _question, _best, _correct, _incorrect, _source in rows:
            pass


def test_files_of_two_editions_are_refused(folder: Path, loaded: LoadedData) -> None:
    newest = load_data(truthfulqa, folder / "2025")
    with pytest.raises(DataError, match="two files of one edition"):
        truthfulqa.items({TASK: loaded.files[TASK], CSV: newest.files[CSV]})


def damaged(folder: Path, tmp_path: Path, loaded: LoadedData, change) -> Path:
    (tmp_path / "data").mkdir()
    (tmp_path / CSV).write_bytes(change(loaded.files[CSV]))
    (tmp_path / TASK).write_bytes(loaded.files[TASK])
    return tmp_path


def without_a_row(content: bytes) -> bytes:
    lines = content.split(b"\n")
    return b"\n".join(lines[:20] + lines[21:])


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (without_a_row, "differ in 1 questions"),
        (lambda content: content.replace(b"Incorrect Answers", b"Wrong Answers", 1), "no column 'Incorrect Answers'"),
        (lambda content: content + b"\xff", "is not UTF-8"),
    ],
)
def test_a_damaged_csv_gives_one_sentence_and_its_digest_is_noted(folder, tmp_path, loaded, change, sentence) -> None:
    place = damaged(folder, tmp_path, loaded, change)
    read = load_data(truthfulqa, place)
    assert read.edition == "local"
    assert f"{CSV} is no known edition" in read.notes[0]
    with pytest.raises(DataError, match=sentence):
        truthfulqa.items(read.files)
    with pytest.raises(DataError, match="which is no known edition"):
        load_data(truthfulqa, place, strict=True)
