"""A checkpoint becomes a loaded model with an identity: found, digested, loaded, or refused with the way out.

The identity is the digest of what computes the answers: the weight files and their configuration, the tokenizer as it behaves once
loaded, the chat template, the number format, the libraries. A name or a folder is never part of it. Code that a checkpoint brings
along is never run, and weights are read from safetensors only, because reading a pickle runs code.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from safetyrepro.backends.base import ModelIdentity
from safetyrepro.errors import MissingDependency, ModelError
from safetyrepro.study import ModelSpec

if TYPE_CHECKING:
    import torch
    from transformers import BitsAndBytesConfig, GenerationConfig, PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

ENGINE = "safetyrepro-hf 1"
"""Name and version of our own part of the computation; raised when it may change a number beyond rounding."""
PATTERNS = ("*.safetensors", "*.json", "*.jinja", "*.txt", "*.model")
"""Files that are fetched from a repository; weights in other formats and code are not."""
CONFIGURATIONS = ("config.json", "generation_config.json")
"""Files beside the weights that change what is computed."""
BLOCK = 1 << 22


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The files of a model."""

    folder: Path
    """Folder that holds them."""
    weights: tuple[Path, ...]
    """Its safetensors files, by name."""
    revision: str = ""
    """Commit that the repository resolved to; empty for a folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A model in memory, ready to be asked."""

    model: PreTrainedModel
    """The causal language model, in evaluation mode."""
    tokenizer: PreTrainedTokenizerBase
    """Its tokenizer."""
    identity: ModelIdentity
    """The digest of what was loaded."""
    device: torch.device
    """Where it computes."""


def find_checkpoint(model: ModelSpec, folder: Path) -> Checkpoint:
    """Find the files of a model: a folder relative to the study, or a repository at a revision, fetched if need be.

    Raises
    ------
    ModelError
        If there is no such folder or repository, or it holds no safetensors weights.
    """
    where = f"model '{model.name}'"
    if model.path is not None:
        place, revision = folder / model.path, ""
    elif model.repository is not None and model.url is None:
        place, revision = _fetched(model.repository, model.revision, where)
    else:
        raise ModelError(
            where,
            found="names no checkpoint",
            expected="'path' or 'repository', and no 'url'",
            remedy="Name one, or set 'backend: server' for a model behind an address.",
        )
    if not (place / "config.json").is_file():
        raise ModelError(
            where,
            found=f"{place} holds no config.json",
            expected="the folder of a transformers checkpoint",
            remedy="Correct the field 'path'.",
        )
    return Checkpoint(folder=place, weights=_weight_files(place, where), revision=revision)


def load_checkpoint(checkpoint: Checkpoint, *, name: str, dtype: str, quantization: str, device: str) -> Loaded:
    """Load a checkpoint.

    Parameters
    ----------
    checkpoint : Checkpoint
        Its files.
    name : str
        Name of the model in the study.
    dtype : str
        ``float32``, ``bfloat16`` or ``float16``.
    quantization : str
        ``none``, ``nf4`` or ``int8``.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Raises
    ------
    ModelError
        If the files do not make a causal language model, or the device is absent.
    MissingDependency
        If bitsandbytes is needed and absent.
    """
    from safetensors import SafetensorError

    where = f"model '{name}'"
    target = choose_device(device, where)
    quantizer = _quantizer(quantization, dtype, where)
    tokenizer = load_tokenizer(checkpoint.folder, where)
    try:
        model = _load(checkpoint.folder, dtype=dtype, quantizer=quantizer, device=target, where=where)
    except (OSError, ValueError, KeyError, RuntimeError, ImportError, SafetensorError) as error:
        raise ModelError(
            where,
            found=f"{checkpoint.folder} cannot be loaded: {' '.join(str(error).split())[:300]}",
            expected="a causal language model that transformers knows without code of its own",
            remedy="Check the folder, or the model's page for the version of transformers that it needs.",
        ) from error
    already = getattr(model.config, "quantization_config", None)
    identity = ModelIdentity(
        name=name,
        weights=weights_digest(checkpoint),
        tokenizer=tokenizer_digest(tokenizer),
        chat_template=hashlib.sha256(template_text(tokenizer).encode()).hexdigest(),
        dtype=dtype,
        quantization=quantization if quantizer or already is None else quantization_method(already),
        engine=_engine(model, quantization),
        device=_device_kind(target),
        revision=checkpoint.revision,
    )
    return Loaded(model=model, tokenizer=tokenizer, identity=identity, device=target)


def load_tokenizer(folder: Path, where: str) -> PreTrainedTokenizerBase:
    """Load a tokenizer alone.

    Raises
    ------
    ModelError
        If the folder holds none, or one that marks neither begin nor end of a text.
    MissingDependency
        If transformers is absent.
    """
    try:
        import transformers
    except ImportError as error:
        raise MissingDependency("transformers", purpose=f"{where}, tokenizer", extra="hf") from error
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise ModelError(
            where,
            found=f"{folder} holds no tokenizer that can be loaded: {' '.join(str(error).split())[:300]}",
            remedy="Correct the field 'path'.",
        ) from error
    if tokenizer.eos_token_id is None and tokenizer.bos_token_id is None:
        raise ModelError(
            where, found="its tokenizer has neither a first nor a last token", remedy="Declare one in tokenizer_config.json."
        )
    return tokenizer


def generation_settings(folder: Path, configuration: PretrainedConfig) -> GenerationConfig:
    """A checkpoint's own generation settings, from their file, else from its configuration, as transformers reads them."""
    import transformers

    try:
        return transformers.GenerationConfig.from_pretrained(folder, local_files_only=True)
    except OSError:
        return transformers.GenerationConfig.from_model_config(configuration)


def choose_device(wanted: str, where: str) -> torch.device:
    """Return the device that a study's word names.

    Raises
    ------
    ModelError
        If the word is unknown or no such device is present.
    """
    import torch

    present = torch.cuda.is_available()
    if wanted == "auto":
        return torch.device("cuda" if present else "cpu")
    try:
        device = torch.device(wanted)
    except RuntimeError as error:
        raise ModelError(where, found=f"'{wanted}' is not a device", expected="auto, cpu, cuda or cuda:N") from error
    if device.type == "cuda" and not (present and (device.index or 0) < torch.cuda.device_count()):
        raise ModelError(where, found=f"device '{wanted}' is not present", remedy="Set 'engine.device' to auto or cpu.")
    return device


def weights_digest(checkpoint: Checkpoint) -> str:
    """SHA-256 over the weight files and the configurations beside them, by name and content; read in blocks."""
    total = hashlib.sha256()
    configurations = [checkpoint.folder / name for name in CONFIGURATIONS]
    for file in [*checkpoint.weights, *(file for file in configurations if file.is_file())]:
        content = hashlib.sha256()
        with file.open("rb") as stream:
            while block := stream.read(BLOCK):
                content.update(block)
        total.update(f"{file.name} {content.hexdigest()}\n".encode())
    return total.hexdigest()


def tokenizer_digest(tokenizer: PreTrainedTokenizerBase) -> str:
    """SHA-256 of what the tokenizer does: its serialized form and its special tokens."""
    fast = getattr(tokenizer, "backend_tokenizer", None)
    content = fast.to_str() if fast is not None else json.dumps(tokenizer.get_vocab(), sort_keys=True)
    special = json.dumps(tokenizer.special_tokens_map, sort_keys=True, default=str)
    return hashlib.sha256(f"{type(tokenizer).__name__}\n{content}\n{special}".encode()).hexdigest()


def template_text(tokenizer: PreTrainedTokenizerBase) -> str:
    """The chat template as one text; empty where there is none."""
    template = tokenizer.chat_template
    return template or "" if template is None or isinstance(template, str) else json.dumps(template, sort_keys=True)


def _fetched(repository: str, revision: str | None, where: str) -> tuple[Path, str]:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(repository, revision=revision, allow_patterns=list(PATTERNS)))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise ModelError(
            where,
            found=f"repository '{repository}' at revision '{revision or 'main'}' cannot be fetched: {type(error).__name__}",
            remedy="Check the name, the revision and the network; a gated model needs a token in the environment.",
        ) from error
    return folder, folder.name


def _weight_files(folder: Path, where: str) -> tuple[Path, ...]:
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        absent = [name for name in names if not (folder / name).is_file()]
        if absent:
            raise ModelError(where, found=f"{folder} lacks {', '.join(absent)}", remedy="Fetch the files that its index names.")
        return tuple(folder / name for name in names)
    single = folder / "model.safetensors"
    if single.is_file():
        return (single,)
    pickles = sorted(file.name for pattern in ("*.bin", "*.pt", "*.pth") for file in folder.glob(pattern))
    raise ModelError(
        where,
        found=f"{folder} holds no safetensors weights" + (f", only {', '.join(pickles)}" if pickles else ""),
        expected="model.safetensors or model.safetensors.index.json",
        remedy="Convert the weights: reading a pickle runs the code in it, so this package does not.",
    )


def _load(
    folder: Path, *, dtype: str, quantizer: BitsAndBytesConfig | None, device: torch.device, where: str
) -> PreTrainedModel:
    import torch
    import transformers

    placed = {} if quantizer is None else {"quantization_config": quantizer, "device_map": {"": device}}
    with _without_progress_bar():
        model, report = transformers.AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=getattr(torch, dtype),
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            output_loading_info=True,
            **placed,
        )
    if report["missing_keys"]:
        missing = sorted(report["missing_keys"])
        raise ModelError(
            where,
            found=f"the weights lack {len(missing)} tensors that the model needs, such as {missing[0]}",
            expected="a whole causal language model",
            remedy="They would be random numbers; use a checkpoint with a language-model head.",
        )
    return (model if quantizer is not None else model.to(device)).eval()


@contextmanager
def _without_progress_bar() -> Iterator[None]:
    """Loading prints a bar of its own; it is put back as it was."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _quantizer(quantization: str, dtype: str, where: str) -> BitsAndBytesConfig | None:
    if quantization == "none":
        return None
    try:
        import bitsandbytes  # noqa: F401  # its absence must be met here, not inside transformers
    except ImportError as error:
        raise MissingDependency(
            "bitsandbytes", purpose=f"{where}, quantization '{quantization}'", extra="quantization"
        ) from error
    import torch
    from transformers import BitsAndBytesConfig

    if quantization == "int8":
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=getattr(torch, dtype),
    )


def quantization_method(configuration: Mapping[str, object] | object) -> str:
    """Name of the scheme that a checkpoint's configuration states, ``unknown`` where it states one without a name."""
    method = configuration.get("quant_method") if isinstance(configuration, Mapping) else None
    return str(getattr(method or getattr(configuration, "quant_method", "unknown"), "value", method or "unknown"))


def _engine(model: PreTrainedModel, quantization: str) -> str:
    from importlib.metadata import version

    libraries = ["torch", "transformers", "tokenizers"] + ([] if quantization == "none" else ["bitsandbytes"])
    versions = ", ".join(f"{library} {version(library)}" for library in libraries)
    return f"{ENGINE} ({versions}, attention {model.config._attn_implementation})"  # noqa: SLF001  # no public name


def _device_kind(device: torch.device) -> str:
    import torch

    return f"cpu {platform.machine()}" if device.type == "cpu" else torch.cuda.get_device_name(device)
