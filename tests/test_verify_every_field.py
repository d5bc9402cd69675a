"""Every field of a card is altered and its digest made anew: who notices is known for each, and what nobody can notice is listed."""

from __future__ import annotations

import copy
import hashlib
import json
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from claim_grids import MemoryStore
from made_cards import made_card, made_claims, made_store
from safetyrepro import __version__, verify_card
from safetyrepro.analysis import AnalysisOptions, analyze
from safetyrepro.canonical import canonical_digest, canonical_json
from safetyrepro.errors import CardError
from safetyrepro.inference import InferenceOptions
from safetyrepro.manifest import Stamp
from safetyrepro.publish import publish
from safetyrepro.rows import merkle_root
from safetyrepro.verdicts import EvidenceLevel, Quantifier
from safetyrepro.verify import Verification, verify
from test_verify import FORGERIES, remake

OPTIONS = AnalysisOptions(inference=InferenceOptions(draws=200, seed=3))
DECLARED = re.compile(
    r"question|note|failure_policy|undisclosed|digest|(provenance|tokens)\..*|models\.\*\.(?!name$).*"
    r"|benchmarks\.\*\.(title|about|data\..*|exclusions.*|not_run|n_not_run|n_distinct_runs|cells\.\*\.(prompts|tokens)_digest)"
    r"|benchmarks\.\*\.factors\.\*\.(about|stage|levels\.\*\.(about|sources|requires.*))"
    r"|decisions\.\*\.claim\.(say|alpha|margin)|analysis\.support\.\w+\.seed"
)
"""What no row can prove: texts, provenance, digests of what was asked; and of a claim what changes no decision on these rows."""


def two_benchmarks(seed: int = 3) -> MemoryStore:
    """A store of this version's package, whose benchmarks stand in another order than their names."""
    made = made_store(seed)
    (entry,) = made.manifest.benchmarks
    first = entry.model_copy(update={"name": "zeal", "envelope": replace(entry.envelope, benchmark="zeal")})
    turned = [replace(row, cell=replace(row.cell, benchmark="zeal")) for row in made._rows if row.item_id != "i0"]
    manifest = made.manifest.model_copy(
        update={"benchmarks": (first, entry), "stamp": Stamp(package_version=__version__), "complete": False}
    )
    return MemoryStore(manifest, [*turned, *made._rows])


@pytest.fixture
def card(tmp_path: Path) -> Path:
    """The folder of a card with realized and supported decisions."""
    store = two_benchmarks()
    claims = made_claims()
    level = [
        claim for claim in claims if claim.quantifier in (Quantifier.EVERYWHERE, Quantifier.SOMEWHERE) and not claim.margin
    ]
    supported = [replace(claim, evidence=EvidenceLevel.SUPPORTED) for claim in level]
    publish(store, analyze(store, OPTIONS), tmp_path / "card", options=OPTIONS, claims=[*claims, *supported])
    return tmp_path / "card"


def leaves(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Every value that holds no other, with its path."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    if not isinstance(value, dict | list) or not value:
        yield path, value
    for key, entry in inner:
        yield from leaves(entry, (*path, key))


def pattern(path: tuple[str | int, ...]) -> str:
    return ".".join("*" if isinstance(part, int) else part for part in path)


def altered(value: Any) -> Any:
    """Another value of the same kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + (1 if isinstance(value, int) else 0.013)
    return {None: 0.37}.get(value, f"{value}z") if isinstance(value, str | None) else ["z"] if value == [] else {"z": "z"}


def written(folder: Path, card: dict[str, Any]) -> None:
    """Write a card with its digest made anew."""
    card.pop("digest")
    (folder / "card.json").write_bytes(canonical_json(card | {"digest": canonical_digest(card)}))


def noticed(folder: Path, card: dict[str, Any]) -> bool:
    """Whether one of both verifiers rejects a card."""
    written(folder, card)
    if verify_card.main([str(folder)]):
        return True
    try:
        return not verify(folder).ok
    except CardError:
        return True


@pytest.mark.parametrize("share", [0.04, pytest.param(0.4, marks=pytest.mark.long)])
def test_every_field_that_rows_can_prove_is_proved(card: Path, share: float, capsys: pytest.CaptureFixture[str]):
    """A share of the fields, drawn once; 1.0 takes all of them, about forty seconds."""
    original = json.loads((card / "card.json").read_bytes())
    places: dict[str, list[tuple[str | int, ...]]] = {}
    for path, _ in leaves(original):
        places.setdefault(pattern(path), []).append(path)
    draw = random.Random(7)
    missed = []
    for name in [name for name in places if draw.random() < share and not DECLARED.fullmatch(name)]:
        forged, path = copy.deepcopy(original), draw.choice(places[name])
        held = forged
        for part in path[:-1]:
            held = held[part]  # type: ignore[index]
        held[path[-1]] = altered(held[path[-1]])  # type: ignore[index]
        if not noticed(card, forged):
            missed.append(".".join(map(str, path)))

    assert missed == []


def refused(folder: Path, change: Any) -> Verification:
    """What the package says of a card that was changed and given a new digest."""
    forged = json.loads((folder / "card.json").read_bytes())
    change(forged)
    written(folder, forged)
    return verify(folder)


def test_a_card_of_several_benchmarks_is_accepted_whatever_the_order_of_their_names(card: Path):
    found = verify(card, two_benchmarks())

    assert found.differs == ""
    assert len(found.checked) == 4


def test_a_supported_decision_is_computed_again(card: Path):
    def forge(document: dict[str, Any]) -> None:
        decision = next(one for one in document["decisions"] if one["claim"]["evidence"] == "supported")
        decision |= {"decision": "HOLDS", "p_holds": 0.0004, "minimum_detectable_difference": None, "missing": []}

    assert "decision" in refused(card, forge).differs


def first_decision(document: dict[str, Any], **wanted: str) -> dict[str, Any]:
    return next(
        one
        for one in document["decisions"]
        if all((one["decision"] if name == "decision" else one["claim"][name]) == value for name, value in wanted.items())
    )


def witness_gone(document: dict[str, Any]) -> None:
    first_decision(document, evidence="realized", decision="REFUTED")["witness"].pop()


def witness_moved(document: dict[str, Any]) -> None:
    first_decision(document, evidence="realized", decision="REFUTED")["witness"][0]["score_a"] += 0.001


def flips_invented(document: dict[str, Any]) -> None:
    first_decision(document, evidence="realized", decision="REFUTED")["flips"] = ["judge"]


def missing_hidden(document: dict[str, Any]) -> None:
    first_decision(document, evidence="realized", decision="UNDETERMINED")["missing"] = []


def supported_word(document: dict[str, Any]) -> None:
    one = first_decision(document, evidence="supported")
    one["decision"] = "HOLDS" if one["decision"] != "HOLDS" else "REFUTED"


def p_beyond_one(document: dict[str, Any]) -> None:
    first_decision(document, evidence="supported")["p_refutes"] = 1.5


def proved_with_a_missing_cell(document: dict[str, Any]) -> None:
    one = next(one for one in document["decisions"] if one["claim"]["evidence"] == "supported" and one["p_holds"] is None)
    one["p_holds"] = 0.9


def family_shrunk(document: dict[str, Any]) -> None:
    first_decision(document, evidence="supported")["family_size"] = 1


def range_of_one_copy(document: dict[str, Any]) -> None:
    document["benchmarks"][0]["estimand"]["high"] = 2.0


def tier_of_one_copy(document: dict[str, Any]) -> None:
    document["benchmarks"][0]["core"][0] = not document["benchmarks"][0]["core"][0]


@pytest.mark.parametrize(
    "forge",
    [
        witness_gone,
        witness_moved,
        flips_invented,
        missing_hidden,
        supported_word,
        p_beyond_one,
        proved_with_a_missing_cell,
        family_shrunk,
        range_of_one_copy,
        tier_of_one_copy,
    ],
)
def test_the_verifier_that_lies_beside_the_card_finds_it_alone(
    card: Path, forge: Callable[[dict[str, Any]], None], capsys: pytest.CaptureFixture[str]
):
    forged = json.loads((card / "card.json").read_bytes())
    forge(forged)
    written(card, forged)

    assert verify_card.main([str(card)]) == 1
    assert capsys.readouterr().out.startswith("DIFFERS at ")


def test_the_verdict_in_words_is_made_again(card: Path):
    def forge(document: dict[str, Any]) -> None:
        document["headline"][0] = "bench: a is ahead everywhere."

    assert refused(card, forge).differs.startswith('card.headline[0]: the card says "bench: a is ahead everywhere."')


def test_words_of_another_version_are_not_compared_but_its_numbers_are(card: Path):
    def words(document: dict[str, Any]) -> None:
        document["provenance"]["package_version"] = "0.0.1"
        document["headline"], document["limits"] = ["In other words."], []
        document["decisions"][0]["reason"] = "said otherwise"

    def number(document: dict[str, Any]) -> None:
        document["decisions"][0]["n_satisfied"] += 1

    assert refused(card, words).ok
    assert not refused(card, number).ok


@pytest.mark.parametrize(("place", "message"), [("level", "the level"), ("model", "the model")])
def test_what_is_measured_and_not_declared_is_named(card: Path, place: str, message: str):
    def forge(document: dict[str, Any]) -> None:
        if place == "level":
            document["benchmarks"][0]["factors"][0]["levels"][0]["name"] = "other"
        else:
            document["models"][0]["name"] = "other"

    found = refused(card, forge).differs

    assert message in found
    assert "is measured and not declared" in found


def test_numbers_that_no_analysis_takes_differ_without_a_traceback(card: Path):
    def forge(document: dict[str, Any]) -> None:
        for entry in document["benchmarks"]:
            entry["estimand"]["low"] = entry["estimand"]["high"]
        for result in document["analysis"]["benchmarks"].values():
            result["estimand"]["low"] = result["estimand"]["high"]

    assert refused(card, forge).differs


@pytest.mark.parametrize("count", [10, pytest.param(80, marks=pytest.mark.long)])
def test_the_package_finds_every_forgery_without_the_verifier_that_lies_beside_the_card(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int
):
    """Two programs agree only if each finds what the other finds; here the shipped one is left out."""
    monkeypatch.setattr("safetyrepro.verify._standalone", str)
    draw = random.Random(13)
    missed = []
    for number in range(count):
        folder = tmp_path / str(number)
        made_card(draw.randrange(40), folder, n_items=4)
        forged = json.loads((folder / "card.json").read_bytes())
        forge = draw.choice(FORGERIES)
        if forge(draw, forged):
            remake(folder, forged)
            try:
                found = verify(folder).differs
            except CardError as error:
                found = error.sentence
            missed += [] if found else [forge.__name__]

    assert missed == []


def changed_row(folder: Path, column: int, value: Any) -> None:
    """Change one value of the first scored row, and make every digest anew."""
    lines = [json.loads(line) for line in (folder / "rows.jsonl").read_bytes().splitlines()]
    next(line for line in lines if line[-1] == "scored")[column] = value
    remake(folder, json.loads((folder / "card.json").read_bytes()), lines)


@pytest.mark.parametrize(
    ("column", "value"),
    [(7, True), (7, "1"), (7, [1]), (8, True), (8, "1"), (6, "x"), (6, None), (4, "elsewhere"), (9, "great"), (3, ["i1"])],
)
def test_a_row_of_another_kind_is_found_by_both(tmp_path: Path, column: int, value: Any, capsys: pytest.CaptureFixture[str]):
    made_card(2, tmp_path)
    changed_row(tmp_path, column, value)

    assert verify_card.main([str(tmp_path)]) == 1
    assert not verify(tmp_path).ok


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_a_row_that_is_no_number_is_found(tmp_path: Path, number: str, capsys: pytest.CaptureFixture[str]):
    made_card(2, tmp_path)
    changed_row(tmp_path, 7, 7777)
    content = (tmp_path / "rows.jsonl").read_bytes().replace(b",7777,", f",{number},".encode())
    (tmp_path / "rows.jsonl").write_bytes(content)
    card = json.loads((tmp_path / "card.json").read_bytes())
    root = merkle_root(content.splitlines()).hex()
    card["rows"] |= {"sha256": hashlib.sha256(content).hexdigest(), "merkle_root": root}
    written(tmp_path, card)

    assert verify_card.main([str(tmp_path)]) == 1
    assert "a number" in capsys.readouterr().out


@pytest.mark.parametrize("forged", [{"draws": 10**15, "exhaustive": False}, {"draws": -5, "exhaustive": False}, {"seed": -5}])
def test_a_card_cannot_keep_whoever_verifies_it_busy(tmp_path: Path, forged: dict[str, Any]):
    made_card(2, tmp_path, n_items=30)
    card = json.loads((tmp_path / "card.json").read_bytes())
    inferred = next(iter(card["analysis"]["support"].values()))
    (inferred if "seed" in forged else inferred["pairs"][0]).update(forged)
    written(tmp_path, card)

    with pytest.raises(CardError, match="Do not trust the card"):
        verify(tmp_path)
