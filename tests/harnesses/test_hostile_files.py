"""Damaged, hostile and empty variants of real result files are read or refused; nothing else happens."""

from __future__ import annotations

import random
import shutil
import time
from pathlib import Path

import pytest

from harnesses.hostile import MUTANTS
from safetyrepro.errors import SafetyReproError
from safetyrepro.harnesses.discovery import check, discover
from safetyrepro.ingest_foreign import ingest_foreign

DATA = Path(__file__).resolve().parents[1] / "data"
N_VARIANTS = 2_400
HANG_SECONDS = 300.0
LARGEST_SOURCE = 350_000


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def sources(fixtures: Path) -> list[Path]:
    """Small result files of every package, each with the files that lie beside it."""
    found = [
        path
        for package in ("lm_eval", "inspect", "helm", "lighteval", "every_eval_ever")
        for path in sorted((fixtures / package).rglob("*"))
        if path.is_file() and path.stat().st_size <= LARGEST_SOURCE and "schema" not in path.parts
    ]
    assert len(found) > 150
    return found + [path for path in sorted((DATA / "nemo").rglob("*")) if path.is_file()]


def copied(source: Path, work: Path) -> Path:
    """Copy a file with what lies beside it, as far as the package reads them together."""
    target = work / "in" / source.parent.name
    target.mkdir(parents=True)
    for path in source.parent.iterdir():
        if path.is_file() and path.stat().st_size <= LARGEST_SOURCE and ("helm" in source.parts or path == source):
            shutil.copyfile(path, target / path.name)
    return target / source.name


def checked(victim: Path) -> SafetyReproError | None:
    """Read a variant to the end; return why it was refused, None where it was read."""
    try:
        found = [check(reading) for reading in discover([victim])]
    except SafetyReproError as error:
        return error
    return next((one.refusal for one in found if one.refusal is not None), None)


def ingested(victim: Path, store: Path) -> SafetyReproError | None:
    """Ingest a variant; return why it was refused, None where it was read."""
    try:
        result = ingest_foreign([victim], store)
    except SafetyReproError as error:
        return error
    assert result.store.manifest.complete
    return None


@pytest.mark.long
def test_no_variant_ends_in_a_traceback_a_hang_or_a_write_outside(shared: Path, tmp_path: Path) -> None:
    rng = random.Random(20261125)
    files = sources(shared / "fixtures")
    occupied = tmp_path / "occupied"
    ingest_foreign([shared / "fixtures/inspect/log_formats.json"], occupied)
    untouched = tree(occupied)
    n_read = n_refused = 0
    for number in range(N_VARIANTS):
        work = tmp_path / f"variant-{number}"
        source = rng.choice(files)
        victim = copied(source, work)
        victim.write_bytes(rng.choice(MUTANTS)(source.read_bytes(), rng))
        before = tree(work)
        started = time.monotonic()
        store = occupied if number % 40 == 0 else work / "out" / "store"
        refusal = checked(victim) if number % 4 else ingested(victim, store)
        assert time.monotonic() - started < HANG_SECONDS, (number, source)
        after = tree(work)
        if refusal is None:
            n_read += 1
            after = {name: data for name, data in after.items() if not name.startswith("out/store/")}
        else:
            n_refused += 1
            assert "\n" not in refusal.sentence, refusal.sentence
        assert after == before, (number, source)
        shutil.rmtree(work)
    assert tree(occupied) == untouched
    assert n_read + n_refused == N_VARIANTS
    assert min(n_read, n_refused) > N_VARIANTS // 10


def test_an_existing_store_is_never_changed(tmp_path: Path) -> None:
    results = tmp_path / "results.json"
    results.write_text('{"results": {"t": {"acc,none": 0.5}}, "versions": {}, "config": {"model_args": "pretrained=m"}}')
    store = tmp_path / "store"
    ingest_foreign([results], store)
    before = tree(store)
    with pytest.raises(SafetyReproError, match="occupied"):
        ingest_foreign([results], store)
    assert tree(store) == before


def test_a_folder_of_damaged_files_gives_what_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "good.json").write_text(
        '{"results": {"t": {"acc,none": 0.5}}, "versions": {}, "config": {"model_args": "pretrained=m"}}'
    )
    (tmp_path / "bad.json").write_text('{"results": {"t": {"acc,none": 0.')
    readings = list(discover([tmp_path]))
    assert [reading.refusal is None for reading in sorted(readings, key=lambda one: one.path.name)] == [False, True]
