"""Brings the servers up: looks at the machine, then lets the roles do the work."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import psutil
import yaml

from citypulse.control.faults import Exit, Fault
from citypulse.control.installation import Installation
from citypulse.control.playbook import play
from citypulse.control.services import manager_pid, services
from citypulse.control.steps import console

SERVERS = (
    "zookeeper",
    "kafka",
    "cassandra",
    "spark-master",
    "spark-worker",
    "node-exporter",
    "alertmanager",
    "prometheus",
    "board",
    "grafana",
)
"""How the servers' services begin; all others belong to a run."""

NATIVE = Path("infra") / "ansible" / "inventories" / "native" / "group_vars" / "native.yml"
"""Where it is said what the roles need of this machine."""


def bring_up(inst: Installation, *, if_changed: bool = False) -> None:
    """Install, configure and start ZooKeeper, Kafka, Cassandra, Spark and the board; wait until they serve.

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
    """Of all that the playbook reads: roles, inventory, dashboards and alerts, archives, variables."""
    ansible = inst.checkout / "infra" / "ansible"
    dashboards = inst.checkout / "grafana" / "dashboards"
    alerts = inst.checkout / "grafana" / "alerts"
    read = [*ansible.rglob("*"), *dashboards.glob("*.json"), *alerts.glob("*.yml")]
    roles = sorted(p for p in read if p.is_file() and p.parent.name != "__pycache__")
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
        if service.pid and service.name.startswith(SERVERS)
    )


def check_machine(inst: Installation) -> None:
    """Stop before anything is fetched where memory or disk will not do. Raises `Fault` with exit code 4.

    An installation that runs already has taken its memory.
    """
    needs = yaml.safe_load((inst.checkout / NATIVE).read_text())
    free = psutil.virtual_memory().available >> 20
    if free < needs["citypulse_memory_mb"] and manager_pid(inst) is None:
        raise Fault(
            f"{free} MB of memory are free and citypulse needs {needs['citypulse_memory_mb']} MB:"
            " stop something, or use a larger machine.",
            Exit.SHORT,
        )
    inst.home.mkdir(parents=True, exist_ok=True)
    left = shutil.disk_usage(inst.home).free >> 20
    if left < needs["citypulse_disk_mb"]:
        raise Fault(
            f"{left} MB of disk are free below {inst.home} and citypulse needs"
            f" {needs['citypulse_disk_mb']} MB: free some, or set CITYPULSE_HOME to a larger disk.",
            Exit.SHORT,
        )
