"""A tidy table becomes a store, or is refused in a sentence that names the row."""

from __future__ import annotations

import gzip
from pathlib import Path

import duckdb
import pytest

from builders import REVERSAL, write_table
from safetyrepro.errors import IngestError, StoreError
from safetyrepro.estimands import Orientation
from safetyrepro.ingest import TableOptions, ingest_table
from safetyrepro.records import Status
from safetyrepro.study import parse_study

HEADER = ("model", "benchmark", "f", "item_id", "score")


def test_a_table_becomes_a_store_with_its_envelope(tmp_path: Path):
    store = ingest_table(write_table(tmp_path / "t.csv", REVERSAL), tmp_path / "store")

    entry = store.manifest.benchmark("bench")
    assert [member.label for member in entry.envelope] == ["f=x", "f=y"]
    assert store.manifest.models == ("a", "b")
    assert len(store.records("bench", "score")) == 8
    assert store.manifest.complete


def test_combinations_that_never_occur_are_listed_as_not_run(tmp_path: Path):
    rows = [("a", "bench", "x", "u", "i0", 1), ("a", "bench", "y", "v", "i0", 1)]
    path = write_table(tmp_path / "t.csv", rows, ("model", "benchmark", "f", "g", "item_id", "score"))

    entry = ingest_table(path, tmp_path / "store").manifest.benchmark("bench")

    assert entry.not_run == ("f=x | g=v", "f=y | g=u")
    assert entry.n_not_run == 2


def test_an_empty_score_is_missing_and_a_status_says_why(tmp_path: Path):
    rows = [
        ("a", "bench", "x", "i0", "", ""),
        ("a", "bench", "x", "i1", "", "unparsed"),
        ("a", "bench", "x", "i2", "0.5", "scored"),
    ]
    path = write_table(tmp_path / "t.csv", rows, (*HEADER, "status"))

    records = ingest_table(path, tmp_path / "store").records("bench", "score")

    assert [(row.value, row.status) for row in records] == [
        (None, Status.UNKNOWN),
        (None, Status.UNPARSED),
        (0.5, Status.SCORED),
    ]


def test_cluster_stratum_and_repeat_are_not_factors(tmp_path: Path):
    rows = [("a", "bench", "x", "i0", 1, "c", "s", 0), ("a", "bench", "x", "i0", 0, "c", "s", 1)]
    path = write_table(tmp_path / "t.csv", rows, (*HEADER, "cluster", "stratum", "repeat"))

    store = ingest_table(path, tmp_path / "store")

    assert [factor.name for factor in store.manifest.benchmark("bench").envelope.factors] == ["f"]
    assert [(row.cluster, row.stratum, row.repeat) for row in store.records("bench", "score")] == [("c", "s", 0), ("c", "s", 1)]


def test_a_factor_that_is_empty_for_a_benchmark_does_not_concern_it(tmp_path: Path):
    rows = [("a", "one", "x", "", "i0", 1), ("a", "two", "", "u", "i0", 1)]
    path = write_table(tmp_path / "t.csv", rows, ("model", "benchmark", "f", "g", "item_id", "score"))

    manifest = ingest_table(path, tmp_path / "store").manifest

    assert [member.label for member in manifest.benchmark("one").envelope] == ["f=x"]
    assert [member.label for member in manifest.benchmark("two").envelope] == ["g=u"]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_separators_and_gzip_and_byte_order_marks_are_understood(tmp_path: Path, separator: str):
    text = "\ufeff" + "\n".join(separator.join(map(str, row)) for row in (HEADER, *REVERSAL)) + "\n"
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(text.encode()))

    assert len(ingest_table(path, tmp_path / "store").records("bench", "score")) == 8


def test_parquet_is_read_as_the_same_table(tmp_path: Path):
    source = write_table(tmp_path / "t.csv", REVERSAL)
    with duckdb.connect() as connection:
        connection.execute(f"COPY (SELECT * FROM read_csv('{source}')) TO '{tmp_path / 't.parquet'}' (FORMAT parquet)")

    one = ingest_table(source, tmp_path / "one").records("bench", "score")
    other = ingest_table(tmp_path / "t.parquet", tmp_path / "other").records("bench", "score")

    assert one == other


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (("a", "bench", "x", "i0", "1"), "row 10: a second score for item 'i0' of model 'a' on 'bench' (first in row 2)"),
        (("c", "bench", "x", "i0", "good"), "row 10: score 'good' is not a number"),
        (("c", "bench", "x", "i0", "inf"), "row 10: score 'inf' is not finite"),
        (("c", "bench", "x", "i0", "NaN"), "row 10: score 'NaN' is not finite"),
        (("c", "bench", "x", "i0", "1.5"), "row 10: score 1.5 of benchmark 'bench' lies outside [0, 1]"),
        (("", "bench", "x", "i0", "1"), "row 10: column 'model' is empty"),
        (("c", "bench", "x", "i0"), "row 10: has 4 fields"),
    ],
)
def test_a_wrong_row_is_named_and_nothing_is_written(tmp_path: Path, row: tuple[str, ...], message: str):
    path = write_table(tmp_path / "t.csv", [*REVERSAL, row])

    with pytest.raises(IngestError) as caught:
        ingest_table(path, tmp_path / "store")

    assert message in caught.value.sentence
    assert not (tmp_path / "store").exists()


def test_a_score_outside_the_range_names_the_option_that_declares_it(tmp_path: Path):
    path = write_table(tmp_path / "t.csv", [("a", "bench", "x", "i0", 60)])

    with pytest.raises(IngestError, match=r"--range bench=LOW,HIGH"):
        ingest_table(path, tmp_path / "store")

    options = TableOptions(ranges={"bench": (0.0, 100.0)}, orientations={"": Orientation.parse("target(50)")})
    store = ingest_table(path, tmp_path / "store", options=options)
    assert store.records("bench", "score")[0].value == 60.0
    assert store.manifest.benchmark("bench").estimands[0].orientation.target == 50.0


@pytest.mark.parametrize(
    ("status", "score", "message"),
    [
        ("good", "1", "status 'good' is no status"),
        ("unparsed", "1", "stands beside the score 1"),
        ("scored", "", "stands beside no score"),
    ],
)
def test_a_status_must_fit_its_score(tmp_path: Path, status: str, score: str, message: str):
    path = write_table(tmp_path / "t.csv", [("a", "bench", "x", "i0", score, status)], (*HEADER, "status"))

    with pytest.raises(IngestError, match=message):
        ingest_table(path, tmp_path / "store")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"model,benchmark,f,item_id,score\n", "holds a header and no row"),
        (b"model,benchmark,item_id\na,b,c\n", "has no column score"),
        (b"model,benchmark,item_id,score,f,f\n", "names the column 'f' twice"),
        (b"model,benchmark,item_id,score\na,b,\xff\xfe,1\n", "is not UTF-8"),
        (b"\x1f\x8b\x08\x00garbage", "cannot be read"),
        (gzip.compress(b"model,benchmark,item_id,score\na,b,c,1\n", mtime=0)[:-9], "cannot be read"),
        (b"model,benchmark,item_id,score\na,b," + b"c" * 200_000 + b",1\n", "is not a table"),
    ],
)
def test_a_file_that_is_no_table_gets_one_sentence(tmp_path: Path, content: bytes, message: str):
    path = tmp_path / "t.csv"
    path.write_bytes(content)

    with pytest.raises(IngestError, match=message) as caught:
        ingest_table(path, tmp_path / "store")

    assert "\n" not in caught.value.sentence


def test_an_absent_file_is_refused(tmp_path: Path):
    with pytest.raises(IngestError, match="cannot be read"):
        ingest_table(tmp_path / "none.csv", tmp_path / "store")
    with pytest.raises(IngestError, match="is not Parquet"):
        ingest_table(tmp_path / "none.parquet", tmp_path / "store")


STUDY = """
name: declared
models: [{name: a}]
benchmarks:
  - {name: bench, factors: {f: [x, y, z]}, range: [0, 100], orientation: target(50), core: [{f: x}]}
"""


def test_a_declared_envelope_is_larger_and_brings_range_and_orientation(tmp_path: Path):
    study = parse_study(STUDY, where="study.yaml")
    path = write_table(tmp_path / "t.csv", [("a", "bench", "x", "i0", 60), ("a", "bench", "y", "i0", 40)])

    entry = ingest_table(path, tmp_path / "store", options=TableOptions(study=study)).manifest.benchmark("bench")

    assert len(entry.envelope) == 3
    assert entry.not_run == ("f=z",)
    assert entry.n_not_run == 1
    assert {member["f"] for member in entry.envelope.core} == {"x"}


def test_a_configuration_outside_the_declared_envelope_is_refused(tmp_path: Path):
    study = parse_study(STUDY, where="study.yaml")
    path = write_table(tmp_path / "t.csv", [("a", "bench", "w", "i0", 60)])

    with pytest.raises(IngestError, match="'f=w' of 'bench' is not in the declared envelope"):
        ingest_table(path, tmp_path / "store", options=TableOptions(study=study))


def test_an_existing_store_of_another_table_is_not_touched(tmp_path: Path):
    ingest_table(write_table(tmp_path / "one.csv", REVERSAL), tmp_path / "store")
    before = (tmp_path / "store" / "manifest.json").read_bytes()

    with pytest.raises(StoreError, match="holds the study 'one'"):
        ingest_table(write_table(tmp_path / "two.csv", REVERSAL), tmp_path / "store")

    assert (tmp_path / "store" / "manifest.json").read_bytes() == before
