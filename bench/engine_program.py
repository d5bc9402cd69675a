"""Our side of `bench/engine.py`: answers everything that the harness asked, in one process, and compares.

Usage: python engine_program.py MODEL ANSWERS OUT.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

from safetyrepro.backends.hf import open_backend
from safetyrepro.records import Prompt, Request
from safetyrepro.study import EngineSpec, ModelSpec


def main() -> None:
    """Answer and compare."""
    model, source, out = sys.argv[1:4]
    rows = json.loads(Path(source).read_text(encoding="utf-8"))["answers"]
    times = [time.process_time()]
    backend = open_backend(ModelSpec(name="m", path=model), {}, EngineSpec(device="cpu", threads=1), folder=Path.cwd())
    times.append(time.process_time())
    loaded = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    requests = [Request(prompt=Prompt.plain(context), continuation=continuation) for _, _, context, continuation, *_ in rows]
    encoded = backend.encode(requests)
    times.append(time.process_time())
    answers = {response.key: response for response in backend.answer(encoded)}
    times.append(time.process_time())
    found = [answers[one.key].loglikelihood for one in encoded]
    counters = backend.counters
    over_load = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20 - loaded
    fed = [len(one.context_ids) + len(one.continuation_ids) - 1 for one in encoded]
    conditional = sum(size for size, row in zip(fed, rows, strict=True) if row[2])
    # A row without the harness's answer was written down and not measured.
    known = [index for index, row in enumerate(rows) if row[4] is not None]
    expected = [float(rows[index][4]) for index in known]
    differences = [abs(found[index] - other) for index, other in zip(known, expected, strict=True)]
    choices, differing = _choices([rows[index] for index in known], [found[index] for index in known], expected)
    result = {
        "parts": {
            name: round(b - a, 2)
            for name, a, b in zip(("import and load", "tokenize", "model"), times, times[1:], strict=False)
        },
        "tokens": {
            "naive48": 3 * conditional + sum(fed),
            "limit": counters.limit,
            "computed": counters.computed,
            "padded": counters.padded,
        },
        "over_load_gb": over_load,
        "compared": len(known),
        "distinct": len(answers),
        "largest_difference": max(differences),
        "outside": sum(one > 1e-4 + 1e-6 * abs(other) for one, other in zip(differences, expected, strict=True)),
        "greedy_differs": sum(str(answers[encoded[index].key].greedy) != str(rows[index][5]) for index in known),
        "choices": choices,
        "choice_differs": differing,
        "path": backend._scorer.path,  # noqa: SLF001  # what was measured must be said
    }
    Path(out).write_text(json.dumps(result), encoding="utf-8")


def _choices(rows: list[list[object]], found: list[float], expected: list[float]) -> tuple[int, int]:
    """Number of items in cells, and in how many the likeliest option differs."""
    items: dict[tuple[object, object], list[int]] = {}
    for index, row in enumerate(rows):
        if row[2]:
            items.setdefault((row[0], row[1]), []).append(index)
    best = [(max(indices, key=found.__getitem__), max(indices, key=expected.__getitem__)) for indices in items.values()]
    return len(best), sum(one != other for one, other in best)


if __name__ == "__main__":
    main()
