"""Our own rendering of an item's requests, and the digests by which it is compared with what a package sent."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from safetyrepro.benchmarks.base import Benchmark, Examples
from safetyrepro.benchmarks.data import load_data
from safetyrepro.envelope import Configuration
from safetyrepro.records import Item, Request

ROOT = Path(__file__).resolve().parents[2]
CHECKPOINTS = ROOT / "src" / "safetyrepro" / "quickstart" / "checkpoints"
DIGITS = 16


def digest_of(text: str, continuation: str | None) -> str:
    """First 16 hexadecimal digits of the SHA-256 of a request."""
    content = json.dumps([text, continuation], ensure_ascii=False)
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()[:DIGITS]


@cache
def benchmark(name: str, data: Path) -> tuple[Benchmark, Mapping[str, Item], Mapping[str, str]]:
    """An adapter with the items of the real files, by id, and the fixed texts."""
    module: Any = import_module(f"safetyrepro.benchmarks.{name}")
    loaded = load_data(module, data / name)
    return module, {item.id: item for item in module.items(loaded.files)}, loaded.texts


def requests_of(
    name: str, item_id: str, settings: Mapping[str, str], data: Path, *, shown: Sequence[str] = ()
) -> tuple[Request, ...]:
    """What we ask about an item under a configuration; `shown` names the items that serve as examples."""
    module, items, texts = benchmark(name, data)
    pool = tuple(items[one] for one in shown)
    return module.requests(items[item_id], Configuration.of(settings), Examples(pool=pool, texts=texts))


def rendered(requests: Sequence[Request], checkpoint: str, *, form: str = "text") -> list[tuple[str, str | None]]:
    """Text and continuation of each request.

    In the form ``text`` through the chat template of a toy checkpoint where it is applied; in the form ``turns``, for packages whose
    log holds the conversation before the template, as JSON of roles and texts; in the form ``tokens``, for packages whose log holds
    what the tokenizer made of it, as JSON of the ids of context and continuation.
    """
    if form == "tokens":
        encoded = _encoder(checkpoint).encode(requests)
        return [(json.dumps(one.context_ids), json.dumps(one.continuation_ids)) for one in encoded]
    if form == "turns":
        return [(turns_of(request), request.continuation) for request in requests]
    if not any(request.prompt.chat for request in requests):
        return [("".join(turn.text for turn in request.prompt.turns), request.continuation) for request in requests]
    return [(one.text, one.request.continuation) for one in _encoder(checkpoint).encode(requests)]


def turns_of(request: Request) -> str:
    """The conversation of a request as JSON of roles and texts."""
    return json.dumps([[turn.role.value, turn.text] for turn in request.prompt.turns], ensure_ascii=False)


@cache
def _encoder(checkpoint: str) -> Any:
    from safetyrepro.backends.base import ModelIdentity
    from safetyrepro.backends.checkpoint import load_tokenizer
    from safetyrepro.backends.encoding import Encoder

    tokenizer = load_tokenizer(CHECKPOINTS / checkpoint, "parity")
    blank = dict.fromkeys(("weights", "tokenizer", "chat_template", "dtype", "quantization", "engine", "device"), "")
    identity = ModelIdentity(name=checkpoint, **blank)
    return Encoder(tokenizer, identity, max_length=10**6, generation=None)
