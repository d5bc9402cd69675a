"""`safetyrepro sign`: the statement of a card, signed by whoever publishes it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def sign(
    card: Annotated[Path, typer.Argument(help="The folder of a card, or its card.json.")],
    *,
    key: Annotated[Path | None, typer.Option("--key", help="A private key in PEM (Ed25519, ECDSA or RSA).")] = None,
    sigstore: Annotated[
        bool, typer.Option("--sigstore", help="Sign with an identity, through the program sigstore or cosign.")
    ] = False,
) -> None:
    """Sign the in-toto statement of a card: it names the digests of card.json and its rows.

    With a key, the signed statement is a DSSE envelope beside the card, which `safetyrepro verify --key PUBLIC` checks. With
    --sigstore it is a bundle, which `sigstore verify identity` or `cosign verify-blob` checks. Exit code 2: nothing was signed.
    """
    from safetyrepro.errors import CardError
    from safetyrepro.signature import sign_with_identity, sign_with_key

    if (key is None) != sigstore:
        raise CardError("sign", found="one of --key and --sigstore is needed", remedy="Example: --key private.pem")
    folder = card if card.is_dir() else card.parent
    typer.echo(f"Signed: {sign_with_key(folder, key) if key else sign_with_identity(folder)}")
