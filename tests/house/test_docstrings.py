"""Every module, public name and stored field says in a sentence what it is."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from house.source import Module, classes, functions, package_modules, public, report

ROOTS_OF_STORED_CLASSES = {"BaseModel", "Protocol", "NamedTuple", "TypedDict"}
ROOTS_OF_ENUMS = {"Enum", "IntEnum", "StrEnum", "Flag"}


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Call | ast.Subscript):
        return _name(node.func if isinstance(node, ast.Call) else node.value)
    return node.id if isinstance(node, ast.Name) else ""


def _descendants(roots: set[str]) -> set[str]:
    """Names of the package's classes that descend from the roots, with the roots."""
    bases = {node.name: {_name(base) for base in node.bases} for module in package_modules() for node in classes(module)}
    known = set(roots)
    while grown := {name for name, parents in bases.items() if parents & known} - known:
        known |= grown
    return known


def _fields(node: ast.ClassDef, *, stored: bool, enumerated: bool) -> Iterator[tuple[str, int, bool]]:
    """Name, line and whether it is described, of each stored field or member."""
    for statement, following in zip(node.body, [*node.body[1:], None], strict=True):
        described = (
            isinstance(following, ast.Expr)
            and isinstance(following.value, ast.Constant)
            and isinstance(following.value.value, str)
        )
        if stored and isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            if "ClassVar" not in ast.dump(statement.annotation) and not statement.target.id.startswith("_"):
                yield statement.target.id, statement.lineno, described
        elif enumerated and isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            yield statement.targets[0].id, statement.lineno, described


def _undescribed(module: Module, stored: set[str], enumerated: set[str]) -> Iterator[str]:
    for node in classes(module):
        parents = {_name(base) for base in node.bases}
        dataclass = any(_name(decorator) == "dataclass" for decorator in node.decorator_list)
        fields = _fields(node, stored=dataclass or bool(parents & stored), enumerated=bool(parents & enumerated))
        if public(node.name):
            yield from (f"{module.place}:{line} {node.name}.{name}" for name, line, described in fields if not described)


def test_every_module_says_why_it_exists() -> None:
    offenders = [module.place for module in package_modules() if not ast.get_docstring(module.tree)]
    assert not offenders, report("modules without a docstring", offenders)


def test_every_public_function_and_class_has_a_docstring() -> None:
    offenders = []
    for module in package_modules():
        for name, node in functions(module):
            special = node.name.startswith("__")
            if public(name) and not special and not _inner(module, node) and not ast.get_docstring(node):
                offenders.append(f"{module.place}:{node.lineno} {name}")
        offenders += [
            f"{module.place}:{node.lineno} {node.name}"
            for node in classes(module)
            if public(node.name) and not ast.get_docstring(node)
        ]
    assert not offenders, report("public functions and classes without a docstring", offenders)


def _inner(module: Module, node: ast.AST) -> bool:
    """Whether a function stands inside another."""
    return any(outer is not node and any(child is node for child in ast.walk(outer)) for _, outer in functions(module))


def test_every_stored_field_has_its_sentence_below_it() -> None:
    stored, enumerated = _descendants(ROOTS_OF_STORED_CLASSES), _descendants(ROOTS_OF_ENUMS)
    offenders = [line for module in package_modules() for line in _undescribed(module, stored, enumerated)]
    assert not offenders, report("stored fields and members without a sentence on the line below", offenders)


def test_descendants_of_documents_are_known_through_their_bases() -> None:
    assert {"Document", "Study", "ModelSpec"} <= _descendants(ROOTS_OF_STORED_CLASSES)


def test_an_undescribed_field_is_found() -> None:
    node = ast.parse('class A:\n    x: int\n    """Said."""\n    y: int\n    C: ClassVar[int] = 1\n').body[0]
    assert isinstance(node, ast.ClassDef)
    assert [(name, described) for name, _, described in _fields(node, stored=True, enumerated=False)] == [
        ("x", True),
        ("y", False),
    ]
