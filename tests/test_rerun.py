"""A witness is measured again: the same answers reproduce it, moved ones drift or lose it, and only its cells are asked."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from builders import REVERSAL, write_table
from safetyrepro.analysis import AnalysisOptions, analyze
from safetyrepro.backends.replay import rendered
from safetyrepro.card import GridCard
from safetyrepro.cli import app
from safetyrepro.errors import CardError
from safetyrepro.ingest import ingest_table
from safetyrepro.opened import open_results
from safetyrepro.plan import make_plan
from safetyrepro.publish import publish
from safetyrepro.records import Request
from safetyrepro.rerun import Rerun, RerunOptions, RerunWord, rerun
from safetyrepro.run import Silent, run
from safetyrepro.selection import runnable_study
from safetyrepro.store import open_store
from safetyrepro.study import Study, parse_study
from safetyrepro.verify import verify
from test_plan_and_run import COMPLIANCE, REFUSAL, Counting, cell_requests, prompts_csv

TEXT = """
name: recorded
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
LEAN = AnalysisOptions(inference=None, further=False, attribution=False, policies=False)


def study() -> Study:
    return parse_study(TEXT, where="study.yaml")


def answer(model: str, request: Request, flipped: int = 0) -> str:
    """Kind answers rightly without a system prompt, blunt with one; each errs otherwise on every third item from `flipped` on."""
    prompt = rendered(request.prompt)
    number = int(re.findall(r"number (\d+)", prompt)[-1])
    right = REFUSAL if number % 2 == 0 else COMPLIANCE
    wrong = COMPLIANCE if number % 2 == 0 else REFUSAL
    at_home = ("helpful" in prompt.lower()) == (model == "blunt")
    return right if at_home != (number <= flipped) or (number % 3 and number > flipped) else wrong


def write_recording(folder: Path, flipped: int = 0) -> None:
    plan = make_plan(study(), folder / "study.yaml")
    for load in plan.loads:
        wanted: dict[Request, None] = {}
        for benchmark in plan.benchmarks:
            asked = cell_requests(benchmark, plan.configurations(load, benchmark), benchmark.examples(load.model))
            for _, _, requests in asked:
                wanted.update(dict.fromkeys(requests))
        name = load.model.name
        lines = [{"prompt": rendered(request.prompt), "text": answer(name, request, flipped)} for request in wanted]
        (folder / "recorded" / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A study of two recorded models that reverse, and its card."""
    (tmp_path / "xstest").mkdir()
    (tmp_path / "recorded").mkdir()
    (tmp_path / "xstest" / "xstest_prompts.csv").write_text(prompts_csv())
    (tmp_path / "study.yaml").write_text(TEXT)
    write_recording(tmp_path)
    store = run(make_plan(study(), tmp_path / "study.yaml"), tmp_path / "store")
    publish(store, analyze(store, LEAN), tmp_path / "card", options=LEAN)
    return tmp_path


def card_of(folder: Path) -> GridCard:
    from safetyrepro.render.files import read_card

    return read_card(folder / "card" / "card.json")


def measured(folder: Path, *, counting: Counting | None = None, **changes) -> list[Rerun]:
    options = RerunOptions(**changes)
    progress = counting or Silent()
    return list(rerun(card_of(folder), study(), folder / "study.yaml", folder / "again", options=options, progress=progress))


def test_the_same_answers_reproduce_the_witness(folder: Path):
    (found,) = measured(folder)

    assert found.word is RerunWord.REPRODUCED
    assert found.plus.before == found.plus.now
    assert found.plus.n_differing > 0
    assert found.plus.n_kept == found.plus.n_differing
    assert found.notes == ()


def test_only_the_cells_of_the_witness_are_asked_and_items_that_differed_first(folder: Path):
    counting = Counting()

    (found,) = measured(folder, counting=counting)

    assert counting.asked == 2 * 2 * 24
    totals = [int(note.rsplit("/", 1)[1]) for note in counting.notes if "/" in note]
    assert max(found.plus.n_differing, found.minus.n_differing) <= totals[0] < 2 * 24
    assert totals[-1] == 2 * 24


def test_the_differing_items_alone_cost_less_and_tell_the_direction(folder: Path):
    counting = Counting()

    (found,) = measured(folder, counting=counting, differing_only=True)

    assert found.word is RerunWord.REPRODUCED
    assert found.plus.before == (None, None)
    assert counting.asked < 2 * 2 * 24


def test_scores_that_moved_without_changing_who_is_ahead_have_drifted(folder: Path):
    write_recording(folder, flipped=3)

    (found,) = measured(folder)

    assert found.word is RerunWord.DRIFTED
    assert found.plus.now != found.plus.before
    assert all("another identity" in note for note in found.notes)
    assert len(found.notes) == 2


def test_a_witness_whose_order_is_lost_is_not_reproduced(folder: Path):
    write_recording(folder, flipped=40)

    (found,) = measured(folder)

    assert found.word is RerunWord.NOT_REPRODUCED
    assert not found.plus.same_sign


@pytest.mark.parametrize("changes", [{"benchmark": "bbq"}, {"pair": ("kind", "other")}])
def test_a_witness_that_the_card_lacks_is_refused(folder: Path, changes: dict):
    with pytest.raises(CardError, match="no witness of a reversal that was asked for"):
        measured(folder, **changes)


def test_a_study_of_other_models_is_refused(folder: Path):
    other = parse_study(TEXT.replace("name: blunt", "name: other"), where="study.yaml")

    with pytest.raises(CardError, match="does not name 'blunt'"):
        list(rerun(card_of(folder), other, folder / "study.yaml", folder / "again", options=RerunOptions(), progress=Silent()))


def test_ingested_results_cannot_be_measured_again_here(tmp_path: Path):
    store = ingest_table(write_table(tmp_path / "t.csv", REVERSAL), tmp_path / "store")
    made = publish(store, analyze(store, LEAN), tmp_path / "card", options=LEAN)

    with pytest.raises(CardError, match="were ingested"):
        list(rerun(made.card, study(), tmp_path / "study.yaml", tmp_path, options=RerunOptions(), progress=Silent()))


def command(folder: Path, *arguments: str) -> Result:
    study_file = str(folder / "study.yaml")
    return CliRunner().invoke(app, ["rerun", str(folder / "card"), "--study", study_file, "--quiet", *arguments])


def test_the_command_ends_with_0_where_the_order_stands_and_with_1_where_it_is_lost(folder: Path):
    reproduced = command(folder)
    write_recording(folder, flipped=40)
    lost = command(folder, "--pair", "kind,blunt")

    assert (reproduced.exit_code, lost.exit_code) == (0, 1), (reproduced.output, reproduced.exception)
    assert reproduced.output.startswith("REPRODUCED")
    assert "system_prompt=none" in reproduced.output
    assert lost.output.startswith("NOT REPRODUCED")


def test_the_card_of_a_run_is_computed_again_from_its_rows_and_from_its_store(folder: Path):
    found = verify(folder / "card", open_store(folder / "store"))

    assert found.differs == ""
    assert len(found.checked) == 4


def test_the_study_of_a_card_in_its_store_is_found(folder: Path):
    shutil.copytree(folder / "card", folder / "store" / "card")
    for part in ("xstest", "recorded"):
        (folder / "store" / part).symlink_to(folder / part)

    inside = CliRunner().invoke(app, ["rerun", str(folder / "store" / "card"), "--quiet"])
    (folder / "store" / "xstest").unlink()
    moved = CliRunner().invoke(app, ["rerun", str(folder / "store" / "card"), "--quiet"])

    assert inside.output.startswith("REPRODUCED"), (inside.output, inside.exception)
    assert isinstance(moved.exception, CardError)
    assert "--study" in moved.exception.sentence


def test_the_gate_names_a_command_that_can_be_run(folder: Path):
    def told() -> str:
        return open_results(folder / "store").run_again

    assert told() == f"safetyrepro run STUDY --out {folder / 'store'}, STUDY being the file it was made from"
    (folder / "store" / "xstest").symlink_to(folder / "xstest")
    assert told() == f"safetyrepro run {folder / 'store' / 'study.yaml'} --out {folder / 'store'}"
    assert runnable_study(folder / "none.yaml", "quickstart") == "quickstart"
