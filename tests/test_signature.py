"""A signed statement is about the very bytes of a card, and any other key, byte or file is refused."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from builders import REVERSAL, write_table
from made_cards import made_card
from safetyrepro.cli import app
from safetyrepro.errors import CardError
from safetyrepro.ingest import ingest_table
from safetyrepro.signature import (
    BUNDLE,
    ENVELOPE,
    STATEMENT,
    check_signature,
    pre_authentication,
    sign_with_identity,
    sign_with_key,
)

KINDS = {
    "ed25519": ["-algorithm", "ed25519"],
    "ecdsa": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
    "rsa": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
}
needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="the program openssl is not installed")


def key_pair(folder: Path, kind: str = "ed25519") -> tuple[Path, Path]:
    """A fresh private key and its public one."""
    private, public = folder / f"{kind}.pem", folder / f"{kind}.pub"
    subprocess.run(["openssl", "genpkey", *KINDS[kind], "-out", private], check=True, capture_output=True)
    subprocess.run(["openssl", "pkey", "-in", private, "-pubout", "-out", public], check=True, capture_output=True)
    return private, public


@pytest.fixture
def card(tmp_path: Path) -> Path:
    made_card(2, tmp_path / "card")
    return tmp_path / "card"


def test_the_signed_bytes_are_those_of_the_published_example():
    assert pre_authentication(b"hello world") == b"DSSEv1 28 application/vnd.in-toto+json 11 hello world"


@needs_openssl
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_card_signed_with_a_key_is_accepted_with_its_public_key(tmp_path: Path, card: Path, kind: str):
    private, public = key_pair(tmp_path, kind)

    envelope = sign_with_key(card, private)

    assert check_signature(card, public).files == ("card.json", "rows.jsonl")
    content = json.loads(envelope.read_bytes())
    assert base64.b64decode(content["payload"]) == (card / STATEMENT).read_bytes()
    assert content["signatures"][0]["keyid"] == check_signature(card, public).key


@needs_openssl
def test_another_key_and_an_altered_statement_are_refused(tmp_path: Path, card: Path):
    private, public = key_pair(tmp_path)
    (tmp_path / "other").mkdir()
    _, stranger = key_pair(tmp_path / "other")
    sign_with_key(card, private)

    with pytest.raises(CardError, match="holds no signature by the key"):
        check_signature(card, stranger)
    content = json.loads((card / ENVELOPE).read_bytes())
    content["payload"] = base64.b64encode(base64.b64decode(content["payload"]).replace(b"made", b"fake")).decode()
    (card / ENVELOPE).write_text(json.dumps(content))
    with pytest.raises(CardError, match="holds no signature by the key"):
        check_signature(card, public)


@needs_openssl
@pytest.mark.parametrize("name", ["card.json", "rows.jsonl"])
def test_files_that_changed_after_the_signature_are_refused(tmp_path: Path, card: Path, name: str):
    private, public = key_pair(tmp_path)
    sign_with_key(card, private)
    (card / name).write_bytes((card / name).read_bytes() + b" ")

    for refused in (lambda: check_signature(card, public), lambda: sign_with_key(card, private)):
        with pytest.raises(CardError, match=f"does not state the digest of the file '{name}'"):
            refused()


@needs_openssl
def test_rows_that_no_statement_names_are_refused(tmp_path: Path, card: Path):
    private, public = key_pair(tmp_path)
    sign_with_key(card, private)
    shutil.copy(card / "rows.jsonl", card / "rows.jsonl.gz")

    with pytest.raises(CardError, match=r"'rows.jsonl.gz'"):
        check_signature(card, public)


@pytest.mark.parametrize(
    "subject", [[], [{"name": "../card.json", "digest": {"sha256": "0"}}], [{"name": "card.json"}], "card.json", None]
)
def test_a_statement_about_other_files_is_never_signed(tmp_path: Path, card: Path, subject: object):
    (card / STATEMENT).write_text(json.dumps({"subject": subject}))

    with pytest.raises(CardError):
        sign_with_key(card, tmp_path / "none.pem")


@needs_openssl
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"[" * 100_000,
        b'{"payloadType":"text/plain"}',
        b'{"payloadType":"application/vnd.in-toto+json","payload":"*"}',
    ],
)
def test_what_is_no_envelope_is_refused_in_one_sentence(tmp_path: Path, card: Path, content: bytes):
    (card / ENVELOPE).write_bytes(content)
    _, public = key_pair(tmp_path)

    with pytest.raises(CardError) as caught:
        check_signature(card, public)

    assert "\n" not in caught.value.sentence


@needs_openssl
def test_what_is_no_key_is_refused(tmp_path: Path, card: Path):
    (tmp_path / "key.pem").write_text("not a key")

    with pytest.raises(CardError, match="does not take it as a key"):
        sign_with_key(card, tmp_path / "key.pem")


def program(folder: Path, name: str, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a program on the path that stands for one of sigstore's."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


@pytest.mark.parametrize(("name", "asked"), [("sigstore", "sign --bundle"), ("cosign", "sign-blob --yes --bundle")])
def test_an_identity_signs_through_the_program_that_is_installed(
    tmp_path: Path, card: Path, monkeypatch: pytest.MonkeyPatch, name: str, asked: str
):
    program(tmp_path / "bin", name, f'echo "$@" > {tmp_path}/asked; touch {card / BUNDLE}', monkeypatch)

    assert sign_with_identity(card) == card / BUNDLE

    assert (tmp_path / "asked").read_text() == f"{asked} {card / BUNDLE} {card / STATEMENT}\n"


def test_an_identity_that_is_not_proved_signs_nothing(tmp_path: Path, card: Path, monkeypatch: pytest.MonkeyPatch):
    program(tmp_path / "bin", "sigstore", "exit 3", monkeypatch)
    with pytest.raises(CardError, match="sigstore ended with 3"):
        sign_with_identity(card)

    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CardError, match="pip install sigstore"):
        sign_with_identity(card)


@needs_openssl
def test_the_commands_sign_and_check(tmp_path: Path):
    store = ingest_table(write_table(tmp_path / "t.csv", REVERSAL), tmp_path / "store").folder
    private, public = key_pair(tmp_path)
    run = CliRunner().invoke
    run(app, ["card", str(store)])

    unsigned = run(app, ["verify", str(store / "card"), "--key", str(public)])
    signed = run(app, ["sign", str(store / "card"), "--key", str(private)])
    checked = run(app, ["verify", str(store / "card"), "--key", str(public)])
    both = run(app, ["sign", str(store / "card")])

    assert isinstance(unsigned.exception, CardError)
    assert "Signed: " in signed.output
    assert checked.exit_code == 0
    assert "signed: card.json, rows.jsonl by the key" in checked.output
    assert isinstance(both.exception, CardError)
