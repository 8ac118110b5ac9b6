"""How fast the real job takes a backlog, how long a small batch takes, and what memory it needs.

    .citypulse/dev/bin/python -m benchmarks.spark.backlog [--events 2000000] [--batch 200000]
        [--store rocksdb memory] [--partitions 2] [--executor-memory 1g] [--collector G1]
        [--property KEY=VALUE …]

Starts real servers, fills the topic with events of 1,130 cities, and lets the job count them, once for each
state store. Prints events a second of all batches but the first (which warms the JVM) from trigger to commit,
Cassandra included, and where the time went; then 100 batches of 200 events; then resident memory. Ends with 1
when the tables are not exactly what a recount of the topic finds.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import sys

from benchmarks.spark import batches, settings
from benchmarks.spark.made_events import events
from tests.pipeline.counting import Counting
from tests.servers import servers

SMALL = 200
SMALL_BATCHES = 100


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--events", type=int, default=2_000_000)
    options.add_argument("--batch", type=int, default=200_000)
    options.add_argument("--store", nargs="+", choices=settings.STORES, default=["rocksdb"])
    settings.add(options)
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
        spark_job_config=settings.job(given, store, max_offsets_per_trigger=given.batch),
    )
    counting.stop()
    counting.send(itertools.islice(made, given.events))
    counting.start()
    backlog = batches.until(counting, 1)
    used = -batches.processor(counting)
    backlog += batches.until(counting, given.events - sum(one.records for one in backlog), len(backlog))
    used += batches.processor(counting)
    for number in range(SMALL_BATCHES):
        counting.send(itertools.islice(made, SMALL))
        batches.until(counting, SMALL, len(backlog) + number)
    small = [one for one in batches.every(counting) if one.records <= SMALL]
    print(
        f"state store {store}, {given.partitions} partitions, batches of {given.batch}; load {batches.load()}"
    )
    print("batches:", ", ".join(f"{one.records} in {one.seconds} s" for one in backlog))
    if warm := backlog[1:]:
        records = sum(one.records for one in warm)
        rate = records / sum(one.seconds for one in warm)
        print(f"warm: {rate:,.0f} events/s, {records / used:,.0f} a processor second of driver and executor")
    warmed = small[-SMALL_BATCHES // 2 :]
    seconds = sorted(one.seconds for one in warmed)
    print(f"a batch of {SMALL}: median {statistics.median(seconds):.2f} s, longest {seconds[-1]:.2f} s")
    print("its phases, ms:", batches.phases(warmed))
    print("resident MB:", ", ".join(f"{name} {size}" for name, size in batches.resident(counting).items()))
    return counting.verify()


if __name__ == "__main__":
    main()
