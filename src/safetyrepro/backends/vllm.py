"""Causal language models of vLLM's offline engine, by folder or by repository and revision, with its prefix cache on.

Prompts are rendered and tokenized here, as for every other backend, and reach vLLM as token ids; answers come back as token ids and become
text here. What vLLM says of log-probabilities is examined before the first cell, as a server's is. An answer of vLLM and one of another
engine never share a key: the engine and its version are part of what was loaded.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np

from safetyrepro.backends.base import Encoded, ModelIdentity, chosen_levels, dtype_factor
from safetyrepro.backends.encoding import Encoder, length_limit
from safetyrepro.backends.prefix import Scorable, count_tokens
from safetyrepro.backends.replies import failed, scored
from safetyrepro.backends.selftest import TOLERANCE, Drawn, why_not_believed
from safetyrepro.backends.vllm_engine import Asked, Output, VllmEngine, import_vllm, in_a_line, start_engine
from safetyrepro.backends.vllm_requests import (
    Question,
    Reading,
    Sequenced,
    Writing,
    echoed,
    in_context_order,
    questions,
    read,
    read_echo,
    stepwise,
    whole,
)
from safetyrepro.envelope import Evidence, Factor, Level, Source, Stage
from safetyrepro.errors import ModelError, RequestFailed
from safetyrepro.manifest import TokenCounts
from safetyrepro.records import Request, RequestKind, Response
from safetyrepro.study import EngineSpec, ModelSpec

if TYPE_CHECKING:
    from transformers import GenerationConfig, PretrainedConfig, PreTrainedTokenizerBase

    from safetyrepro.backends.checkpoint import Checkpoint

NAME = "vllm"
ENGINE = "safetyrepro-vllm 1"
"""Name and version of our own part of the computation; raised when it may change a number beyond rounding."""

_VLLM = Source(package="vllm", version="0.32", file="vllm.LLM(dtype=...)", evidence=Evidence.READ)

FACTORS: tuple[Factor, ...] = (
    dtype_factor(_VLLM),
    # One level, so that configurations of this engine and of hf are called the same, and none that nobody obeys is accepted.
    Factor(
        name="quantization",
        stage=Stage.LOAD,
        about="How the weights of linear layers are stored; the computation is in the dtype.",
        levels=(
            Level(name="none", about="As the checkpoint stores them; a scheme that it states is part of what was loaded."),
        ),
    ),
)

PROBES = 6
"""Prompts of the self-test."""
PROBE_LENGTHS = (3, 40)
"""Their lengths lie between these."""
HALF_TOLERANCE = 0.25
"""Largest difference, in nats, that rounding explains in half precision: a logit of 20 in bfloat16 is told to within 0.06."""


class VllmBackend:
    """A model of vLLM that answers requests.

    Parameters
    ----------
    engine : VllmEngine
        vLLM with the model.
    identity : ModelIdentity
        What was loaded.
    tokenizer : PreTrainedTokenizerBase
        The model's tokenizer.
    settings : GenerationConfig
        The model's own generation settings.
    max_length : int
        Longest sequence that the model takes.
    vocabulary : int
        Number of tokens that both model and tokenizer know.
    share : bool
        Whether vLLM's prefix cache is on.
    """

    def __init__(
        self,
        engine: VllmEngine,
        identity: ModelIdentity,
        tokenizer: PreTrainedTokenizerBase,
        settings: GenerationConfig,
        *,
        max_length: int,
        vocabulary: int,
        share: bool,
    ) -> None:
        self.identity = identity
        self.notes: tuple[str, ...] = ()
        self._engine = engine
        self._vocabulary = vocabulary
        self._block = engine.block if share else None
        longest = min(max_length, engine.max_length)
        # vLLM counts the token that it draws, so a scored sequence may be one token shorter than one that only has to be fed.
        self._scoring = Encoder(tokenizer, identity, max_length=longest - 1, generation=settings)
        self._answering = Encoder(tokenizer, identity, max_length=longest, generation=settings)
        self._writing = Writing(self._answering, settings, eos=tokenizer.eos_token_id)
        self._tolerance = TOLERANCE if identity.dtype == "float32" else HALF_TOLERANCE
        self._planned = self._computed = self._limit = self._generated = 0

    @property
    def counters(self) -> TokenCounts:
        """Tokens so far, of log-likelihoods and prompts; drawn tokens apart. What vLLM took from its prefix cache is not computed."""
        return TokenCounts(
            planned=self._planned,
            computed=self._computed,
            padded=self._computed,
            limit=self._limit,
            generated=self._generated,
        )

    def encode(self, requests: Sequence[Request]) -> list[Encoded]:
        """Render and tokenize requests, in order; asks nothing of the model."""
        found: dict[Request, Encoded] = {}
        for kind, encoder in ((RequestKind.LOGLIKELIHOOD, self._scoring), (RequestKind.GENERATION, self._answering)):
            some = [request for request in dict.fromkeys(requests) if request.kind is kind]
            found.update(zip(some, encoder.encode(some), strict=True))
        return [found[request] for request in requests]

    def answer(self, encoded: Sequence[Encoded]) -> Iterator[Response]:
        """Answer each content key once, log-likelihoods first."""
        unique = list({one.key: one for one in encoded}.values())
        asked = [one for one in unique if one.refusal is None]
        yield from (failed(one, one.refusal) for one in unique if one.refusal is not None)
        # What was asked before must not matter: a run that is started again would round otherwise than an undisturbed one.
        if asked and self._block is not None and not self._engine.forget():
            self.notes = (
                "vLLM did not empty its prefix cache between two groups: rounding may depend on what was asked before",
            )
        self._count(asked)
        yield from self._scored([one for one in asked if one.request.kind is RequestKind.LOGLIKELIHOOD])
        yield from self._generated_texts([one for one in asked if one.request.kind is RequestKind.GENERATION])

    def examine(self) -> str | None:
        """What is wrong with vLLM and this model, as the end of a sentence; None where nothing is.

        Notes
        -----
        A token that is drawn as the likeliest must have the same log-probability when it is read back in a prompt and when it is drawn by
        force, and a generation must write it. Some models load and cannot be computed; that too shows here.
        """
        lengths = np.random.default_rng(0).integers(*PROBE_LENGTHS, PROBES).tolist()
        probes = [probe_tokens(self._vocabulary, number, size) for number, size in enumerate(lengths)]
        # Two tokens are drawn behind it, and it is long enough for whole blocks to be taken from the prefix cache.
        long = min(2 * self._engine.block + 1, self._scoring.max_length - 2)
        try:
            refusal = why_not_believed(self._echo, probes, tolerance=self._tolerance)
            if refusal is None:
                self._compare(probes[0])
                self._compare(probe_tokens(self._vocabulary, PROBES, long))
        except RequestFailed as failure:
            refusal = failure.found
        except self._engine.errors as error:
            return f"cannot compute it: {in_a_line(error)}"
        return None if refusal is None else f"is not believed about its log-likelihoods: {refusal}"

    def close(self) -> None:
        """Let the model go."""
        self._engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _echo(self, ids: list[int]) -> Drawn:
        (output,) = self._engine.ask([echoed(ids)])
        # In half precision two tokens are often equally likely but for rounding.
        return read_echo(ids, output, slack=0.0 if self.identity.dtype == "float32" else self._tolerance)

    def _compare(self, ids: list[int]) -> None:
        """Hold the ways by which log-likelihoods and answers are asked for against two tokens that were drawn one after the other.

        Raises
        ------
        RequestFailed
            If one differs.
        """
        drawn: list[int] = []
        expected: list[float] = []
        for _ in range(2):
            one = self._echo([*ids, *drawn])
            drawn.append(one.token() or 0)
            expected.append(one.echo.logprobs[-1] or 0.0)
        for way in (whole, stepwise):
            asked = way(Sequenced(tuple(ids), tuple(drawn)))
            outputs = self._engine.ask([question.asked for question in asked])
            found = [one.logprob for question, output in zip(asked, outputs, strict=True) for one in read(question, output)]
            if any(abs(one - value) > self._tolerance for one, value in zip(found, expected, strict=True)):
                scores, draws = (", ".join(f"{value:.4f}" for value in some) for some in (found, expected))
                raise RequestFailed("self-test", found=f"two tokens are scored {scores} and were drawn at {draws}")
        self._compare_written(ids, drawn, expected)

    def _compare_written(self, ids: list[int], drawn: list[int], expected: list[float]) -> None:
        settings = {"max_tokens": 2, "temperature": 0.0, "ignore_eos": True, "detokenize": False, "logprobs": 1}
        ((completion,),) = [output.outputs for output in self._engine.ask([Asked(tuple(ids), settings)])]
        written, entries = [int(token) for token in completion.token_ids], completion.logprobs or []
        if len(written) != len(drawn) or len(entries) != len(drawn):
            raise RequestFailed("self-test", found=f"{len(written)} tokens are written", expected=str(len(drawn)))
        for place, (token, entry) in enumerate(zip(written, entries, strict=True)):
            if token != drawn[place] and abs(entry[token].logprob - expected[place]) > self._tolerance:
                raise RequestFailed("self-test", found=f"tokens {written} are written, {drawn} are the likeliest")
            if token != drawn[place]:
                return

    def _scored(self, asked: Sequence[Encoded]) -> Iterator[Response]:
        sequences = [Sequenced(one.context_ids, one.continuation_ids) for one in asked]
        order = list(in_context_order(sequences))
        wanted = questions([sequences[place] for place in order], block=self._block)
        outputs = iter(self._ask([question for some in wanted for question in some]))
        for place, some in zip(order, wanted, strict=True):
            yield self._score(asked[place], [(question, next(outputs)) for question in some])

    def _score(self, one: Encoded, found: Sequence[tuple[Question, Output]]) -> Response:
        try:
            readings: list[Reading] = [reading for question, output in found for reading in read(question, output)]
        except RequestFailed as failure:
            return failed(one, failure.sentence)
        return scored(one, [each.logprob for each in readings], greedy=all(each.likeliest for each in readings))

    def _generated_texts(self, asked: Sequence[Encoded]) -> Iterator[Response]:
        admitted: list[tuple[Encoded, Asked]] = []
        for one in asked:
            wanted = self._writing.asked(one)
            try:
                self._engine.admit(wanted)
            except RequestFailed as failure:
                yield failed(one, failure.sentence)
            else:
                admitted.append((one, wanted))
        outputs = self._ask([wanted for _, wanted in admitted])
        for (one, _), output in zip(admitted, outputs, strict=True):
            self._generated += len(output.outputs[0].token_ids)
            try:
                yield self._writing.read(one, output)
            except RequestFailed as failure:
                yield failed(one, failure.sentence)

    def _ask(self, asked: Sequence[Question] | Sequence[Asked]) -> list[Output]:
        wanted = [one.asked if isinstance(one, Question) else one for one in asked]
        outputs = self._engine.ask(wanted)
        self._computed += sum(
            len(one.ids) - (output.num_cached_tokens or 0) for one, output in zip(wanted, outputs, strict=True)
        )
        return outputs

    def _count(self, asked: Sequence[Encoded]) -> None:
        # A continuation's last token is not fed; of a prompt that is answered all are.
        fed = [Scorable(one.context_ids + (one.continuation_ids or (0,)), max(1, len(one.continuation_ids))) for one in asked]
        counts = count_tokens(fed)
        self._planned += counts.naive
        self._limit += counts.limit


def open_backend(model: ModelSpec, load: Mapping[str, str], engine: EngineSpec, *, folder: Path) -> VllmBackend:
    """Load a causal language model into vLLM and examine it.

    Parameters
    ----------
    model : ModelSpec
        Which model: a folder, or a repository and revision.
    load : mapping of str to str
        Level of ``dtype`` and of ``quantization``; the first of each where it is not named.
    engine : EngineSpec
        Device, tokens in a pass, threads, share of the memory.
    folder : Path
        Folder of the study, against which relative paths are read.

    Raises
    ------
    ModelError
        If vLLM cannot load or compute the model, or what it says of it is not believed.
    MissingDependency
        If vLLM is not installed in this environment.
    """
    where = f"model '{model.name}'"
    levels = chosen_levels(FACTORS, load, backend=NAME, where=where)
    import_vllm(where)
    with ExitStack() as stack:
        backend = stack.enter_context(_opened(model, levels["dtype"], engine, folder))
        finding = backend.examine()
        if finding is not None:
            raise ModelError(
                where,
                found=f"vLLM {finding}",
                expected="an engine that passes the self-test",
                remedy="Use backend 'hf', or another version of vLLM.",
            )
        stack.pop_all()
        return backend


def probe_tokens(vocabulary: int, number: int, size: int) -> list[int]:
    """Token ids of a prompt of the self-test, spread over the vocabulary, the same in every run."""
    return [int(token) for token in np.random.default_rng([number, size]).integers(0, vocabulary, size)]


def _opened(model: ModelSpec, dtype: str, engine: EngineSpec, folder: Path) -> VllmBackend:
    from transformers import AutoConfig

    from safetyrepro.backends.checkpoint import find_checkpoint, generation_settings, load_tokenizer

    where = f"model '{model.name}'"
    checkpoint = find_checkpoint(model, folder)
    tokenizer = load_tokenizer(checkpoint.folder, where)
    try:
        configuration = AutoConfig.from_pretrained(checkpoint.folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(
            where,
            found=f"{checkpoint.folder} holds no configuration that can be read: {in_a_line(error)}",
            expected="a model that transformers knows without code of its own",
            remedy="Check the folder, or the model's page for the version of transformers that it needs.",
        ) from error
    text = configuration.get_text_config()
    running = start_engine(checkpoint.folder, dtype=dtype, engine=engine, where=where)
    identity = _identity(model.name, checkpoint, tokenizer, configuration, running, dtype=dtype)
    settings = generation_settings(checkpoint.folder, configuration)
    return VllmBackend(
        running,
        identity,
        tokenizer,
        settings,
        max_length=length_limit(text, int(tokenizer.model_max_length)),
        vocabulary=min(len(tokenizer), int(text.vocab_size)),
        share=engine.share_prefixes,
    )


def _identity(
    name: str,
    checkpoint: Checkpoint,
    tokenizer: PreTrainedTokenizerBase,
    configuration: PretrainedConfig,
    running: VllmEngine,
    *,
    dtype: str,
) -> ModelIdentity:
    from safetyrepro.backends.checkpoint import quantization_method, template_text, tokenizer_digest, weights_digest

    stored = getattr(configuration, "quantization_config", None)
    return ModelIdentity(
        name=name,
        weights=weights_digest(checkpoint),
        tokenizer=tokenizer_digest(tokenizer),
        chat_template=hashlib.sha256(template_text(tokenizer).encode()).hexdigest(),
        dtype=dtype,
        quantization="none" if stored is None else quantization_method(stored),
        engine=f"{ENGINE} ({running.name})",
        device=running.device,
        revision=checkpoint.revision,
    )
