"""A Ray cluster as the executor sees it: reached or refused in one sentence, and asked which of its nodes have room."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from safetyrepro.errors import ExecutorError, MissingDependency
from safetyrepro.executors.base import ExecutorOptions, Opening

CONNECT_SECONDS = 10.0
HEALTH_SECONDS = 40.0
"""A head that died leaves a port that accepts and says nothing; Ray itself would wait for it for minutes."""
NODE_LABEL = "ray.io/node-id"


@dataclass(frozen=True, slots=True)
class Need:
    """What one load takes of a node."""

    cpus: float
    """Processors."""
    gpus: float
    """Graphics processors, or a share of one."""

    def fits(self, resources: Mapping[str, float]) -> bool:
        """Whether resources cover it."""
        return resources.get("CPU", 0.0) >= self.cpus and resources.get("GPU", 0.0) >= self.gpus


class Cluster:
    """The cluster that this process is connected to."""

    def nodes(self, need: Need) -> set[str]:
        """Nodes that are alive and large enough for a load."""
        import ray

        return {node["NodeID"] for node in ray.nodes() if node["Alive"] and need.fits(node["Resources"])}

    def has_room(self, need: Need) -> bool:
        """Whether the cluster says that a load could start now."""
        import ray

        return need.fits(ray.available_resources())

    def gpus(self) -> float:
        """Graphics processors of all nodes together."""
        import ray

        return float(ray.cluster_resources().get("GPU", 0.0))

    def elsewhere(self, need: Need, avoided: Collection[str]) -> dict[str, str]:
        """The condition that keeps an actor off nodes that failed, as long as there is another node for it."""
        present = self.nodes(need)
        away = sorted(present & set(avoided))
        return {NODE_LABEL: f"!in({','.join(away)})"} if away and len(away) < len(present) else {}


def wanted(opening: Opening, options: ExecutorOptions, cluster: Cluster) -> Need:
    """What a load takes: one GPU where it loads weights, the device allows one and the cluster has any; else processors alone."""
    gpus = options.gpus
    if gpus is None:
        asks = opening.weighs and opening.engine.device != "cpu"
        gpus = 1.0 if asks and (opening.engine.device != "auto" or cluster.gpus() > 0) else 0.0
    return Need(float(opening.engine.threads or 1), gpus)


@contextmanager
def connected(options: ExecutorOptions) -> Iterator[Cluster]:
    """Connect to the cluster that was named, or start Ray on this machine alone.

    Raises
    ------
    ExecutorError
        If nothing answers at the address.
    MissingDependency
        If Ray is not installed.
    """
    # Ray reports its use over the network unless it is told not to.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise MissingDependency("ray", purpose="option --executor ray", extra="ray") from error
    address = options.address or os.environ.get("RAY_ADDRESS") or "local"
    _reach(address)
    quiet: dict[str, Any] = {
        "log_to_driver": False,
        "configure_logging": False,
        "include_dashboard": False,
    }  # Any: options of a foreign library
    if address != "local":
        del quiet["include_dashboard"]
    try:
        ray.init(address=address, **quiet)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        raise _unreachable(address, str(error).splitlines()[0][:200]) from error
    try:
        yield Cluster()
    finally:
        ray.shutdown()


def _reach(address: str) -> None:
    """Refuse an address that nobody answers at, in seconds."""
    if address in ("local", "auto"):
        return
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or "/" in host:
        raise ExecutorError(
            "option --address",
            found=f"'{address}' is not an address of a cluster",
            expected="HOST:PORT, or auto for the cluster of this machine",
            remedy="Use the address that `ray start --head` printed, on a machine that belongs to the cluster.",
        )
    try:
        socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise _unreachable(address, str(error)) from error
    check = [sys.executable, "-m", "ray.scripts.scripts", "health-check", "--address", address]
    try:
        done = subprocess.run(check, capture_output=True, timeout=HEALTH_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise _unreachable(
            address, f"something listens there and did not answer within {HEALTH_SECONDS:.0f} seconds"
        ) from error
    if done.returncode != 0:
        raise _unreachable(address, "what listens there is not the head of a living cluster, or wants another token")


def _unreachable(address: str, reason: str) -> ExecutorError:
    return ExecutorError(
        f"Ray cluster at '{address}'",
        found=f"cannot be reached ({reason})",
        remedy="Start it with `ray start --head --port=6379` and name HOST:6379, or leave --address out to use this machine alone.",
    )
