"""Causal language models of transformers, by folder or by repository and revision."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from safetyrepro.backends.base import Encoded, chosen_levels, dtype_factor
from safetyrepro.backends.checkpoint import Loaded, find_checkpoint, load_checkpoint
from safetyrepro.backends.drafts import Drafting
from safetyrepro.backends.encoding import Encoder, length_limit
from safetyrepro.backends.forward import Forward
from safetyrepro.backends.generation import Generator
from safetyrepro.backends.prefix import Scorable
from safetyrepro.backends.replies import failed, generated, scored
from safetyrepro.backends.scoring import Scorer
from safetyrepro.envelope import Evidence, Factor, Level, Source, Stage
from safetyrepro.errors import MissingDependency
from safetyrepro.manifest import TokenCounts
from safetyrepro.records import Request, RequestKind, Response
from safetyrepro.study import EngineSpec, ModelSpec

NAME = "hf"

_TRANSFORMERS = Source(package="transformers", version="5", file="PreTrainedModel.from_pretrained", evidence=Evidence.READ)
_QLORA = Source(package="bitsandbytes", version="0.50", file="Dettmers et al. 2023, QLoRA", evidence=Evidence.READ)

FACTORS: tuple[Factor, ...] = (
    dtype_factor(_TRANSFORMERS),
    Factor(
        name="quantization",
        stage=Stage.LOAD,
        about="How the weights of linear layers are stored; the computation is in the dtype.",
        levels=(
            Level(name="none", about="As the dtype says."),
            Level(name="nf4", about="4-bit NormalFloat with double quantization, as in QLoRA.", sources=(_QLORA,)),
            Level(name="int8", about="8-bit integers by rows, outliers apart (LLM.int8).", sources=(_QLORA,)),
        ),
    ),
)

OUT_OF_MEMORY = "out of memory: the request does not fit by itself"


class HfBackend:
    """A model of transformers that answers requests.

    Parameters
    ----------
    loaded : Loaded
        The model in memory.
    engine : EngineSpec
        Batch size and threads.
    """

    def __init__(self, loaded: Loaded, engine: EngineSpec) -> None:
        settings = getattr(loaded.model, "generation_config", None)
        limit = length_limit(loaded.model.config.get_text_config(), int(loaded.tokenizer.model_max_length))
        self.identity = loaded.identity
        self._forward = Forward(loaded.model, loaded.device)
        self._encoder = Encoder(loaded.tokenizer, loaded.identity, max_length=limit, generation=settings)
        self._threads = _set_threads(engine.threads)
        self._scorer = Scorer(self._forward, batch_tokens=engine.batch_tokens, share=engine.share_prefixes)
        drafting = Drafting(self._encoder, settings, eos=loaded.tokenizer.eos_token_id)
        self._generator = Generator(self._forward, drafting, self._scorer, batch_tokens=engine.batch_tokens)

    @property
    def counters(self) -> TokenCounts:
        """Tokens so far, of log-likelihoods and prompts; drawn tokens apart."""
        scorer, generator = self._scorer, self._generator
        return TokenCounts(
            planned=scorer.naive + generator.naive,
            computed=scorer.computed + generator.computed,
            padded=scorer.padded + generator.padded,
            limit=scorer.limit + generator.limit,
            generated=generator.drawn,
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the run should know about how it was computed, such as a path that this architecture does not take."""
        return tuple(self._scorer.notes)

    @property
    def device_memory(self) -> int | None:
        """Largest number of bytes that were taken on the graphics card so far; None on a processor."""
        import torch

        device = self._forward.device
        return torch.cuda.max_memory_reserved(device) if device.type == "cuda" else None

    def encode(self, requests: Sequence[Request]) -> list[Encoded]:
        """Render and tokenize requests, in order; asks nothing of the model."""
        with _nothing_collected():
            return self._encoder.encode(requests)

    def answer(self, encoded: Sequence[Encoded]) -> Iterator[Response]:
        """Answer each content key once, in an order that suits the engine."""
        unique = list({one.key: one for one in encoded}.values())
        asked = [one for one in unique if one.refusal is None]
        yield from (failed(one, one.refusal) for one in unique if one.refusal is not None)
        yield from self._scored([one for one in asked if one.request.kind is RequestKind.LOGLIKELIHOOD])
        yield from self._generated([one for one in asked if one.request.kind is RequestKind.GENERATION])

    def close(self) -> None:
        """Let the model go and put the number of threads back."""
        if self._threads is not None:
            _set_threads(self._threads)
        del self._forward, self._generator, self._scorer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _scored(self, asked: Sequence[Encoded]) -> Iterator[Response]:
        sequences = [Scorable(one.context_ids + one.continuation_ids, len(one.continuation_ids)) for one in asked]
        for index, scores in self._scorer.scores(sequences):
            if scores is None:
                yield failed(asked[index], OUT_OF_MEMORY)
            else:
                yield scored(asked[index], scores.logprobs, greedy=scores.greedy)

    def _generated(self, asked: Sequence[Encoded]) -> Iterator[Response]:
        for one, answer in self._generator.answers(asked):
            if answer is None:
                yield failed(one, OUT_OF_MEMORY)
            else:
                yield generated(one, answer.text, finish=answer.finish)


def open_backend(model: ModelSpec, load: Mapping[str, str], engine: EngineSpec, *, folder: Path) -> HfBackend:
    """Load a causal language model.

    Parameters
    ----------
    model : ModelSpec
        Which model: a folder, or a repository and revision.
    load : mapping of str to str
        Level of ``dtype`` and of ``quantization``; the first of each where it is not named.
    engine : EngineSpec
        Device, batch size, threads.
    folder : Path
        Folder of the study, against which relative paths are read.

    Raises
    ------
    ModelError
        If the checkpoint cannot be used; the sentence names it and the remedy.
    MissingDependency
        If a library is absent.
    """
    with _nothing_collected():
        return _opened(model, load, engine, folder)


def _opened(model: ModelSpec, load: Mapping[str, str], engine: EngineSpec, folder: Path) -> HfBackend:
    try:
        _import_libraries()
    except ImportError as error:
        raise MissingDependency(error.name or "torch", purpose=f"model '{model.name}', backend 'hf'", extra="hf") from error
    levels = chosen_levels(FACTORS, load, backend=NAME, where=f"model '{model.name}'")
    checkpoint = find_checkpoint(model, folder)
    loaded = load_checkpoint(
        checkpoint,
        name=model.name,
        dtype=levels["dtype"],
        quantization=levels["quantization"],
        device=engine.device,
    )
    return HfBackend(loaded, engine)


def _import_libraries() -> None:
    """Import what every model needs, and set aside what that makes: 600,000 objects that stay, and that every search for cycles looks through."""
    import torch  # noqa: F401  # their absence must be met here, with the command that installs them
    import transformers.modeling_utils  # noqa: F401

    if not gc.get_freeze_count():
        gc.freeze()


@contextmanager
def _nothing_collected() -> Iterator[None]:
    """Importing, loading and encoding make hundreds of thousands of objects that stay: looking for cycles takes a tenth of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _set_threads(threads: int | None) -> int | None:
    """Set the number of threads that torch uses, and return the former one; None where nothing is to be set."""
    if threads is None:
        return None
    import torch

    former = int(torch.get_num_threads())
    torch.set_num_threads(threads)
    return former
