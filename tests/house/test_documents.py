"""A document that shows a command shows one that exists, with options it has; a document that names a file names one that is there."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest
import typer
from typer.testing import CliRunner

from house.source import PACKAGE, ROOT, modules_below, report

DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "examples").rglob("*.md")),
]
SHOWN = re.compile(r"(?:^|[`\s(/])safetyrepro((?: +[^\s`|&;>#)]+)+)", re.MULTILINE)


@cache
def root_command() -> click.Group:
    """The whole command line as click knows it."""
    from safetyrepro.cli import app

    command = typer.main.get_command(app)
    assert hasattr(command, "commands")
    return command  # type: ignore[return-value]  # typer's own group class


def leaves(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command with the words that reach it."""
    children = getattr(command, "commands", None)
    if not children:
        yield path, command
        return
    for name, child in children.items():
        yield from leaves(child, (*path, name))


def code_of(document: Path) -> Iterator[tuple[int, str]]:
    """Lines of the fenced blocks and the inline code of a Markdown document."""
    fenced = False
    for number, line in enumerate(document.read_text(encoding="utf-8").splitlines(), start=1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif fenced:
            yield number, line
        else:
            yield from ((number, code) for code in re.findall(r"`([^`]+)`", line))


def shown_commands() -> Iterator[tuple[str, list[str]]]:
    """Place and words of every command that a document or a sentence of the package shows."""
    for document in DOCUMENTS:
        for number, code in code_of(document):
            for words in _commands_in(code):
                yield f"{document.relative_to(ROOT).as_posix()}:{number}", words
    for module in modules_below(PACKAGE):
        for number, line in enumerate(module.text.splitlines(), start=1):
            for code in re.findall(r"`(safetyrepro [^`]+)`", line):
                for words in _commands_in(code):
                    yield f"{module.place}:{number}", words


def _commands_in(code: str) -> Iterator[list[str]]:
    for arguments in SHOWN.findall(code):
        cleaned = re.sub(r"\{[^}]*\}|\[[^\]]*\]", "X", arguments)
        try:
            yield shlex.split(cleaned)
        except ValueError:
            yield cleaned.split()


def unknown_part(words: list[str]) -> str | None:
    """The first word of a shown command that the command line does not know."""
    command: click.Command = root_command()
    rest = list(words)
    while rest and (children := getattr(command, "commands", None)):
        if rest[0].startswith("-"):
            break
        if rest[0] not in children:
            return rest[0]
        command = children[rest.pop(0)]
    options = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)} | {"--help"}
    return next((word for word in rest if re.match(r"--?[a-z]", word) and word.split("=")[0] not in options), None)


def test_every_command_that_is_shown_exists_with_the_options_it_shows() -> None:
    offenders = [
        f"{place}: safetyrepro {' '.join(words)}  ({part}?)"
        for place, words in shown_commands()
        if (part := unknown_part(words))
    ]
    assert not offenders, report("shown commands that do not exist", offenders)


def test_every_command_and_every_parameter_has_help() -> None:
    offenders = []
    for path, command in leaves(root_command()):
        if not (command.help or "").strip():
            offenders.append(" ".join(path))
        offenders += [
            f"{' '.join(path)} {parameter.name}"
            for parameter in command.params
            if not (getattr(parameter, "help", "") or "").strip()
        ]
    assert not offenders, report("commands and parameters without help", offenders)


def test_every_command_prints_its_help() -> None:
    from safetyrepro.cli import app

    offenders = [
        " ".join(path) for path, _ in leaves(root_command()) if CliRunner().invoke(app, [*path, "--help"]).exit_code != 0
    ]
    assert not offenders, report("commands whose help fails", offenders)


def test_every_file_that_a_document_links_exists() -> None:
    offenders = []
    for document in DOCUMENTS:
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", document.read_text(encoding="utf-8")):
            if "://" not in target and not (document.parent / target).exists():
                offenders.append(f"{document.relative_to(ROOT).as_posix()}: {target}")
    assert not offenders, report("links to files that do not exist", offenders)


def test_the_example_of_the_readme_runs_and_shows_the_reversal_it_announces(tmp_path: Path) -> None:
    blocks = re.findall(r"```\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    example = next(block for block in blocks if "ingest table" in block)
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "120"}
    outcome = subprocess.run(
        ["bash", "-e"], input=example, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert outcome.returncode == 0, outcome.stderr
    assert "A reversal is observed in 1 of 1 pairs" in outcome.stdout
    assert (tmp_path / "card" / "card.html").is_file()


def test_the_reference_pages_are_what_the_code_says_now() -> None:
    spec = importlib.util.spec_from_file_location("reference", ROOT / "scripts" / "reference.py")
    assert spec is not None
    assert spec.loader is not None
    reference = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reference)
    offenders = [
        f"docs/reference/{name}"
        for name, make in reference.PAGES.items()
        if not (path := ROOT / "docs" / "reference" / name).is_file() or path.read_text(encoding="utf-8") != make()
    ]
    assert not offenders, report("pages that `make docs` would change", offenders)


def test_the_changelog_has_a_place_for_what_comes_next() -> None:
    assert "## Unreleased" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("safetyrepro analyze results/mine --json", ["analyze", "results/mine", "--json"]),
        (".venv/bin/safetyrepro quickstart", ["quickstart"]),
        ("safetyrepro mend {self.folder}", ["mend", "X"]),
        ("pip install 'safetyrepro[hf]'", None),
    ],
)
def test_shown_commands_are_recognized(code: str, words: list[str] | None) -> None:
    assert list(_commands_in(code)) == ([words] if words else [])
