"""A module of vLLM's shape that tells the truth about a tiny model of transformers, remembers blocks of prompts, and lies on demand.

The shapes are those that vLLM 0.32 was seen to return: prompts as dicts of token ids; lists with None first, then dicts from token id to
what is said of it; the last token that was drawn part of an answer; the number of tokens that were not computed again.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BLOCK = 16


class VLLMError(Exception):
    """vLLM's own kind of error; no kind of the language."""


class VLLMValidationError(VLLMError):
    """A request that it refuses."""


@dataclass
class Logprob:
    logprob: float
    rank: int | None = None
    decoded_token: str | None = None


@dataclass
class CompletionOutput:
    index: int
    text: str
    token_ids: list[int]
    logprobs: list[dict[int, Logprob]] | None
    finish_reason: str | None
    stop_reason: int | str | None = None


@dataclass
class RequestOutput:
    request_id: str
    prompt_token_ids: list[int]
    prompt_logprobs: list[dict[int, Logprob] | None] | None
    outputs: list[CompletionOutput]
    num_cached_tokens: int | None = 0
    finished: bool = True


@dataclass
class SamplingParams:
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    repetition_penalty: float = 1.0
    seed: int | None = None
    stop: list[str] = field(default_factory=list)
    stop_token_ids: list[int] = field(default_factory=list)
    ignore_eos: bool = False
    max_tokens: int = 16
    logprobs: int | None = None
    prompt_logprobs: int | None = None
    detokenize: bool = True
    allowed_token_ids: list[int] | None = None

    def __post_init__(self) -> None:
        if 0 < self.temperature < 0.01:
            self.temperature = 0.01
        if not 0 < self.top_p <= 1:
            raise VLLMValidationError(f"top_p must be in (0, 1], got {self.top_p}.")
        if self.seed is not None and self.seed >= 2**64:
            raise ValueError("Overflow when unpacking long long")
        if self.temperature == 0:
            self.top_p, self.top_k = 1.0, 0
        if self.stop and not self.detokenize:
            raise VLLMValidationError("stop strings need detokenize=True")


@dataclass
class State:
    """What a test may look at and change, for all engines of one module."""

    fault: Callable[[RequestOutput], RequestOutput] | None = None
    """Changes what is said of one prompt."""
    breaks: Exception | None = None
    """Raised in the middle of answering."""
    refuses: Exception | None = None
    """Raised while a model is loaded."""
    cpu: bool = True
    resets: bool = True
    seen: list[tuple[list[int], SamplingParams]] = field(default_factory=list)
    loaded: list[dict[str, Any]] = field(default_factory=list)
    closed: int = 0
    aborted: list[str] = field(default_factory=list)


class LLM:
    state: State

    def __init__(
        self,
        model: str,
        *,
        tokenizer: str,
        runner: str,
        dtype: str,
        seed: int,
        trust_remote_code: bool,
        enforce_eager: bool,
        use_tqdm_on_load: bool,
        enable_prefix_caching: bool,
        max_num_batched_tokens: int,
        max_num_seqs: int,
        logprobs_mode: str,
        generation_config: str,
        gpu_memory_utilization: float = 0.92,
        kv_cache_memory_bytes: int | None = None,
        block_size: int | None = None,
    ) -> None:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        self.state.loaded.append(
            {name: value for name, value in locals().items() if isinstance(value, bool | int | float | str)}
        )
        if self.state.refuses is not None:
            raise self.state.refuses
        self._model = AutoModelForCausalLM.from_pretrained(Path(model), dtype=getattr(torch, dtype)).eval()
        self._tokenizer = AutoTokenizer.from_pretrained(Path(tokenizer))
        self._caching = enable_prefix_caching
        self._block = block_size or BLOCK
        self._blocks: set[tuple[int, ...]] = set()
        self._waiting: dict[str, int] = {}
        config = self._model.config
        limit = getattr(config, "max_position_embeddings", None) or config.n_positions
        self.model_config = types.SimpleNamespace(max_model_len=limit)
        self.llm_engine = types.SimpleNamespace(
            vllm_config=types.SimpleNamespace(cache_config=types.SimpleNamespace(block_size=self._block)),
            engine_core=types.SimpleNamespace(shutdown=self._shut_down),
            output_processor=types.SimpleNamespace(request_states=self._waiting),
            abort_request=self._abort,
        )

    def generate(
        self, prompts: list[dict[str, list[int]]], sampling_params: list[SamplingParams], *, use_tqdm: bool
    ) -> list[RequestOutput]:
        assert not use_tqdm
        assert not self._waiting, "requests of an earlier call would be answered in the place of these"
        for number, (prompt, params) in enumerate(zip(prompts, sampling_params, strict=True)):
            if len(prompt["prompt_token_ids"]) + params.max_tokens > self.model_config.max_model_len:
                raise VLLMValidationError(
                    "The decoder prompt plus the number of requested output tokens is longer than the model."
                )
            self._waiting[str(number)] = number
        found = []
        for number, (prompt, params) in enumerate(zip(prompts, sampling_params, strict=True)):
            self.state.seen.append((prompt["prompt_token_ids"], params))
            if self.state.breaks is not None and number == len(prompts) // 2:
                raise self.state.breaks
            output = self._answered(str(number), prompt["prompt_token_ids"], params)
            found.append(output if self.state.fault is None else self.state.fault(output))
            del self._waiting[str(number)]
        return found

    def reset_prefix_cache(self) -> bool:
        if self.state.resets:
            self._blocks.clear()
        return self.state.resets

    def _shut_down(self) -> None:
        self.state.closed += 1

    def _abort(self, request_ids: list[str], *, internal: bool) -> None:
        assert internal
        self.state.aborted += request_ids
        for name in request_ids:
            del self._waiting[name]

    def _answered(self, number: str, ids: list[int], params: SamplingParams) -> RequestOutput:
        rows = self._rows(ids)
        cached = 0 if params.prompt_logprobs is not None else self._remembered(ids)
        self._blocks |= {tuple(ids[:end]) for end in range(self._block, len(ids) + 1, self._block)}
        listed = None
        if params.prompt_logprobs is not None:
            told = [self._told(row, token) for row, token in zip(rows[:-1], ids[1:], strict=True)]
            listed = [None, *told]
        return RequestOutput(number, ids, listed, [self._drawn(ids, rows[-1], params)], cached)

    def _remembered(self, ids: list[int]) -> int:
        ends = [end for end in range(self._block, len(ids), self._block) if tuple(ids[:end]) in self._blocks]
        return max(ends, default=0) if self._caching else 0

    def _rows(self, ids: list[int]) -> Any:  # Any: a tensor
        import torch

        with torch.inference_mode():
            return torch.log_softmax(self._model(torch.tensor([ids])).logits[0].float(), dim=-1)

    def _told(self, row: Any, token: int) -> dict[int, Logprob]:  # Any: a tensor
        top = int(row.argmax())
        rank = int((row >= row[token]).sum())
        return {token: Logprob(float(row[token]), rank)} | ({} if token == top else {top: Logprob(float(row[top]), 1)})

    def _drawn(self, prompt: list[int], row: Any, params: SamplingParams) -> CompletionOutput:  # Any: a tensor
        import torch

        generator = None if params.seed is None else torch.Generator().manual_seed(params.seed)
        drawn: list[int] = []
        told: list[dict[int, Logprob]] = []
        while True:
            drawn.append(self._next(row, [*prompt, *drawn], params, generator))
            told.append(self._told(row, drawn[-1]))
            text = str(self._tokenizer.decode(drawn, skip_special_tokens=True)) if params.detokenize else ""
            stop = next((stop for stop in params.stop if stop in text), None)
            reason: str | None = "length" if len(drawn) == params.max_tokens else None
            if drawn[-1] in params.stop_token_ids or stop is not None:
                reason = "stop"
            if reason is not None:
                return CompletionOutput(0, text, drawn, told if params.logprobs is not None else None, reason, stop)
            row = self._rows([*prompt, *drawn])[-1]

    def _next(self, row: Any, seen: list[int], params: SamplingParams, generator: Any) -> int:  # Any: tensor, generator
        import torch

        if params.allowed_token_ids is not None:
            return max(params.allowed_token_ids, key=lambda token: float(row[token]))
        row = row.clone()
        if params.repetition_penalty != 1:
            row[sorted(set(seen))] *= params.repetition_penalty
        if params.temperature == 0:
            return int(row.argmax())
        row = row / params.temperature
        if params.top_k:
            row[row < row.topk(params.top_k).values[-1]] = -torch.inf
        if params.top_p < 1:
            ordered, order = row.softmax(-1).sort(descending=True)
            row[order[ordered.cumsum(0) - ordered >= params.top_p]] = -torch.inf
        return int(torch.multinomial(row.softmax(-1), 1, generator=generator))


def fake_modules() -> tuple[State, dict[str, types.ModuleType]]:
    """A fresh module with its submodules, by name, and its state."""
    state = State()
    names = ("vllm", "vllm.exceptions", "vllm.platforms", "vllm.distributed", "vllm.distributed.parallel_state")
    modules = {name: types.ModuleType(name) for name in names}
    platform = types.SimpleNamespace(is_cpu=lambda: state.cpu, get_device_name=lambda: "a card")
    parts = {
        "vllm": {"LLM": type("LLM", (LLM,), {"state": state}), "SamplingParams": SamplingParams, "__version__": "0.32.0"},
        "vllm.exceptions": {"VLLMError": VLLMError},
        "vllm.platforms": {"current_platform": platform},
        "vllm.distributed.parallel_state": {"cleanup_dist_env_and_memory": lambda: None},
    }
    for name, contents in parts.items():
        for part, value in contents.items():
            setattr(modules[name], part, value)
    return state, modules
