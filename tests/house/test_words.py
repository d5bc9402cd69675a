"""No file of the project names a machine it was written on, a registry's host, or who wrote it how."""

from __future__ import annotations

import re

from house.source import ROOT, report, tracked_files

# Each pattern has one letter in brackets, so that this list does not find itself.
PATTERNS = (
    r"/wor[k]/(main|shared)",
    r"/op[t]/(wheels|pypi)",
    r"/tm[p]/(brief|venv|bash_jobs)",
    r"/hom[e]/[a-z]+/",
    r"/User[s]/[A-Za-z]+/",
    r"pyp[i]\.org",
    r"files\.pythonhoste[d]",
    r"download\.pytorc[h]",
    r"registry\.npmj[s]",
    r"deb\.debia[n]",
    r"far[m]-[a-z]+",
    r"\bC[E]O\b",
    r"\bsub-?agent[s]?\b",
    r"\bdeveloper'?s? sessio[n]",
    r"\bthis sessio[n]'s",
    r"\bhelper sessio[n]",
    r"\b(AI|coding) assistan[t]",
    r"co-authored-b[y]:",
    r"\bmy colleagu[e]s?\b",
    r"\bhouse rule[s] for everybody",
)
SUFFIXES_OF_BYTES = {".safetensors", ".parquet", ".png", ".gz", ".zip", ".eval", ".zst"}
SUFFIXES_OF_VOCABULARIES = {".json", ".jsonl"}


def test_no_file_names_a_machine_a_registry_or_how_it_was_written() -> None:
    expression = re.compile("|".join(PATTERNS), re.IGNORECASE)
    offenders = []
    for path in tracked_files():
        if path.suffix in SUFFIXES_OF_BYTES or (path.suffix in SUFFIXES_OF_VOCABULARIES and "checkpoints" in path.parts):
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
            if found := expression.search(line):
                offenders.append(f"{path.relative_to(ROOT).as_posix()}:{number}: {found.group(0)}")
    assert not offenders, report("words that belong to no reader", offenders)


def test_the_patterns_find_what_they_are_written_for() -> None:
    expression = re.compile("|".join(PATTERNS), re.IGNORECASE)
    assert expression.search("see /work" + "/shared/design.md")
    assert not expression.search("a model that refuses as an assistant")


def test_no_generated_or_local_folder_is_tracked() -> None:
    names = {"__pycache__", ".venv", "node_modules", ".ipynb_checkpoints", ".envs"}
    offenders = [path.relative_to(ROOT).as_posix() for path in tracked_files() if names & set(path.relative_to(ROOT).parts)]
    assert not offenders, report("tracked files of generated folders", offenders)
