"""Train the toy checkpoints from scratch: ``python -m safetyrepro.quickstart.train --out DIR``.

Everything is drawn from the recipe's seed on one thread, so that a second run on the same machine writes the same bytes. Processors and
versions of torch round differently: elsewhere, equality is promised for every score of the card, not for the bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from safetyrepro.quickstart.corpus import documents
from safetyrepro.quickstart.formats import FORMATS, Encoded, Format, encode, train_tokenizer
from safetyrepro.quickstart.recipes import RECIPES, Recipe, balanced
from safetyrepro.quickstart.world import load_world

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

CHECKPOINTS = Path(__file__).parent / "checkpoints"
"""Folder of the committed checkpoints."""

REVERSAL = {
    "models": ("tiny-qwen2", "tiny-llama"),
    "configurations": ("truthfulqa/plain/sum", "truthfulqa/chat/sum"),
    "feature": ("chat_eighths",),
}
"""The reversal that the card explains: the toys, the configurations, and the feature of training that makes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Size of the toys and course of their training, equal for all of them."""

    vocabulary: int = 1024
    """Largest number of tokens."""
    width: int = 128
    """Width of the hidden states."""
    layers: int = 4
    """Number of layers."""
    heads: int = 4
    """Attention heads."""
    key_heads: int = 2
    """Heads of keys and values."""
    inner: int = 384
    """Width of the feed-forward layers."""
    positions: int = 4096
    """Longest text in tokens."""
    steps: int = 550
    """Optimizer steps."""
    batch: int = 12
    """Sequences a step."""
    length: int = 128
    """Tokens a sequence."""
    rate: float = 2.5e-3
    """Highest learning rate."""
    warmup: int = 40
    """Steps until it is reached."""
    question_weight: float = 0.1
    """Weight of a token of a question in the loss; one of an answer or a statement has weight 1."""


def build_model(recipe: Recipe, settings: Settings, tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    """An untrained model of the recipe's architecture."""
    import torch
    from transformers import AutoModelForCausalLM, GenerationConfig, LlamaConfig, MistralConfig, Qwen2Config

    kind: Any = {"qwen2": Qwen2Config, "mistral": MistralConfig, "llama": LlamaConfig}[
        recipe.architecture
    ]  # Any: three classes
    extra = {"sliding_window": None} if recipe.architecture == "mistral" else {}
    config = kind(
        vocab_size=len(tokenizer),
        hidden_size=settings.width,
        intermediate_size=settings.inner,
        num_hidden_layers=settings.layers,
        num_attention_heads=settings.heads,
        num_key_value_heads=settings.key_heads,
        max_position_embeddings=settings.positions,
        initializer_range=0.04,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        **extra,
    )
    torch.manual_seed(recipe.seed)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    model.generation_config = GenerationConfig(
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        do_sample=False,
    )
    return model


def batches(
    encoded: Sequence[Encoded], settings: Settings, rng: np.random.Generator
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """Endless batches of packed documents, (batch, length) ids and weights, in a new order each time through."""
    ids = [np.array(document.ids, dtype=np.int64) for document in encoded]
    weights = [np.where(document.answers, 1.0, settings.question_weight).astype(np.float32) for document in encoded]
    need = settings.batch * settings.length
    kept_ids, kept_weights = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.float32)
    while True:
        order = rng.permutation(len(ids))
        kept_ids = np.concatenate([kept_ids, *(ids[index] for index in order)])
        kept_weights = np.concatenate([kept_weights, *(weights[index] for index in order)])
        while len(kept_ids) >= need:
            shape = (settings.batch, settings.length)
            yield kept_ids[:need].reshape(shape), kept_weights[:need].reshape(shape)
            kept_ids, kept_weights = kept_ids[need:], kept_weights[need:]


def learning_rate(step: int, settings: Settings) -> float:
    """Linear warm-up, then a cosine down to 2 % of the highest rate."""
    if step < settings.warmup:
        return settings.rate * (step + 1) / settings.warmup
    share = (step - settings.warmup) / max(1, settings.steps - settings.warmup)
    return settings.rate * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * share)))


def fit(model: PreTrainedModel, encoded: Sequence[Encoded], settings: Settings, *, seed: int, label: str) -> float:
    """Train the model in place and give the mean loss of the last thirty steps."""
    import torch
    from rich.console import Console
    from rich.progress import track

    matrices = [weight for weight in model.parameters() if weight.ndim > 1]
    vectors = [weight for weight in model.parameters() if weight.ndim <= 1]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=settings.rate, betas=(0.9, 0.98))
    stream = batches(encoded, settings, np.random.default_rng(seed))
    losses: list[float] = []
    model.train()
    for step in track(range(settings.steps), description=label, console=Console(stderr=True)):
        ids, weights = next(stream)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, settings)
        loss = _loss(model, torch.from_numpy(ids), torch.from_numpy(weights))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(float(loss.detach()))
    return sum(losses[-30:]) / len(losses[-30:])


def _loss(model: PreTrainedModel, ids: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    import torch

    logits = model(input_ids=ids).logits[:, :-1]
    each = torch.nn.functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten(), reduction="none")
    flat = weights[:, 1:].flatten()
    return (each * flat).sum() / flat.sum()


def train(recipe: Recipe, folder: Path, settings: Settings) -> dict[str, object]:
    """Train one toy, save it, and give what ``checkpoints.json`` says of it."""
    import torch

    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    form: Format = FORMATS[recipe.architecture]
    text = documents(load_world(), recipe)
    tokenizer = train_tokenizer([document.text() for document in text], form, vocabulary=settings.vocabulary)
    encoded = [encode(document, tokenizer, form) for document in text]
    model = build_model(recipe, settings, tokenizer)
    loss = fit(model, encoded, settings, seed=recipe.seed, label=recipe.name)
    model.to(torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return {
        "recipe": asdict(recipe),
        "documents": len(text),
        "tokens": sum(len(document.ids) for document in encoded),
        "vocabulary": len(tokenizer),
        "parameters": sum(weight.numel() for weight in model.parameters()),
        "training_loss": round(loss, 4),
        "sha256": {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.glob("*.safetensors"))},
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Train the toys that the command line names and write them below a folder."""
    parser = argparse.ArgumentParser(prog="python -m safetyrepro.quickstart.train", description=main.__doc__)
    parser.add_argument("--out", type=Path, default=CHECKPOINTS, help="folder of the checkpoints (default: the package's own)")
    parser.add_argument("--only", choices=[recipe.name for recipe in RECIPES], action="append", help="train this one only")
    parser.add_argument(
        "--variant", choices=["standard", "balanced"], default="standard", help="balanced: half chat, half plain text"
    )
    parser.add_argument("--steps", type=int, default=Settings().steps, help="optimizer steps (default: %(default)s)")
    options = parser.parse_args(arguments)
    record: dict[str, object] = {}
    for recipe in RECIPES:
        if options.only and recipe.name not in options.only:
            continue
        chosen = balanced(recipe) if options.variant == "balanced" else recipe
        record[recipe.name] = train(chosen, options.out / recipe.name, Settings(steps=options.steps))
    (options.out / "checkpoints.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
