"""Brings the servers up: looks at the machine, then lets the roles do the work."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import psutil

from citypulse.control.faults import Exit, Fault
from citypulse.control.installation import Installation
from citypulse.control.playbook import play
from citypulse.control.services import manager_pid, services
from citypulse.control.steps import console

SERVERS = ("zookeeper", "kafka", "cassandra", "spark-master", "spark-worker")
"""How the servers' services begin; all others belong to a run."""

MEMORY_BYTES = 6e9
DISK_BYTES = 5e9


def bring_up(inst: Installation, *, if_changed: bool = False) -> None:
    """Install, configure and start ZooKeeper, Kafka, Cassandra and Spark, and wait until they serve.

    With `if_changed` nothing is done where the same processes run as the same roles, archives and variables
    have left them.
    """
    converged = inst.home / "run" / "converged"
    wanted = _fingerprint(inst)
    if if_changed and converged.exists() and converged.read_text() == f"{wanted} {_running(inst)}":
        console.print("      they run as they were left; nothing has changed since")
        return
    converged.unlink(missing_ok=True)
    play(inst, "site", {})
    converged.write_text(f"{wanted} {_running(inst)}")


def _fingerprint(inst: Installation) -> str:
    """Of all that the playbook reads: the roles and inventory, the archives, and the variables."""
    roles = sorted(p for p in (inst.checkout / "infra" / "ansible").rglob("*") if p.is_file())
    user = os.environ.get("VARS", "").strip()
    files = [*roles, inst.home / "archives.json", inst.home / "java_home", *([Path(user)] if user else [])]
    digest = hashlib.sha256(f"{inst.port_offset} {inst.workers} {user}".encode())
    for path in files:
        if path.is_file():
            digest.update(str(path).encode() + path.read_bytes())
    return digest.hexdigest()


def _running(inst: Installation) -> str:
    """Which processes the servers are: another pid means that one was restarted since."""
    return " ".join(
        f"{service.name}={service.pid}"
        for service in services(inst)
        if service.running and service.name.startswith(SERVERS)
    )


def check_machine(inst: Installation) -> None:
    """Stop before anything is fetched where memory or disk will not do. Raises `Fault` with exit code 4.

    An installation that runs already has taken its memory.
    """
    free = psutil.virtual_memory().available
    if free < MEMORY_BYTES and manager_pid(inst) is None:
        raise Fault(
            f"{free / 1e9:.1f} GB of memory are free and citypulse needs {MEMORY_BYTES / 1e9:.0f} GB:"
            " stop something, or use a larger machine.",
            Exit.SHORT,
        )
    inst.home.mkdir(parents=True, exist_ok=True)
    left = shutil.disk_usage(inst.home).free
    if left < DISK_BYTES:
        raise Fault(
            f"{left / 1e9:.1f} GB of disk are free below {inst.home} and citypulse needs"
            f" {DISK_BYTES / 1e9:.0f} GB: free some, or set CITYPULSE_HOME to a larger disk.",
            Exit.SHORT,
        )
