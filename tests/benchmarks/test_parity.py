"""What packages sent to a model is what we render: held against the digests that their own runs left."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from safetyrepro.benchmarks import benchmark_modules
from safetyrepro.benchmarks.checked import CHECKED, with_checked
from safetyrepro.envelope import Evidence, Factor, Level, Source

ROOT = Path(__file__).resolve().parents[2]
PARITY = ROOT / "bench" / "parity"
RECORDS = [
    json.loads(path.read_text(encoding="utf-8"))
    for path in sorted((PARITY / "recorded").glob("*.json"))
    if path.stem != "scores"
]
EQUAL = [record for record in RECORDS if record["equal"]]
Claimed = tuple[str, str, str, str, str]


def claimed() -> Iterator[Claimed]:
    """Benchmark, factor, level, package and version of every checked source that a benchmark shows."""
    for name, module in benchmark_modules().items():
        for factor in module.FACTORS:
            for level in factor.levels:
                for source in level.sources:
                    if source.evidence is Evidence.CHECKED:
                        yield name, factor.name, level.name, source.package, source.version


def proven() -> Iterator[Claimed]:
    """The same, from the records."""
    for record in EQUAL:
        for pair in record["proves"]:
            factor, level = pair.split("=")
            yield record["benchmark"], factor, level, record["package"], record["version"]


def test_a_level_is_called_checked_exactly_where_a_run_of_the_package_proves_it() -> None:
    assert set(claimed()) == set(proven())


def test_a_checked_source_names_a_file_whose_digest_was_recorded() -> None:
    recorded = {(record["package"], record["version"], file) for record in EQUAL for file in record["files"]}
    for entries in CHECKED.values():
        for entry in entries:
            assert (entry.source.package, entry.source.version, entry.source.file) in recorded


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record["name"])
def test_a_record_holds_at_least_fifty_items_and_no_text(record) -> None:
    assert len(record["digests"]) == record["n_items"] >= 50
    assert all(len(digest) == 16 for digests in record["digests"].values() for digest in digests)
    assert all(len(digest) == 64 for digest in record["files"].values())
    assert bool(record["difference"]) is not record["equal"]


def test_twelve_levels_of_four_benchmarks_are_checked_against_three_packages() -> None:
    levels = {(benchmark, factor, level) for benchmark, factor, level, _, _ in proven()}
    assert len(levels) >= 12
    assert len({benchmark for benchmark, _, _ in levels}) >= 4
    assert len({record["package"] for record in EQUAL}) >= 3


def compare(shared: Path, *options: str) -> list[dict]:
    command = [sys.executable, str(PARITY / "compare.py"), "--data", str(shared / "data"), "--json", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    return json.loads(done.stdout)


def differing(found: list[dict]) -> list[dict]:
    return [one for one in found if (one["n_equal"] == one["n_items"]) is not one["expected_equal"]]


def test_our_plain_text_is_what_the_packages_sent(shared: Path) -> None:
    found = compare(shared, "--plain")
    assert len(found) == sum(not record["chat"] for record in RECORDS)
    assert differing(found) == []


@pytest.mark.model
def test_our_text_through_a_tokenizer_is_what_the_packages_sent(shared: Path) -> None:
    found = compare(shared, "--tokenized")
    assert len(found) == sum(record["chat"] for record in RECORDS)
    assert differing(found) == []


def test_a_checked_source_stands_before_those_that_were_read() -> None:
    read = Source(package="elsewhere", file="f")
    factor = Factor(
        name="scoring", stage=None, levels=(Level(name="sum", sources=(read,)), Level(name="other", sources=(read,)))
    )
    (found,) = with_checked("toxigen", (factor,))
    evidence = [source.evidence for source in found.levels[0].sources]
    assert evidence == [*[Evidence.CHECKED] * len(CHECKED["toxigen"]), Evidence.READ]
    assert found.levels[1].sources == (read,)
    assert with_checked("nobody's", (factor,)) == (factor,)
