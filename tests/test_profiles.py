"""A profile is a data file; what a card does not state is named with its places."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from builders import REVERSAL, write_table
from made_cards import made_card
from safetyrepro.card import GridCard
from safetyrepro.card_fields import CARD_FIELDS
from safetyrepro.cli import app
from safetyrepro.errors import CardError
from safetyrepro.ingest import ingest_table
from safetyrepro.profiles import Profile, RequiredField, check_profile, read_profile, shipped_profiles


@pytest.fixture
def card(tmp_path: Path) -> GridCard:
    return made_card(2, tmp_path / "card").card


def profile(*fields: str, cells: object = ()) -> Profile:
    wanted = [RequiredField(field=field, about="made") for field in fields]
    return Profile(name="made", about="made", requires=wanted, cells=cells if cells == "all" else list(cells))  # type: ignore[arg-type, call-overload]


def test_both_profiles_ship_and_can_be_read():
    assert shipped_profiles() == ("gridcard", "model-card")
    for name in shipped_profiles():
        assert read_profile(name).name == name
    assert read_profile("gridcard").cells == "all"


@pytest.mark.parametrize("name", ["gridcard", "model-card"])
def test_every_path_of_a_shipped_profile_leads_somewhere_in_a_card(card: GridCard, name: str):
    check = check_profile(card, read_profile(name))
    loadless = {"models.*.weights"}

    assert {one.field for one in check.absent if not one.n_places} <= loadless
    assert check.n_fields == check.n_stated + len(check.absent)


def test_a_field_that_is_stated_is_not_named_and_one_that_is_not_is(card: GridCard):
    check = check_profile(card, profile("study", "note", "provenance.python", "nowhere.at.all"))

    assert [one.field for one in check.absent] == ["note", "provenance.python", "nowhere.at.all"]
    assert check.n_stated == 1


def test_a_star_looks_at_every_entry_and_counts_those_that_are_silent(card: GridCard):
    (absent,) = check_profile(card, profile("benchmarks.*.factors.*.about")).absent

    n_factors = sum(len(benchmark.factors) for benchmark in card.benchmarks)
    assert (absent.n_absent, absent.n_places) == (n_factors, n_factors)
    assert absent.places[0] == "benchmarks.bench.factors.g.about"


def test_fields_of_cells_are_counted_over_all_cells(card: GridCard):
    check = check_profile(card, profile(cells="all"))

    assert check.n_fields == len(CARD_FIELDS)
    weights = next(one for one in check.absent if one.field == "cell: model weights digest")
    assert weights.n_absent == sum(len(benchmark.cells) for benchmark in card.benchmarks)


def test_a_field_that_no_cell_has_is_refused(card: GridCard):
    with pytest.raises(CardError, match="no cell states 'colour'"):
        check_profile(card, profile(cells=["colour"]))


@pytest.mark.parametrize("text", ["", "name: x", "[1", "name: x\nabout: y\nrequires: [{field: a}]"])
def test_a_file_that_is_no_profile_is_refused(tmp_path: Path, text: str):
    (tmp_path / "mine.yaml").write_text(text)

    with pytest.raises(CardError, match="one of gridcard, model-card"):
        read_profile(str(tmp_path / "mine.yaml"))


def test_the_command_names_what_is_missing_and_ends_with_1(tmp_path: Path):
    store = ingest_table(write_table(tmp_path / "t.csv", REVERSAL), tmp_path / "store").folder
    (tmp_path / "mine.yaml").write_text("name: mine\nabout: what I need\nrequires: [{field: study, about: name}]\n")

    wanting = CliRunner().invoke(app, ["card", str(store), "--profile", "gridcard"])
    content = CliRunner().invoke(app, ["card", str(store), "--profile", str(tmp_path / "mine.yaml")])

    assert wanting.exit_code == 1
    assert "not stated: models.*.weights (digest of the weights), 2 of 2 places, first models.a.weights" in wanting.output
    assert content.exit_code == 0
    assert "profile mine: 1 of 1 fields are stated" in content.output
