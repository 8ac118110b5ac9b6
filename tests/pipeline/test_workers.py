"""A second worker joins by one variable, and is used."""

from __future__ import annotations

import dataclasses
import urllib.request
from typing import Any

import msgspec
import pytest

from tests.pipeline.counting import RUN, Counting
from tests.pipeline.test_job import events
from tests.system import System


@pytest.mark.takes_turns(2.4)
def test_tasks_run_on_both_workers_and_the_numbers_are_right(system: System) -> None:
    two = dataclasses.replace(system, workers=2)
    two.control("up")
    counting = Counting(two)
    try:
        counting.begin()
        counting.send(events(20, 1, 4000))
        counting.until_counted()
        assert counting.verify() == 0
        tasks = {_worker(one): one["completedTasks"] for one in _executors(two) if one["id"] != "driver"}
        assert len(tasks) == 2, tasks
        assert all(tasks.values()), tasks
    finally:
        counting.remove()
        system.control("up")


def _executors(system: System) -> list[dict[str, Any]]:
    """As Spark's API of the job tells them."""
    api = f"http://{system.installation.run_address(RUN, 4040)}/api/v1/applications"
    (application,) = _read(api)
    executors: list[dict[str, Any]] = _read(f"{api}/{application['id']}/executors")
    return executors


def _worker(executor: dict[str, Any]) -> str:
    """Address of the worker's page, which shows the executor's log."""
    return str(executor["executorLogs"]["stdout"]).split("/")[2]


def _read(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310 - our own address
        return msgspec.json.decode(answer.read())
