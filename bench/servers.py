"""A running OpenAI-compatible server against the hf backend on one checkpoint: what the self-test says, and how far answers differ.

python bench/servers.py --make FOLDER                              write a small checkpoint for the server (head size 64)
python bench/servers.py --url URL --name NAME --model FOLDER       compare; NAME is the model's name on the server

llama.cpp reads no folder of transformers: bench/gguf_file.py writes its file.
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path

from models import make_model

from safetyrepro.backends import hf, server
from safetyrepro.errors import ModelError
from safetyrepro.records import Decoding, Prompt, Request
from safetyrepro.study import EngineSpec, ModelSpec

WORDS = [
    "the",
    "a",
    "lake",
    "tower",
    "old",
    "young",
    "asks",
    "who",
    "where",
    "why",
    "is",
    "was",
    "not",
    "can",
    "answer",
    "question",
    "right",
    "wrong",
    "maybe",
    "river",
    "stone",
]


def main() -> None:
    """Make the checkpoint, or compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--make")
    parser.add_argument("--url")
    parser.add_argument("--name")
    parser.add_argument("--model")
    options = parser.parse_args()
    if options.make:
        make_model(Path(options.make), sentences(400), layers=2, width=128, heads=2)
        return
    print(json.dumps(compare(options.url, options.name, Path(options.model)), indent=1))


def sentences(count: int) -> list[str]:
    """Made-up sentences."""
    draw = random.Random(0)
    return [" ".join(draw.choices(WORDS, k=draw.randint(4, 30))) + "." for _ in range(count)]


def whole(text: str | None) -> str | None:
    """The text without a character of which the last token holds only some bytes: servers write or drop it, random models draw such."""
    return None if text is None else text.rstrip("\N{REPLACEMENT CHARACTER}")


def compare(url: str, name: str, folder: Path) -> dict[str, object]:
    """Ask both the same."""
    texts = sentences(24)
    scores = [
        Request(prompt=Prompt.plain(text), continuation=continuation)
        for text in ["ends in a space ", *texts]
        for continuation in (" the lake", " is not right.")
    ]
    writes = [Request(prompt=Prompt.plain(text), decoding=Decoding(max_tokens=16)) for text in texts]
    engine = EngineSpec(device="cpu", threads=1)
    spec = ModelSpec(name="m", url=url, repository=name, path=str(folder.resolve()))
    local = hf.open_backend(ModelSpec(name="m", path=str(folder.resolve())), {}, engine, folder=folder)
    with local, server.open_backend(spec, {}, engine, folder=folder) as remote:
        expected, written = _answers(local, writes), _answers(remote, writes)
        found: dict[str, object] = {
            "generations": len(writes),
            "generations_equal": sum(one.text == other.text for one, other in zip(expected, written, strict=True)),
            "generations_equal_but_for_a_character_cut_at_the_end": sum(
                whole(one.text) == whole(other.text) for one, other in zip(expected, written, strict=True)
            ),
            "generations_failed": sum(one.error is not None for one in written),
        }
        try:
            scored = _answers(remote, scores)
        except ModelError as refusal:
            return found | {"loglikelihoods": f"refused: {refusal.found}"}
        differences = [
            abs(one.loglikelihood - other.loglikelihood)
            for one, other in zip(_answers(local, scores), scored, strict=True)
            if other.error is None
        ]
        return found | {
            "loglikelihoods": len(scores),
            "loglikelihoods_failed": len(scores) - len(differences),
            "largest_difference": max(differences),
        }


def _answers(backend: hf.HfBackend | server.ServerBackend, requests: list[Request]) -> list[object]:
    encoded = backend.encode(requests)
    by_key = {response.key: response for response in backend.answer(encoded)}
    return [by_key[one.key] for one in encoded]


if __name__ == "__main__":
    main()
