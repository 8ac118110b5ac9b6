"""Whether state and batches stay as they are over an hour of events.

    .citypulse/dev/bin/python -m benchmarks.spark.hour [--minutes 60] [--rate 200] [--store memory]

An hour of event time at `rate` events a second is sent minute by minute, each minute counted before the next
is sent. Prints the median seconds of a batch and the state's rows for each third of the hour, but for the
first minutes, in which the state fills up to the watermark's delay. The memory store is measured, for RocksDB
does not count its rows. Ends with 1 when the tables are not what a recount of the topic finds.
"""

from __future__ import annotations

import argparse
import statistics
import sys

from benchmarks.spark import batches
from benchmarks.spark.made_events import START, evenly, places
from tests.pipeline.counting import Counting
from tests.servers import servers

CITIES = 1130
FILLING = 15
"""Minutes until the state has what it keeps, and the JVM is warm."""


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--minutes", type=int, default=60)
    options.add_argument("--rate", type=int, default=200, help="events a second of event time")
    options.add_argument("--store", choices=["rocksdb", "memory"], default="memory")
    given = options.parse_args()
    with servers() as system:
        counting = Counting(system, "bench")
        try:
            failed = _measure(counting, given)
        finally:
            counting.remove()
    sys.exit(failed)


def _measure(counting: Counting, given: argparse.Namespace) -> int:
    counting.begin(
        spark_job_trigger_seconds=0,
        spark_job_config={"state_store": given.store, "shuffle_partitions": 2},
    )
    known = places(CITIES)
    seconds: list[float] = []
    rows: list[float] = []
    for minute in range(given.minutes):
        before = len(batches.every(counting))
        count = given.rate * 60
        counting.send(evenly(known, count, START + minute * 60_000, 1.0, seed=minute))
        found = batches.until(counting, count, before)
        seconds.append(sum(one.seconds for one in found))
        rows.append(counting.metric("state_rows"))
    print(
        f"{given.store} store, {given.minutes} minutes at {given.rate} events a second; load {batches.load()}"
    )
    third = (given.minutes - FILLING) // 3
    for first in range(FILLING, FILLING + 3 * third, third):
        part = slice(first, first + third)
        print(
            f"minutes {first} to {first + third}: {statistics.median(seconds[part]):.2f} s a minute,"
            f" {statistics.median(rows[part]):,.0f} rows of state"
        )
    return counting.verify()


if __name__ == "__main__":
    main()
