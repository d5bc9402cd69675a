"""Whether the paper's models at NF4 fit a card of 16 GB: arithmetic from their configurations, held against real layers on this processor.

python bench/footprint.py --out bench/results/footprint.json     about 6 minutes of one processor, 3 GB

Each model's layers are made at their real width with random weights, one layer and then two, and loaded at NF4 as a study loads them. What
is held is counted; the difference is a layer, so 28 to 48 of them follow without a rounding. Then requests are answered and the process's
highest memory is compared with the arithmetic's upper limit.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from machine import machine
from models import make_model

from safetyrepro.backends.checkpoint import Loaded, find_checkpoint, load_checkpoint
from safetyrepro.backends.hf import HfBackend
from safetyrepro.footprint import PUBLISHED, Shape, footprint, shape_of, token_bytes, weight_bytes
from safetyrepro.records import Prompt, Request
from safetyrepro.study import EngineSpec, ModelSpec

DTYPE, QUANTIZATION = "bfloat16", "nf4"
CARD_BYTES = 16_000_000_000
THRESHOLD = "MALLOC_MMAP_THRESHOLD_"
LONGEST = 2048
"""Tokens of the longest request with its answer: five BBQ examples, or a prompt and 512 tokens, stay below it."""


def made(folder: Path, configuration: Mapping[str, object], layers: int) -> Path:
    """A checkpoint of random weights: real width, few layers, a small vocabulary."""
    import torch
    import transformers

    make_model(folder, [f"sentence number {number} of the lake" for number in range(400)], layers=1, width=64)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    stated = {**configuration, "num_hidden_layers": layers, "vocab_size": len(tokenizer), "max_position_embeddings": 4096}
    kind = str(stated.pop("model_type"))
    config = transformers.AutoConfig.for_model(kind, **stated, tie_word_embeddings=False, bos_token_id=None, eos_token_id=0)
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    model.save_pretrained(folder)
    return folder


def loaded(folder: Path) -> Loaded:
    """Load it as a study loads it."""
    checkpoint = find_checkpoint(ModelSpec(name="m", path=str(folder)), folder)
    return load_checkpoint(checkpoint, name="m", dtype=DTYPE, quantization=QUANTIZATION, device="cpu")


def held(model: Any) -> int:  # Any: transformers is not typed
    """Bytes of a model's weights with all that quantization keeps beside them."""
    tensors = [*model.parameters(), *model.buffers()]
    for parameter in model.parameters():
        state = getattr(parameter, "quant_state", None)
        while state is not None:
            tensors += [one for name in ("absmax", "code", "offset") if (one := getattr(state, name, None)) is not None]
            state = getattr(state, "state2", None)
    return sum(one.nbytes for one in {one.data_ptr(): one for one in tensors}.values())


def layer_of(configuration: Mapping[str, object], folder: Path) -> dict[str, Any]:
    """What one more layer takes, held and by arithmetic."""
    found, computed = [], []
    for layers in (1, 2):
        model = loaded(made(folder / str(layers), configuration, layers)).model
        found.append(held(model))
        computed.append(weight_bytes(small(model), dtype=DTYPE, quantization=QUANTIZATION))
        del model
        gc.collect()
    return {"measured": found[1] - found[0], "computed": computed[1] - computed[0]}


def small(model: Any) -> Shape:  # Any: transformers is not typed
    """The shape of what is loaded."""
    shape = shape_of(model.config.to_dict())
    assert shape is not None
    return shape


def answering(folder: Path, batch_tokens: int, requests: Sequence[Request]) -> dict[str, Any]:
    """The highest memory while requests are answered, above what the process held when the model was loaded."""
    found = loaded(folder)
    backend = HfBackend(found, EngineSpec(device="cpu", threads=1, batch_tokens=batch_tokens))
    encoded = backend.encode(requests)
    longest = max(len(one.context_ids) + len(one.continuation_ids) for one in encoded)
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    before, begun = status("VmRSS"), time.perf_counter()
    list(backend.answer(encoded))
    limit = footprint(
        small(found.model),
        dtype=DTYPE,
        quantization=QUANTIZATION,
        longest=longest,
        batch_tokens=batch_tokens,
        on_card=False,
    )
    return {
        "requests": len(requests),
        "longest": longest,
        "batch_tokens": batch_tokens,
        "seconds": round(time.perf_counter() - begun, 1),
        "measured_above_weights": status("VmHWM") - before,
        "computed_limit_above_weights": limit.total - limit.weights,
    }


def status(field: str) -> int:
    """A line of /proc/self/status in bytes."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))


def questions(count: int) -> list[Request]:
    """Requests with a long shared beginning, and two continuations each."""
    stem = " ".join(f"sentence number {number} of the lake" for number in range(60))
    return [
        Request(prompt=Prompt.plain(f"{stem} and the number {number} of the lake"), continuation=text)
        for number in range(count)
        for text in (" of the lake", " number")
    ]


def with_exact_memory() -> None:
    """Start again so that every large tensor has pages of its own: otherwise memory that loading gave back hides what answering takes."""
    if THRESHOLD not in os.environ:
        os.environ[THRESHOLD] = "65536"
        os.execv(sys.executable, [sys.executable, *sys.argv])


def main() -> None:
    """Compare, and say whether the paper's study fits."""
    with_exact_memory()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="JSON file to write")
    parser.add_argument("--requests", type=int, default=16, help="questions that are answered to see the highest memory")
    parser.add_argument("--batch-tokens", type=int, default=512)
    options = parser.parse_args()
    models: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for number, (repository, configuration) in enumerate(PUBLISHED.items()):
            shape = shape_of(configuration)
            assert shape is not None
            layer = layer_of(configuration, Path(scratch) / str(number))
            whole = footprint(
                shape, dtype=DTYPE, quantization=QUANTIZATION, longest=LONGEST, batch_tokens=EngineSpec().batch_tokens
            )
            scaled = whole.weights + shape.layers * (layer["measured"] - layer["computed"])
            models[repository] = {
                "parameters": shape.parameters,
                "layer_bytes": layer,
                "weights_from_measured_layers": scaled,
                "bytes_of_a_token": token_bytes(shape, dtype=DTYPE),
                "computed": asdict(whole) | {"total": whole.total},
                "fits_16_gb": whole.total + scaled - whole.weights <= CARD_BYTES,
            }
        answered = answering(Path(scratch) / "1" / "2", options.batch_tokens, questions(options.requests))
    result = {
        "machine": machine(),
        "load": {"dtype": DTYPE, "quantization": QUANTIZATION},
        "longest": LONGEST,
        "models": models,
        "answering": answered,
    }
    text = json.dumps(result, indent=1)
    print(text)
    if options.out:
        options.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
