"""What several kinds of tests share: real servers, and captures of X."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.outside import outside
from tests.servers import servers
from tests.system import System

# What a shell starts in its background ignores the interrupt, and so would all that these tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def system() -> Iterator[System]:
    """One set of servers for all tests of a run."""
    with servers() as system:
        yield system


@pytest.fixture(scope="session")
def seed_capture() -> Path:
    """A real capture of X's filtered stream, which is not part of the project."""
    return outside("seed-capture")
