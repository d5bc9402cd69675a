"""Hold our rendering against what packages sent, from the digests that were recorded; prints one line for each check.

Usage: python bench/parity/compare.py [--data DIR] [--plain | --tokenized] [--json]

``--plain`` leaves out the checks that need a tokenizer, for its chat template or its ids; ``--tokenized`` leaves out the others. Exit code 1 where a check is not as recorded.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ours import ROOT, digest_of, rendered, requests_of

RECORDED = Path(__file__).resolve().parent / "recorded"
NOT_CHECKS = ("scores",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """How our rendering compares with one record."""

    name: str
    """Name of the record."""
    n_items: int
    """Items in it."""
    n_equal: int
    """Items of which every request is equal."""
    expected_equal: bool
    """What the record says."""

    @property
    def as_recorded(self) -> bool:
        """Whether every item is equal, or none where a difference is documented."""
        return self.n_equal == self.n_items if self.expected_equal else self.n_equal < self.n_items


def records() -> list[dict[str, Any]]:
    """What was recorded, by name."""
    paths = sorted(RECORDED.glob("*.json"))
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths if path.stem not in NOT_CHECKS]


def equal(theirs: list[str], ours: list[str], *, whole: bool) -> bool:
    """Whether a package's requests are ours: the same in the same order, or, for a part, all among ours."""
    return theirs == ours if whole else set(theirs) <= set(ours)


def our_digests(record: Mapping[str, Any], item_id: str, data: Path) -> list[str]:
    """Digests of our requests about an item under the record's configuration."""
    shown = record.get("shown", {}).get(item_id, record.get("shown", {}).get("*", ()))
    requests = requests_of(record["benchmark"], item_id, record["settings"], data, shown=shown)
    return [
        digest_of(text, continuation) for text, continuation in rendered(requests, record["checkpoint"], form=record["form"])
    ]


def compared(record: Mapping[str, Any], data: Path) -> Comparison:
    """Compare our rendering with one record."""
    n_equal = sum(
        equal(theirs, our_digests(record, item_id, data), whole=record["whole"])
        for item_id, theirs in record["digests"].items()
    )
    return Comparison(name=record["name"], n_items=len(record["digests"]), n_equal=n_equal, expected_equal=record["equal"])


def main() -> int:
    """Compare everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data", type=Path, default=Path(os.environ.get("SAFETYREPRO_SHARED", ROOT.parent / "shared")) / "data"
    )
    part = parser.add_mutually_exclusive_group()
    part.add_argument("--plain", action="store_const", const=False, dest="tokenized")
    part.add_argument("--tokenized", action="store_const", const=True, dest="tokenized")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    chosen = [record for record in records() if options.tokenized in (None, record["chat"])]
    found = [compared(record, options.data.resolve()) for record in chosen]
    if options.json:
        print(json.dumps([asdict(one) for one in found]))
    else:
        for one in found:
            word = "as recorded" if one.as_recorded else "NOT AS RECORDED"
            print(f"{one.name:45} {one.n_equal:3} of {one.n_items:3} items equal  {word}")
    return 0 if all(one.as_recorded for one in found) else 1


if __name__ == "__main__":
    sys.exit(main())
