"""Long tests take turns in `make test`: those marked `takes_turns`, with the minutes they need."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import turns
from tests.pipeline import shown
from tests.pipeline.shown import Running
from tests.system import System

TURN_MINUTES = 4.0

_left = pytest.StashKey[list[str]]()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out those whose turn it is not; what they are is said."""
    row = [(item, mark.args[0]) for item in items if (mark := item.get_closest_marker("takes_turns"))]
    if turns.wanted() == turns.EVERY or not row:
        return
    chosen = turns.turn(row, TURN_MINUTES, step=1)
    left = [item for item, _ in row if item not in chosen]
    items[:] = [item for item in items if item not in left]
    config.hook.pytest_deselected(items=left)
    config.stash[_left] = [item.name for item in left]


def pytest_report_collectionfinish(config: pytest.Config) -> list[str]:
    """Say what was left out, and how to have it."""
    left = config.stash.get(_left, [])
    return [f"not their turn: {', '.join(left)}; make test TURNS=all runs them too"] if left else []


@pytest.fixture(scope="module")
def running(system: System) -> Iterator[Running]:
    """Tweets of three days in tables of their own."""
    made = shown.written(system)
    yield made
    made.session.execute(f"DROP KEYSPACE {made.config.keyspace}")
    made.session.cluster.shutdown()
