"""The store: whole parts, verified reading, one writer, and what a kill leaves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import manifest, record, response
from safetyrepro.errors import StoreError
from safetyrepro.parquet import read_records, read_responses, write_records, write_responses, write_whole
from safetyrepro.records import ItemRecord
from safetyrepro.store import Store, mend, open_store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store with one part of each kind."""
    made = Store.create(tmp_path / "store", manifest())
    with made.writing():
        made.replace_records([record(item="i0"), record(item="i1", value=None)], "unit")
        made.add_responses([response(key="k0"), response(key="k1", text="no\x00\u2028 <b>")], "unit")
        made.add_prompts({"d0": "a prompt"}, "unit")
        made.update({"complete": True})
    return made


def part(store: Store, kind: str) -> Path:
    return next((store.folder / kind).glob("*.parquet"))


@given(
    st.lists(
        st.tuples(
            st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=6),
            st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False)),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_records_are_read_back_as_they_were_written(tmp_path_factory, rows: list[tuple[str, float | None]]):
    folder = tmp_path_factory.mktemp("parts")
    records = [record(item=item, value=value) for item, value in rows]

    written = write_records(folder, records)

    assert read_records([folder / written.name], {}) == records


def test_responses_are_read_back_as_they_were_written(store: Store):
    assert list(store.responses()) == [response(key="k0"), response(key="k1", text="no\x00\u2028 <b>")]


def test_equal_rows_give_equal_bytes(tmp_path: Path):
    rows = [record(item=f"i{i}") for i in range(100)]

    assert write_records(tmp_path / "a", rows) == write_records(tmp_path / "b", rows)
    assert write_responses(tmp_path / "a", [response()]) == write_responses(tmp_path / "b", [response()])


def test_a_part_needs_a_row(tmp_path: Path):
    with pytest.raises(ValueError, match="at least one row"):
        write_records(tmp_path, [])


def test_a_store_is_opened_with_what_was_put_in(store: Store):
    opened = open_store(store.folder)

    assert opened.manifest == store.manifest
    assert [row.item_id for row in opened.records("bench", "score")] == ["i0", "i1"]
    assert opened.records("bench", "other") == []
    assert opened.prompts({"d0", "d9"}) == {"d0": "a prompt"}


@pytest.mark.parametrize("kind", ["records", "responses", "prompts"])
def test_a_truncated_part_is_refused_by_name_with_the_remedy(store: Store, kind: str):
    path = part(store, kind)
    path.write_bytes(path.read_bytes()[:-7])

    with pytest.raises(StoreError, match=r"not those that were written.*safetyrepro mend") as caught:
        open_store(store.folder).verified(kind)

    assert path.name in caught.value.sentence


def test_an_absent_part_is_refused_by_name(store: Store):
    part(store, "records").unlink()

    with pytest.raises(StoreError, match="is absent"):
        open_store(store.folder).records("bench", "score")


@pytest.mark.parametrize("text", ["", "{", '{"version": 2}', "[]", '{"version": 1, "study": "x", "more": 1}'])
def test_an_edited_manifest_gets_one_sentence_and_loses_nothing(store: Store, text: str):
    (store.folder / "manifest.json").write_text(text)
    before = sorted(path.name for path in store.folder.rglob("*.parquet"))

    with pytest.raises(StoreError, match=r"manifest\.json: cannot be read as a manifest"):
        open_store(store.folder)

    assert sorted(path.name for path in store.folder.rglob("*.parquet")) == before


def test_a_changed_digest_in_the_manifest_is_noticed(store: Store):
    path = store.folder / "manifest.json"
    content = json.loads(path.read_text())
    content["parts"][0]["sha256"] = "0" * 64
    path.write_text(json.dumps(content))

    with pytest.raises(StoreError, match="not those that were written"):
        open_store(store.folder).records("bench", "score")


def test_a_folder_without_a_manifest_is_no_store(tmp_path: Path):
    with pytest.raises(StoreError, match=r"holds no manifest\.json"):
        open_store(tmp_path)


def test_a_second_writer_is_refused(store: Store):
    with store.writing(), pytest.raises(StoreError, match="another run is writing"), open_store(store.folder).writing():
        pass


def test_a_folder_of_something_else_is_not_written_into(tmp_path: Path):
    (tmp_path / "thesis.tex").write_text("important")

    with pytest.raises(StoreError, match="is not empty"):
        Store.create(tmp_path, manifest())

    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_store_of_another_study_is_not_written_into(store: Store):
    with pytest.raises(StoreError, match="holds the study 'made', not 'other'"):
        Store.create(store.folder, manifest(study="other"))


def test_a_part_that_was_renamed_just_before_a_kill_is_taken_in(store: Store):
    write_responses(store.folder / "responses", [response(key="late")])
    (store.folder / "responses" / ".part.1.tmp").write_bytes(b"half")

    again = Store.create(store.folder, manifest())
    with again.writing():
        pass

    assert "late" in {entry.key for entry in again.responses()}
    assert not list((store.folder / "responses").glob(".part*"))


def test_a_damaged_orphan_is_not_taken_in(store: Store):
    (store.folder / "responses" / "0123456789abcdef.parquet").write_bytes(b"PAR1 nonsense")

    again = Store.create(store.folder, manifest())
    with again.writing():
        pass

    assert len(list(again.responses())) == 2


def test_replaced_records_leave_no_second_part_of_their_unit(store: Store):
    with store.writing():
        store.replace_records([record(item="i9")], "unit")

    assert [row.item_id for row in store.records("bench", "score")] == ["i9"]
    assert len(list((store.folder / "records").glob("*.parquet"))) == 1


def test_the_same_records_again_change_nothing(store: Store):
    rows: list[ItemRecord] = store.records("bench", "score")
    with store.writing():
        store.replace_records(rows, "unit")

    assert store.records("bench", "score") == rows


def test_mend_drops_what_is_damaged_and_keeps_the_damaged_file(store: Store):
    path = part(store, "responses")
    path.write_bytes(b"broken")

    dropped = mend(store.folder)

    assert [entry.kind for entry in dropped] == ["responses"]
    assert path.with_name(f"{path.name}.damaged").read_bytes() == b"broken"
    assert list(open_store(store.folder).responses()) == []
    assert mend(store.folder) == []


def test_a_file_that_cannot_be_written_is_reported_and_leaves_nothing(tmp_path: Path):
    blocked = tmp_path / "file"
    blocked.mkdir()

    with pytest.raises(StoreError, match="could not be written"):
        write_whole(blocked, b"content")

    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_file_that_is_no_parquet_is_refused(tmp_path: Path):
    (tmp_path / "x.parquet").write_bytes(b"hello")

    with pytest.raises(StoreError, match="cannot be read as Parquet"):
        list(read_responses([tmp_path / "x.parquet"]))


def test_a_manifest_cannot_point_outside_its_store(store: Store, tmp_path: Path):
    outside = tmp_path / "precious.parquet"
    outside.write_text("precious")
    path = store.folder / "manifest.json"
    content = json.loads(path.read_text())
    content["parts"][0]["name"] = "../../precious.parquet"
    path.write_text(json.dumps(content))

    with pytest.raises(StoreError, match="cannot be read as a manifest"):
        mend(store.folder)

    assert outside.read_text() == "precious"
