"""How fast the real job takes a backlog, how long a small batch takes, and what memory it needs.

    .citypulse/dev/bin/python -m benchmarks.spark.backlog [--events 2000000] [--batch 200000]
        [--store rocksdb memory] [--partitions 2]

Starts real servers, fills the topic with events of 1,130 cities, and lets the job count them, once for each
state store. Prints events a second of all batches but the first (which warms the JVM) from trigger to commit,
Cassandra included, and where the time went; then 20 batches of 200 events; then resident memory. Ends with 1
when the tables are not exactly what a recount of the topic finds.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import sys
from typing import Any

import psutil
from benchmarks.spark.made_events import events
from tests.pipeline.counting import Counting
from tests.servers import servers

SMALL = 200
SMALL_BATCHES = 20


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--events", type=int, default=2_000_000)
    options.add_argument("--batch", type=int, default=200_000)
    options.add_argument("--store", nargs="+", choices=["rocksdb", "memory"], default=["rocksdb"])
    options.add_argument("--partitions", type=int, default=2)
    given = options.parse_args()
    failed = 0
    with servers() as system:
        for store in given.store:
            counting = Counting(system, "bench")
            try:
                failed += _measure(counting, store, given)
            finally:
                counting.remove()
    sys.exit(1 if failed else 0)


def _measure(counting: Counting, store: str, given: argparse.Namespace) -> int:
    made = events(given.events + SMALL * SMALL_BATCHES)
    counting.begin(
        spark_job_trigger_seconds=0,
        spark_job_config={
            "max_offsets_per_trigger": given.batch,
            "state_store": store,
            "shuffle_partitions": given.partitions,
        },
    )
    counting.stop()
    counting.send(itertools.islice(made, given.events))
    counting.start()
    backlog = _batches(counting, 1)
    used = -_processor(counting)
    backlog += _batches(counting, given.events - sum(one["records"] for one in backlog), len(backlog))
    used += _processor(counting)
    for number in range(SMALL_BATCHES):
        counting.send(itertools.islice(made, SMALL))
        _batches(counting, SMALL, len(backlog) + number)
    small = [one for one in _all_batches(counting) if one["records"] <= SMALL]
    warm = backlog[1:]
    rate = sum(one["records"] for one in warm) / sum(one["seconds"] for one in warm)
    print(f"state store {store}, {given.partitions} partitions, batches of {given.batch}; load {_load()}")
    print("batches:", ", ".join(f"{one['records']} in {one['seconds']} s" for one in backlog))
    records = sum(one["records"] for one in warm)
    print(f"warm: {rate:,.0f} events/s, {records / used:,.0f} a processor second of driver and executor")
    seconds = sorted(one["seconds"] for one in small[5:])
    print(f"a batch of {SMALL}: median {statistics.median(seconds):.2f} s, longest {seconds[-1]:.2f} s")
    print("its phases, ms:", _phases(small[5:]))
    print("resident MB:", ", ".join(f"{name} {size}" for name, size in _resident(counting).items()))
    return counting.verify()


def _batches(counting: Counting, records: int, skip: int = 0) -> list[dict[str, Any]]:
    """The next batches from the job's log, until they amount to so many records."""
    found: list[dict[str, Any]] = []

    def enough() -> bool:
        found[:] = _all_batches(counting)[skip:]
        return sum(one["records"] for one in found) >= records

    counting.until("the job to have counted", enough, 1800)
    return found


def _all_batches(counting: Counting) -> list[dict[str, Any]]:
    return [line for line in counting.log() if line.get("event") == "batch"]


def _phases(batches: list[dict[str, Any]]) -> str:
    names = sorted({name for one in batches for name in one["phases"]})
    medians = {name: statistics.median(one["phases"].get(name, 0) for one in batches) for name in names}
    return ", ".join(f"{name} {value:.0f}" for name, value in medians.items())


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


def _resident(counting: Counting) -> dict[str, int]:
    """MB by kind of process."""
    found = _processes(counting)
    return {name: sum(one.memory_info().rss for one in some) >> 20 for name, some in found.items()}


def _processor(counting: Counting) -> float:
    """Seconds that all of them have used."""
    times = (one.cpu_times() for some in _processes(counting).values() for one in some)
    return sum(one.user + one.system for one in times)


def _load() -> str:
    return json.dumps([round(one, 1) for one in psutil.getloadavg()])


if __name__ == "__main__":
    main()
