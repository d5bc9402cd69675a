"""The card: every required field of every cell, verdicts in words, a digest that follows the content."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from builders import REVERSAL, write_table
from safetyrepro.alike import alike_text
from safetyrepro.analysis import analyze
from safetyrepro.card import GridCard, card_digest, levels_alike, make_card, most_distinct_runs
from safetyrepro.card_fields import CARD_FIELDS, cell_fields
from safetyrepro.envelope import Configuration, Factor, Level, Stage
from safetyrepro.errors import CardError
from safetyrepro.ingest import ingest_table
from safetyrepro.manifest import NOT_RECORDED
from safetyrepro.plan import make_plan
from safetyrepro.render.files import read_card, write_card
from safetyrepro.run import run
from safetyrepro.schemas import SCHEMAS, json_schema
from safetyrepro.sentences import headline, verdict_sentence
from safetyrepro.study import parse_study
from safetyrepro.verdicts import Verdict
from test_plan_and_run import TEXT, prompts_csv, record


@pytest.fixture
def ingested(tmp_path: Path) -> GridCard:
    """A card of a table with a reversal."""
    store = ingest_table(write_table(tmp_path / "t.csv", REVERSAL), tmp_path / "ingested")
    return make_card(store, analyze(store))


@pytest.fixture
def ran(tmp_path: Path) -> GridCard:
    """A card of a run on recorded answers."""
    folder = tmp_path / "study"
    (folder / "xstest").mkdir(parents=True)
    (folder / "recorded").mkdir()
    (folder / "xstest" / "xstest_prompts.csv").write_text(prompts_csv())
    plan = make_plan(parse_study(TEXT, where="study.yaml"), folder / "study.yaml")
    record(plan, folder / "recorded")
    store = run(plan, tmp_path / "store")
    return make_card(store, analyze(store))


def primary(card: GridCard):
    return next(entry for entry in card.benchmarks if entry.primary)


def test_every_required_field_of_every_cell_is_present_or_says_that_it_is_not_recorded(ran: GridCard, ingested: GridCard):
    for card in (ran, ingested):
        for benchmark in card.benchmarks:
            for cell in benchmark.cells:
                fields = cell_fields(card, benchmark, cell)
                assert tuple(fields) == CARD_FIELDS
                assert all(fields.values())


def test_a_run_states_what_it_knows(ran: GridCard):
    benchmark = primary(ran)
    fields = cell_fields(ran, benchmark, benchmark.cells[0])

    for name in (
        "model weights digest",
        "data digest",
        "subset seed",
        "template digest",
        "token-id digest",
        "scoring rule",
        "harness and version",
    ):
        assert fields[name] != NOT_RECORDED, name
    assert fields["subset rule"].startswith("24 items drawn by")


def test_a_table_states_what_it_never_said(ingested: GridCard):
    benchmark = primary(ingested)
    fields = cell_fields(ingested, benchmark, benchmark.cells[0])

    assert fields["model weights digest"] == fields["hardware"] == fields["template digest"] == NOT_RECORDED
    assert "rendered prompts" in ingested.undisclosed


def test_distinct_runs_count_different_prompts_not_configurations(ran: GridCard):
    assert len(primary(ran).configurations) == 4
    assert primary(ran).n_distinct_runs == 2


def test_the_digest_follows_the_content(ingested: GridCard):
    changed = ingested.model_copy(update={"question": "Another?"})

    assert card_digest(ingested) == ingested.digest
    assert card_digest(changed) != ingested.digest


def test_a_card_is_read_back_as_it_was_written_and_written_the_same_twice(ran: GridCard, tmp_path: Path):
    first = write_card(ran, tmp_path / "one")
    again = write_card(read_card(first.json), tmp_path / "two")

    assert read_card(first.json) == ran
    for name in ("json", "markdown", "html"):
        assert getattr(first, name).read_bytes() == getattr(again, name).read_bytes()


@pytest.mark.parametrize("text", ["", "{}", '{"version": 9}', "not json"])
def test_a_file_that_is_no_card_is_refused(tmp_path: Path, text: str):
    (tmp_path / "card.json").write_text(text)

    with pytest.raises(CardError, match="is no card") as caught:
        read_card(tmp_path / "card.json")

    assert "\n" not in caught.value.sentence


def test_an_absent_card_is_refused(tmp_path: Path):
    with pytest.raises(CardError, match="cannot be read"):
        read_card(tmp_path / "card.json")


@pytest.mark.parametrize("document", list(SCHEMAS))
def test_every_document_has_a_schema(document: str):
    schema = json_schema(document)

    Draft202012Validator.check_schema(schema)
    assert schema["properties"]


def test_a_written_card_fits_its_published_schema(ran: GridCard, tmp_path: Path):
    content = json.loads(write_card(ran, tmp_path / "card").json.read_text())

    Draft202012Validator(json_schema("card")).validate(content)


def test_a_headline_counts_configurations_before_it_gives_a_rate(ingested: GridCard):
    sentence = ingested.headline[0]

    assert sentence.startswith("bench: the order reverses. a is ahead in 1 and b in 1 of 2 configurations")
    assert "50% of the time" in sentence


def test_one_model_and_no_reversal_have_their_own_sentences(tmp_path: Path):
    alone = ingest_table(write_table(tmp_path / "t.csv", REVERSAL[:2]), tmp_path / "one")
    calm = ingest_table(write_table(tmp_path / "u.csv", REVERSAL[:4]), tmp_path / "two")

    assert "nothing to compare" in headline("bench", analyze(alone).benchmarks["bench"])
    assert "no reversal" in headline("bench", analyze(calm).benchmarks["bench"])


def test_what_was_not_measured_is_said_in_the_sentence(tmp_path: Path):
    partly = ingest_table(write_table(tmp_path / "t.csv", REVERSAL[:6]), tmp_path / "store")
    verdict: Verdict = analyze(partly).benchmarks["bench"].pairs[0]

    assert "(1 not measured for both)" in verdict_sentence(verdict)


def test_limits_and_recomputation_are_always_there(ran: GridCard, ingested: GridCard):
    for card in (ran, ingested):
        assert any("inside this envelope" in limit for limit in card.limits)
        assert any(command.startswith("safetyrepro") for command in card.recompute)


def test_an_absent_reversal_rests_on_the_configurations_that_were_measured(tmp_path: Path):
    rows = [(model, "bench", f, "i0", "" if f == "y" else int(model == "a")) for model in "ab" for f in "xyz"]
    store = ingest_table(write_table(tmp_path / "t.csv", rows, ("model", "benchmark", "f", "item_id", "score")), tmp_path / "s")
    third = [("c", "bench", f, "i0", 0) for f in "xyz"]
    more = ingest_table(
        write_table(tmp_path / "u.csv", [*rows, *third], ("model", "benchmark", "f", "item_id", "score")), tmp_path / "more"
    )

    assert "of 3 configurations (1 not measured for both)" in headline("bench", analyze(store).benchmarks["bench"])
    assert headline("bench", analyze(more).benchmarks["bench"]) == (
        "bench: no pair of models changes its order among the 2 of 3 configurations that were measured for both."
    )


def test_decodings_are_different_runs_of_the_same_prompts(ran: GridCard):
    entry = primary(ran)
    decoding = Factor(name="system_prompt", stage=Stage.DECODE, levels=(Level(name="none"), Level(name="helpful")))
    prompt = dataclasses.replace(decoding, stage=Stage.PROMPT)
    cells = tuple(cell.model_copy(update={"prompts_digest": "same", "tokens_digest": "same"}) for cell in entry.cells)
    members = tuple(Configuration.of(settings) for settings in entry.configurations)

    assert most_distinct_runs(cells, members, (prompt,)) == 1
    assert most_distinct_runs(cells, members, (decoding,)) == 2
    assert most_distinct_runs((), members, (decoding,)) is None


def test_levels_under_which_a_model_was_asked_the_same_are_named_model_by_model(ran: GridCard):
    entry = primary(ran)
    cells = tuple(
        cell.model_copy(update={"prompts_digest": "same", "tokens_digest": "same"}) if cell.model == "kind" else cell
        for cell in entry.cells
    )

    found = levels_alike(entry.model_copy(update={"cells": cells}))

    assert alike_text(found["kind"]) == "system_prompt none = helpful"
    assert found["blunt"] == ()
