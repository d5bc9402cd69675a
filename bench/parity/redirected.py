"""Run by a package's own Python: its command line, with the address of its data turned to a local file and nothing else.

Usage: python redirected.py ROWS MODULE ARGUMENT...

ROWS is a JSON file that maps the name of a data set (or name|configuration) to its splits. A data set that is not in it is
refused, so nothing can come from elsewhere; a package may read back files that it wrote itself.
"""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path
from typing import Any


def redirect(sets: dict[str, Any]) -> None:
    """Let ``datasets.load_dataset`` read the rows that were prepared."""
    import datasets

    original = datasets.load_dataset

    def load_dataset(path: str, name: str | None = None, *, split: str | None = None, **more: Any) -> Any:
        if path == "parquet" and Path(str(more.get("data_files"))).is_file():
            return original(path, name, split=split, **more)
        splits = sets.get(f"{path}|{name}") or sets.get(path)
        if splits is None:
            message = f"{path} ({name}) was not redirected"
            raise RuntimeError(message)
        if split is not None:
            return datasets.Dataset.from_list(splits[split])
        return datasets.DatasetDict({key: datasets.Dataset.from_list(rows) for key, rows in splits.items()})

    datasets.load_dataset = load_dataset
    datasets.load.load_dataset = load_dataset


def main() -> None:
    """Redirect, then run the module as its command line would."""
    rows, module, *arguments = sys.argv[1:]
    redirect(json.loads(Path(rows).read_text(encoding="utf-8")))
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__")


if __name__ == "__main__":
    main()
