"""What tests ask a server backend, and how they open one."""

from __future__ import annotations

from safetyrepro.backends.server import connected
from safetyrepro.backends.wire import Limits, Wire
from safetyrepro.records import Decoding, Prompt, Request, Role, Turn
from safetyrepro.study import EngineSpec, ModelSpec
from tiny_checkpoints import sentences

SCORES = [
    Request(prompt=Prompt.plain(text), continuation=continuation)
    for text in ("the lake", "ends in a space ", "", *sentences(2))
    for continuation in (" is old", " yes")
]
WRITES = [Request(prompt=Prompt.plain(text), decoding=Decoding(max_tokens=4)) for text in ("the lake", "a tower")]
CHAT = Request(prompt=Prompt(turns=(Turn(Role.USER, "the lake"),), chat=True), decoding=Decoding(max_tokens=4))
PATIENT = Limits(attempts=3, seconds=2.0, first_wait=0.001, longest_wait=0.01)


def opened(server, checkpoint, *, limits=PATIENT, path=True, **engine):
    folder = checkpoint("llama", bos=True)
    spec = ModelSpec(name="m", url=server.url, repository="tiny", path=str(folder) if path else None)
    wire = Wire(server.url, limits=limits)
    return connected(spec, wire, EngineSpec(**engine), folder=folder)


def answered(backend, requests):
    encoded = backend.encode(requests)
    by_key = {response.key: response for response in backend.answer(encoded)}
    return [by_key[one.key] for one in encoded]
