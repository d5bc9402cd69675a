"""The budgets of CONTRIBUTING.md: small modules, short functions, shallow nesting, few parameters."""

from __future__ import annotations

import ast
import statistics

import pytest

from house.source import (
    ROOT,
    Function,
    body_lines,
    classes,
    code_lines,
    functions,
    modules_below,
    package_modules,
    public,
    report,
)

MODULE_LINES, MEDIAN_LINES, FUNCTION_LINES, NESTING, POSITIONAL = 400, 200, 40, 3, 5
BLOCKS = ast.If | ast.For | ast.AsyncFor | ast.While | ast.With | ast.AsyncWith | ast.Try | ast.TryStar | ast.Match
SHAPELESS = {"utils", "util", "common", "helpers", "helper", "core", "misc"}


def nesting(function: Function) -> int:
    """Deepest chain of blocks inside a function; `elif` continues its `if`, an inner function starts anew."""
    return max((_depth(statement) for statement in function.body), default=0)


def _depth(node: ast.AST, *, chained: bool = False) -> int:
    if isinstance(node, Function | ast.ClassDef | ast.Lambda):
        return 0
    elif_branch = node.orelse[0] if isinstance(node, ast.If) and _is_elif(node) else None
    deepest = max((_depth(child, chained=child is elif_branch) for child in ast.iter_child_nodes(node)), default=0)
    if not isinstance(node, BLOCKS):
        return deepest
    return deepest + (0 if chained else 1)


def _is_elif(node: ast.If) -> bool:
    return len(node.orelse) == 1 and isinstance(node.orelse[0], ast.If) and node.orelse[0].col_offset == node.col_offset


def positional(function: Function, *, method: bool) -> int:
    """Number of parameters that can be given by position, `self` and `cls` not counted."""
    names = [argument.arg for argument in function.args.posonlyargs + function.args.args]
    return len(names) - (1 if method and names and names[0] in ("self", "cls") else 0)


def test_no_module_exceeds_its_lines() -> None:
    offenders = [f"{module.place}: {module.n_lines}" for module in package_modules() if module.n_lines > MODULE_LINES]
    assert not offenders, report(f"modules with more than {MODULE_LINES} lines", offenders)


def test_the_median_module_is_short() -> None:
    lengths = [module.n_lines for module in package_modules() if module.n_lines > 1]
    assert statistics.median(lengths) <= MEDIAN_LINES


def test_no_test_module_exceeds_its_lines() -> None:
    offenders = [
        f"{module.place}: {module.n_lines}" for module in modules_below(ROOT / "tests") if module.n_lines > MODULE_LINES
    ]
    assert not offenders, report(f"test modules with more than {MODULE_LINES} lines", offenders)


def test_no_function_exceeds_its_lines() -> None:
    found = [
        (f"{module.place}:{node.lineno} {name}", body_lines(node))
        for module in package_modules()
        for name, node in functions(module)
    ]
    offenders = [f"{place}: {length}" for place, length in found if length > FUNCTION_LINES]
    assert not offenders, report(f"functions with more than {FUNCTION_LINES} lines without their docstring", offenders)


def test_no_function_nests_deeper_than_three_blocks() -> None:
    found = [
        (f"{module.place}:{node.lineno} {name}", nesting(node))
        for module in package_modules()
        for name, node in functions(module)
    ]
    offenders = [f"{place}: {depth}" for place, depth in found if depth > NESTING]
    assert not offenders, report(f"functions nested deeper than {NESTING} blocks", offenders)


def test_no_function_takes_more_than_five_positional_parameters() -> None:
    found = [
        (f"{module.place}:{node.lineno} {name}", positional(node, method="." in name))
        for module in package_modules()
        for name, node in functions(module)
    ]
    offenders = [f"{place}: {count}" for place, count in found if count > POSITIONAL]
    assert not offenders, report(
        f"functions with more than {POSITIONAL} positional parameters (write `*` before options)", offenders
    )


def test_no_public_function_swallows_keyword_arguments() -> None:
    offenders = [
        f"{module.place}:{node.lineno} {name}(**{node.args.kwarg.arg})"
        for module in package_modules()
        for name, node in functions(module)
        if node.args.kwarg is not None and public(name)
    ]
    assert not offenders, report("public functions with ** parameters", offenders)


def test_no_broad_except_save_the_marked_one() -> None:
    offenders, marked = [], []
    for module in package_modules():
        lines = module.text.splitlines()
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ExceptHandler) and _broad(node):
                allowed = module.path.name == "run.py" and "noqa: BLE001" in lines[node.lineno - 1]
                (marked if allowed else offenders).append(f"{module.place}:{node.lineno}")
    offenders += marked[1:]
    assert not offenders, report("broad except clauses (one is allowed, in run.py, marked `noqa: BLE001`)", offenders)


def _broad(handler: ast.ExceptHandler) -> bool:
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(kind is None or (isinstance(kind, ast.Name) and kind.id in ("Exception", "BaseException")) for kind in kinds)


def test_every_module_is_named_for_what_it_holds() -> None:
    offenders = [module.place for module in package_modules() if SHAPELESS & {module.path.stem, module.path.parent.name}]
    assert not offenders, report("modules and folders without a subject", offenders)


TESTS_TO_SOURCE = 0.8
"""The goal is 1; this is what is held today. Raise it when tests are added, never lower it."""


def test_tests_keep_up_with_the_source() -> None:
    """Lines of code on both sides: docstrings, comments and blanks count on neither, and worlds written as data are no code."""
    source = sum(code_lines(module) for module in package_modules() if "topics" not in module.path.parts)
    tests = sum(code_lines(module) for module in modules_below(ROOT / "tests"))
    assert tests >= TESTS_TO_SOURCE * source, f"{tests} lines of tests for {source} lines of source"


@pytest.mark.parametrize(
    ("text", "depth"),
    [
        ("def f():\n    pass\n", 0),
        ("def f():\n    if a:\n        b\n    elif c:\n        d\n    elif e:\n        f\n", 1),
        ("def f():\n    if a:\n        b\n    else:\n        if c:\n            d\n", 2),
        (
            "def f():\n    for a in b:\n        with c:\n            try:\n                d\n            except E:\n                if f:\n                    g\n",
            4,
        ),
        ("def f():\n    if a:\n        def g():\n            if b:\n                c\n", 1),
    ],
)
def test_nesting_counts_blocks_inside_one_function(text: str, depth: int) -> None:
    function = ast.parse(text).body[0]
    assert isinstance(function, Function)
    assert nesting(function) == depth


def test_a_docstring_does_not_count_as_lines_of_a_function() -> None:
    function = ast.parse('def f():\n    """One.\n\n    Two.\n    """\n    return 1\n').body[0]
    assert isinstance(function, Function)
    assert body_lines(function) == 2


def test_classes_are_found_wherever_they_are_nested() -> None:
    module = next(module for module in package_modules() if module.path.name == "errors.py")
    assert "SafetyReproError" in {node.name for node in classes(module)}
