"""The real BBQ files: duplicated rows, absent locations, three disagreeing packages, and the published scores."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from builders import response
from safetyrepro.benchmarks import bbq
from safetyrepro.benchmarks.bbq_bias import helm_biased, lm_eval_biased, official_biased
from safetyrepro.benchmarks.bbq_files import METADATA_COLUMNS, METADATA_FILE, REVISION
from safetyrepro.benchmarks.data import LoadedData, load_data
from safetyrepro.benchmarks.editions import git_blob_id
from safetyrepro.benchmarks.tables import read_table
from safetyrepro.envelope import Configuration
from safetyrepro.errors import DataError
from safetyrepro.records import Item, Outcome, Status
from safetyrepro.scores import cell_score

LETTERS = Configuration.of({"template": "helm_letters", "shots": "0", "scoring": "letter_token"})
ESTIMANDS = {estimand.name: estimand for estimand in bbq.ESTIMANDS}


@pytest.fixture(scope="module")
def folder(shared: Path) -> Path:
    return shared / "data" / "bbq"


@pytest.fixture(scope="module")
def loaded(folder: Path) -> LoadedData:
    return load_data(bbq, folder, strict=True)


@pytest.fixture(scope="module")
def few(loaded: LoadedData) -> dict[str, Item]:
    """Items of Age, Religion and Gender_identity by id."""
    wanted = [bbq.category_file(name) for name in ("Age", "Religion", "Gender_identity")]
    return {item.id: item for item in bbq.items({path: loaded.files[path] for path in (*wanted, METADATA_FILE)})}


@pytest.fixture(scope="module")
def everything(loaded: LoadedData) -> tuple[Item, ...]:
    return bbq.items(loaded.files)


def test_packed_files_are_recognised_by_their_uncompressed_bytes(loaded: LoadedData) -> None:
    assert loaded.edition == "pinned + pinned, Race_x_SES rebuilt from the templates"
    assert loaded.notes == ()
    path = bbq.category_file("Race_x_SES")
    assert git_blob_id(loaded.files[path]) == "git-sha1:871ee6c4ab8d4b9bcbe9caaf71cc8f4f749d26ab"
    declared = next(file for file in bbq.SOURCE.files if file.path == path)
    assert declared.sha256 == ("git-sha1:905cd8a5b8734e2063fe524e69a38f0a71c75907", loaded.digests[path])


def test_sixty_four_items_stand_twice_in_the_metadata(loaded: LoadedData, few: dict[str, Item]) -> None:
    rows = read_table(loaded.files, METADATA_FILE, METADATA_COLUMNS, edition=REVISION)
    times = Counter((row["category"], row["question_index"], row["example_id"]) for row in rows)
    assert (len(rows), len(times)) == (58_556, 58_492)
    twice = [key for key, count in times.items() if count == 2]
    assert len(twice) == 64
    assert {key[:2] for key in twice} == {("Gender_identity", "12")}
    assert sum(item.stratum == "Gender_identity" for item in few.values()) == 5_672


def test_sixteen_items_have_no_location_and_no_official_bias(few: dict[str, Item]) -> None:
    without = [item for item in few.values() if item.content["target_loc"] is None]
    assert len(without) == 16
    assert {item.cluster for item in without} == {"Gender_identity-13"}
    for item in without:
        outcomes = {outcome.estimand: outcome for outcome in bbq.outcomes(item, LETTERS, [response(text="A")])}
        assert outcomes["bias_ambiguous"].status is outcomes["bias_disambiguated"].status is Status.NOT_RUN
        assert outcomes["accuracy"].status is Status.SCORED


def score(outcomes: Iterable[Outcome], name: str) -> float | None:
    """Score of an estimand where unreadable answers are dropped."""
    known = [outcome for outcome in outcomes if outcome.estimand == name and outcome.value is not None]
    values = np.array([outcome.value for outcome in known], dtype=float)
    weights = np.array([outcome.weight for outcome in known])
    return cell_score(values, weights, [""] * len(known), ESTIMANDS[name].aggregation)


def published(folder: Path, few: dict[str, Item], category: str, style: str) -> list[Outcome]:
    """Outcomes of the published UnifiedQA predictions, each as the letter of the answer that it repeats."""
    outcomes: list[Outcome] = []
    for line in (folder / f"results/UnifiedQA/preds_{category}.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        item = few[f"{category}-{row['example_id']}"]
        said = row[f"unifiedqa-t5-11b_pred_{style}"].lower().strip().rstrip(".")
        letter = next(
            (x for x, text in zip("ABC", item.content["options"], strict=True) if text.lower().rstrip(".") == said), ""
        )
        outcomes.extend(bbq.outcomes(item, LETTERS, [response(text=letter)]))
    return outcomes


@pytest.mark.parametrize(
    ("category", "style", "bias", "accuracy"),
    [
        ("Age", "race", 29.8, 0.547),
        ("Age", "arc", 48.9, 0.339),
        ("Religion", "race", 14.3, None),
        ("Religion", "arc", 24.5, None),
    ],
)
def test_the_published_scores_of_unifiedqa_come_out(folder, few, category, style, bias, accuracy) -> None:
    outcomes = published(folder, few, category, style)
    assert 100 * score(outcomes, "bias_ambiguous") == pytest.approx(bias, abs=0.05)
    assert 100 * score(outcomes, "bias_ambiguous_lm_eval") == pytest.approx(bias, abs=0.05)
    if accuracy is not None:
        assert score(outcomes, "accuracy_ambiguous") == pytest.approx(accuracy, abs=5e-4)


@pytest.mark.parametrize(("style", "n_read"), [("race", 1_840), ("arc", 1_839)])
def test_one_published_prediction_is_unreadable_and_dropped(folder, few, style: str, n_read: int) -> None:
    outcomes = [one for one in published(folder, few, "Age", style) if one.estimand == "accuracy_ambiguous" and one.weight]
    assert sum(one.value is not None for one in outcomes) == n_read
    assert sum(one.status is Status.UNPARSED for one in outcomes) == 1_840 - n_read


def test_right_answers_are_spread_over_the_three_places(few: dict[str, Item]) -> None:
    places = Counter(item.content["label"] for item in few.values())
    assert all(0.3 < places[index] / len(few) < 0.37 for index in range(3))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda content: content.split(b"\n", 1)[1], "holds 3 items; expected four"),
        (lambda content: content.replace(b'"context":', b'"passage":'), "line 1: there is no 'context'"),
        (lambda content: content.replace(b"grandson", b"grands\xf6n", 1), "is not UTF-8"),
    ],
)
def test_a_damaged_file_gives_one_sentence(loaded: LoadedData, tmp_path: Path, change, sentence: str) -> None:
    path = bbq.category_file("Age")
    (tmp_path / "data").mkdir()
    (tmp_path / path).write_bytes(change(loaded.files[path]))
    read = load_data(bbq, tmp_path)
    assert read.edition == "local"
    with pytest.raises(DataError, match=sentence):
        bbq.items(read.files)
    with pytest.raises(DataError, match="no known edition"):
        load_data(bbq, tmp_path, strict=True)


@pytest.mark.long
def test_three_packages_disagree_on_the_biased_answer_as_often_as_measured(everything: tuple[Item, ...]) -> None:
    differ: Counter[str] = Counter()
    categories = set()
    for item in everything:
        official, lm_eval, helm = (rule(item.content) for rule in (official_biased, lm_eval_biased, helm_biased))
        differ["official, lm-eval"] += official != lm_eval
        differ["official, HELM"] += official != helm
        differ["lm-eval, HELM"] += lm_eval != helm
        if official != lm_eval or official != helm:
            categories.add(item.stratum)
    assert differ == {"official, lm-eval": 9_116, "official, HELM": 17_356, "lm-eval, HELM": 20_906}
    assert categories == {"Gender_identity", "Race_ethnicity", "Race_x_SES", "Race_x_gender"}


@pytest.mark.long
def test_helm_finds_a_biased_answer_in_half_of_race_and_gender_only(everything: tuple[Item, ...]) -> None:
    inside = [item for item in everything if item.stratum == "Race_x_gender"]
    assert (len(inside), sum(bool(helm_biased(item.content)) for item in inside)) == (15_960, 7_980)


@pytest.mark.long
def test_a_thousand_items_are_balanced_over_categories_contexts_and_polarities(everything: tuple[Item, ...]) -> None:
    assert len(everything) == bbq.SOURCE.n_items
    kept, pool = bbq.subset(everything, 1_000, np.random.default_rng(0))
    assert len(kept) == 1_000
    counts = Counter((item.stratum, item.content["condition"], item.content["polarity"]) for item in kept)
    assert len(counts) == 44
    assert set(counts.values()) <= {22, 23}
    assert not {item.cluster for item in kept} & {item.cluster for item in pool}
    assert len({item.stratum for item in pool[:11]}) == 11
