"""The job's batches, as its log tells them, and what its processes use."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from typing import NamedTuple

import psutil
from tests.pipeline.counting import Counting


class Batch(NamedTuple):
    """One that was committed."""

    records: int
    cells: int
    rows: int
    seconds: float
    """From its trigger to its commit."""
    phases: dict[str, int]
    """Milliseconds of each, as Spark names them."""


def every(counting: Counting) -> list[Batch]:
    """All batches of the run so far."""
    return [
        Batch(one["records"], one["cells"] or 0, one["rows"] or 0, one["seconds"], one["phases"])
        for one in counting.log()
        if one.get("event") == "batch"
    ]


def until(counting: Counting, records: int, skip: int = 0) -> list[Batch]:
    """Wait for batches after the first `skip`, until they amount to so many records."""
    found: list[Batch] = []

    def enough() -> bool:
        found[:] = every(counting)[skip:]
        return sum(one.records for one in found) >= records

    counting.until("the job to have counted", enough, 1800)
    return found


def phases(batches: Sequence[Batch]) -> str:
    """The median of each phase."""
    names = sorted({name for one in batches for name in one.phases})
    medians = {name: statistics.median(one.phases.get(name, 0) for one in batches) for name in names}
    return ", ".join(f"{name} {value:.0f}" for name, value in medians.items())


def resident(counting: Counting) -> dict[str, int]:
    """MB by kind of process."""
    found = _processes(counting)
    return {name: sum(one.memory_info().rss for one in some) >> 20 for name, some in found.items()}


def processor(counting: Counting) -> float:
    """Seconds that driver and executor have used."""
    times = (one.cpu_times() for some in _processes(counting).values() for one in some)
    return sum(one.user + one.system for one in times)


def load() -> str:
    """The machine's load of the last 1, 5 and 15 minutes: what else ran beside."""
    return json.dumps([round(one, 1) for one in psutil.getloadavg()])


def _processes(counting: Counting) -> dict[str, list[psutil.Process]]:
    """The driver's two processes, the executor, and its Python workers."""
    driver = psutil.Process(counting.system.service(counting.service).pid)
    found = {"driver Python": [driver], "driver JVM": driver.children(recursive=True)}
    port = counting.config.spark.driver_port
    for process in psutil.process_iter(["cmdline"]):
        line = " ".join(process.info["cmdline"] or ()) + " "
        if "CoarseGrainedExecutorBackend" in line and f":{port} " in line:
            found |= {"executor JVM": [process], "executor Python": process.children(recursive=True)}
    return found
