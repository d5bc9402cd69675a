"""NVIDIA NeMo Evaluator: ``results.yml`` of a run, and the predictions that lie beside it where the benchmark is one's own.

The package is a frame: it starts another package, takes the scores out of that package's files and writes them in one form,
``results`` -> ``tasks`` or ``groups`` -> task -> ``metrics`` -> metric -> ``scores`` -> score -> ``value`` and ``stats``, beside the
``config`` and the ``target`` that were asked for. These are scores of whole tasks: there are no items, and what needs items cannot be
said of them. Benchmarks of one's own ("BYOB") leave ``byob_predictions.jsonl`` too, with every item.

A wrapped package may leave its own result files in the same folder. They hold more, and the same numbers: they are named in
`ForeignRun.restates`, and where they are read, the run is not read a second time.

What 0.2.8 does and a reader of its files must know: its runner writes ``byob_results.json`` into a folder of the benchmark's name and its
parser looks for it one folder higher, so a run of a benchmark of one's own ends in an error and leaves no ``results.yml``; the
``byob_results.json`` is then read by itself, with the ``run_config.yml`` above it. Means in it are rounded to four digits, and items that
were left out (a field was absent, the model or the scorer failed) are not counted in them.

References
----------
NVIDIA, NeMo Evaluator documentation, "Evaluation Output", version 0.2.5,
https://docs.nvidia.com/nemo/evaluator/0.2.5/about/concepts/evaluation-output.html, and "API dataclasses" of the same version
(``EvaluationResult``). NVIDIA, NeMo Microservices documentation, "Get Evaluation Results", version 25.7.0,
https://docs.nvidia.com/nemo/microservices/25.7.0/evaluate/evaluation-jobs/get-results.html: a job's results as JSON, ``tasks`` and
``groups`` outermost; it does not name the model. And the files of nemo-evaluator 0.2.8 and nvidia-lm-eval 26.3 as they wrote them here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from safetyrepro.errors import IngestError
from safetyrepro.estimands import Estimand
from safetyrepro.harnesses.base import (
    ForeignRun,
    Part,
    at,
    finite_or_none,
    levels,
    not_stated,
    number_of,
    object_at,
    text_at,
    word,
)
from safetyrepro.harnesses.bounded import Sniff, json_header, sniff
from safetyrepro.harnesses.metrics import direction_known, estimand_of
from safetyrepro.harnesses.nemo_predictions import is_predictions, metrics_of, opener
from safetyrepro.harnesses.yaml_values import yaml_names, yaml_object
from safetyrepro.records import Json

NAME = "nemo"
TITLE = "NVIDIA NeMo Evaluator"
VERSIONS = ("0.2.8",)

_CONFIG = "run_config.yml"
_OWN_SCORES = "byob_results.json"
_OWN_ITEMS = "byob_predictions.jsonl"
_OWN = "byob"
_OWN_METRIC = "pass@1"
_ROUNDED = 0.5e-4
_SCORED = frozenset({"tasks", "groups"})
_DEEPEST_GROUP = 20
_NO_ITEMS = "It holds scores of whole tasks and no items, so nothing that compares items can be said of it."


@dataclass(frozen=True, slots=True, kw_only=True)
class _Folder:
    """What a run's folder says, whichever of its files was named."""

    lead: Path
    """File that holds the scores."""
    top: Path
    """Folder of the run."""
    own: bool
    """Whether the benchmark is one's own, so that scores and items have their own files."""
    results: dict[str, Json]
    """``tasks`` and ``groups``."""
    asked: dict[str, Json]
    """``config`` and ``target`` as they were asked for."""

    @property
    def framework(self) -> str:
        return _OWN if self.own else _framework(self.asked)

    @property
    def parameters(self) -> dict[str, Json]:
        return object_at(self.asked, "config", "params")

    @property
    def endpoint(self) -> dict[str, Json]:
        return object_at(self.asked, "target", "api_endpoint")

    @property
    def versions(self) -> dict[str, Json]:
        return object_at(self.asked, "metadata", "versioning")

    @property
    def beside(self) -> tuple[Path, ...]:
        """Files of the run that say nothing about it that the others do not."""
        names = (_CONFIG, "eval_factory_metrics.json", "report.json", *(f"run_times/runtime_{run}.json" for run in range(10)))
        return tuple(self.top / name for name in names if (self.top / name).is_file())


def recognises(sniffed: Sniff) -> Part | None:
    """Whether the package wrote the file, and whether it holds scores or items."""
    if is_predictions(sniffed):
        return Part.ITEMS
    if sniffed.kind == "other":
        return Part.RUN if {"config", "results", "target"} <= yaml_names(sniffed.path) else None
    maybe = sniffed.kind == "object" and bool(sniffed.names & _SCORED) and "results" not in sniffed.names
    return Part.RUN if maybe and _holds_scores(sniffed.path) else None


def _holds_scores(path: Path) -> bool:
    content = json_header(path)
    tasks = [task for name in _SCORED for task in object_at(content, name).values()]
    metrics = [metric for task in tasks for metric in object_at(task, "metrics").values()]
    return bool(metrics) and all(isinstance(at(metric, "scores"), dict) for metric in metrics)


def read(path: Path) -> Iterator[ForeignRun]:
    """Read the runs of a file of scores, or of predictions with the scores they belong to.

    Raises
    ------
    IngestError
        If the file is damaged or is neither.
    """
    if path.suffix == ".jsonl" and not path.with_name(_OWN_SCORES).is_file():
        yield _predictions_alone(path)
        return
    folder = _folder(path.with_name(_OWN_SCORES) if path.suffix == ".jsonl" else path)
    tasks, groups = object_at(folder.results, "tasks"), dict(_groups(folder.results))
    if not tasks and not groups:
        raise IngestError(
            str(folder.lead),
            found="holds no score",
            expected="'tasks' or 'groups' with their metrics",
            remedy="Run it to its end.",
        )
    for name, task in tasks.items():
        yield _run(folder, name, task, subtasks=())
    for name, group in groups.items():
        if tasks.get(name) != group:
            yield _run(folder, name, group, subtasks=tuple(tasks))


def _groups(results: Json, above: str = "", depth: int = 0) -> Iterator[tuple[str, Json]]:
    """Every group with its name, those inside others too."""
    for name, group in object_at(results, "groups").items() if depth < _DEEPEST_GROUP else ():
        yield f"{above}{name}", group
        yield from _groups(group, f"{above}{name}/", depth + 1)


def _folder(lead: Path) -> _Folder:
    content = json_header(lead) if sniff(lead).kind == "object" else yaml_object(lead)
    own = set(content) <= _SCORED
    top = lead.parent.parent if own else lead.parent
    config = top / _CONFIG
    asked = {**(yaml_object(config) if config.is_file() else {}), **content}
    return _Folder(
        lead=lead,
        top=top,
        own=own or _framework(asked).startswith(f"{_OWN}_"),
        results=object_at(content, "results") or content,
        asked=asked,
    )


def _framework(asked: dict[str, Json]) -> str:
    """Package that was started: what the settings name, else what stands before the task's name."""
    return text_at(asked, "framework_name") or text_at(asked, "config", "type").rpartition(".")[0]


def _predictions_alone(path: Path) -> ForeignRun:
    metrics = metrics_of(path)
    return ForeignRun(
        harness=NAME,
        harness_version=None,
        benchmark=path.parent.name or path.stem,
        model=None,
        settings=levels((("harness", f"{NAME}:{_OWN}"),)),
        undisclosed=not_stated({}) + _directions(metrics),
        estimands=tuple(_estimand(metric) for metric in metrics),
        open_items=opener(path, metrics, asked_for_likelihoods=False),
        files=(path,),
        notes=(f"No {_OWN_SCORES} lies beside the predictions, so model and settings are not recorded.",),
    )


def _run(folder: _Folder, name: str, task: Json, *, subtasks: tuple[str, ...]) -> ForeignRun:
    scores = _scores(task, own=folder.own)
    items = folder.top / name / _OWN_ITEMS
    own = (folder.top / name / _OWN_SCORES, items)
    has_items = items.is_file() and not subtasks
    stated = _stated(folder)
    restated = _wrapped(folder)
    return ForeignRun(
        harness=NAME,
        harness_version=word(stated["harness version"]) or None,
        benchmark=name,
        model=text_at(folder.endpoint, "model_id") or None,
        settings=_settings(folder, stated),
        undisclosed=not_stated(stated) + _directions(tuple(scores)),
        provenance=_provenance(folder),
        estimands=tuple(_estimand(score) for score in scores),
        reported=dict(scores),
        reported_within=_ROUNDED if folder.own else 0.0,
        open_items=opener(items, tuple(scores), asked_for_likelihoods=_likelihoods(folder)) if has_items else None,
        subtasks=subtasks,
        files=(folder.lead, *(path for path in own if path != folder.lead and path.is_file()), *folder.beside),
        restates=restated,
        notes=_notes(folder, has_items=has_items, restated=restated),
    )


def _scores(task: Json, *, own: bool) -> dict[str, float | None]:
    """Score -> value; ``metric:score`` where the two have different names, since each alone may occur twice."""
    found: dict[str, float | None] = {}
    for metric, inside in object_at(task, "metrics").items():
        for score, entry in object_at(inside, "scores").items():
            name = score if score == metric or (own and metric == _OWN_METRIC) else f"{metric}:{score}"
            found[name] = finite_or_none(at(entry, "value"))
    return found


def _directions(scores: tuple[str, ...]) -> tuple[str, ...]:
    unknown = [score for score in scores if not direction_known(score, higher_is_better=None)]
    return tuple(f"direction of '{score}' (read as: higher is better)" for score in unknown)


def _estimand(score: str) -> Estimand:
    return estimand_of(score, reference="NeMo Evaluator, the wrapped package's own definition")


def _likelihoods(folder: _Folder) -> bool:
    return text_at(folder.endpoint, "type") == "completions_logprob"


def _stated(folder: _Folder) -> dict[str, Json]:
    """Disclosure -> what the files say; None or empty where they say nothing."""
    parameters, kind = folder.parameters, text_at(folder.endpoint, "type")
    return {
        "harness version": word(folder.versions.get("nemo_evaluator")),
        "model": text_at(folder.endpoint, "model_id"),
        "engine": f"endpoint:{kind}" if kind else "",
        "chat template": {"chat": "on", "completions": "off", "completions_logprob": "off"}.get(kind, ""),
        "shots": _shots(folder),
        "decoding": "none" if _likelihoods(folder) else _decoding(parameters),
        "max tokens": finite_or_none(parameters.get("max_new_tokens")),
    }


def _shots(folder: _Folder) -> str:
    """What the task's own settings say; a benchmark of one's own that says nothing shows none."""
    extra = object_at(folder.parameters, "extra")
    named = word(extra.get("num_fewshot")) or word(object_at(extra, "dataset").get("num_fewshot"))
    return named or ("0" if folder.own and folder.parameters else "")


def _decoding(parameters: Mapping[str, Json]) -> str:
    temperature, top_p = number_of(parameters.get("temperature")), number_of(parameters.get("top_p"))
    if temperature is None:
        return ""
    if temperature == 0:
        return "greedy"
    return f"sampled(temperature={temperature:g}{'' if top_p in (None, 1.0) else f',top_p={top_p}'})"


def _settings(folder: _Folder, stated: Mapping[str, Json]) -> dict[str, str]:
    framework = folder.framework
    return levels(
        (
            ("harness", f"{NAME}:{framework}" if framework else NAME),
            ("harness_version", word(stated["harness version"])),
            ("engine", word(stated["engine"])),
            ("shots", word(stated["shots"])),
            ("chat_template", word(stated["chat template"])),
            ("decoding", word(stated["decoding"])),
            ("max_tokens", word(stated["max tokens"])),
            ("scoring", "loglikelihood" if _likelihoods(folder) else ""),
        )
    )


def _provenance(folder: _Folder) -> dict[str, Json]:
    found: dict[str, Json] = {
        "task": text_at(folder.asked, "config", "type"),
        "wrapped": folder.framework,
        "command": text_at(folder.asked, "command"),
        "git_hash": text_at(folder.asked, "git_hash"),
        "versions": folder.versions,
        "url": text_at(folder.endpoint, "url"),
        "limit": folder.parameters.get("limit_samples"),
        "data": text_at(folder.parameters, "extra", "dataset", "path"),
        "job": text_at(folder.asked, "job"),
        "created": text_at(folder.asked, "created_at"),
    }
    return {name: value for name, value in found.items() if value not in (None, "", {})}


def _wrapped(folder: _Folder) -> tuple[Path, ...]:
    """Results of the wrapped package below the run's folder, of which the scores were taken."""
    if folder.own:
        return ()
    return tuple(sorted(folder.top.glob("*/results*.json"))[:100])


def _notes(folder: _Folder, *, has_items: bool, restated: tuple[Path, ...]) -> tuple[str, ...]:
    notes = [] if has_items else [_NO_ITEMS]
    if restated:
        notes.append(f"The scores were taken from {restated[0].name}, which the wrapped package wrote and which holds more.")
    if not folder.parameters:
        notes.append(f"No {_CONFIG} belongs to it, so model and settings are not recorded.")
    return tuple(notes)
