"""Real servers for a run of tests or a benchmark, in a home and on ports of their own."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.system import System

VARIABLES = """\
kafka_properties:
  # A retention pass every few seconds, so that a test can wait for one.
  log.retention.check.interval.ms: 5000
  # A second listener, whose clients are sent to a proxy that the tests put in front of it.
  listeners: "PLAINTEXT://{{ kafka_address }}:{{ kafka_port }},\
PROXIED://{{ kafka_address }}:{{ kafka_port | int + 100 }}"
  advertised.listeners: "PLAINTEXT://{{ kafka_address }}:{{ kafka_port }},\
PROXIED://{{ kafka_address }}:{{ kafka_port | int + 200 }}"
  listener.security.protocol.map: PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT
  inter.broker.listener.name: PLAINTEXT
"""
"""What the tests' servers have besides the roles' defaults."""

SMALL_DISK = """\
kafka_data_dir: >-
  {{{{ '{}' if inventory_hostname == 'kafka2' else citypulse_var_dir ~ '/' ~ kafka_service }}}}/data
"""
SMALL_DISK_MB = 1024

_PORTS = (
    *(2181, 2182, 2888, 2889, 3888, 3889, 4040, 4140, 7000, 7077, 7078, 7190, 7191, 7192, 7199, 8080, 8081),
    *(
        3000,
        3001,
        8900,
        8950,
        9042,
        9090,
        9092,
        9093,
        9099,
        9100,
        9192,
        9193,
        9292,
        9293,
        9350,
        9351,
        9401,
        9402,
    ),
    *(9411, 9412, 9421, 9422, 9431),
)


@contextlib.contextmanager
def servers() -> Iterator[System]:
    """Servers that are up while the block runs; then they are stopped and deleted.

    CITYPULSE_TEST_DIR says where their state goes, in place of the system's directory for such things.
    CITYPULSE_TEST_KEEP=1 keeps the state. CITYPULSE_TEST_HOME=dir has the servers there, and leaves them
    running for the next time: for whoever writes a test.
    """
    lasting = os.environ.get("CITYPULSE_TEST_HOME")
    place = Path(
        lasting or tempfile.mkdtemp(prefix="citypulse-test-", dir=os.environ.get("CITYPULSE_TEST_DIR"))
    )
    home = place / "home"
    home.mkdir(parents=True, exist_ok=True)
    variables = place / "tests.yml"
    known = place / "port_offset"
    offset = int(known.read_text()) if known.exists() else _free_offset()
    known.write_text(str(offset))
    small = _small_disk(place)
    variables.write_text(VARIABLES + (SMALL_DISK.format(small) if small else ""))
    system = System(home=home, port_offset=offset, variables=variables, small_disk=small)
    try:
        system.control("up")
        yield system
    finally:
        if not lasting:
            _end(system, place, small)


def _end(system: System, place: Path, small: Path | None) -> None:
    system.control("down", check=False)
    if os.environ.get("CITYPULSE_TEST_KEEP") == "1":
        print(f"kept: {place}", file=sys.stderr)
        return
    if small:
        subprocess.run(["umount", str(small)], check=False)
    shutil.rmtree(place, ignore_errors=True)


def _small_disk(place: Path) -> Path | None:
    """A disk for the second broker alone, so that a test can fill it; None where mounts are not allowed."""
    small = place / "small-disk"
    small.mkdir(exist_ok=True)
    if small.is_mount():
        return small
    options = f"size={SMALL_DISK_MB}m"
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(small)], check=False)
    return small if mounted.returncode == 0 else None


def _free_offset() -> int:
    """An offset at which every port that servers, runs and proxies listen on is free now."""
    for offset in range(20_000, 50_000, 1_000):
        if all(_free(port + offset) for port in _PORTS):
            return offset
    raise RuntimeError("no range of free ports between 20000 and 60000 for the tests' servers")


def _free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
