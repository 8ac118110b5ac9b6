"""A rig for each test, and one whose producer runs for those that only look."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stream.rig import Rig


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """Nothing of it runs yet."""
    made = Rig(tmp_path)
    yield made
    made.clean_up()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """Replay, and a producer that has taken some messages."""
    made = Rig(tmp_path_factory.mktemp("running"))
    try:
        made.replay.start(account={"search": True}, control={"enabled": True})
        made.producer.start()
        made.flow()
        yield made
    finally:
        made.clean_up()
