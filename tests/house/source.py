"""The project's own source as the checks of this folder read it: files, trees, functions, classes."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "safetyrepro"

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Module:
    """One file of Python, parsed."""

    path: Path
    """Where it lies."""
    text: str
    """What it holds."""
    tree: ast.Module
    """What the parser makes of it."""

    @property
    def place(self) -> str:
        """Path below the project, as an editor understands it."""
        return self.path.relative_to(ROOT).as_posix()

    @property
    def n_lines(self) -> int:
        """Lines, blanks and comments included."""
        return self.text.count("\n")


@cache
def modules_below(folder: Path) -> tuple[Module, ...]:
    """Every Python file below a folder, in order of path."""
    files = sorted(path for path in folder.rglob("*.py") if "__pycache__" not in path.parts)
    texts = [(path, path.read_text(encoding="utf-8")) for path in files]
    return tuple(Module(path, text, ast.parse(text)) for path, text in texts)


def code_lines(module: Module) -> int:
    """Lines that hold code: no docstring, no comment, no blank."""
    prose: set[int] = set()
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            prose.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    lines = enumerate(module.text.splitlines(), start=1)
    return sum(1 for number, line in lines if line.strip() and not line.lstrip().startswith("#") and number not in prose)


def package_modules() -> tuple[Module, ...]:
    """Every module of the package."""
    return modules_below(PACKAGE)


def functions(module: Module) -> Iterator[tuple[str, Function]]:
    """Every function of a module with its dotted name, methods and inner functions included."""
    yield from _functions(module.tree, "")


def _functions(node: ast.AST, prefix: str) -> Iterator[tuple[str, Function]]:
    for child in ast.iter_child_nodes(node):
        name = f"{prefix}{child.name}" if isinstance(child, Function | ast.ClassDef) else prefix.rstrip(".")
        if isinstance(child, Function):
            yield name, child
        yield from _functions(child, f"{name}." if name else "")


def classes(module: Module) -> Iterator[ast.ClassDef]:
    """Every class of a module."""
    return (node for node in ast.walk(module.tree) if isinstance(node, ast.ClassDef))


def body_lines(function: Function) -> int:
    """Lines of a function from its `def` to its end, without its docstring."""
    total = (function.end_lineno or function.lineno) - function.lineno + 1
    if ast.get_docstring(function, clean=False) is None:
        return total
    first = function.body[0]
    return total - ((first.end_lineno or first.lineno) - first.lineno + 1)


def public(dotted: str) -> bool:
    """Whether no part of a name begins with an underscore, but for the methods that the language names."""
    return not any(part.startswith("_") and not part.endswith("__") for part in dotted.split("."))


def tracked_files() -> tuple[Path, ...]:
    """The files that belong to the project; without version control, whatever is not ignored by habit."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode == 0:
        return tuple(path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file())
    folders = [ROOT / name for name in ("src", "tests", "docs", "examples")]
    return tuple(path for folder in folders for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)


def report(rule: str, offenders: list[str]) -> str:
    """All offenders under their rule, one a line: what a failing check prints."""
    return "\n".join([f"{rule} ({len(offenders)}):", *(f"  {line}" for line in offenders)])
