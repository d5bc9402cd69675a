"""study.yaml: what is compared, over which envelope, with what; read into a `Study` or refused with the way out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from safetyrepro.errors import StudyError
from safetyrepro.estimands import Orientation
from safetyrepro.yaml_text import read_yaml

MAX_STUDY_BYTES = 4_000_000


class Document(BaseModel):
    """Base of everything that people write: frozen, and an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ModelSpec(Document):
    """A model of the study."""

    name: str = Field(min_length=1)
    """The word by which verdicts and cards call it."""
    path: str | None = None
    """Folder of the checkpoint, relative to the study's file; None where `repository` says where it is."""
    repository: str | None = None
    """Name on the model hub, or the model's name on a server."""
    revision: str | None = None
    """Commit of the repository; None is unpinned and is fixed in study.lock.json at the first run."""
    url: str | None = None
    """Address of an OpenAI-compatible server; None for a local model."""
    safety_prompt: str | None = None
    """The safety prompt that the model's maker publishes; the level `maker` of a system-prompt factor uses it."""

    @property
    def unpinned(self) -> bool:
        """Whether its repository is named without a commit, so that the first run decides."""
        return self.repository is not None and self.path is None and self.url is None and self.revision is None


class ExclusionSpec(Document):
    """Configurations to leave out, with the reason that the card prints."""

    when: dict[str, list[str]]
    """Factor -> levels; a configuration that matches all is left out."""
    reason: str = Field(min_length=1)
    """Why, one sentence."""


class BenchmarkSpec(Document):
    """A benchmark of the study and the envelope it is read over."""

    name: str = Field(min_length=1)
    """Name of the adapter, or any word where results are ingested."""
    data: str | None = None
    """Folder of the data in upstream's format, relative to the study's file; None where results are ingested or fetched."""
    items: int | Literal["all"] = "all"
    """Size of the seeded subset."""
    estimands: list[str] = Field(default_factory=list)
    """Questions to report; empty is every one that the adapter answers. The first is primary."""
    factors: dict[str, list[str]] = Field(default_factory=dict)
    """Factor -> levels that are varied; a factor not named keeps its first declared level."""
    configurations: list[dict[str, str]] = Field(default_factory=list)
    """Where given: the members themselves, instead of a product."""
    core: list[dict[str, str]] = Field(default_factory=list)
    """Conditions that mark members of the core tier; each names one level of some factors."""
    exclude: list[ExclusionSpec] = Field(default_factory=list)
    """Members of the product to leave out."""
    range: tuple[float, float] = (0.0, 1.0)
    """Smallest and largest item value; read for ingested results only."""
    orientation: str = "higher"
    """``higher``, ``lower`` or ``target(t)``; read for ingested results only."""

    @field_validator("orientation")
    @classmethod
    def _readable(cls, value: str) -> str:
        Orientation.parse(value)
        return value


_Named = TypeVar("_Named", ModelSpec, BenchmarkSpec)


class EngineSpec(Document):
    """How requests are carried out; none of it may change a number beyond the recorded numerical noise."""

    device: str = "auto"
    """``auto``, ``cpu``, ``cuda`` or ``cuda:N``."""
    repeat_device: str | None = None
    """Device of the repeats, where a study has some; None is the same one."""
    batch_tokens: Annotated[int, Field(gt=0)] = 4096
    """Upper limit of tokens in one forward pass."""
    threads: Annotated[int, Field(gt=0)] | None = None
    """CPU threads of the model library; None leaves its default."""
    group_size: Annotated[int, Field(gt=0)] = 512
    """Requests answered between two writes to the store: what a kill can lose."""
    share_prefixes: bool = True
    """Whether tokens that requests have in common are computed once; off is the slow reference path."""
    concurrency: Annotated[int, Field(gt=0, le=1024)] = 8
    """Requests that a server is asked at once."""
    patience_seconds: Annotated[float, Field(gt=0)] = 300.0
    """Longest time that one try of a server request may take."""
    memory_share: Annotated[float, Field(gt=0, le=1)] | None = None
    """Share of the device's memory that vLLM may take; None leaves its default, and 4 GiB for keys and values on a processor."""
    recorded: str | None = None
    """Folder or file of recorded answers, for the replay backend; relative to the study's file."""
    program_seconds: Annotated[float, Field(gt=0)] = 86_400.0
    """Longest time that another package's program may take for one model and benchmark."""


class Study(Document):
    """What is compared, over which envelope, with what."""

    version: Literal[1] = 1
    """Version of this document's schema."""
    name: str = Field(min_length=1, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    """Name of the study, also of its folder under results/."""
    question: str = ""
    """The question in one sentence, printed at the top of the card."""
    note: str = ""
    """What a reader must know about the study, printed beside the verdicts."""
    seed: int = 0
    """Seed of every draw: subsets, examples, sampled decoding, resampling."""
    backend: str = "hf"
    """Name of the backend that answers."""
    models: list[ModelSpec] = Field(min_length=1)
    """The models, in the order in which pairs are formed."""
    load: dict[str, list[str]] = Field(default_factory=dict)
    """Factors of the stage LOAD that are varied: dtype, quantization."""
    benchmarks: list[BenchmarkSpec] = Field(min_length=1)
    """The benchmarks."""
    repeats: Annotated[int, Field(ge=1, le=100)] = 1
    """Times that every cell is asked: each further one under another batch order, so that the card can print the placebo flip rate."""
    harness: list[str] = Field(default_factory=list)
    """Other packages that ask the models, each as a program in its own environment: ``lm-eval==0.4.13``; the levels of a factor."""
    engine: EngineSpec = EngineSpec()
    """How requests are carried out."""
    judge: ModelSpec | None = None
    """The model that judges answers, for scoring rules that need one; None leaves those rules out, and the card says so."""
    failure_policy: Literal["wrong", "dropped", "dropped_pairwise"] = "wrong"
    """How unreadable answers count in the verdicts; the card shows the others beside it."""

    @property
    def devices(self) -> tuple[tuple[str, tuple[int, ...]], ...]:
        """Every device with the repeats that it carries out; the first time is 0."""
        times = tuple(range(self.repeats))
        other = self.engine.repeat_device
        if other in {None, self.engine.device} or self.repeats == 1:
            return ((self.engine.device, times),)
        return (self.engine.device, times[:1]), (str(other), times[1:])

    @field_validator("harness", mode="before")
    @classmethod
    def _one_or_more(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value

    @field_validator("models")
    @classmethod
    def _distinct_models(cls, value: list[ModelSpec]) -> list[ModelSpec]:
        return _distinct(value, "model")

    @field_validator("benchmarks")
    @classmethod
    def _distinct_benchmarks(cls, value: list[BenchmarkSpec]) -> list[BenchmarkSpec]:
        return _distinct(value, "benchmark")


def _distinct(value: list[_Named], noun: str) -> list[_Named]:
    names = [entry.name for entry in value]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"{noun} {', '.join(twice)} is named twice")
    return value


def read_study(path: Path) -> Study:
    """Read study.yaml.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    Study

    Raises
    ------
    StudyError
        If the file is absent, too large, not YAML, or does not fit the schema; the sentence names the field.
    """
    try:
        if path.stat().st_size > MAX_STUDY_BYTES:
            raise StudyError(str(path), found="the file is larger than 4 MB", expected="a study of a few hundred lines")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise StudyError(
            str(path), found=f"cannot be read ({error.strerror})", remedy="Name an existing study.yaml."
        ) from error
    except UnicodeDecodeError as error:
        raise StudyError(str(path), found="is not UTF-8 text", remedy="Save it as UTF-8.") from error
    return parse_study(text, where=str(path))


def parse_study(text: str, *, where: str) -> Study:
    """Read the text of a study; `where` names it in errors."""
    try:
        content = read_yaml(text)
    except yaml.YAMLError as error:
        raise StudyError(where, found=f"is not YAML: {_one_line(error)}", remedy="Correct the line named.") from error
    if not isinstance(content, dict):
        raise StudyError(where, found="holds no mapping", expected="fields such as name, models, benchmarks")
    try:
        return Study.model_validate(content)
    except ValidationError as error:
        raise _refusal(error, where) from error


def write_study(study: Study, path: Path) -> None:
    """Write a study as YAML that `read_study` reads back to the same value."""
    content = study.model_dump(mode="json", exclude_defaults=True)
    path.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), encoding="utf-8")


def _refusal(error: ValidationError, where: str) -> StudyError:
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"]) or "the document"
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    found = f"field '{field}': {first['msg'].removeprefix('Value error, ')}{more}"
    return StudyError(
        where, found=found, remedy="`safetyrepro schema study` prints what each field may hold; correct it and run again."
    )


def _one_line(error: yaml.YAMLError) -> str:
    return " ".join(str(error).split())
