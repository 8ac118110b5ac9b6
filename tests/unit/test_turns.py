"""What is too long for every run takes turns."""

from __future__ import annotations

import pytest

from tests import turns

ROW = [("a", 2.0), ("b", 2.0), ("c", 1.0), ("d", 9.0)]


@pytest.fixture(params=range(8))
def commits(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """A history of so many."""
    number: int = request.param
    told = type("Told", (), {"stdout": f"{number}\n"})
    monkeypatch.setattr(turns.subprocess, "run", lambda *_, **__: told)
    return number


def test_a_run_begins_where_the_commit_says_and_takes_what_there_is_time_for(commits: int) -> None:
    wanted = {0: ["a", "b", "c"], 1: ["b", "c", "a"], 2: ["c", "a", "b"], 3: ["d"]}
    assert turns.turn(ROW, 5, step=1) == wanted[commits % 4]


def test_nothing_takes_no_turn(commits: int) -> None:
    assert turns.turn([], 5, step=commits) == []
