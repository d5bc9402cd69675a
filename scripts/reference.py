"""Write the reference pages that are made from the code: commands with their options, benchmarks with their levels, modules.

`make docs` runs it; a test holds the pages to what it would write.
"""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "safetyrepro"
REFERENCE = ROOT / "docs" / "reference"
MADE = "*This page is made from the code by `make docs`; change the code, not the page.*"


def commands_page() -> str:
    """Every command with its help, its arguments and its options."""
    from safetyrepro.cli import app

    parts = ["# Commands", MADE]
    for path, command in _leaves(typer.main.get_command(app), ()):
        parts.append(f"## safetyrepro {' '.join(path)}\n\n{_paragraphs(command.help)}")
        rows = [_parameter_row(parameter) for parameter in command.params if not getattr(parameter, "hidden", False)]
        parts.append("\n".join(["| argument or option | what it does |", "| --- | --- |", *rows]))
    return "\n\n".join(parts) + "\n"


def _leaves(command: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:  # Any: typer brings its own click
    children = getattr(command, "commands", None)
    if not children:
        yield path, command
        return
    for name, child in children.items():
        yield from _leaves(child, (*path, name))


def _paragraphs(text: str | None) -> str:
    paragraphs = (text or "").replace("\b", "").strip().split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _parameter_row(parameter: Any) -> str:  # Any: typer brings its own click
    names = [*parameter.opts, *parameter.secondary_opts]
    shown = ", ".join(f"`{name if name.startswith('-') else name.upper()}`" for name in names)
    told = " ".join((getattr(parameter, "help", "") or "").split()).replace("|", "\\|")
    return f"| {shown} | {told} |"


def modules_page() -> str:
    """Every module in the words of its own first line, folder by folder."""
    parts = ["# Modules", MADE]
    folders = sorted({path.parent for path in PACKAGE.rglob("*.py")}, key=lambda folder: folder.relative_to(PACKAGE).parts)
    for folder in folders:
        below = folder.relative_to(PACKAGE).as_posix()
        rows = [f"| `{path.stem}` | {_first_line(path)} |" for path in sorted(folder.glob("*.py")) if path.stem != "__init__"]
        title = "The root: nouns and steps" if below == "." else f"{below}/"
        about = _first_line(folder / "__init__.py")
        if rows:
            parts.append("\n".join([f"## {title}", "", about, "", "| module | what it is |", "| --- | --- |", *rows]))
    return "\n\n".join(parts) + "\n"


def _first_line(path: Path) -> str:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return docstring.partition("\n")[0].replace("|", "\\|")


def benchmarks_page() -> str:
    """Every benchmark with its items, questions and levels."""
    sys.path.insert(0, str(Path(__file__).parent))
    try:
        page = importlib.import_module("benchmarks_reference").benchmarks_page
    finally:
        del sys.path[0]
    return str(page(MADE))


PAGES = {"benchmarks.md": benchmarks_page, "commands.md": commands_page, "modules.md": modules_page}


def main() -> None:
    """Write every page."""
    REFERENCE.mkdir(parents=True, exist_ok=True)
    for name, make in PAGES.items():
        (REFERENCE / name).write_text(make(), encoding="utf-8")
        print(f"docs/reference/{name}")


if __name__ == "__main__":
    main()
