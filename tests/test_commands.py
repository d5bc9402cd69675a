"""The command line, command by command, on a recorded study: what it prints, what it writes, how it refuses."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from builders import REVERSAL, write_table
from safetyrepro import __version__
from safetyrepro.cli import app, main
from safetyrepro.envelope import Tier
from safetyrepro.errors import SafetyReproError
from safetyrepro.estimands import Orientation
from safetyrepro.manifest import NOT_RECORDED
from safetyrepro.options import parse_choice, parse_conditions, parse_names, parse_orientations, parse_ranges, parse_tier
from safetyrepro.plan import make_plan
from safetyrepro.render.progress import BarProgress, progress_bar
from safetyrepro.run import Silent
from safetyrepro.scores import FailurePolicy
from safetyrepro.stamp import library_versions, make_stamp, now, repository_stamp, stamp_time
from safetyrepro.store import open_store
from safetyrepro.study import parse_study
from test_plan_and_run import TEXT, prompts_csv, record

RUNNER = CliRunner()


@pytest.fixture
def study_file(tmp_path: Path) -> Path:
    """A study of two recorded models over a small suite."""
    folder = tmp_path / "study"
    (folder / "xstest").mkdir(parents=True)
    (folder / "recorded").mkdir()
    (folder / "xstest" / "xstest_prompts.csv").write_text(prompts_csv())
    (folder / "study.yaml").write_text(TEXT)
    record(make_plan(parse_study(TEXT, where="study.yaml"), folder / "study.yaml"), folder / "recorded")
    return folder / "study.yaml"


def invoke(*arguments: object) -> Result:
    return RUNNER.invoke(app, [str(argument) for argument in arguments])


def test_the_version_and_the_help_are_printed():
    assert invoke("--version").output.strip() == f"safetyrepro {__version__}"
    assert "reproduce" in invoke("--help").output


def test_plan_prints_factors_and_requests_and_json_counts_cells(study_file: Path):
    shown, document = invoke("plan", study_file), invoke("plan", study_file, "--json")

    assert shown.exit_code == 0, shown.output
    assert "4 configurations" in shown.output
    assert "characters / 4" in shown.output
    cells = json.loads(document.output)["cells"]
    assert len(cells) == 8
    assert {cell["model"] for cell in cells} == {"kind", "blunt"}


def test_plan_shows_a_benchmark_without_items_where_its_data_are_not_at_hand(study_file: Path, tmp_path: Path):
    shown = invoke("plan", study_file, "--data", tmp_path / "nowhere")

    assert shown.exit_code == 0, shown.output
    assert "not at hand" in shown.output


def test_a_tier_selects_configurations_and_says_what_it_left_out(study_file: Path):
    document = json.loads(invoke("plan", study_file, "--tier", "stress", "--json").output)

    assert all(cell["tier"] == "stress" for cell in document["cells"])
    assert document["benchmarks"]["xstest"]["exclusions"][-1]["reason"] == "only the stress tier was asked for"


def test_run_then_analyze_then_card(study_file: Path, tmp_path: Path):
    out = tmp_path / "store"

    ran = invoke("run", study_file, "--out", out, "--quiet")
    analyzed = invoke("analyze", out)
    made = invoke("card", out)

    assert ran.exit_code == analyzed.exit_code == made.exit_code == 0, ran.output + analyzed.output + made.output
    assert "xstest: 4 configurations, 24 items" in ran.output
    assert "1 pairs" in analyzed.output
    assert (out / "card" / "card.html").is_file()
    assert "card.html" in made.output


def test_reproduce_is_the_whole_walk(study_file: Path, tmp_path: Path):
    done = invoke("reproduce", study_file, "--out", tmp_path / "store", "--quiet")

    assert done.exit_code == 0, done.output
    assert "Which of two scripts is safer?" in done.output
    assert open_store(tmp_path / "store").manifest.complete


def test_run_selects_models_and_items(study_file: Path, tmp_path: Path):
    done = invoke("run", study_file, "--out", tmp_path / "s", "--models", "kind", "--items", "6", "--quiet")

    assert done.exit_code == 0, done.output
    assert open_store(tmp_path / "s").manifest.models == ("kind",)
    assert len(open_store(tmp_path / "s").records("xstest", "accuracy")) == 4 * 6


def test_mend_says_what_it_dropped(tmp_path: Path):
    invoke("ingest", "table", write_table(tmp_path / "t.csv", REVERSAL), "-o", tmp_path / "s")
    part = next((tmp_path / "s" / "records").glob("*.parquet"))
    part.write_bytes(b"broken")

    first, again = invoke("mend", tmp_path / "s"), invoke("mend", tmp_path / "s")

    assert f"dropped records/{part.name}" in first.output
    assert "1 part dropped.\nThis store was ingested and cannot be made again from itself; it lost " in first.output
    assert "Ingest the same files into another folder" in first.output
    assert "nothing to mend" in again.output
    assert "incomplete" in invoke("analyze", tmp_path / "s").output


@pytest.mark.parametrize("kind", ["prompts", "responses", "records"])
def test_mend_says_what_the_next_run_makes_again(study_file: Path, tmp_path: Path, kind: str):
    invoke("run", study_file, "--out", tmp_path / "s", "--quiet")
    part = sorted((tmp_path / "s" / kind).glob("*.parquet"))[0]
    rows = next(entry.rows for entry in open_store(tmp_path / "s").manifest.parts if entry.name == part.name)
    part.unlink()

    mended = invoke("mend", tmp_path / "s").output

    assert f"Run the study again into this store; it lost {rows} " in mended
    again = invoke("run", study_file, "--out", tmp_path / "s")
    assert again.exit_code == 0
    assert part.is_file()
    assert ("prompts that the store lacked are written again" in again.output) == (kind == "prompts")


@pytest.mark.parametrize("document", ["study", "manifest", "analysis", "claims", "card"])
def test_schemas_are_printed_as_json(document: str):
    assert json.loads(invoke("schema", document).output)["properties"]


def test_an_unknown_schema_is_refused_with_the_list():
    assert "expected one of study, manifest" in str(invoke("schema", "none").exception)


@pytest.mark.parametrize("command", ["plan", "run", "reproduce"])
def test_a_study_that_does_not_exist_is_refused_by_every_command(command: str, tmp_path: Path):
    assert "neither a file nor a study that ships" in str(invoke(command, tmp_path / "none.yaml").exception)


def test_an_interrupt_is_reported_and_has_its_own_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("safetyrepro.cli.app", interrupted)

    with pytest.raises(SystemExit) as caught:
        main()

    assert caught.value.code == 130
    assert "goes on from there" in capsys.readouterr().err


def test_ranges_and_orientations_are_read_by_benchmark_or_for_all():
    assert parse_ranges(["bbq=0,100", "-1,1"]) == {"bbq": (0.0, 100.0), "": (-1.0, 1.0)}
    assert parse_orientations(["crows=target(50)", "lower"]) == {
        "crows": Orientation.parse("target(50)"),
        "": Orientation.parse("lower"),
    }
    with pytest.raises(SafetyReproError, match="--orientation sideways"):
        parse_orientations(["sideways"])


def test_conditions_names_tiers_and_choices_are_read():
    assert parse_conditions(["f=x,y", "f=z", "g=u"]) == {"f": ("x", "y", "z"), "g": ("u",)}
    assert parse_names(" a, b,,") == ("a", "b")
    assert parse_names(None) == ()
    assert parse_tier("core") is Tier.CORE
    assert parse_tier(None) is None
    assert parse_choice("wrong", FailurePolicy, "--policy") is FailurePolicy.WRONG
    for text in ("f", "=x", "f="):
        with pytest.raises(SafetyReproError, match="is no condition"):
            parse_conditions([text])


def test_progress_says_nothing_when_quiet_and_prints_lines_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]):
    with progress_bar(quiet=True) as silent:
        assert isinstance(silent, Silent)
        silent.begin("x", 1, 0)
        silent.advance(1)
        silent.note("nothing")
    assert capsys.readouterr().err == ""

    with progress_bar() as bar:
        assert isinstance(bar, BarProgress)
        bar.begin("unit", 10, 4)
        bar.advance(6)
        bar.note("loading")
    printed = capsys.readouterr().err
    assert "unit: 6 requests to ask, 4 in the store" in printed
    assert "loading" in printed


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


def test_a_repository_is_stamped_with_commit_and_dirty_flag(tmp_path: Path):
    git(tmp_path, "init", "-q")
    (tmp_path / "study.yaml").write_text("a")
    git(tmp_path, "add", "study.yaml")
    git(tmp_path, "commit", "-q", "-m", "first")

    clean = repository_stamp(tmp_path)
    (tmp_path / "study.yaml").write_text("b")
    dirty = repository_stamp(tmp_path)

    assert len(clean.commit) == 40
    assert (clean.dirty, clean.diff_sha256) == (False, "")
    assert dirty.dirty is True
    assert len(dirty.diff_sha256) == 64


def test_a_folder_that_no_repository_tracks_has_no_commit(tmp_path: Path):
    git(tmp_path, "init", "-q")
    (tmp_path / "inside").mkdir()

    assert repository_stamp(tmp_path / "inside").commit == NOT_RECORDED


def test_a_stamp_names_versions_hardware_and_seed_and_no_host(tmp_path: Path):
    stamp = make_stamp(tmp_path, seed=5, started=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))

    assert stamp.started == "2026-01-02T03:04:05Z"
    assert stamp.seed == 5
    assert stamp.libraries["numpy"] == library_versions()["numpy"]
    assert "cores" in stamp.processor
    assert stamp.finished == NOT_RECORDED


def test_the_clock_can_be_set_so_that_two_runs_are_equal(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")

    assert stamp_time(now()) == "1970-01-01T00:00:00Z"


def test_a_foreign_name_in_an_error_cannot_steer_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr("sys.argv", ["safetyrepro", "plan", "evil\x1b[31m\u202e\nname"])

    with pytest.raises(SystemExit) as caught:
        main()

    printed = capsys.readouterr().err
    assert caught.value.code == 2
    assert "\x1b" not in printed
    assert printed.count("\n") == 1
