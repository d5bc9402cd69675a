"""vLLM as this package uses it: started, asked in token ids, and let go. What is used of its interface stands here as types.

vLLM pins a torch of its own, so it lives in an environment of its own, and nothing of it is imported before a study chooses it. The engine
runs in this process: in one of its own it would begin to answer while requests still arrive, and which of them share a pass, and with
that the rounding, would depend on time.
"""

from __future__ import annotations

import gc
import os
import platform
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

from safetyrepro.errors import MissingDependency, ModelError, RequestFailed
from safetyrepro.study import EngineSpec

LIBRARIES = ("torch", "transformers", "tokenizers")
"""Libraries whose versions are part of the engine's name, beside vLLM's own."""
VARIABLES = {"VLLM_ENABLE_V1_MULTIPROCESSING": "0", "VLLM_NO_USAGE_STATS": "1", "VLLM_LOGGING_LEVEL": "ERROR"}
"""What vLLM is told through the environment, unless a user told it something else: one process, no report of its use, no running log."""
MOST_TOGETHER = 256
"""Sequences in one pass, at most."""
CACHE_BYTES = 4 << 30
"""Keys and values on a processor, where no share of the memory is named: vLLM would take all of it."""
CPU_BLOCK = 32
"""Tokens that are shared as one on a processor: the fewest that vLLM's kernels take, where it would take 128."""
LIBRARY_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What vLLM and the libraries below it raise for a model that they cannot load or compute, beside its own kind."""


class Told(Protocol):
    """What is said of one token at one place."""

    logprob: float
    """Its natural log-probability."""


class Completion(Protocol):
    """What was drawn behind a prompt."""

    token_ids: Sequence[int]
    """The tokens, the ending one included."""
    finish_reason: str | None
    """``stop`` or ``length``; anything else is no answer."""
    logprobs: Sequence[Mapping[int, Told]] | None
    """For each token what is said of it and of the likeliest one, by token id."""


class Output(Protocol):
    """The result for one prompt."""

    prompt_logprobs: Sequence[Mapping[int, Told] | None] | None
    """For each token of the prompt what is said of it and of the likeliest one; None for the first. None where it was not asked."""
    outputs: Sequence[Completion]
    """What was drawn, one for each prompt."""
    num_cached_tokens: int | None
    """Tokens of the prompt that were not computed because another prompt had begun with them."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One prompt and how it is to be continued."""

    ids: tuple[int, ...]
    """Token ids of the prompt, at least one."""
    settings: Mapping[str, object]
    """Fields of vLLM's SamplingParams."""


class VllmEngine:
    """A running vLLM with one model.

    Parameters
    ----------
    llm : object
        A ``vllm.LLM``.
    library : module
        The module ``vllm``.

    Attributes
    ----------
    max_length : int
        Longest sequence that it takes, prompt and answer together.
    block : int
        Tokens in a block of its prefix cache: only whole blocks are shared.
    errors : tuple of exception classes
        What it raises.
    """

    def __init__(self, llm: Any, library: Any) -> None:  # Any: vLLM is not installed where types are checked
        self._llm = llm
        self._library = library
        self.max_length = int(llm.model_config.max_model_len)
        self.block = int(llm.llm_engine.vllm_config.cache_config.block_size)
        self.errors = engine_errors()

    @property
    def name(self) -> str:
        """Name and version of the engine, with the versions of its libraries."""
        from importlib.metadata import version

        versions = ", ".join(f"{library} {version(library)}" for library in LIBRARIES)
        return f"vllm {self._library.__version__}, {versions}, eager"

    @property
    def device(self) -> str:
        """Kind of device that it computes on."""
        here = _platform()
        return f"cpu {platform.machine()}" if here.is_cpu() else str(here.get_device_name())

    def admit(self, asked: Asked) -> object:
        """The settings of a request in vLLM's own form.

        Raises
        ------
        RequestFailed
            If vLLM refuses one of them, or would put another value in its place.
        """
        try:
            settings = self._library.SamplingParams(**asked.settings)
        except self.errors as error:
            raise RequestFailed("vLLM", found=f"refuses the request: {in_a_line(error)}") from error
        for name, value in asked.settings.items():
            if getattr(settings, name) != value:
                raise RequestFailed("vLLM", found=f"takes {getattr(settings, name)} for {name}", expected=str(value))
        return cast("object", settings)

    def ask(self, asked: Sequence[Asked]) -> list[Output]:
        """Answer prompts together, in order.

        Raises
        ------
        RequestFailed
            If one is refused; then none is asked.
        """
        if not asked:
            return []
        settings = [self.admit(one) for one in asked]
        prompts = [{"prompt_token_ids": list(one.ids)} for one in asked]
        with ExitStack() as stack:
            stack.callback(self._abandon)
            outputs = list(self._llm.generate(prompts, settings, use_tqdm=False))
            stack.pop_all()
        return outputs

    def forget(self) -> bool:
        """Empty the prefix cache, so that answers do not depend on what was asked before; returns whether it was emptied."""
        return bool(self._llm.reset_prefix_cache())

    def close(self) -> None:
        """Let the model go, and with it the memory that was taken for keys and values."""
        with suppress(*self.errors):
            self._llm.llm_engine.engine_core.shutdown()
        del self._llm
        gc.collect()
        from vllm.distributed.parallel_state import cleanup_dist_env_and_memory

        cleanup_dist_env_and_memory()

    def _abandon(self) -> None:
        """Take back whatever is still waiting, or it would be answered in the place of the next requests."""
        with suppress(*self.errors):
            engine = self._llm.llm_engine
            engine.abort_request(list(engine.output_processor.request_states), internal=True)


def start_engine(folder: Path, *, dtype: str, engine: EngineSpec, where: str) -> VllmEngine:
    """Start vLLM with a checkpoint.

    Parameters
    ----------
    folder : Path
        The checkpoint.
    dtype : str
        ``float32``, ``bfloat16`` or ``float16``.
    engine : EngineSpec
        Device, tokens in a pass, share of the memory, whether prefixes are shared.
    where : str
        The model, for errors.

    Raises
    ------
    MissingDependency
        If vLLM is not installed.
    ModelError
        If it cannot be imported, was built for another device, or cannot load the model; the sentence holds its reason.
    """
    library = import_vllm(where)
    _check_device(engine.device, where)
    if engine.threads is not None:
        import torch

        torch.set_num_threads(engine.threads)
    try:
        llm = library.LLM(
            model=str(folder),
            tokenizer=str(folder),
            runner="generate",
            dtype=dtype,
            seed=0,
            trust_remote_code=False,
            enforce_eager=True,
            use_tqdm_on_load=False,
            enable_prefix_caching=engine.share_prefixes,
            max_num_batched_tokens=engine.batch_tokens,
            max_num_seqs=min(MOST_TOGETHER, engine.batch_tokens),
            logprobs_mode="raw_logprobs",
            generation_config="vllm",
            **_memory(engine.memory_share),
        )
    except engine_errors() as error:
        raise ModelError(
            where,
            found=f"vLLM cannot load it: {in_a_line(error)}",
            expected="a model that this version of vLLM computes, and memory for it",
            remedy="Use backend 'hf', or change what vLLM names; 'engine.memory_share' is the share of memory that it may take.",
        ) from error
    return VllmEngine(llm, library)


def import_vllm(where: str) -> Any:  # Any: vLLM is not installed where types are checked
    """The module ``vllm``.

    Raises
    ------
    MissingDependency
        If it is not installed in this environment.
    ModelError
        If it is, and cannot be imported.
    """
    for name, value in VARIABLES.items():
        os.environ.setdefault(name, value)
    try:
        import vllm
        from vllm.exceptions import VLLMError  # noqa: F401  # what else is needed of it must be met here
    except ModuleNotFoundError as error:
        raise MissingDependency(error.name or "vllm", purpose=f"{where}, backend 'vllm'", extra="vllm") from error
    except LIBRARY_ERRORS as error:
        raise ModelError(
            where,
            found=f"vLLM is installed and cannot be imported: {in_a_line(error)}",
            remedy="Install it anew, in an environment of its own: pip install 'safetyrepro[vllm]'",
        ) from error
    return vllm


def engine_errors() -> tuple[type[Exception], ...]:
    """What vLLM raises."""
    from vllm.exceptions import VLLMError

    return (*LIBRARY_ERRORS, VLLMError)


def in_a_line(error: Exception) -> str:
    """An error as the end of a sentence: its kind and the beginning of what it says."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}".rstrip(".")


def _platform() -> Any:  # Any: vLLM is not installed where types are checked
    from vllm.platforms import current_platform

    return current_platform


def _check_device(device: str, where: str) -> None:
    kind = "cpu" if _platform().is_cpu() else "cuda"
    if device in {"auto", kind}:
        return
    raise ModelError(
        where,
        found=f"vLLM here computes on '{kind}', the study asks for '{device}'",
        expected=f"auto or {kind}",
        remedy="Correct 'engine.device'; which graphics card vLLM takes is chosen by the variable CUDA_VISIBLE_DEVICES.",
    )


def _memory(share: float | None) -> dict[str, object]:
    """What vLLM is told about memory: little on a card, which it was made for."""
    here: dict[str, object] = {"block_size": CPU_BLOCK} if _platform().is_cpu() else {}
    if share is not None:
        return here | {"gpu_memory_utilization": share}
    return here | {"kv_cache_memory_bytes": CACHE_BYTES} if here else here
