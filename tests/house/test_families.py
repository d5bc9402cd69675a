"""A family's table names exactly the members of its folder, and members do not know each other."""

from __future__ import annotations

import ast
import itertools
from pathlib import Path

import grimp
import pytest

from house.source import PACKAGE, Module, modules_below, report

FAMILIES = ("benchmarks", "backends", "harnesses", "executors")
ELSEWHERE = {"table"}
"""Read by a command of its own, since no package wrote it."""


def constant(module: Module, name: str) -> str | None:
    """Text that a module assigns to a name at its top, if it does."""
    for statement in module.tree.body:
        targets = (
            statement.targets
            if isinstance(statement, ast.Assign)
            else [statement.target]
            if isinstance(statement, ast.AnnAssign)
            else []
        )
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            value = statement.value if isinstance(statement, ast.Assign | ast.AnnAssign) else None
            return value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else None
    return None


def members(family: str) -> dict[str, Module]:
    """Modules of a family that declare a NAME; the others are building blocks that members share."""
    folder = PACKAGE / family
    return {
        module.path.stem: module
        for module in modules_below(folder)
        if module.path.parent == folder and constant(module, "NAME")
    }


def table(family: str) -> set[str]:
    """What a family's ``__init__`` names: keys of a mapping it writes out, and siblings that it imports by name."""
    tree = ast.parse((PACKAGE / family / "__init__.py").read_text(encoding="utf-8"))
    names = {
        key.value for node in ast.walk(tree) if isinstance(node, ast.Dict) for key in node.keys if isinstance(key, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == f"safetyrepro.{family}":
            names |= {alias.name for alias in node.names}
    return {_word(name) for name in names}


def _word(name: str | None) -> str:
    """A name as a module spells it."""
    return (name or "").replace("-", "_")


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    """Which module imports which, lazy imports included, but for what the tables themselves import."""
    built = grimp.build_graph("safetyrepro", cache_dir=None)
    for table_of in (f"safetyrepro.{family}" for family in FAMILIES):
        for imported in set(built.find_modules_directly_imported_by(table_of)):
            built.remove_import(importer=table_of, imported=imported)
    return built


@pytest.mark.parametrize("family", FAMILIES)
def test_a_member_is_named_like_its_module(family: str) -> None:
    offenders = [module.place for name, module in members(family).items() if _word(constant(module, "NAME")) != name]
    assert not offenders, report("modules whose NAME is not their own", offenders)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_table_of_a_family_equals_its_folder(family: str) -> None:
    assert sorted(table(family) - ELSEWHERE) == sorted(set(members(family)) - ELSEWHERE)


@pytest.mark.parametrize("family", FAMILIES)
def test_members_of_a_family_do_not_know_each_other(family: str, graph: grimp.ImportGraph) -> None:
    names = [f"safetyrepro.{family}.{name}" for name in members(family)]
    chains = [graph.find_shortest_chain(one, other) for one, other in itertools.permutations(names, 2)]
    offenders = [" -> ".join(chain) for chain in chains if chain]
    assert not offenders, report("members that reach another member", offenders)


def test_every_command_has_its_own_file_and_every_file_is_a_command() -> None:
    listed = (PACKAGE / "cli.py").read_text(encoding="utf-8")
    files = [path.stem for path in sorted((PACKAGE / "commands").glob("*.py")) if path.stem != "__init__"]
    offenders = [name for name in files if f"({name}.{name})" not in listed and f"({name}.app" not in listed]
    assert not offenders, report("files in commands/ that cli.py does not list", offenders)


def test_every_folder_of_the_package_says_what_it_is_a_family_of() -> None:
    folders = {path.parent for path in PACKAGE.rglob("*.py")}
    offenders = [str(folder.relative_to(PACKAGE)) for folder in folders if not _described(folder)]
    assert not offenders, report("folders whose __init__ has no docstring", offenders)


def _described(folder: Path) -> bool:
    file = folder / "__init__.py"
    return file.is_file() and bool(ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))))
