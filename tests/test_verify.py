"""A card is computed again by two programs that agree; every altered byte and every forged number is found."""

from __future__ import annotations

import gzip
import json
import random
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import safetyrepro.rows as rows_module
from builders import REVERSAL, write_table
from made_cards import made_card, made_store
from safetyrepro import verify_card
from safetyrepro.canonical import canonical_digest, canonical_json
from safetyrepro.cli import app
from safetyrepro.errors import CardError
from safetyrepro.ingest import ingest_table
from safetyrepro.rows import merkle_root
from safetyrepro.verify import first_difference, verify

RUNNER = CliRunner()
LEAN_SEED = 1
"""A made card of two models whose analysis is short."""


def standalone(folder: Path) -> int:
    """Exit code of the verifier of a card folder, without starting a program."""
    return verify_card.main([str(folder)])


@pytest.mark.parametrize("seed", range(20))
def test_both_verifiers_accept_what_was_made(tmp_path: Path, seed: int):
    made_card(seed, tmp_path, rows=seed % 5 != 4)

    assert standalone(tmp_path) == 0
    assert verify(tmp_path, made_store(seed)).ok


@pytest.mark.long
def test_both_verifiers_agree_on_five_hundred_cards(tmp_path: Path):
    for seed in range(100, 600):
        folder = tmp_path / str(seed)
        made_card(seed, folder, rows=seed % 5 != 4)
        assert standalone(folder) == 0, seed
        assert verify(folder).ok, seed


def test_the_shipped_file_runs_alone_with_the_standard_library(tmp_path: Path):
    made_card(2, tmp_path)
    command = [sys.executable, "-I", "-S", str(tmp_path / "verify.py")]

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")
    assert re.match(r"OK: \d+ verdicts and 7 decisions follow from \d+ rows", done.stdout)


def test_the_verifier_imports_nothing_of_this_package():
    text = Path(verify_card.__file__).read_text()

    assert "safetyrepro" not in text.replace("GRIDcard", "")
    imported = set(re.findall(r"^(?:from|import) (\w+)", text, re.MULTILINE))
    assert imported <= set(sys.stdlib_module_names)


def check_mutations(folder: Path, *, count: int, seed: int) -> Counter[str]:
    """Alter single bytes of card and rows; every one must be rejected unless the text is the same after unpacking."""
    draw = random.Random(seed)
    told: Counter[str] = Counter()
    names = ["card.json", *(path.name for path in folder.glob("rows.*"))]
    original = {name: (folder / name).read_bytes() for name in names}
    for _ in range(count):
        name = draw.choice(names)
        content = bytearray(original[name])
        at = draw.randrange(len(content))
        content[at] ^= 1 << draw.randrange(8)
        (folder / name).write_bytes(content)
        same = name.endswith(".gz") and unpacked(bytes(content)) == gzip.decompress(original[name])
        told["same" if same else "rejected"] += 1
        assert (standalone(folder) == 0) == same, (name, at)
        (folder / name).write_bytes(original[name])
    return told


def unpacked(content: bytes) -> bytes | None:
    try:
        return gzip.decompress(content)
    except verify_card.UNREADABLE:
        return None


@pytest.mark.parametrize("count", [150, pytest.param(7000, marks=pytest.mark.long)])
def test_every_altered_byte_is_rejected(tmp_path: Path, count: int, capsys):
    made_card(LEAN_SEED, tmp_path, n_items=2)

    assert check_mutations(tmp_path, count=count, seed=5) == {"rejected": count}


@pytest.mark.parametrize("count", [150, pytest.param(4000, marks=pytest.mark.long)])
def test_an_altered_byte_of_packed_rows_is_rejected_unless_the_text_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int, capsys
):
    monkeypatch.setattr(rows_module, "COMPRESS_ABOVE", 10)
    made_card(LEAN_SEED, tmp_path, n_items=2)

    told = check_mutations(tmp_path, count=count, seed=6)

    assert told["rejected"] > 0.9 * count


def remake(folder: Path, card: dict[str, Any], lines: list[list[Any]] | None = None) -> None:
    """Write a card, and its rows, with every digest and the Merkle root made anew."""
    if lines is not None:
        texts = [canonical_json(line) for line in lines]
        content = b"".join(text + b"\n" for text in texts)
        (folder / "rows.jsonl").write_bytes(content)
        import hashlib

        root = merkle_root(texts).hex()
        card["rows"] |= {"sha256": hashlib.sha256(content).hexdigest(), "merkle_root": root, "n_rows": len(lines) - 1}
    card.pop("digest")
    (folder / "card.json").write_bytes(canonical_json(card | {"digest": canonical_digest(card)}))


def results_of(card: dict[str, Any]) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    return [(entry, card["analysis"]["benchmarks"][entry["name"]]) for entry in card["benchmarks"]]


def forge_score(draw: random.Random, card: dict[str, Any]) -> bool:
    entry, _ = draw.choice(results_of(card))
    cell = draw.choice(entry["cells"])
    cell["score"] = 0.123 if cell["score"] is None else cell["score"] + draw.choice((-0.01, 1e-6, 0.3))
    return True


def forge_count(draw: random.Random, card: dict[str, Any]) -> bool:
    pair = draw.choice([pair for _, result in results_of(card) for pair in result["pairs"]])
    one, other = draw.sample(("n_plus", "n_minus", "n_tie", "n_missing"), 2)
    pair[one] += 1
    pair[other] -= draw.choice((0, 1))
    return True


def forge_sign(draw: random.Random, card: dict[str, Any]) -> bool:
    entry = draw.choice([one for _, result in results_of(card) for pair in result["pairs"] for one in pair["configurations"]])
    entry["order"] = draw.choice([mark for mark in "+-=?" if mark != entry["order"]])
    return True


def forge_rate(draw: random.Random, card: dict[str, Any]) -> bool:
    pair = draw.choice([pair for _, result in results_of(card) for pair in result["pairs"]])
    name = draw.choice(
        ("flip_rate", "minority_rate", "mean_difference", "margin_index", "weak_disagreement", "flip_rate_distinct")
    )
    pair[name] = 0.21 if pair[name] is None else None if draw.random() < 0.3 else pair[name] + 0.001
    return True


def forge_witness(draw: random.Random, card: dict[str, Any]) -> bool:
    pairs = [pair for _, result in results_of(card) for pair in result["pairs"]]
    pair = draw.choice(pairs)
    witness = pair["witness"]
    if witness is None:
        pair["witness"] = {"plus": {}, "minus": {}, "margin_plus": 0.1, "margin_minus": -0.1, "factors": [], "items": None}
        return True
    change = draw.choice(("gone", "margin", "swap", "items", "factors"))
    if change == "gone":
        pair["witness"] = None
    elif change == "margin":
        witness["margin_plus"] += 0.05
    elif change == "swap":
        witness["plus"], witness["minus"] = witness["minus"], witness["plus"]
    elif change == "factors":
        witness["factors"] = [*witness["factors"], "judge"]
    else:
        witness["items"][draw.choice(sorted(witness["items"]))] += ["i99"]
    return True


def forge_decision(draw: random.Random, card: dict[str, Any]) -> bool:
    decision = draw.choice(card["decisions"])
    decision["decision"] = draw.choice([word for word in ("HOLDS", "REFUTED", "UNDETERMINED") if word != decision["decision"]])
    return True


def forge_ordering(draw: random.Random, card: dict[str, Any]) -> bool:
    _, result = draw.choice(results_of(card))
    name = draw.choice(("distinct_strict", "distinct_weak", "n_complete", "n_with_ties"))
    result["orderings"][name] += 1
    return True


def forge_support(draw: random.Random, card: dict[str, Any]) -> bool:
    pairs = [pair for one in card["analysis"]["support"].values() for pair in one["pairs"] if pair["p_reversal"] is not None]
    if not pairs:
        return False
    pair = draw.choice(pairs)
    words = ("reversal supported", "A ahead somewhere", "unresolved", "A ahead on every configuration")
    if draw.random() < 0.5:
        pair["word"] = draw.choice([word for word in words if word != pair["word"]])
    else:
        pair["p_reversal"] = pair["p_reversal"] / 2
    return True


FORGERIES: tuple[Callable[[random.Random, dict[str, Any]], bool], ...] = (
    forge_score,
    forge_count,
    forge_sign,
    forge_rate,
    forge_witness,
    forge_decision,
    forge_ordering,
    forge_support,
)


@pytest.mark.parametrize("count", [60, pytest.param(1000, marks=pytest.mark.long)])
def test_a_forged_number_is_found_although_every_digest_was_made_anew(tmp_path: Path, count: int, capsys):
    draw = random.Random(12)
    forged = 0
    while forged < count:
        seed = draw.randrange(6 if count < 100 else 40)
        folder = tmp_path / str(seed)
        if not folder.exists():
            made_card(seed, folder)
        original = (folder / "card.json").read_bytes()
        card = json.loads(original)
        if draw.choice(FORGERIES)(draw, card):
            remake(folder, card)
            assert standalone(folder) == 1, (seed, capsys.readouterr().out)
            forged += 1
        (folder / "card.json").write_bytes(original)


@pytest.mark.parametrize("seed", range(12))
def test_a_forged_row_is_found_although_every_digest_was_made_anew(tmp_path: Path, seed: int, capsys):
    made_card(seed, tmp_path)
    draw = random.Random(seed)
    card = json.loads((tmp_path / "card.json").read_bytes())
    lines = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_bytes().splitlines()]
    scored = [i for i, line in enumerate(lines) if line[-1] == "scored"]
    forged = draw.choice(scored)
    lines[forged][-1], lines[forged][-3] = "failed", None

    remake(tmp_path, card, lines)

    assert standalone(tmp_path) == 1


def test_a_forged_text_is_found_by_the_digest_only_and_by_the_store(tmp_path: Path, capsys):
    made_card(2, tmp_path)
    card = json.loads((tmp_path / "card.json").read_bytes())
    card["question"] = "Which is nicer?"
    (tmp_path / "card.json").write_bytes(canonical_json(card))
    assert standalone(tmp_path) == 1

    remake(tmp_path, card)

    assert standalone(tmp_path) == 0
    found = verify(tmp_path, made_store(2))
    assert found.differs.startswith("card.question: the card says")


def test_a_forged_p_value_is_found_by_computing_it_again(tmp_path: Path, capsys):
    made_card(2, tmp_path)
    card = json.loads((tmp_path / "card.json").read_bytes())
    pair = next(iter(card["analysis"]["support"].values()))["pairs"][0]
    pair["noise_flip_rate"] = 0.4321
    remake(tmp_path, card)

    assert standalone(tmp_path) == 0
    assert "noise_flip_rate" in verify(tmp_path).differs


def test_bytes_that_are_not_canonical_are_found(tmp_path: Path):
    made_card(2, tmp_path)
    card = dict(reversed(json.loads((tmp_path / "card.json").read_bytes()).items()))
    digest = card.pop("digest")
    content = json.dumps({"digest": digest, **card}, sort_keys=False, separators=(",", ":"), ensure_ascii=False).encode()
    import hashlib

    member = f'"digest":"{digest}",'.encode()
    fresh = hashlib.sha256(content.replace(member, b"")).hexdigest()
    (tmp_path / "card.json").write_bytes(content.replace(member, f'"digest":"{fresh}",'.encode()))

    assert "not the canonical form" in verify(tmp_path).differs


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"version":1}', b"[" * 100_000, b'{"digest":1,"digest":2}', b"\xff"])
def test_what_is_no_card_is_refused_without_a_traceback(tmp_path: Path, content: bytes, capsys):
    (tmp_path / "card.json").write_bytes(content)

    assert standalone(tmp_path) in (1, 2)
    assert capsys.readouterr().out.count("\n") == 1
    told = ""
    try:
        told = verify(tmp_path).differs
    except CardError as error:
        told = error.sentence
    assert told


def test_an_absent_card_or_absent_rows_are_unreadable(tmp_path: Path):
    assert standalone(tmp_path / "none") == 2
    made_card(2, tmp_path)
    (tmp_path / "rows.jsonl").unlink()
    assert standalone(tmp_path) == 2


def test_a_bomb_of_rows_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    made_card(2, tmp_path)
    monkeypatch.setattr(verify_card, "MAX_ROWS", 1000)

    assert standalone(tmp_path) == 1
    assert "larger than 4 GB" in capsys.readouterr().out


def test_hostile_names_are_printed_as_text(tmp_path: Path, capsys):
    rows = [("\x1b[31mevil\u202e" if row[0] == "a" else row[0], *row[1:]) for row in REVERSAL]
    store = ingest_table(write_table(tmp_path / "t.csv", rows), tmp_path / "store")
    RUNNER.invoke(app, ["card", str(store.folder)])
    card = json.loads((store.folder / "card" / "card.json").read_bytes())
    card["analysis"]["benchmarks"]["bench"]["pairs"][0]["n_plus"] = 2
    remake(store.folder / "card", card)

    assert standalone(store.folder / "card") == 1
    done = RUNNER.invoke(app, ["verify", str(store.folder / "card")])

    for output in (capsys.readouterr().out, done.output):
        assert "evil" in output
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f\u202a-\u202e]", output)


@pytest.fixture
def carded(tmp_path: Path) -> Path:
    """A store with its card, made by the command."""
    store = ingest_table(write_table(tmp_path / "t.csv", REVERSAL), tmp_path / "store").folder
    claims = tmp_path / "claims.yaml"
    claims.write_text("claims:\n- claim: a > b on bench somewhere\n- {claim: a > b on bench, level: supported}\n")
    done = RUNNER.invoke(app, ["card", str(store), "--claims", str(claims)])
    assert done.exit_code == 0, (done.output, done.exception)
    return store


def test_the_command_computes_a_card_again_and_compares_every_field_with_its_store(carded: Path):
    done = RUNNER.invoke(app, ["verify", str(carded / "card"), "--store", str(carded)])

    assert done.exit_code == 0, done.output
    assert done.output.splitlines()[-1] == "OK"
    assert "1 verdicts and 2 decisions follow from 8 rows" in done.output
    assert "every field follows from the store" in done.output


def test_the_command_ends_with_1_where_something_differs_and_with_2_where_nothing_can_be_read(
    carded: Path, monkeypatch: pytest.MonkeyPatch, capsys
):
    from safetyrepro.cli import main

    shutil.copy(carded / "card" / "card.json", carded / "other.json")
    (carded / "card" / "rows.jsonl").write_bytes(b"[]\n")
    assert RUNNER.invoke(app, ["verify", str(carded / "card" / "card.json")]).exit_code == 1
    monkeypatch.setattr("sys.argv", ["safetyrepro", "verify", str(carded / "none")])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2


def test_a_card_of_scores_only_says_so(carded: Path):
    RUNNER.invoke(app, ["card", str(carded), "--no-rows", "-o", str(carded / "lean")])

    done = RUNNER.invoke(app, ["verify", str(carded / "lean")])

    assert done.exit_code == 0
    assert "follow from the scores of its cells" in done.output


def test_the_first_difference_is_named_with_its_path():
    one, other = {"a": [1, {"b": True}]}, {"a": [1, {"b": 1}], "c": None}

    assert first_difference(one, one, "x") == ""
    assert first_difference(one, other, "x") == "x.a[1].b: the card says true, again it is 1"
    assert first_difference({"a": 1.0}, {"a": 1.0 + 1e-12}, "x") == ""
    assert first_difference([1], [1, 2], "x").startswith("x: the card says [1]")
