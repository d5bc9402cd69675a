"""Whether a card's bytes depend on the place where it is made: threads, BLAS kernel, time zone, locale, hash seed, vector units.

    python bench/same_bytes.py STORE... [--out bench/results/same_bytes.json]

Every store is carded once in each place, by a process of its own; a file differs if its bytes are not those of the first place.
The kernel is read from the library of each process, so that a name which it passed over is seen.
"""

from __future__ import annotations

import argparse
import ctypes
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from machine import machine

PLACES: Mapping[str, Mapping[str, str]] = {
    "one thread": {
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "TZ": "UTC",
        "LC_ALL": "C.UTF-8",
        "PYTHONHASHSEED": "1",
        "OPENBLAS_CORETYPE": "Haswell",
    },
    "two threads, an old kernel, Kathmandu, no locale": {
        "OMP_NUM_THREADS": "2",
        "OPENBLAS_NUM_THREADS": "2",
        "TZ": "Asia/Kathmandu",
        "LC_ALL": "C",
        "PYTHONHASHSEED": "2",
        "OPENBLAS_CORETYPE": "Prescott",
    },
    "two threads, a new kernel": {"OPENBLAS_NUM_THREADS": "2", "OPENBLAS_CORETYPE": "SkylakeX"},
    "without wide vector units": {
        "OPENBLAS_NUM_THREADS": "1",
        "OPENBLAS_CORETYPE": "Nehalem",
        "NPY_DISABLE_CPU_FEATURES": "AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL AVX2 FMA3",
    },
}


def kernel() -> str:
    """Name of the kernel that NumPy's own OpenBLAS chose in this process; empty where it has none."""
    for path in (Path(np.__file__).parents[1] / "numpy.libs").glob("*openblas*"):
        name = getattr(ctypes.CDLL(str(path)), "scipy_openblas_get_corename64_", None)
        if name is not None:
            name.restype = ctypes.c_char_p
            return str(name().decode())
    return ""


def carded(store: Path, place: Mapping[str, str]) -> dict[str, object]:
    """Digests of every file of a card that another process makes in a place."""
    environment = {**os.environ, **place}
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "safetyrepro", "card", str(store), "-o", folder]
        subprocess.run(command, env=environment, capture_output=True, check=True)
        files = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(Path(folder).iterdir())}
    asked = subprocess.run([sys.executable, __file__, "--kernel"], env=environment, capture_output=True, text=True, check=True)
    return {"kernel": asked.stdout.strip(), "seconds": round(time.perf_counter() - begun, 1), "files": files}


def measured(store: Path) -> dict[str, object]:
    """A store in every place, and the files that differ from those of the first."""
    found = {name: carded(store, place) for name, place in PLACES.items()}
    first, *others = (place["files"] for place in found.values())
    differing = sorted({name for files in others for name in {*first, *files} if first.get(name) != files.get(name)})
    places = {name: {"kernel": place["kernel"], "seconds": place["seconds"]} for name, place in found.items()}
    return {"store": store.name, "files": first, "places": places, "differing": differing}


def main() -> None:
    """Measure every store, and write what was found with the machine."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stores", type=Path, nargs="*")
    parser.add_argument("--kernel", action="store_true", help="print this process's kernel and end")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    if asked.kernel:
        print(kernel())
        return
    found = []
    for store in asked.stores:
        found.append(measured(store))
        print({name: found[-1][name] for name in ("store", "places", "differing")}, flush=True)
    if asked.out:
        document = {"machine": machine(), "places": PLACES, "stores": found}
        asked.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
