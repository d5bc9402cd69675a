"""A card's in-toto statement, signed: with a key through OpenSSL, or with an identity through sigstore.

Both are run as programs. A signature needs no library of its own here, and whoever signs has one of them.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from safetyrepro.canonical import canonical_json
from safetyrepro.errors import CardError
from safetyrepro.parquet import write_whole

STATEMENT, ENVELOPE, BUNDLE = "card.intoto.json", "card.intoto.dsse.json", "card.intoto.json.sigstore.json"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
MAX_ENVELOPE_BYTES = 10_000_000
SIGSTORE = (("sigstore", ("sign", "--bundle")), ("cosign", ("sign-blob", "--yes", "--bundle")))
"""Programs that sign with an identity, the first that is installed is used, and their options before bundle and file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A signature that was checked."""

    key: str
    """SHA-256 of the public key, in DER."""
    files: tuple[str, ...]
    """Files whose bytes are those that were signed."""


def sign_with_key(folder: Path, key: Path) -> Path:
    """Sign a card's statement into a DSSE envelope beside it.

    Parameters
    ----------
    folder : Path
        Folder of the card.
    key : Path
        A private key in PEM: Ed25519, ECDSA or RSA (SHA-256).

    Returns
    -------
    Path
        The envelope.

    Raises
    ------
    CardError
        If the statement is absent or is not about the files beside it, OpenSSL is not installed, or it does not take the key.

    References
    ----------
    DSSE, protocol: the signature is over ``DSSEv1 LEN(type) type LEN(body) body``.
    """
    payload = _statement(folder)
    with tempfile.TemporaryDirectory() as scratch:
        message, signature = Path(scratch) / "message", Path(scratch) / "signature"
        message.write_bytes(pre_authentication(payload))
        _openssl(["pkeyutl", "-sign", "-rawin", "-inkey", str(key), "-in", str(message), "-out", str(signature)], key)
        public = _openssl(["pkey", "-in", str(key), "-pubout", "-outform", "DER"], key)
        signed = {"keyid": hashlib.sha256(public).hexdigest(), "sig": _encoded(signature.read_bytes())}
    content = {"payload": _encoded(payload), "payloadType": PAYLOAD_TYPE, "signatures": [signed]}
    write_whole(folder / ENVELOPE, canonical_json(content))
    return folder / ENVELOPE


def check_signature(folder: Path, key: Path) -> Signed:
    """Check that a key signed a statement about the very files of a card.

    Parameters
    ----------
    folder : Path
        Folder of the card.
    key : Path
        The public key, in PEM.

    Raises
    ------
    CardError
        If there is no envelope, no signature of this key in it, or a file is not the one that was signed.
    """
    payload, signatures = _envelope(folder / ENVELOPE)
    public = hashlib.sha256(_openssl(["pkey", "-pubin", "-in", str(key), "-outform", "DER"], key)).hexdigest()
    if not any(_is_signature(payload, one, key) for one in signatures):
        raise CardError(
            str(folder / ENVELOPE),
            found=f"holds no signature by the key {public[:16]}",
            expected="one over the statement that it holds",
            remedy="Ask for the public key of whoever signed, or do not trust the card.",
        )
    return Signed(key=public, files=_checked_subjects(folder, payload))


def sign_with_identity(folder: Path) -> Path:
    """Sign a card's statement with an identity, through the program of sigstore that is installed.

    Parameters
    ----------
    folder : Path
        Folder of the card.

    Returns
    -------
    Path
        The bundle that was written beside the statement.

    Raises
    ------
    CardError
        If no such program is installed, or it refuses.
    """
    _statement(folder)
    found = next(((path, options) for name, options in SIGSTORE if (path := shutil.which(name))), None)
    if found is None:
        raise CardError(
            "--sigstore",
            found="none of the programs that sign with an identity is installed",
            expected=" or ".join(name for name, _ in SIGSTORE),
            remedy="Install one, for instance with: pip install sigstore; or sign with --key.",
        )
    program, options = found
    done = subprocess.run([program, *options, str(folder / BUNDLE), str(folder / STATEMENT)], check=False)
    if done.returncode or not (folder / BUNDLE).is_file():
        raise CardError(
            "--sigstore", found=f"{Path(program).name} ended with {done.returncode}", remedy="Read what it printed."
        )
    return folder / BUNDLE


def pre_authentication(payload: bytes) -> bytes:
    """The bytes that a DSSE signature is over."""
    return b"DSSEv1 %d %s %d %s" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(payload), payload)


def _statement(folder: Path) -> bytes:
    try:
        payload = (folder / STATEMENT).read_bytes()
    except OSError as error:
        raise CardError(
            str(folder / STATEMENT), found=f"cannot be read ({error.strerror})", remedy="Make it with `safetyrepro card STORE`."
        ) from error
    _checked_subjects(folder, payload)
    return payload


def _checked_subjects(folder: Path, payload: bytes) -> tuple[str, ...]:
    """Names of the statement's subjects, each a file of the folder with the digest that is stated; card.json is one."""
    where = str(folder / STATEMENT)
    try:
        stated = {str(entry["name"]): str(entry["digest"]["sha256"]) for entry in json.loads(payload)["subject"]}
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise CardError(where, found="is no in-toto statement", remedy="Make the card again.") from error
    rows = {path.name for path in folder.glob("rows.jsonl*")}
    for name in sorted({"card.json", *rows, *stated}):
        path = folder / name
        plain = Path(name).name == name and path.is_file()
        if name not in stated or not plain or hashlib.sha256(path.read_bytes()).hexdigest() != stated[name]:
            raise CardError(
                where,
                found=f"does not state the digest of the file '{name}'"
                if plain
                else f"names '{name}', which is no file beside it",
                remedy="The card was changed after its statement: make both again.",
            )
    return tuple(stated)


def _envelope(path: Path) -> tuple[bytes, Sequence[bytes]]:
    try:
        if path.stat().st_size > MAX_ENVELOPE_BYTES:
            raise CardError(str(path), found="is larger than 10 MB", expected="a DSSE envelope")
        content = json.loads(path.read_bytes())
        if content["payloadType"] != PAYLOAD_TYPE:
            raise CardError(str(path), found=f"holds '{content['payloadType']}'", expected=PAYLOAD_TYPE)
        signatures = [base64.b64decode(one["sig"], validate=True) for one in content["signatures"]]
        return base64.b64decode(content["payload"], validate=True), signatures
    except OSError as error:
        raise CardError(
            str(path), found=f"cannot be read ({error.strerror})", remedy="Sign with `safetyrepro sign CARD --key PRIVATE`."
        ) from error
    except (ValueError, TypeError, KeyError, RecursionError, binascii.Error) as error:
        raise CardError(str(path), found="is no DSSE envelope", remedy="Sign the card again.") from error


def _is_signature(payload: bytes, signature: bytes, key: Path) -> bool:
    with tempfile.TemporaryDirectory() as scratch:
        message, held = Path(scratch) / "message", Path(scratch) / "signature"
        message.write_bytes(pre_authentication(payload))
        held.write_bytes(signature)
        command = [_program(), "pkeyutl", "-verify", "-pubin", "-inkey", str(key), "-rawin", "-in", str(message)]
        return subprocess.run([*command, "-sigfile", str(held)], capture_output=True, check=False).returncode == 0


def _encoded(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def _program() -> str:
    found = shutil.which("openssl")
    if found is None:
        raise CardError("--key", found="the program openssl is not installed", expected="OpenSSL 3", remedy="Install it.")
    return found


def _openssl(arguments: Sequence[str], key: Path) -> bytes:
    done = subprocess.run([_program(), *arguments], capture_output=True, check=False)
    if done.returncode:
        told = (done.stderr.decode("utf-8", "replace").strip().splitlines() or ["no reason"])[0]
        raise CardError(str(key), found=f"openssl does not take it as a key ({told[:150]})", expected="a key in PEM")
    return done.stdout
