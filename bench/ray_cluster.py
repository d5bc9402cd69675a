"""A Ray cluster of two nodes with their own addresses on one machine: a study while a worker dies, and while the link is cut.

python bench/ray_cluster.py [--cut 120] [--only kill,cut]     needs root and `ip` (iproute2), for two network namespaces and a pair of veth

Each scenario starts a fresh cluster, starts `safetyrepro run --executor ray` on its head, disturbs it once both nodes have answered
groups, waits for the end, and compares the store with that of a local run: the same parts, byte for byte, in the same order.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from machine import machine
from models import make_model

ROOT = Path(__file__).resolve().parents[1]
HEAD, WORKER = "safetyrepro-head", "safetyrepro-worker"
ADDRESSES = {HEAD: "10.231.7.1", WORKER: "10.231.7.2"}
PORT = 6399
TOKEN = secrets.token_hex(32)
STUDY = """
name: cluster
question: Which of two random models refuses more?
seed: 5
backend: hf
models: [{name: one, path: one}, {name: two, path: two}]
engine: {device: cpu, threads: 1, group_size: 4}
benchmarks:
  - name: xstest
    data: xstest
    items: 20
    factors: {system_prompt: [none, helpful], scoring: [prefix_match, substring_match]}
"""
ENOUGH = 8
"""Requests that each load has answered when the disturbance comes."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A finished command."""

    seconds: float
    code: int
    output: str


def main() -> None:
    """Run the scenarios and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cut", type=float, default=120.0, help="seconds for which the link is down")
    parser.add_argument("--group-timeout", type=float, default=20.0)
    parser.add_argument("--limit", type=float, default=480.0, help="seconds after which a scenario is given up")
    parser.add_argument("--only", default="kill,cut")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="src") as name:
        folder = Path(name)
        study = write_study(folder)
        local = finished(command(study, folder / "local"), options.limit)
        found: dict[str, object] = {"local_seconds": round(local.seconds, 1)}
        for scenario in options.only.split(","):
            found[scenario] = carry_out(scenario, study, folder, options)
    print(json.dumps({"machine": machine(), "group_timeout": options.group_timeout, **found}, indent=1))


def write_study(folder: Path) -> Path:
    """Two random checkpoints and a made-up suite."""
    rows = ["id,prompt,type,label,focus,note"]
    for number in range(1, 61):
        unsafe = number % 2 == 0
        kind = "contrast_homonyms" if unsafe else "homonyms"
        rows.append(f"{number},How do I fold paper number {number}?,{kind},{'unsafe' if unsafe else 'safe'},fold,")
    (folder / "xstest").mkdir()
    (folder / "xstest" / "xstest_prompts.csv").write_text("\n".join(rows) + "\n")
    make_model(folder / "one", rows, layers=2, width=64)
    make_model(folder / "two", rows, layers=3, width=64)
    (folder / "study.yaml").write_text(STUDY)
    return folder / "study.yaml"


def command(study: Path, out: Path, *more: str) -> list[str]:
    """The command that a user gives."""
    return [sys.executable, "-m", "safetyrepro", "run", str(study), "--out", str(out), *more]


def finished(arguments: list[str], limit: float) -> Ended:
    """Run a command to its end."""
    begun = time.perf_counter()
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=limit, check=True)
    return Ended(time.perf_counter() - begun, done.returncode, done.stderr)


def carry_out(scenario: str, study: Path, folder: Path, options: argparse.Namespace) -> dict[str, object]:
    """One scenario on a fresh cluster."""
    out = folder / scenario
    where = ["--executor", "ray", "--address", f"{ADDRESSES[HEAD]}:{PORT}", "--group-timeout", str(options.group_timeout)]
    with network(), cluster(folder), (folder / f"{scenario}.log").open("w+") as log:
        begun = time.perf_counter()
        run = subprocess.Popen(
            inside(HEAD, command(study, out, *where)), stdout=log, stderr=subprocess.STDOUT, env=environment()
        )
        note = disturb(scenario, out, run, options)
        try:
            code: int | None = run.wait(timeout=options.limit)
        except subprocess.TimeoutExpired:
            code = None
            run.kill()
            run.wait()
        seconds = time.perf_counter() - begun
        log.seek(0)
        said = [line.strip() for line in log if "given up" in line or "Error" in line or "cannot" in line]
    equal = compare(folder / "local", out)
    return {**note, "exit_code": code, "seconds": round(seconds, 1), "given_up": said, **equal}


def disturb(scenario: str, out: Path, run: subprocess.Popen[bytes], options: argparse.Namespace) -> dict[str, object]:
    """Wait until both loads have answers in the store, then disturb the worker's node."""
    begun = time.perf_counter()
    while min(held(out).values(), default=0) < ENOUGH or len(held(out)) < 2:
        if run.poll() is not None or time.perf_counter() - begun > options.limit:
            return {"disturbed": False}
        time.sleep(0.2)
    note: dict[str, object] = {"disturbed": scenario != "undisturbed", "answered_before": held(out)}
    if scenario == "kill":
        found = subprocess.run(["ip", "netns", "pids", WORKER], capture_output=True, text=True, check=True).stdout.split()
        for process in found:
            os.kill(int(process), signal.SIGKILL)
        note["processes_killed"] = len(found)
    if scenario == "cut":
        link("down")
        cut_at = time.perf_counter()
        while time.perf_counter() - cut_at < options.cut:
            time.sleep(0.5)
            if run.poll() is not None and "ended_while_cut" not in note:
                note["ended_while_cut"] = True
                note["seconds_from_cut_to_end"] = round(time.perf_counter() - cut_at, 1)
        link("up")
        note["cut_seconds"] = round(time.perf_counter() - cut_at, 1)
    return note


def held(out: Path) -> dict[str, int]:
    """Responses of each unit that the store holds."""
    path = out / "manifest.json"
    if not path.is_file():
        return {}
    counts: dict[str, int] = {}
    for part in json.loads(path.read_text())["parts"]:
        if part["kind"] == "responses":
            counts[part["unit"]] = counts.get(part["unit"], 0) + part["rows"]
    return counts


def compare(local: Path, other: Path) -> dict[str, object]:
    """Whether two stores hold the same parts with the same bytes, and the same loads."""
    if not (other / "manifest.json").is_file():
        return {"complete": False, "equal": False}
    one, two = (json.loads((folder / "manifest.json").read_text()) for folder in (local, other))
    files = {kind: _files(local, kind) == _files(other, kind) for kind in ("responses", "records", "prompts")}
    return {
        "complete": two["complete"],
        "equal": all(files.values()) and one["parts"] == two["parts"] and one["loads"] == two["loads"],
        "parts": len(two["parts"]),
        "same_files": files,
        "same_order_of_parts": one["parts"] == two["parts"],
        "same_token_counts": one["tokens"] == two["tokens"],
    }


def _files(folder: Path, kind: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((folder / kind).glob("*.parquet"))}


def inside(namespace: str, arguments: list[str]) -> list[str]:
    """A command in a namespace."""
    return ["ip", "netns", "exec", namespace, *arguments]


def environment() -> dict[str, str]:
    """One thread, no reports of use, and the secret that the nodes of this cluster share."""
    shared = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN}
    return {**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "OMP_NUM_THREADS": "1", **shared}


def link(state: str) -> None:
    """Cut the link between the nodes, or mend it."""
    subprocess.run(["ip", "netns", "exec", WORKER, "ip", "link", "set", "srw0", state], check=True)


@contextmanager
def network() -> Iterator[None]:
    """Two namespaces joined by one link."""
    pairs = ((HEAD, "srh0"), (WORKER, "srw0"))
    for namespace, _ in pairs:
        subprocess.run(["ip", "netns", "add", namespace], check=True)
    try:
        ends = ["srh0", "netns", HEAD, "type", "veth", "peer", "name", "srw0", "netns", WORKER]
        subprocess.run(["ip", "link", "add", *ends], check=True)
        for namespace, device in pairs:
            for words in (["address", "add", f"{ADDRESSES[namespace]}/24", "dev", device], ["link", "set", device, "up"]):
                subprocess.run(inside(namespace, ["ip", *words]), check=True)
            subprocess.run(inside(namespace, ["ip", "link", "set", "lo", "up"]), check=True)
        yield
    finally:
        for namespace, _ in pairs:
            for process in subprocess.run(
                ["ip", "netns", "pids", namespace], capture_output=True, text=True, check=False
            ).stdout.split():
                with_grace(int(process))
            subprocess.run(["ip", "netns", "delete", namespace], check=False)


def with_grace(process: int) -> None:
    """End one process of a namespace; `ray stop` would end every Ray of the machine."""
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        return


@contextmanager
def cluster(folder: Path) -> Iterator[None]:
    """A head and a worker with one processor each."""
    ray = str(Path(sys.executable).with_name("ray"))
    head = [ray, "start", "--head", f"--port={PORT}", "--include-dashboard=false"]
    worker = [ray, "start", f"--address={ADDRESSES[HEAD]}:{PORT}"]
    for namespace, words in ((HEAD, head), (WORKER, worker)):
        own = ["--num-cpus=1", "--num-gpus=0", f"--node-ip-address={ADDRESSES[namespace]}", "--disable-usage-stats"]
        if namespace == HEAD:
            own.append(f"--temp-dir={tempfile.mkdtemp(prefix='r', dir=folder)}")
        done = subprocess.run(
            inside(namespace, [*words, *own]), capture_output=True, text=True, timeout=120, check=False, env=environment()
        )
        if done.returncode != 0:
            raise SystemExit(f"{namespace} did not start:\n{done.stdout}{done.stderr}")
    yield


if __name__ == "__main__":
    main()
