"""lm-evaluation-harness: results files of every layout since 0.3, with the samples files that lie beside them.

A results file names tasks, groups of tasks, and metrics under ``metric,filter``. Groups repeat what their tasks say and are marked
as such. ``git_hash`` is the commit of the folder from which the program was called, not of the package, so it is kept as
provenance and never taken for a version. The number of examples of a group (``n-shot``) is written as 0 whatever its tasks used.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from safetyrepro.errors import IngestError
from safetyrepro.harnesses.base import (
    ForeignRun,
    Part,
    at,
    finite_or_none,
    levels,
    list_at,
    not_stated,
    number_of,
    object_at,
    text_at,
    word,
)
from safetyrepro.harnesses.bounded import Sniff, json_header, sniff
from safetyrepro.harnesses.content import text_digest
from safetyrepro.harnesses.lm_eval_samples import (
    NOT_METRICS,
    SamplesFile,
    is_samples,
    metrics_of_first,
    opener,
    samples_beside,
    stamp_of,
    task_in_name,
)
from safetyrepro.harnesses.metrics import direction_known, estimand_of
from safetyrepro.records import Json

NAME = "lm-eval"
TITLE = "lm-evaluation-harness"
VERSIONS = ("0.3", "0.4.2", "0.4.3", "0.4.5", "0.4.8", "0.4.10", "0.4.13")

_NOT_A_METRIC = frozenset({"alias", "name", "sample_len", "sample_count", "samples", "version", "num_fewshot"})
_PROMPT_VARIANT = re.compile(r"^(?P<task>.+?)_(?P<prompt>prompt_\d+)$")
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")
_TEMPLATE_FIELDS = ("doc_to_text", "doc_to_choice", "doc_to_target", "description", "target_delimiter", "fewshot_delimiter")
_LIKELIHOOD = "log-likelihood"
_PREFIXES = {"on": "bos", "true": "bos", "off": "none", "false": "none"}
_QUANTIZERS = ("load_in_4bit", "load_in_8bit", "autogptq", "gptqmodel", "quantization", "gguf_file")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Results:
    """A results file, opened."""

    path: Path
    content: dict[str, Json]
    rows: dict[str, dict[str, Json]]
    groups: dict[str, tuple[str, ...]]
    samples: Mapping[str, SamplesFile]

    @property
    def config(self) -> dict[str, Json]:
        return object_at(self.content, "config")

    @property
    def model_args(self) -> dict[str, Json]:
        given = self.config.get("model_args")
        if isinstance(given, dict):
            return given
        pairs = (pair.partition("=") for pair in given.split(",")) if isinstance(given, str) else ()
        return {name.strip(): value.strip() for name, _, value in pairs if name.strip()}

    @property
    def model(self) -> str | None:
        named = text_at(self.content, "model_name")
        for name in ("pretrained", "model", "path", "engine", "peft"):
            named = named or text_at(self.model_args, name)
        return named or None


def recognises(sniffed: Sniff) -> Part | None:
    """Whether lm-evaluation-harness wrote the file, and whether it holds results or samples."""
    if is_samples(sniffed):
        return Part.ITEMS
    names = sniffed.names
    if sniffed.kind == "object" and "results" in names and names & {"versions", "configs"} and "config_general" not in names:
        return Part.RUN
    return None


def read(path: Path) -> Iterator[ForeignRun]:
    """Read the runs of a results file, or of a samples file with the results that lie beside it.

    Raises
    ------
    IngestError
        If the file is damaged or is neither.
    """
    part = recognises(sniff(path))
    if part is Part.ITEMS:
        yield from _runs_of_samples(path)
        return
    results = _opened(path)
    yield from _runs(results, tuple(results.rows))


def _opened(path: Path) -> _Results:
    content = json_header(path)
    rows = {name: row for name, row in object_at(content, "results").items() if isinstance(row, dict)}
    if not rows:
        raise IngestError(
            str(path),
            found="names no task under 'results'",
            expected=f"a results file of {TITLE}",
            remedy="Name the file that the run wrote as results_*.json.",
        )
    return _Results(
        path=path,
        content=content,
        rows=rows,
        groups=_groups(content, rows),
        samples=samples_beside(path, {task: tuple(_by_filter(row)) for task, row in rows.items()}),
    )


def _groups(content: dict[str, Json], rows: Mapping[str, Json]) -> dict[str, tuple[str, ...]]:
    members = object_at(content, "group_subtasks")
    names = [name for name in members if list_at(members, name)] + list(object_at(content, "groups"))
    groups = {}
    for name in names:
        below = tuple(str(entry) for entry in list_at(members, name))
        if name in rows and any(entry in rows for entry in below if entry != name):
            groups[name] = below
    return groups


def _runs_of_samples(path: Path) -> Iterator[ForeignRun]:
    for beside in sorted(path.parent.glob("*.json")):
        if beside == path or stamp_of(beside) != stamp_of(path) or recognises(sniff(beside)) is not Part.RUN:
            continue
        results = _opened(beside)
        task = next((name for name, file in results.samples.items() if file.path == path), None)
        if task is not None:
            yield from _runs(results, (task,))
            return
    yield from _lone_samples(path)


def _lone_samples(path: Path) -> Iterator[ForeignRun]:
    task = task_in_name(path)
    metrics = metrics_of_first(path)
    for name in metrics.filters:
        yield ForeignRun(
            harness=NAME,
            harness_version=None,
            benchmark=task,
            model=None,
            settings=levels((("harness", NAME), ("extraction", _extraction(name)))),
            undisclosed=not_stated({}) + _directions(metrics.names, {}),
            provenance={"task": task},
            estimands=tuple(estimand_of(metric) for metric in metrics.names),
            open_items=opener(SamplesFile(path=path, filters=metrics.filters), name),
            files=(path,),
            notes=("No results file lies beside the samples, so model, version and settings are not recorded.",),
        )


def _runs(results: _Results, tasks: tuple[str, ...]) -> Iterator[ForeignRun]:
    for task in tasks:
        for filter_name, metrics in _by_filter(results.rows[task]).items():
            yield _run(results, task, filter_name, metrics)


def _by_filter(row: dict[str, Json]) -> dict[str, dict[str, Json]]:
    """Metrics of a row by filter; layouts before 0.4 name none."""
    found: dict[str, dict[str, Json]] = {}
    for key, value in row.items():
        metric, _, filter_name = key.partition(",")
        scalar = number_of(value) is not None or value is None or value == "N/A"
        if metric in _NOT_A_METRIC or metric in NOT_METRICS or metric.endswith("_stderr") or not scalar:
            continue
        found.setdefault(filter_name or "none", {})[metric] = value
    return found


def _run(results: _Results, task: str, filter_name: str, metrics: Mapping[str, Json]) -> ForeignRun:
    config = object_at(results.content, "configs", task)
    directions = _stated_directions(results, task, config)
    samples = results.samples.get(task)
    subtasks = results.groups.get(task, ())
    variant = _PROMPT_VARIANT.match(task)
    stated = _stated(results, task, config)
    return ForeignRun(
        harness=NAME,
        harness_version=_version(results.content) or None,
        benchmark=variant["task"] if variant else task,
        model=results.model,
        settings=_settings(results, task, config, filter_name),
        undisclosed=not_stated(stated) + _directions(tuple(metrics), directions),
        provenance=_provenance(results, task, config),
        estimands=tuple(estimand_of(metric, higher_is_better=directions.get(metric)) for metric in metrics),
        reported={metric: None if metric == "bypass" else finite_or_none(value) for metric, value in metrics.items()},
        open_items=opener(samples, filter_name) if samples and not subtasks else None,
        n_declared=_count(results, task, "effective"),
        subtasks=subtasks,
        files=(results.path, samples.path) if samples and not subtasks else (results.path,),
        notes=_notes(results, task, metrics),
    )


def _settings(results: _Results, task: str, config: dict[str, Json], filter_name: str) -> dict[str, str]:
    version = _version(results.content)
    stated = _stated(results, task, config)
    group = task in results.groups
    return levels(
        (
            ("harness", NAME),
            ("harness_version", version),
            ("engine", word(stated["engine"])),
            ("dtype", word(stated["dtype"])),
            ("quantization", word(stated["quantization"])),
            ("template", "" if group else word(stated["template"])),
            ("shots", "" if group else word(stated["shots"])),
            ("fewshot_seed", "" if stated["few-shot examples"] else word(stated["few-shot seed"])),
            ("prefix", _PREFIXES.get(word(results.model_args.get("add_bos_token")).lower(), "")),
            ("chat_template", word(stated["chat template"])),
            ("multiturn_examples", word(results.content.get("fewshot_as_multiturn"))),
            ("system_prompt", word(stated["system prompt"])),
            ("decoding", "" if stated["decoding"] == _LIKELIHOOD else word(stated["decoding"])),
            ("max_tokens", "" if stated["max tokens"] == _LIKELIHOOD else word(stated["max tokens"])),
            ("scoring", text_at(config, "output_type")),
            ("extraction", _extraction(filter_name)),
        )
    )


def _stated(results: _Results, task: str, config: dict[str, Json]) -> dict[str, Json]:
    """Disclosure -> what the file says; None or empty where it says nothing."""
    content, run = results.content, results.config
    likelihood = text_at(config, "output_type") in ("multiple_choice", "loglikelihood", "loglikelihood_rolling")
    generation = _generation(results, config)
    return {
        "harness version": _version(content),
        "model": results.model,
        "model revision": text_at(run, "model_sha"),
        "dtype": _dtype(results),
        "quantization": _quantization(results),
        "engine": text_at(run, "model"),
        "template": _template(task, config),
        "chat template": _chat(content, text_at(run, "model")),
        "system prompt": _system_prompt(content),
        "shots": _shots(results, task),
        "few-shot examples": "none" if _shots(results, task) == 0 else _sampler(config),
        "few-shot seed": run.get("fewshot_seed"),
        "decoding": _LIKELIHOOD if likelihood else _decoding(generation),
        "max tokens": _LIKELIHOOD if likelihood else generation.get("max_gen_toks"),
        "seed": run.get("random_seed"),
        "scoring rule": text_at(config, "output_type"),
        "data revision": text_at(config, "dataset_kwargs", "revision"),
        "hardware": text_at(content, "pretty_env_info"),
    }


def _dtype(results: _Results) -> str:
    named = text_at(results.config, "model_dtype") or text_at(results.model_args, "dtype")
    return named.removeprefix("torch.")


def _quantization(results: _Results) -> str:
    given = [(name, word(results.model_args.get(name))) for name in _QUANTIZERS]
    return ",".join(f"{name}={value}" for name, value in given if value and value.lower() not in ("false", "off", "none"))


def _template(task: str, config: dict[str, Json]) -> str:
    variant = _PROMPT_VARIANT.match(task)
    if variant:
        return variant["prompt"]
    if "doc_to_text" not in config:
        return ""
    parts = "\x1f".join(f"{name}={config.get(name)}" for name in _TEMPLATE_FIELDS)
    return f"{NAME}:{text_digest(_ADDRESS.sub('', parts))[:8]}"


def _system_prompt(content: dict[str, Json]) -> str:
    if "system_instruction" not in content:
        return ""
    given = content["system_instruction"]
    return f"sha256:{text_digest(given)[:8]}" if isinstance(given, str) and given else "none"


def _shots(results: _Results, task: str) -> Json:
    done = at(results.content, "n-shot", task)
    return done if done is not None else results.config.get("num_fewshot")


def _sampler(config: dict[str, Json]) -> str:
    sampler = text_at(config, "fewshot_config", "sampler")
    return sampler if sampler == "first_n" else ""


def _generation(results: _Results, config: dict[str, Json]) -> dict[str, Json]:
    overridden = results.config.get("gen_kwargs")
    if isinstance(overridden, str):
        overridden = {name: value for name, _, value in (pair.partition("=") for pair in overridden.split(",")) if name}
    return {**object_at(config, "generation_kwargs"), **(overridden if isinstance(overridden, dict) else {})}


def _decoding(generation: dict[str, Json]) -> str:
    temperature = number_of(generation.get("temperature"))
    if number_of(generation.get("do_sample")) == 0 or temperature == 0:
        return "greedy"
    return f"sampled(temperature={temperature:g})" if temperature else ""


def _extraction(filter_name: str) -> str:
    return "" if filter_name in ("none", "None", "") else filter_name


def _version(content: dict[str, Json]) -> str:
    """The release; a sentence in its place says that the package did not know it."""
    version = text_at(content, "lm_eval_version")
    return "" if " " in version else version


def _chat(content: dict[str, Json], engine: str) -> bool | None:
    """Whether turns were sent: an endpoint for chats has a template of its own, which the file does not hold."""
    if engine.endswith("chat-completions"):
        return True
    return bool(content["chat_template"]) if "chat_template" in content else None


def _stated_directions(results: _Results, task: str, config: dict[str, Json]) -> dict[str, bool]:
    listed = {
        text_at(entry, "metric"): at(entry, "higher_is_better")
        for entry in list_at(config, "metric_list")
        if isinstance(entry, dict)
    }
    merged = {**listed, **object_at(results.content, "higher_is_better", task)}
    return {metric: better for metric, better in merged.items() if isinstance(better, bool)}


def _directions(metrics: tuple[str, ...], directions: Mapping[str, bool]) -> tuple[str, ...]:
    return tuple(
        f"direction of '{metric}' (read as: higher is better)"
        for metric in metrics
        if not direction_known(metric, higher_is_better=directions.get(metric))
    )


def _count(results: _Results, task: str, which: str) -> int | None:
    count = at(results.content, "n-samples", task, which)
    return count if isinstance(count, int) else None


def _provenance(results: _Results, task: str, config: dict[str, Json]) -> dict[str, Json]:
    content, run = results.content, results.config
    found: dict[str, Json] = {
        "task": task,
        "task_version": at(content, "versions", task),
        "task_hash": at(content, "task_hashes", task),
        "dataset": config.get("dataset_path"),
        "dataset_name": config.get("dataset_name"),
        "model_args": run.get("model_args"),
        "model_revision": run.get("model_revision"),
        "model_sha": run.get("model_sha"),
        "chat_template_sha": content.get("chat_template_sha"),
        "transformers_version": content.get("transformers_version"),
        "git_hash_of_calling_folder": content.get("git_hash"),
        "date": content.get("date"),
        "batch_size": run.get("batch_size"),
        "device": run.get("device"),
        "limit": run.get("limit"),
        "seeds": {name: run.get(name) for name in ("random_seed", "numpy_seed", "torch_seed", "fewshot_seed") if name in run},
    }
    return {name: value for name, value in found.items() if value not in (None, "", {})}


def _notes(results: _Results, task: str, metrics: Mapping[str, Json]) -> tuple[str, ...]:
    notes = []
    whole, used = _count(results, task, "original"), _count(results, task, "effective")
    if whole is not None and used is not None and used < whole:
        notes.append(f"The run was limited to {used} of {whole} items.")
    if "bypass" in metrics:
        notes.append("The metric 'bypass' scores nothing: the package writes 999 in its place.")
    if task in results.groups:
        notes.append(f"A group over {len(results.groups[task])} tasks, which are read by themselves.")
    return tuple(notes)
