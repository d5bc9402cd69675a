"""Run by a package's own Python: its command line, with the address of its data turned to the study's rows and nothing else.

Usage: python redirected.py ROWS MODULE ARGUMENT...

ROWS is a JSON file that maps the name of a data set (or name|configuration) to its splits. A data set that is not in it is refused, so
nothing can come from elsewhere. This file imports nothing of safetyrepro: the Python that runs it does not have it.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import runpy
import sys
from pathlib import Path
from typing import Any  # Reason: the rows are whatever a package's data set holds.

LOCAL_FORMATS = ("parquet", "json", "csv")
"""Names under which a package reads files of its own, such as a cache."""


def redirect(sets: dict[str, Any]) -> None:  # Any: see the import.
    """Let ``datasets.load_dataset`` read the rows that were prepared; a package that has no such library reads its own files."""
    if not sets and importlib.util.find_spec("datasets") is None:
        return
    datasets: Any = importlib.import_module("datasets")  # Any: see the import.

    original = datasets.load_dataset

    def _load_dataset(
        path: str, name: str | None = None, *, split: str | None = None, **options: Any
    ) -> Any:  # Any: see the import.
        if path in LOCAL_FORMATS:
            return original(path, name, split=split, **options)
        splits = sets.get(f"{path}|{name}") or sets.get(path)
        if splits is None:
            message = f"the data set {path} ({name}) is not among the study's rows"
            raise RuntimeError(message)
        if split is not None:
            return datasets.Dataset.from_list(splits[split])
        return datasets.DatasetDict({key: datasets.Dataset.from_list(rows) for key, rows in splits.items()})

    datasets.load_dataset = _load_dataset
    datasets.load.load_dataset = _load_dataset


def main() -> None:
    """Redirect, then run the module as its command line would."""
    rows, module, *arguments = sys.argv[1:]
    redirect(json.loads(Path(rows).read_text(encoding="utf-8")))
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__")


if __name__ == "__main__":
    main()
