"""Other packages run as programs: what they are told, what is made of what they wrote, and every way in which one can fail."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import fake_package
from safetyrepro.analysis import analyze
from safetyrepro.benchmarks import benchmark_module
from safetyrepro.cli import app
from safetyrepro.environments import VARIABLE, find_python
from safetyrepro.errors import SafetyReproError
from safetyrepro.harnesses import HARNESSES
from safetyrepro.harnesses.helm_program import n_shown
from safetyrepro.harnesses.hub_rows import hub_rows
from safetyrepro.harnesses.program import PROGRAMS, Job, Release, constraints, parse_release, program
from safetyrepro.launching import readable_checkpoint
from safetyrepro.plan import Plan, make_plan
from safetyrepro.programs import plan_programs, run_programs
from safetyrepro.records import Status
from safetyrepro.render.programs import programs_lines
from safetyrepro.run import Silent
from safetyrepro.selection import find_study, narrowed
from safetyrepro.store import mend
from safetyrepro.study import parse_study, read_study


class Noting(Silent):
    """Keeps every note."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


ROOT = Path(__file__).resolve().parents[1]
QUICKSTART = ROOT / "src" / "safetyrepro" / "quickstart"
RUNNABLE = [(name, benchmark) for name in PROGRAMS for benchmark in program(name).QUESTIONS]
EVERY_RELEASE = [Release(name, version) for name in PROGRAMS for version in program(name).RELEASES]
packages = pytest.mark.parametrize("name", list(PROGRAMS))
pairs = pytest.mark.parametrize(("name", "benchmark"), RUNNABLE)


@pytest.fixture
def environments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of environments whose Pythons are stand-ins; the file `behaviour` in it says how they behave."""
    folder = tmp_path / "environments"
    folder.mkdir()
    (folder / "behaviour").write_text("well")
    for name in PROGRAMS:
        for version in program(name).RELEASES:
            python = folder / f"{name}-{version}" / "bin" / "python"
            python.parent.mkdir(parents=True)
            words = f'"{sys.executable}" "{fake_package.__file__}" "{folder / "behaviour"}"'
            python.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
            python.chmod(0o755)
    monkeypatch.setenv(VARIABLE, str(folder))
    return folder


def planned(harness: list[str], *, benchmark: str = "truthfulqa", n_items: int = 8, models: int = 1, **changes: object) -> Plan:
    names = ["tiny-llama", "tiny-qwen2", "tiny-mistral"][:models]
    content = {
        "name": "packages",
        "harness": harness,
        "engine": {"device": "cpu", "program_seconds": 30},
        "models": [{"name": name, "path": str(QUICKSTART / "checkpoints" / name)} for name in names],
        "benchmarks": [{"name": benchmark, "data": str(QUICKSTART / "suite" / benchmark), "items": n_items}],
        **changes,
    }
    return make_plan(parse_study(json.dumps(content), where="study"), Path("study.yaml"))


def refused(plan: Plan, folder: Path) -> str:
    with pytest.raises(SafetyReproError) as caught:
        run_programs(plan, folder)
    return caught.value.sentence


@packages
def test_every_release_ships_a_set_that_pins_its_package(name: str) -> None:
    pinned = {"lm-eval": "lm_eval", "inspect": "inspect-ai", "helm": "crfm-helm", "lighteval": "lighteval"}[name]
    for version in program(name).RELEASES:
        lines = [line.replace("_", "-").lower() for line in constraints(Release(name, version)).read_text().split()]
        assert f"{pinned.replace('_', '-')}=={version}" in lines
        assert not [line for line in lines if "@" in line or "://" in line]


@pairs
def test_a_package_is_told_relative_paths_and_answers_a_question_that_we_ask_too(name: str, benchmark: str) -> None:
    known = program(name)
    plan = planned([name], benchmark=benchmark)
    (cell,) = plan_programs(plan).cells
    launch = known.launch(cell.job)
    assert known.READER in HARNESSES
    assert cell.question.estimand in {estimand.name for estimand in benchmark_module(benchmark).ESTIMANDS}
    assert not [word for word in launch.arguments if word.startswith(("/", "~")) or ".." in word]
    assert not [place for place in launch.seeds if Path(place).is_absolute() or ".." in place]
    assert json.loads(json.dumps(launch.sets, default=list)) is not None
    assert launch.sets or launch.seeds


@pairs
def test_what_a_package_wrote_becomes_records_under_our_names(
    name: str, benchmark: str, environments: Path, tmp_path: Path
) -> None:
    plan = planned([name], benchmark=benchmark)
    store = run_programs(plan, tmp_path / "store")
    question = program(name).QUESTIONS[benchmark]
    records = store.records(benchmark, question.estimand)
    items = plan.benchmarks[0].items
    assert [(record.item_id, record.cluster) for record in records] == [(item.id, item.cluster) for item in items]
    assert {record.status for record in records} == {Status.SCORED}
    assert sorted({record.value for record in records}) == [0.0, question.scale]
    (configuration,) = store.manifest.benchmark(benchmark).envelope
    assert configuration.get("harness") == f"{name}=={program(name).RELEASES[0]}"
    assert store.manifest.complete
    assert "states: " in store.manifest.note


@packages
def test_a_benchmark_without_a_stock_task_is_refused_with_the_reason(name: str, environments: Path, tmp_path: Path) -> None:
    sentence = refused(planned([name], benchmark="xstest"), tmp_path / "store")
    graded = f"{name} grades answers to xstest by " in sentence and "packages are run without one" in sentence
    assert graded == (name in ("inspect", "helm"))
    assert graded or f"{name} is not known to run xstest, only " in sentence
    assert not (tmp_path / "store").exists()


def test_releases_that_cannot_run_a_benchmark_are_left_out_of_its_envelope_with_the_reason(
    environments: Path, tmp_path: Path
) -> None:
    store = run_programs(planned(["lm-eval==0.4.5", "lm-eval==0.4.13", "inspect==0.3.21"], benchmark="bbq"), tmp_path / "store")
    envelope = store.manifest.benchmark("bbq").envelope
    assert [configuration.get("harness") for configuration in envelope] == ["lm-eval==0.4.13"]
    assert [exclusion.reason.partition(";")[0] for exclusion in envelope.exclusions] == [
        "lm-eval 0.4.5 has no task for bbq",
        "inspect 0.3.21 is older than every inspect_evals that installs, and its repository had no task for bbq",
    ]


def test_packages_are_compared_item_by_item(environments: Path, tmp_path: Path) -> None:
    plan = planned(["lm-eval==0.4.13", "helm", "inspect", "lighteval"], models=2)
    analysis = analyze(run_programs(plan, tmp_path / "store"))
    agreements = analysis.methods["truthfulqa"].agreements
    assert (agreements[0].factor, agreements[0].first, agreements[0].second) == ("harness", "lm-eval==0.4.13", "helm==0.5.16")
    assert len(agreements) == 6 * 2
    assert {one.least.share_equal for one in agreements} == {0.0, 1.0}


def test_a_run_that_ended_well_is_not_repeated(environments: Path, tmp_path: Path) -> None:
    plan = planned(["lm-eval", "inspect"])
    (environments / "inspect-0.3.285" / "bin" / "python").rename(tmp_path / "python")
    assert "it has no environment at" in refused(plan, tmp_path / "store")
    (tmp_path / "python").rename(environments / "inspect-0.3.285" / "bin" / "python")
    run_programs(plan, tmp_path / "store")
    started = tmp_path / "store.programs" / "tiny-llama" / "truthfulqa" / "started.txt"
    assert started.read_text().split() == ["lm_eval", "inspect_ai"]
    again = run_programs(plan, tmp_path / "store")
    assert again.manifest.complete
    run_programs(plan, tmp_path / "moved")
    assert "occupied" in refused(planned(["lm-eval"], n_items=5), tmp_path / "store")
    assert started.read_text().split() == ["lm_eval", "inspect_ai"]


@pytest.mark.parametrize("kind", ["records", "prompts"])
def test_a_part_that_was_mended_away_is_read_again_from_what_the_programs_wrote(
    kind: str, environments: Path, tmp_path: Path
) -> None:
    plan = planned(["lm-eval", "inspect"])
    store = run_programs(plan, tmp_path / "store")
    started = tmp_path / "store.programs" / "tiny-llama" / "truthfulqa" / "started.txt"
    parts = {path: path.read_bytes() for path in store.folder.glob("*/*.parquet")}
    lost = next(path for path in parts if path.parent.name == kind)
    lost.unlink()
    mend(store.folder)

    told = Noting()
    again = run_programs(plan, tmp_path / "store", progress=told)

    assert again.manifest.complete
    assert {path: path.read_bytes() for path in store.folder.glob("*/*.parquet")} == parts
    assert started.read_text().split() == ["lm_eval", "inspect_ai"]
    assert told.notes[-1] == "what the store lacked is written again (1 part), from what the programs wrote"


def test_a_run_of_other_items_is_a_new_run(environments: Path, tmp_path: Path) -> None:
    (environments / "behaviour").write_text("writes nothing")
    assert "ended well and" in refused(planned(["lm-eval"]), tmp_path / "store")
    (environments / "behaviour").write_text("well")
    store = run_programs(planned(["lm-eval"], n_items=5), tmp_path / "store")
    assert len(store.records("truthfulqa", "mc1")) == 5


@pytest.mark.parametrize(
    ("behaviour", "found"),
    [
        ("fails", "ended with exit code 1: ValueError: the tokenizer"),
        ("killed", "was ended by signal 9 (SIGKILL)"),
        ("writes nothing", "holds no items with 'acc'"),
    ],
)
def test_a_program_that_does_not_end_well_is_one_sentence(
    behaviour: str, found: str, environments: Path, tmp_path: Path
) -> None:
    (environments / "behaviour").write_text(behaviour)
    sentence = refused(planned(["lm-eval"]), tmp_path / "store")
    assert sentence.startswith("tiny-llama on truthfulqa by lm-eval==0.4.13: ")
    assert found in sentence
    assert "log.txt" in sentence
    assert not (tmp_path / "store").exists()


def test_a_program_that_does_not_end_is_ended(environments: Path, tmp_path: Path) -> None:
    (environments / "behaviour").write_text("sleeps")
    plan = planned(["lm-eval"], engine={"device": "cpu", "program_seconds": 0.3})
    assert "did not end within 0.3 seconds and was ended" in refused(plan, tmp_path / "store")


def test_an_item_that_a_log_lacks_is_unknown_and_a_stranger_is_counted(environments: Path, tmp_path: Path) -> None:
    (environments / "behaviour").write_text("loses one")
    store = run_programs(planned(["lm-eval"]), tmp_path / "store")
    assert [record.status for record in store.records("truthfulqa", "mc1")].count(Status.UNKNOWN) == 1
    assert "its log holds 7 of the 8 items." in store.manifest.note
    (environments / "behaviour").write_text("adds one")
    store = run_programs(planned(["lm-eval"], name="other"), tmp_path / "other")
    assert "its log holds 1 items that were not asked for." in store.manifest.note


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"load": {"quantization": ["nf4"]}}, "load.quantization"),
        ({"load": {"dtype": ["float32", "bfloat16"]}}, "load.dtype"),
        ({"repeats": 2}, "repeats"),
    ],
)
def test_a_setting_that_no_package_obeys_is_refused(changes: dict, found: str) -> None:
    with pytest.raises(SafetyReproError, match=found):
        plan_programs(planned(["lm-eval"], **changes))


def test_a_plan_shows_each_command_and_who_cannot_run_what(environments: Path) -> None:
    lines = list(programs_lines(plan_programs(planned(["lm-eval==0.4.5", "lm-eval==0.4.13"], benchmark="bbq", models=2))))
    assert lines[1] == "2 models, 1 benchmarks, 1 packages, 2 runs"
    assert lines[2].startswith("lm-eval==0.4.13: its environment is ")
    assert lines[3] == "bbq, 8 items, by lm-eval==0.4.13 (acc as accuracy):"
    assert "python -m lm_eval --model hf --model_args pretrained=checkpoint,dtype=float32 --tasks bbq " in lines[4]
    assert lines[5] == "bbq: left out, lm-eval 0.4.5 has no task for bbq; name lm-eval==0.4.13"


def test_the_plan_of_the_shipped_study_is_its_runs() -> None:
    shown = CliRunner().invoke(app, ["plan", "cross-package", "--items", "8"])
    assert shown.exit_code == 0
    assert "3 models, 1 benchmarks, 5 packages, 15 runs" in shown.output
    document = json.loads(CliRunner().invoke(app, ["plan", "cross-package", "--items", "8", "--json"]).output)
    assert len(document) == 15
    assert document[0]["words"][:3] == ["python", "-m", "lm_eval"]
    probed = CliRunner().invoke(app, ["plan", "cross-package", "--items", "8", "--probe"])
    assert "cannot ask another package's program" in str(probed.exception)


def test_a_plan_names_the_command_that_makes_an_absent_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    lines = list(programs_lines(plan_programs(planned(["helm"]))))
    assert lines[2] == "helm==0.5.16: no environment; `safetyrepro harness install helm==0.5.16` makes it"


def test_programs_are_started_here_only(tmp_path: Path) -> None:
    with pytest.raises(SafetyReproError, match="on this machine only"):
        run_programs(planned(["lm-eval"]), tmp_path / "store", executor="ray")


def test_an_unknown_package_or_release_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(SafetyReproError, match="expected one of lm-eval, inspect, helm, lighteval"):
        parse_release("promptfoo", "harness")
    with pytest.raises(SafetyReproError, match=r"lm-eval 0.1 has no constraint set; expected one of lm-eval==0\.4\.13"):
        parse_release("lm-eval==0.1", "harness")
    assert parse_release("helm", "harness").text == "helm==0.5.16"


def test_an_absent_environment_names_the_command_that_makes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    with pytest.raises(SafetyReproError, match=r"safetyrepro harness install helm==0\.5\.16"):
        find_python(Release("helm", "0.5.16"))


@pytest.mark.parametrize("n_items", [1, 2, 3, 4, 5, 8, 40, 63, 654, 1000])
def test_helm_keeps_exactly_the_rows_that_stand_before_the_evaluated_ones(n_items: int) -> None:
    shown = n_shown(n_items)
    assert int((n_items + shown) * 0.2) == shown


def test_helm_is_refused_where_it_would_take_rows_of_bbq_for_examples() -> None:
    jobs = {n: Job(version="0.5.16", benchmark="bbq", rows=({"category": "Age"},) * n) for n in (1000, 1003)}
    assert program("helm").refusal(jobs[1000]) == ""
    assert "takes the other 3 for examples" in program("helm").refusal(jobs[1003])


@pytest.mark.parametrize("release", ["lm-eval==0.4.5", "inspect==0.3.21", "helm==0.5.5"])
def test_the_releases_that_the_paper_names_run_truthfulqa(release: str, environments: Path, tmp_path: Path) -> None:
    store = run_programs(planned([release]), tmp_path / "store")
    records = store.records("truthfulqa", "mc1")
    assert len(records) == 8
    assert {record.status for record in records} == {Status.SCORED}


def test_the_task_of_an_older_inspect_shuffles_options_as_its_repository_had_it(tmp_path: Path) -> None:
    (cell,) = plan_programs(planned(["inspect==0.3.21"])).cells
    launch = program("inspect").launch(cell.job)
    compile(launch.seeds["task.py"], "task.py", "exec")
    assert "plan=[multiple_choice(multiple_correct=False, shuffle=Random(0))]" in launch.seeds["task.py"]
    assert len(launch.seeds["truthfulqa.jsonl"].splitlines()) == 8
    assert launch.sets == {}
    assert "task.py@truthfulqa" in launch.arguments


def test_helm_is_refused_where_the_pool_of_examples_is_too_small() -> None:
    rows = ({"question": "?"},) * 40
    assert "which for 40 items is 9" in program("helm").refusal(Job(version="0.5.16", benchmark="truthfulqa", rows=rows))


def test_rows_hold_what_upstream_holds() -> None:
    plan = planned(["lm-eval"], benchmark="bbq", n_items=4)
    items, files = plan.benchmarks[0].items, plan.benchmarks[0].data.files
    for item, row in zip(items, hub_rows("bbq", items, files), strict=True):
        assert f"{row['category']}-{row['example_id']}" == item.id
        assert row["context"] == item.content["context"]


def test_transformers_4_is_shown_a_checkpoint_that_it_can_read(tmp_path: Path) -> None:
    source = QUICKSTART / "checkpoints" / "tiny-llama"
    readable_checkpoint(source, tmp_path / "older", dtype="float32", older=True)
    readable_checkpoint(source, tmp_path / "newer", dtype="bfloat16", older=False)
    older = json.loads((tmp_path / "older" / "config.json").read_text())
    newer = json.loads((tmp_path / "newer" / "config.json").read_text())
    assert (older["rope_theta"], older["torch_dtype"]) == (10000.0, "float32")
    assert (newer.get("rope_theta"), newer["dtype"]) == (None, "bfloat16")
    assert json.loads((tmp_path / "older" / "tokenizer_config.json").read_text())["model_max_length"] == 4096
    assert (tmp_path / "older" / "model.safetensors").resolve() == (source / "model.safetensors").resolve()


def test_the_shipped_study_names_releases_that_can_run_it() -> None:
    path = find_study("cross-package")
    study = narrowed(read_study(path), items=8)
    programs = plan_programs(make_plan(study, path))
    assert len(programs.cells) == len(study.models) * len(study.harness)
    assert not any(programs.refused.values())


@pytest.mark.long
@pytest.mark.parametrize("release", EVERY_RELEASE, ids=lambda release: release.text)
def test_the_real_package_runs_on_a_toy(release: Release, tmp_path: Path) -> None:
    try:
        find_python(release)
    except SafetyReproError as error:
        pytest.skip(error.sentence)
    engine = {"device": "cpu", "program_seconds": 600}
    store = run_programs(planned([release.text], n_items=4, engine=engine), tmp_path / "store")
    records = store.records("truthfulqa", "mc1")
    assert len(records) == 4
    assert Status.UNKNOWN not in {record.status for record in records}
