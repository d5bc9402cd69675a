"""Our items in the shape in which a package's own loader hands rows to its task: fields keep upstream's values."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from safetyrepro.records import Item, Json

Row = Mapping[str, Json]


def hub_rows(benchmark: str, items: Sequence[Item], files: Mapping[str, bytes]) -> tuple[Row, ...]:
    """Return one row for each item, in their order.

    Parameters
    ----------
    benchmark : str
        Name of the adapter that made the items.
    items : sequence of Item
        The items.
    files : mapping of str to bytes
        The files that they were made from: BBQ's rows hold fields that our items do not keep.
    """
    if benchmark == "truthfulqa":
        return tuple(_truthfulqa(item.content) for item in items)
    if benchmark == "bbq":
        lines = _bbq_lines(files)
        return tuple(lines[item.id] for item in items)
    return tuple(dict(item.content) for item in items)


def _truthfulqa(content: Row) -> Row:
    targets = {f"{name}_targets": _targets(content[name]) for name in ("mc1", "mc2")}
    return {"question": content["question"], **targets}


def _targets(pairs: Json) -> dict[str, Json]:
    assert isinstance(pairs, list)
    rows = [pair for pair in pairs if isinstance(pair, list)]
    return {"choices": [pair[0] for pair in rows], "labels": [pair[1] for pair in rows]}


def _bbq_lines(files: Mapping[str, bytes]) -> dict[str, Row]:
    found: dict[str, Row] = {}
    for name, content in files.items():
        if name.endswith(".jsonl"):
            rows = [json.loads(line) for line in content.decode("utf-8").splitlines() if line.strip()]
            found.update({f"{row['category']}-{row['example_id']}": row for row in rows})
    return found
