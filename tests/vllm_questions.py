"""What tests ask the vLLM backend, and how they open it."""

from __future__ import annotations

from safetyrepro.backends import hf
from safetyrepro.backends.vllm import open_backend
from safetyrepro.records import Decoding, Prompt, Request, Role, Turn
from safetyrepro.study import EngineSpec, ModelSpec
from tiny_checkpoints import sentences

TEXTS = ["", "Q: ", *sentences(6, words=40), "ends in space "]
SCORES = [
    Request(prompt=prompt, continuation=continuation)
    for text in TEXTS
    for prompt in (Prompt.plain(text), Prompt(turns=(Turn(Role.USER, text),), chat=True))
    for continuation in (" yes", " the old tower is not right", ".")
]
WRITES = [Request(prompt=Prompt.plain(text), decoding=Decoding(max_tokens=10)) for text in TEXTS]


def opened(folder, *, load=None, **engine):
    """The backend with a checkpoint."""
    spec = EngineSpec(**{"device": "cpu", **engine})
    return open_backend(ModelSpec(name="m", path=str(folder)), load or {}, spec, folder=folder)


def local(folder):
    """The hf backend with the same checkpoint."""
    return hf.open_backend(ModelSpec(name="m", path=str(folder)), {}, EngineSpec(device="cpu"), folder=folder)


def answered(backend, requests):
    """What a backend says, request by request."""
    encoded = backend.encode(requests)
    by_key = {response.key: response for response in backend.answer(encoded)}
    return [by_key[one.key] for one in encoded]


def drawn(seed, **changes):
    """A decoding that draws."""
    return Decoding(**{"max_tokens": 8, "temperature": 1.0, "seed": seed, **changes})
