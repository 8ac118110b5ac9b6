"""Brings the servers up: looks at the machine, then lets the roles do the work."""

from __future__ import annotations

import shutil

import psutil

from citypulse.control.faults import Exit, Fault
from citypulse.control.installation import Installation
from citypulse.control.playbook import play
from citypulse.control.services import manager_pid

MEMORY_BYTES = 6e9
DISK_BYTES = 5e9


def bring_up(inst: Installation) -> None:
    """Install, configure and start ZooKeeper, Kafka, Cassandra and Spark, and wait until they serve."""
    play(inst, "site", {})


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
