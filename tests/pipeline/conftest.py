"""Real servers for the whole test run, in a home and on ports of their own."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.outside import outside
from tests.pipeline.system import System

# A retention pass every few seconds, so that a test can wait for one.
FAST_RETENTION = "kafka_properties:\n  log.retention.check.interval.ms: 5000\n"


@pytest.fixture(scope="session")
def system() -> Iterator[System]:
    """Servers that are up; they are stopped and deleted at the end (CITYPULSE_TEST_KEEP=1 keeps the state).

    CITYPULSE_TEST_DIR says where their state goes, in place of the system's directory for such things.
    """
    home = Path(tempfile.mkdtemp(prefix="citypulse-test-", dir=os.environ.get("CITYPULSE_TEST_DIR")))
    variables = home / "tests.yml"
    variables.write_text(FAST_RETENTION)
    system = System(home=home / "home", port_offset=_free_offset(), variables=variables)
    try:
        system.control("up")
        yield system
    finally:
        system.control("down", check=False)
        if os.environ.get("CITYPULSE_TEST_KEEP") == "1":
            print(f"kept: {home}", file=sys.stderr)
        else:
            shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def seed_capture() -> Path:
    """A real capture of X's filtered stream, which is not part of the project."""
    return outside("seed-capture")


def _free_offset() -> int:
    """An offset at which the first port of each server is free now."""
    for offset in range(20_000, 50_000, 1_000):
        if all(_free(port + offset) for port in (2181, 2182, 7077, 8080, 8900, 9042, 9092, 9093, 9401, 9402)):
            return offset
    raise RuntimeError("no range of free ports between 20000 and 60000 for the tests' servers")


def _free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
