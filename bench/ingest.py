"""Time and peak memory of reading lm-eval samples, beside plain json.loads over the same lines.

    python bench/ingest.py [ROWS] [OUTPUT.json]

Measured on a tenth of the rows and on all of them, so that what grows with their number is seen. Each measurement is a process of its
own, so that its peak memory is its own. Rows have about 600 bytes and 2 metrics. Seconds of the processor stand beside seconds of the
clock, which depend on what else the machine does.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from machine import machine

MEASURED = ("json.loads", "read items", "ingest")
STAMP = "2025-01-02T03-04-05.000001"


def write(folder: Path, n_rows: int) -> Path:
    results = {
        "results": {"toy": {"acc,none": 0.5, "acc_norm,none": 0.5}},
        "versions": {},
        "configs": {"toy": {"output_type": "multiple_choice"}},
        "config": {"model_args": "pretrained=toy"},
    }
    (folder / f"results_{STAMP}.json").write_text(json.dumps(results))
    path = folder / f"samples_toy_{STAMP}.jsonl"
    with path.open("w") as file:
        for number in range(n_rows):
            record = {
                "doc_id": number,
                "doc": {
                    "question": f"Which of these is number {number} of a long list?",
                    "choices": ["one", "two", "three", "four"],
                },
                "target": "1",
                "arguments": {f"gen_args_{i}": {"arg_0": f"Q: number {number}?\nA:", "arg_1": f" {i}"} for i in range(4)},
                "filtered_resps": [[str(-1.5 - i), "False"] for i in range(4)],
                "filter": "none",
                "metrics": ["acc", "acc_norm"],
                "acc": float(number % 2),
                "acc_norm": 1.0,
            }
            file.write(json.dumps(record) + "\n")
    return path


def measure(what: str, folder: Path) -> None:
    started, worked = time.perf_counter(), time.process_time()
    if what == "json.loads":
        with (folder / f"samples_toy_{STAMP}.jsonl").open() as file:
            n_rows = sum(json.loads(line) is not None for line in file)
    elif what == "read items":
        from safetyrepro.harnesses.lm_eval import read

        n_rows = sum(1 for run in read(folder / f"results_{STAMP}.json") for _ in run.items())
    else:
        from safetyrepro.ingest_foreign import ingest_foreign

        store = ingest_foreign([folder / f"results_{STAMP}.json"], folder / "store").store
        n_rows = sum(part.rows for part in store.manifest.parts if part.kind == "records")
    seconds, work = time.perf_counter() - started, time.process_time() - worked
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        json.dumps(
            {"what": what, "rows": n_rows, "seconds": round(seconds, 2), "cpu_seconds": round(work, 2), "peak_mb": round(peak)}
        )
    )


def measured(n_rows: int) -> dict[str, object]:
    """Every measurement on a file of its own."""
    with tempfile.TemporaryDirectory() as name:
        size = write(Path(name), n_rows).stat().st_size
        print(f"{n_rows} rows, {size / 1e6:.0f} MB")
        rows: list[dict[str, float]] = []
        for what in MEASURED:
            done = subprocess.run([sys.executable, __file__, what, name], check=True, capture_output=True, text=True)
            found = json.loads(done.stdout)
            rows.append(found)
            clock, work = found["seconds"] / rows[0]["seconds"], found["cpu_seconds"] / rows[0]["cpu_seconds"]
            print(
                f"{what:<12} {found['seconds']:>8.2f} s  {clock:>5.1f} x  processor {found['cpu_seconds']:>8.2f} s  {work:>5.1f} x"
                f"  {found['peak_mb']:>6} MB  {found['rows']} rows",
                flush=True,
            )
    return {"samples": n_rows, "bytes": size, "measured": rows}


def main() -> None:
    if len(sys.argv) == 3 and sys.argv[1] in MEASURED:
        measure(sys.argv[1], Path(sys.argv[2]))
        return
    n_rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    sizes = [measured(size) for size in (n_rows // 10, n_rows)]
    if len(sys.argv) > 2:
        Path(sys.argv[2]).write_text(json.dumps({"sizes": sizes, "machine": machine()}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
