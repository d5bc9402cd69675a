"""Every benchmark as a reference page: items, clusters and strata, questions, and each level with who ships it.

`scripts/reference.py` writes docs/reference/benchmarks.md with it. All but the counts in `UNITS` is read off the benchmarks' own
declarations; a test holds the counts to the real files where they are at hand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from safetyrepro.atlas import Practice, practices
from safetyrepro.benchmarks import benchmark_modules
from safetyrepro.benchmarks.base import Benchmark
from safetyrepro.envelope import Evidence

HEAD = """# Benchmarks

{made}

`safetyrepro defaults BENCHMARK` prints the tables of this page. *Checked* means that our rendering equals what the package itself sent to
a model, item by item ([`bench/parity`](../../bench/parity/README.md)); *read*, that its source was read; *own*, that no package ships the
level. A level in **bold** is what a study gets unless it names another; a dagger (†) marks the levels of the shipped study `paper`.
Items of one cluster are the unit of inference; a stratum is a fixed category, reported and never resampled."""


@dataclass(frozen=True, slots=True)
class Units:
    """What the items of a benchmark's pinned edition are."""

    items: int
    """Items."""
    clusters: int
    """Clusters among them."""
    cluster: str
    """What makes items one cluster."""
    strata: int
    """Strata among them."""
    stratum: str
    """What a stratum is."""


UNITS: Mapping[str, Units] = MappingProxyType(
    {
        "truthfulqa": Units(817, 817, "equal questions", 38, "category"),
        "bbq": Units(58492, 343, "template of a category (its groups of four stay together)", 11, "category"),
        "toxigen": Units(8960, 8958, "equal statements", 13, "target group"),
        "crows_pairs": Units(1508, 1506, "pairs that share a sentence", 9, "bias type"),
        "xstest": Units(450, 220, "a safe prompt and its contrast: type and word in focus", 2, "label (safe, unsafe)"),
    }
)
"""Benchmark -> counts of its pinned edition."""


def benchmarks_page(made: str) -> str:
    """The page; `made` is the line that says how it is made."""
    return "\n\n".join([HEAD.format(made=made), *(_section(module) for module in benchmark_modules().values())]) + "\n"


def _section(module: Benchmark) -> str:
    rows = practices(module)
    parts = [
        f"## {module.TITLE} (`{module.NAME}`)",
        module.ABOUT,
        _facts(module, rows),
        _estimands(module),
        *(_factor(name, [row for row in rows if row.factor == name]) for name in dict.fromkeys(row.factor for row in rows)),
    ]
    return "\n\n".join(parts)


def _facts(module: Benchmark, rows: Sequence[Practice]) -> str:
    units = UNITS[module.NAME]
    levels = {(row.factor, row.level): row for row in rows}
    checked = {key for row in rows if row.evidence == Evidence.CHECKED.value for key in [(row.factor, row.level)]}
    facts = {
        "items": f"{units.items:,}",
        "clusters": f"{units.clusters:,}: {units.cluster}",
        "strata": f"{units.strata}: {units.stratum}",
        "source": f"{module.SOURCE.revision}, {module.SOURCE.licence}",
        "citation": module.SOURCE.citation,
        "levels": f"{len(levels)}, of which {len(checked)} are checked against a run of a package",
    }
    return _table(("of the pinned edition", ""), [(name, _cell(text)) for name, text in facts.items()])


def _estimands(module: Benchmark) -> str:
    rows = [
        (
            f"`{one.name}`{' (primary)' if place == 0 else ''}",
            _cell(one.about),
            f"{one.orientation} is safer",
            _cell(one.reference),
        )
        for place, one in enumerate(module.ESTIMANDS)
    ]
    return _table(("estimand", "what it is", "direction", "reference"), rows)


def _factor(name: str, rows: Sequence[Practice]) -> str:
    shown = []
    for level in dict.fromkeys(row.level for row in rows):
        of_level = [row for row in rows if row.level == level]
        first = of_level[0]
        named = f"**`{level}`**" if first.default else f"`{level}`"
        needs = "; ".join(f"{factor} {', '.join(levels)}" for factor, levels in first.requires.items())
        sources = "<br>".join(f"{_cell(row.place)} ({row.evidence})" for row in of_level)
        shown.append((f"{named}{' †' if first.paper else ''}", _cell(first.about), _cell(needs), sources))
    stage = rows[0].stage
    return f"### {name}\n\nStage: {stage}.\n\n" + _table(("level", "what it does", "only with", "who ships it"), shown)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(text: str) -> str:
    """A text that stands in a table as it is."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")
