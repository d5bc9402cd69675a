"""What the terminal shows reads well at its width and passes no control sequence on."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from builders import REVERSAL, write_table
from render.made import random_rows
from render.verdicts import verdict_of
from safetyrepro.cli import app
from safetyrepro.render.console import clean, settings_text
from safetyrepro.render.terminal import order_strip

RUNNER = CliRunner()


def shown(folder: Path, rows, *options: str) -> str:
    """What `analyze` prints about a table."""
    path = write_table(folder / "t.csv", rows)
    assert RUNNER.invoke(app, ["ingest", "table", str(path), "-o", str(folder / "store")]).exit_code == 0
    result = RUNNER.invoke(app, ["analyze", str(folder / "store"), *options], env={"COLUMNS": "100"})
    assert result.exit_code == 0, result.output
    return result.output


def test_a_reversal_is_shown_with_its_witness_and_the_factor_that_turns_it(tmp_path: Path):
    text = shown(tmp_path, REVERSAL)
    assert "A reversal is observed in 1 of 1 pairs." in text
    assert "under f=x" in text
    assert "under f=y" in text
    assert "nothing is claimed about configurations that were not run" in " ".join(text.split())


@pytest.mark.parametrize(
    "hostile", ["\x1b[31mred\x1b[0m", "\x07bell", "a\u202eb", "[red]x[/red]", "[link=https://evil.example]x[/link]"]
)
def test_no_control_sequence_and_no_markup_of_a_name_reaches_the_terminal(tmp_path: Path, hostile: str):
    rows = [
        (f"{model}{hostile}", f"bench{hostile}", f"{level}{hostile}", item, score) for model, _, level, item, score in REVERSAL
    ]
    text = shown(tmp_path, rows)
    assert not set("\x1b\x07\u202e") & set(text)
    if hostile.startswith("["):
        assert hostile in "".join(text.split())


def test_no_line_is_wider_than_the_terminal(tmp_path: Path):
    rows = random_rows(
        models=[f"organization/model-{i}-with-a-long-name" for i in range(4)], levels=("v", "w", "x"), n_items=30
    )
    assert max(len(line) for line in shown(tmp_path, rows).splitlines()) <= 100


def test_markup_is_escaped_and_a_long_text_is_cut():
    assert clean("[bold]") == "\\[bold]"
    assert clean("x" * 500, 10) == "x" * 9 + "…"


def test_the_strip_has_one_sign_for_each_configuration():
    strip = order_strip(verdict_of([0.1, -0.1, 0.0, None]))
    assert [part.split("]")[1][0] for part in strip.split("[/]") if part] == ["+", "-", "=", "?"]


def test_settings_name_only_the_factors_that_are_asked_for():
    assert settings_text({"f": "x", "g": "y"}, ("g",)) == "g=y"
    assert settings_text({"f": "x", "g": "y"}) == "f=x, g=y"
    assert settings_text({}) == "(no factor)"
