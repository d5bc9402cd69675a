"""A part of a study: some models, some benchmarks, fewer items, another data folder; and the studies that ship."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import TypeVar

from safetyrepro.errors import StudyError
from safetyrepro.study import BenchmarkSpec, ModelSpec, Study, read_study, write_study

SHIPPED = "studies"
QUICKSTART = "quickstart"
_Named = TypeVar("_Named", ModelSpec, BenchmarkSpec)


def narrowed(
    study: Study,
    *,
    only: Sequence[str] = (),
    models: Sequence[str] = (),
    items: int | None = None,
    data: Path | None = None,
    repeats: int | None = None,
) -> Study:
    """The same study with fewer models, benchmarks or items, or more repeats.

    Parameters
    ----------
    study : Study
        The study.
    only : sequence of str
        Benchmarks to keep; empty keeps all.
    models : sequence of str
        Models to keep, in this order; empty keeps all.
    items : int, optional
        Upper limit of each benchmark's subset.
    data : Path, optional
        A folder with one folder of data for each benchmark; takes the place of what the study says.
    repeats : int, optional
        Times that every cell is asked; takes the place of what the study says.

    Raises
    ------
    StudyError
        If a name does not occur.
    """
    chosen = _kept(study.benchmarks, only, "--only", "benchmark")
    changes: dict[str, object] = {}
    if items is not None:
        changes["items"] = items
    specs = [
        spec.model_copy(update={**changes, **({"data": str((data / spec.name).resolve())} if data is not None else {})})
        for spec in chosen
    ]
    kept = {"benchmarks": specs, "models": _kept(study.models, models, "--models", "model")}
    return study.model_copy(update=kept if repeats is None else {**kept, "repeats": repeats})


def _kept(entries: Sequence[_Named], names: Sequence[str], option: str, noun: str) -> list[_Named]:
    by_name = {entry.name: entry for entry in entries}
    unknown = [name for name in names if name not in by_name]
    if unknown:
        raise StudyError(
            f"{option} {','.join(names)}",
            found=f"the study has no {noun} '{unknown[0]}'",
            expected=f"some of {', '.join(by_name)}",
            remedy="Correct the option.",
        )
    return [by_name[name] for name in names] if names else list(entries)


def shipped_studies() -> dict[str, Path]:
    """The studies that ship with the package, by name."""
    package = Path(str(resources.files("safetyrepro")))
    found = {path.stem: path for path in sorted((package / SHIPPED).glob("*.yaml"), key=lambda path: path.stem)}
    return {QUICKSTART: package / QUICKSTART / "study.yaml", **found}


def find_study(text: str) -> Path:
    """Path of a study: a file, or the name of one that ships.

    Raises
    ------
    StudyError
        If it is neither.
    """
    path = Path(text)
    if path.is_file():
        return path
    shipped = shipped_studies()
    if text in shipped:
        return shipped[text]
    raise StudyError(
        text,
        found="is neither a file nor a study that ships",
        expected=f"a study.yaml, or one of {', '.join(shipped)}",
        remedy="`safetyrepro init --from paper` copies one to start from.",
    )


def runnable_study(file: Path, name: str) -> str | None:
    """What `find_study` finds a store's study by, so that it can be run again.

    Parameters
    ----------
    file : Path
        The study.yaml that a store keeps; folders that it names relative to another place are not beside it.
    name : str
        The study's name.

    Returns
    -------
    str or None
        The file, if every folder that it names is there; else the name, if a study of that name ships; else None.
    """
    if file.is_file():
        study, folder = read_study(file), file.parent
        named = [model.path for model in study.models] + [spec.data for spec in study.benchmarks]
        if all((folder / path).exists() for path in named if path):
            return str(file)
    return name if name in shipped_studies() else None


def copy_study(name: str, target: Path) -> Study:
    """Copy a study that ships to a new file, to be edited.

    Raises
    ------
    StudyError
        If there is no such study, or the file exists.
    """
    if target.exists():
        raise StudyError(str(target), found="exists", remedy="Name another file with --out.")
    source = find_study(name)
    target.parent.mkdir(parents=True, exist_ok=True)
    study = read_study(source)
    rooted = _rooted(study, source.resolve().parent)
    if rooted == study:
        target.write_text(source.read_text(encoding="utf-8"), encoding="utf-8")
    else:
        write_study(rooted, target)
    return read_study(target)


def _rooted(study: Study, folder: Path) -> Study:
    """The same study with relative folders made absolute, so that its file can lie anywhere."""
    models = [model.model_copy(update={"path": str(folder / model.path)} if model.path else {}) for model in study.models]
    specs = [spec.model_copy(update={"data": str(folder / spec.data)} if spec.data else {}) for spec in study.benchmarks]
    return study.model_copy(update={"models": models, "benchmarks": specs})
