"""HELM: run folders, whose five files state one run together.

Instances of the splits ``test`` and ``valid`` lie mixed in one file and never belong to one mean, so each split, and each
perturbation, is a run of its own. ``model`` may be the name of a deployment, so the host is a factor and who runs whose weights is
for the reader to say. The prompt that is recorded is the one before a chat template, which newer versions apply and older ones do
not: whether it was applied is never recorded, and the log-probabilities of generated text at temperature 0 are zeros by
construction and are not read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from safetyrepro.errors import IngestError
from safetyrepro.harnesses.base import (
    ForeignItem,
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
from safetyrepro.harnesses.bounded import Sniff, json_header, json_member, json_records
from safetyrepro.harnesses.content import text_digest
from safetyrepro.harnesses.helm_instances import Slice, is_score, items_of, slice_of
from safetyrepro.harnesses.metrics import direction_known, estimand_of
from safetyrepro.records import Json

NAME = "helm"
TITLE = "HELM"
VERSIONS = ("0.5.0", "0.5.5")

SPEC = "run_spec.json"
_FILES = frozenset(
    {
        SPEC,
        "scenario.json",
        "scenario_state.json",
        "stats.json",
        "per_instance_stats.json",
        "instances.json",
        "display_predictions.json",
        "display_requests.json",
    }
)
_TEMPLATE_FIELDS = (
    "global_prefix",
    "global_suffix",
    "instructions",
    "input_prefix",
    "input_suffix",
    "reference_prefix",
    "reference_suffix",
    "chain_of_thought_prefix",
    "chain_of_thought_suffix",
    "output_prefix",
    "output_suffix",
    "instance_prefix",
    "substitutions",
)
_NOT_THE_SCENARIO = frozenset({"model", "model_deployment", "method", "data_augmentation", "max_train_instances", "eval_split"})
_MAIN_SPLIT = "test"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Folder:
    """A run folder, with what its small files say."""

    path: Path
    spec: dict[str, Json]
    reported: Mapping[Slice, dict[str, float | None]]
    shots_done: float | None

    @property
    def adapter(self) -> dict[str, Json]:
        return object_at(self.spec, "adapter_spec")

    @property
    def files(self) -> tuple[Path, ...]:
        return tuple(self.path / name for name in sorted(_FILES) if (self.path / name).is_file())


def recognises(sniffed: Sniff) -> Part | None:
    """Whether the file is one of those that HELM writes into a run folder."""
    if sniffed.path.name == SPEC and "adapter_spec" in sniffed.names:
        return Part.RUN
    beside = sniffed.path.name in _FILES and (sniffed.path.parent / SPEC).is_file()
    lone = {"instance_id", "train_trial_index", "stats"} <= sniffed.names or {"adapter_spec", "request_states"} <= sniffed.names
    return Part.ITEMS if beside or lone else None


def read(path: Path) -> Iterator[ForeignRun]:
    """Read the runs of a run folder, or of the folder that a file lies in: one for each split and perturbation.

    Raises
    ------
    IngestError
        If the folder states no run, or a file of it is damaged.
    """
    folder = _opened(path if path.is_dir() else path.parent)
    if not folder.reported:
        raise IngestError(
            str(folder.path),
            found="neither stats.json nor per_instance_stats.json holds a score",
            expected="the files of a finished run",
            remedy="Run it to its end; helm-summarize is not needed.",
        )
    for part in folder.reported:
        yield _run(folder, part)


def _opened(path: Path) -> _Folder:
    spec = path / SPEC
    if not spec.is_file():
        raise IngestError(
            str(path),
            found=f"holds no {SPEC}",
            expected="a run folder of HELM, such as runs/SUITE/RUN",
            remedy="Name the folder of one run, or copy the missing file beside the others.",
        )
    content = json_header(spec)
    if not object_at(content, "adapter_spec"):
        raise IngestError(str(spec), found="states no adapter", expected="'adapter_spec'", remedy="Name a run folder of HELM.")
    return _Folder(path=path, spec=content, reported=_reported(path), shots_done=_shots(path))


def _reported(path: Path) -> dict[Slice, dict[str, float | None]]:
    """Aggregates by split and perturbation; without stats.json, the splits of the instances with nothing reported."""
    found: dict[Slice, dict[str, float | None]] = {}
    whole = (path / "stats.json").is_file()
    for stat in json_records(path / "stats.json") if whole else _instance_stats(path):
        name, part = text_at(stat, "name", "name"), slice_of(object_at(stat, "name"))
        if name and part is not None and is_score(name) and number_of(at(stat, "count")) != 0:
            found.setdefault(part, {})[name] = finite_or_none(at(stat, "mean")) if whole else None
    return found


def _instance_stats(path: Path) -> Iterator[Json]:
    if (path / "per_instance_stats.json").is_file():
        for row in json_records(path / "per_instance_stats.json"):
            yield from list_at(row, "stats")


def _shots(path: Path) -> float | None:
    state = path / "scenario_state.json"
    if not state.is_file():
        return None
    first = next(json_member(state, "request_states"), None)
    return finite_or_none(at(first, "num_train_instances"))


def _run(folder: _Folder, part: Slice) -> ForeignRun:
    metrics = folder.reported[part]
    stated = _stated(folder)
    estimands = tuple(estimand_of(metric) for metric in metrics)
    return ForeignRun(
        harness=NAME,
        harness_version=None,
        benchmark=_benchmark(folder, part),
        model=text_at(folder.adapter, "model") or None,
        settings=_settings(part, stated),
        undisclosed=not_stated(stated)
        + tuple(
            f"direction of '{estimand.name}' (read as: higher is better)"
            for estimand in estimands
            if not direction_known(estimand.name, higher_is_better=None)
        ),
        provenance=_provenance(folder),
        estimands=estimands,
        reported=metrics,
        open_items=_opener(folder, part) if (folder.path / "per_instance_stats.json").is_file() else None,
        files=folder.files,
        notes=_notes(part),
    )


def _opener(folder: _Folder, part: Slice) -> Callable[[], Iterator[ForeignItem]]:
    def items() -> Iterator[ForeignItem]:
        return items_of(folder.path, part)

    return items


def _benchmark(folder: _Folder, part: Slice) -> str:
    name, _, behind = text_at(folder.spec, "name").partition(":")
    pairs = [pair.partition("=") for pair in behind.split(",") if "=" in pair]
    in_name = {key: value for key, _, value in pairs if key not in _NOT_THE_SCENARIO}
    given = object_at(folder.spec, "scenario_spec", "args") or in_name
    arguments = ",".join(f"{key}={word(value)}" for key, value in sorted(given.items()) if word(value))
    name = name or folder.path.name
    text = f"{name}:{arguments}" if arguments else name
    return text if part.split == _MAIN_SPLIT else f"{text} [{part.split}]"


def _stated(folder: _Folder) -> dict[str, Json]:
    """Disclosure -> what the run's files say; None or empty where they say nothing."""
    adapter = folder.adapter
    temperature = number_of(adapter.get("temperature"))
    decoding = "" if temperature is None else "greedy" if temperature == 0 else f"sampled(temperature={temperature:g})"
    return {
        "model": text_at(adapter, "model"),
        "engine": text_at(adapter, "model_deployment").partition("/")[0],
        "template": _template(adapter),
        "shots": folder.shots_done,
        "decoding": decoding,
        "max tokens": finite_or_none(adapter.get("max_tokens")),
        "scoring rule": text_at(adapter, "method"),
        "seed": finite_or_none(adapter.get("random")),
    }


def _settings(part: Slice, stated: Mapping[str, Json]) -> dict[str, str]:
    return levels(
        (
            ("harness", NAME),
            ("engine", word(stated["engine"])),
            ("template", word(stated["template"])),
            ("shots", word(stated["shots"])),
            ("perturbation", part.perturbation),
            ("decoding", word(stated["decoding"])),
            ("max_tokens", word(stated["max tokens"])),
            ("scoring", word(stated["scoring rule"])),
        )
    )


def _template(adapter: dict[str, Json]) -> str:
    parts = "\x1f".join(f"{name}={adapter.get(name) or ''}" for name in _TEMPLATE_FIELDS)
    return f"{NAME}:{text_digest(parts)[:8]}"


def _provenance(folder: _Folder) -> dict[str, Json]:
    found: dict[str, Json] = {
        "run": text_at(folder.spec, "name"),
        "scenario": text_at(folder.spec, "scenario_spec", "class_name"),
        "deployment": text_at(folder.adapter, "model_deployment"),
        "examples_asked": folder.adapter.get("max_train_instances"),
        "items_asked": folder.adapter.get("max_eval_instances"),
        "trials": folder.adapter.get("num_train_trials"),
        "groups": folder.spec.get("groups"),
    }
    return {name: value for name, value in found.items() if value not in (None, "", [])}


def _notes(part: Slice) -> tuple[str, ...]:
    if part.split == _MAIN_SPLIT:
        return ()
    return (f"Instances of the split '{part.split}', kept apart from those of '{_MAIN_SPLIT}'.",)
