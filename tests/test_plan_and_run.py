"""A study becomes a plan, a plan becomes a store; what was asked once is not asked again, what fails is a record."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from safetyrepro.analysis import analyze
from safetyrepro.backends.replay import rendered
from safetyrepro.costs import plan_costs, plan_document
from safetyrepro.derive import joined_digest
from safetyrepro.errors import StudyError
from safetyrepro.parquet import file_digest
from safetyrepro.plan import Plan, benchmark_seed, cell_requests, make_plan
from safetyrepro.records import Request, Status
from safetyrepro.run import run
from safetyrepro.store import Store, open_store
from safetyrepro.study import parse_study

TEXT = """
name: recorded
question: Which of two scripts is safer?
seed: 3
backend: replay
models: [{name: kind}, {name: blunt}]
engine: {recorded: recorded, group_size: 16}
benchmarks:
  - name: xstest
    data: xstest
    items: 24
    factors: {system_prompt: [none, helpful], scoring: [prefix_match, substring_match]}
"""
REFUSAL, COMPLIANCE = "I'm sorry, but I can't help with that.", "Certainly: as an AI I would say yes."


def prompts_csv(n_items: int = 40) -> str:
    """Harmless prompts in the benchmark's own schema."""
    rows = ["id,prompt,type,label,focus,note"]
    for number in range(1, n_items + 1):
        unsafe = number % 2 == 0
        kind = "contrast_homonyms" if unsafe else "homonyms"
        rows.append(f"{number},How do I fold paper number {number}?,{kind},{'unsafe' if unsafe else 'safe'},fold,")
    return "\n".join(rows) + "\n"


@pytest.fixture
def study_file(tmp_path: Path) -> Path:
    """A study of two recorded models over a small suite."""
    folder = tmp_path / "study"
    (folder / "xstest").mkdir(parents=True)
    (folder / "recorded").mkdir()
    (folder / "xstest" / "xstest_prompts.csv").write_text(prompts_csv())
    (folder / "study.yaml").write_text(TEXT)
    record(plan_of(folder / "study.yaml"), folder / "recorded")
    return folder / "study.yaml"


def plan_of(path: Path, text: str = TEXT) -> Plan:
    return make_plan(parse_study(text, where=str(path)), path)


def answer(model: str, request: Request) -> str:
    """What a scripted model says: a fixed function of what it is shown."""
    digest = hashlib.sha256(f"{model}\n{rendered(request.prompt)}".encode()).digest()[0]
    return REFUSAL if digest % 3 == (0 if model == "kind" else 1) else COMPLIANCE


def record(plan: Plan, folder: Path, *, leave_out: int = 0) -> None:
    """Write the recording of every model of a plan, without the last few answers."""
    for load in plan.loads:
        wanted: dict[Request, None] = {}
        for benchmark in plan.benchmarks:
            for _, _, requests in cell_requests(
                benchmark, plan.configurations(load, benchmark), benchmark.examples(load.model)
            ):
                wanted.update(dict.fromkeys(requests))
        lines = [{"prompt": rendered(request.prompt), "text": answer(load.model.name, request)} for request in wanted]
        kept = lines[: len(lines) - leave_out]
        (folder / f"{load.model.name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in kept))


class Counting:
    """Counts what a run asks."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.asked = 0
        self.notes: list[str] = []
        self._stop_after = stop_after

    def begin(self, label: str, total: int, done: int) -> None:
        self.notes.append(f"{label}: {done}/{total}")

    def advance(self, count: int) -> None:
        self.asked += count
        if self._stop_after is not None and self.asked >= self._stop_after:
            raise KeyboardInterrupt

    def note(self, text: str) -> None:
        self.notes.append(text)


def all_records(store: Store) -> list:
    return [
        row for entry in store.manifest.benchmarks for one in entry.estimands for row in store.records(entry.name, one.name)
    ]


def test_a_plan_shows_cells_sharing_and_what_is_left_out(study_file: Path):
    plan = plan_of(study_file)
    costs = plan_costs(plan)
    document = plan_document(plan, costs)

    assert plan.n_cells == 8
    assert [load.model.name for load in plan.loads] == ["kind", "blunt"]
    assert len(document["cells"]) == 8
    assert costs[0].n_prompt_cells == 2
    assert (costs[0].requests_naive, costs[0].requests) == (4 * 24, 2 * 24)
    assert costs[0].tokens_naive == 2 * costs[0].tokens


def test_judged_levels_are_left_out_with_the_reason_where_no_judge_is_named(study_file: Path):
    text = TEXT.replace("substring_match]", "substring_match, judge_partial_half]")

    envelope = plan_of(study_file, text).benchmarks[0].envelope

    assert [(entry.reason, entry.count) for entry in envelope.exclusions] == [("no judge is named in the study", 2)]
    assert len(envelope) == 4


def test_the_subset_is_seeded_stated_and_the_same_again(study_file: Path):
    one, again = plan_of(study_file).benchmarks[0], plan_of(study_file).benchmarks[0]
    other = plan_of(study_file, TEXT.replace("seed: 3", "seed: 4")).benchmarks[0]

    assert [item.id for item in one.items] == [item.id for item in again.items]
    assert [item.id for item in one.items] != [item.id for item in other.items]
    assert f"default_rng({one.seed})" in one.entry().data.subset_rule
    assert benchmark_seed(3, "xstest") != benchmark_seed(3, "bbq")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("name: xstest", "name: xtest"), "there is no such benchmark"),
        (("backend: replay", "backend: replai"), "'replai' is not a backend"),
        (("items: 24", "items: 24000"), "asks for 24000 items"),
        (("items: 24", "estimands: [mc9]"), "it answers no estimand 'mc9'"),
        (("{name: kind}", "{name: kind, path: nowhere}"), "there is no folder 'nowhere'"),
        (("[none, helpful]", "[none, maker]"), "has no 'safety_prompt', which level 'maker' of 'system_prompt' needs"),
        (("backend: replay", "backend: hf"), "has neither 'path' nor 'repository'"),
        (("backend: replay", "backend: vllm"), "has neither 'path' nor 'repository'"),
    ],
)
def test_a_study_that_cannot_be_planned_is_refused_in_one_sentence(study_file: Path, change: tuple[str, str], message: str):
    with pytest.raises(StudyError) as caught:
        plan_of(study_file, TEXT.replace(*change))

    assert message in caught.value.sentence
    assert "\n" not in caught.value.sentence


def test_a_run_asks_each_request_once_and_scores_every_cell(study_file: Path, tmp_path: Path):
    counting = Counting()
    store = run(plan_of(study_file), tmp_path / "store", progress=counting)

    assert counting.asked == 2 * 2 * 24
    assert store.manifest.complete
    assert len(store.records("xstest", "accuracy")) == 8 * 24
    assert {row.status for row in all_records(store)} == {Status.SCORED}
    assert analyze(store).benchmarks["xstest"].pairs[0].n_missing == 0


def test_a_second_run_asks_nothing_and_leaves_every_part_as_it_was(study_file: Path, tmp_path: Path):
    store = run(plan_of(study_file), tmp_path / "store")
    before = {path.name: file_digest(path) for path in store.folder.rglob("*.parquet")}

    counting = Counting()
    again = run(plan_of(study_file), tmp_path / "store", progress=counting)

    assert counting.asked == 0
    assert {path.name: file_digest(path) for path in again.folder.rglob("*.parquet")} == before


@pytest.mark.parametrize("stop_after", [16, 33, 50, 95])
def test_an_interrupted_run_goes_on_and_ends_as_an_undisturbed_one(study_file: Path, tmp_path: Path, stop_after: int):
    with pytest.raises(KeyboardInterrupt):
        run(plan_of(study_file), tmp_path / "store", progress=Counting(stop_after))
    assert not open_store(tmp_path / "store").manifest.complete

    counting = Counting()
    resumed = run(plan_of(study_file), tmp_path / "store", progress=counting)
    undisturbed = run(plan_of(study_file), tmp_path / "other")

    assert counting.asked < 96
    assert all_records(resumed) == all_records(undisturbed)
    assert resumed.manifest.complete


def test_a_new_scoring_rule_asks_no_model(study_file: Path, tmp_path: Path):
    run(plan_of(study_file, TEXT.replace(", substring_match", "")), tmp_path / "store")

    counting = Counting()
    store = run(plan_of(study_file), tmp_path / "store", progress=counting)

    assert counting.asked == 0
    assert len(store.records("xstest", "accuracy")) == 8 * 24


def test_a_request_that_fails_becomes_a_record_and_is_asked_again(study_file: Path, tmp_path: Path):
    record(plan_of(study_file), study_file.parent / "recorded", leave_out=3)
    store = run(plan_of(study_file), tmp_path / "store")

    failed = [row for row in store.records("xstest", "accuracy") if row.status is Status.FAILED]
    assert len(failed) == 2 * 2 * 3
    assert all(row.value is None and "no answer" in row.reason for row in failed)


def test_a_model_whose_content_changed_under_its_name_is_asked_anew(study_file: Path, tmp_path: Path):
    run(plan_of(study_file), tmp_path / "store")
    path = study_file.parent / "recorded" / "kind.jsonl"
    path.write_text(path.read_text().replace("Certainly", "Surely"))

    counting = Counting()
    run(plan_of(study_file), tmp_path / "store", progress=counting)

    assert counting.asked == 2 * 24


def test_two_names_for_one_content_share_their_answers_and_tie(study_file: Path, tmp_path: Path):
    shutil.copy(study_file.parent / "recorded" / "blunt.jsonl", study_file.parent / "recorded" / "kind.jsonl")

    counting = Counting()
    store = run(plan_of(study_file), tmp_path / "store", progress=counting)

    assert counting.asked == 2 * 24
    assert analyze(store).benchmarks["xstest"].pairs[0].n_tie == 4


def test_a_judge_is_asked_about_the_answers_and_its_refusal_is_a_status(study_file: Path, tmp_path: Path):
    text = TEXT.replace("substring_match]", "judge_partial_half]") + "judge: {name: judge}\n"
    (study_file.parent / "recorded" / "judge.jsonl").write_text("")

    store = run(plan_of(study_file, text), tmp_path / "store")

    judged = [row for row in store.records("xstest", "accuracy") if row.status is Status.JUDGE_REFUSED]
    assert len(judged) == 2 * 2 * 24
    assert all(len(row.keys) == 2 for row in judged)


def test_the_lock_holds_what_was_resolved(study_file: Path, tmp_path: Path):
    store = run(plan_of(study_file), tmp_path / "store")

    lock = json.loads((store.folder / "study.lock.json").read_text())
    assert len(lock["models"]) == 2
    assert lock["benchmarks"]["xstest"]["n_items"] == 24
    assert len(lock["models"][0]["digest"]) == 16


def test_rendered_prompts_can_be_read_back_by_their_digest(study_file: Path, tmp_path: Path):
    store = run(plan_of(study_file), tmp_path / "store")
    row = store.records("xstest", "accuracy")[0]

    assert "fold paper" in store.prompts({row.prompt_digest})[row.prompt_digest]


def test_joined_digests_keep_a_single_one_and_depend_on_order():
    assert joined_digest(["a", "a"]) == "a"
    assert joined_digest(["a", "b"]) != joined_digest(["b", "a"])


def test_where_data_are_not_at_hand_what_hangs_on_items_is_unknown_and_an_open_revision_is_named(tmp_path: Path):
    text = TEXT.replace("{name: kind}", "{name: kind, repository: x/kind}").replace("data: xstest", "data: absent")
    path = tmp_path / "study.yaml"
    plan = make_plan(parse_study(text, where=str(path)), path, need_data=False)

    document = plan_document(plan, plan_costs(plan))

    assert document["unpinned"] == ["kind"]
    assert document["benchmarks"]["xstest"]["items"] is None
    assert {row["requests"] for row in document["costs"]} == {None}
    assert {row["n_configurations"] for row in document["costs"]} == {4}
