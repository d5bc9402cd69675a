"""The benchmarks that safetyrepro knows, one file each; this table is all that a new one has to be added to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from safetyrepro.errors import StudyError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from safetyrepro.benchmarks.base import Benchmark


def benchmark_modules() -> Mapping[str, Benchmark]:
    """Return every benchmark by name, in the order of the documents."""
    from safetyrepro.benchmarks import bbq, crows_pairs, toxigen, truthfulqa, xstest

    modules: list[Benchmark] = [truthfulqa, bbq, toxigen, crows_pairs, xstest]
    return {module.NAME: module for module in modules}


def benchmark_module(name: str) -> Benchmark:
    """Return the benchmark called `name`.

    Raises
    ------
    StudyError
        If there is none.
    """
    modules = benchmark_modules()
    if name not in modules:
        raise StudyError(
            f"benchmark '{name}'",
            found="there is no such benchmark",
            expected=f"one of {', '.join(modules)}",
            remedy="Correct the name, or add a file to safetyrepro.benchmarks and its line to the table.",
        )
    return modules[name]
