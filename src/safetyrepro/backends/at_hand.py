"""What of a checkpoint can be known without loading or fetching it: how it encodes requests, and how it is configured.

A plan asks this before anything is loaded. What is not on this machine is unknown, and None.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from safetyrepro.backends.base import Encoded, ModelIdentity
from safetyrepro.backends.checkpoint import PATTERNS, load_tokenizer
from safetyrepro.backends.encoding import Encoder, length_limit, resolved
from safetyrepro.errors import ModelError
from safetyrepro.records import Request
from safetyrepro.study import ModelSpec

if TYPE_CHECKING:
    from transformers import GenerationConfig

NOBODY = ModelIdentity(
    name="", weights="", tokenizer="", chat_template="", dtype="", quantization="", engine="", device="", revision=""
)
"""Stands where keys are only compared with keys of the same model, and nothing is stored under them."""


def folder_at_hand(model: ModelSpec, folder: Path) -> Path | None:
    """The folder of a checkpoint that is on this machine: the one that the study names, or the hub's cache.

    Parameters
    ----------
    model : ModelSpec
        Which model.
    folder : Path
        Folder of the study, against which relative paths are read.
    """
    if model.path is not None:
        place = folder / model.path
        return place if (place / "config.json").is_file() else None
    if model.repository is None or model.url is not None or find_spec("huggingface_hub") is None:
        return None
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        cached = snapshot_download(
            model.repository, revision=model.revision, allow_patterns=list(PATTERNS), local_files_only=True
        )
    except (HFValidationError, LocalEntryNotFoundError, OSError):
        return None
    return Path(cached)


def configuration_at_hand(model: ModelSpec, folder: Path) -> dict[str, object] | None:
    """The checkpoint's config.json; None where it is not on this machine or is no JSON object."""
    place = folder_at_hand(model, folder)
    if place is None:
        return None
    try:
        found = json.loads((place / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


@dataclass(frozen=True, slots=True)
class EncoderAtHand:
    """What renders and tokenizes for a model whose weights are not loaded."""

    encoder: Encoder
    """Renders and tokenizes; its keys belong to no model."""
    generation: GenerationConfig | None
    """The model's own generation settings; None where it brings none."""

    def asked(self, requests: Sequence[Request]) -> dict[Request, Hashable]:
        """What reaches the model for each request: tokens, and how the answer is drawn; equal exactly where the model is asked the same."""
        return {entry.request: self._asked(entry) for entry in self.encoder.encode(requests)}

    def _asked(self, entry: Encoded) -> Hashable:
        decoding = None if entry.request.decoding is None else resolved(entry.request.decoding, self.generation)
        if decoding is not None:
            # A greedy answer depends on neither a seed nor on who asked for greedy.
            seed = decoding.seed if decoding.temperature > 0 else None
            decoding = dataclasses.replace(decoding, model_default=False, seed=seed)
        refused = entry.key if entry.refusal else None
        return entry.context_ids, entry.continuation_ids, decoding, refused


def encoder_at_hand(model: ModelSpec, folder: Path) -> EncoderAtHand | None:
    """What renders and tokenizes for a model; None where its tokenizer is not on this machine or cannot be read.

    Parameters
    ----------
    model, folder
        As in `folder_at_hand`.
    """
    place = folder_at_hand(model, folder)
    if place is None or find_spec("transformers") is None:
        return None
    import transformers

    try:
        tokenizer = load_tokenizer(place, f"model '{model.name}'")
        configuration = transformers.AutoConfig.from_pretrained(place, local_files_only=True, trust_remote_code=False)
    except (ModelError, OSError, ValueError, KeyError):
        return None
    limit = length_limit(configuration.get_text_config(), int(tokenizer.model_max_length))
    generation = _generation(place)
    return EncoderAtHand(Encoder(tokenizer, NOBODY, max_length=limit, generation=generation), generation)


def _generation(place: Path) -> GenerationConfig | None:
    """The model's own generation settings; None where it brings none, so that its own answers are greedy."""
    import transformers

    try:
        return transformers.GenerationConfig.from_pretrained(place, local_files_only=True)
    except OSError:
        return None
