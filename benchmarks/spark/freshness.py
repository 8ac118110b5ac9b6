"""How old an event is when its row is written.

    .citypulse/dev/bin/python -m benchmarks.spark.freshness [--rate 2000] [--triggers 10 60] [--minutes 12]
        [--cold 6] [--store rocksdb] [--partitions 2] [--executor-memory 1g] [--collector G1]
        [--property KEY=VALUE …]

For each trigger a run of its own: events of 1,130 cities arrive at `rate` a second, received when they are
sent. Prints the median and the 99th percentile from reception to row, without the first `cold` minutes, in
which the JVMs compile what later batches run, as upper bounds of the metric's buckets. Ends with 1 when the
tables are not what a recount of the topic finds.
"""

from __future__ import annotations

import argparse
import random
import sys
import threading
import time
from collections.abc import Iterator

import msgspec
from benchmarks.spark import batches, settings
from benchmarks.spark.made_events import START, author, event, places, post_at
from tests.pipeline.counting import Counting
from tests.servers import servers

from citypulse.control.metrics import Samples, quantile, scrape
from citypulse.events.event import Event

NAME = "citypulse_spark_freshness_seconds"


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--rate", type=int, default=2000)
    options.add_argument("--triggers", type=int, nargs="+", default=[10, 60], help="seconds")
    options.add_argument("--minutes", type=float, default=12)
    options.add_argument("--cold", type=float, default=6, help="minutes that are not measured")
    options.add_argument("--store", choices=settings.STORES, default="rocksdb")
    settings.add(options)
    given = options.parse_args()
    failed = 0
    with servers() as system:
        for trigger in given.triggers:
            counting = Counting(system, "bench")
            try:
                failed += _measure(counting, trigger, given)
            finally:
                counting.remove()
    sys.exit(1 if failed else 0)


def _measure(counting: Counting, trigger: int, given: argparse.Namespace) -> int:
    counting.begin(spark_job_trigger_seconds=trigger, spark_job_config=settings.job(given, given.store))
    seconds = given.minutes * 60
    sender = threading.Thread(target=counting.send, args=(_paced(given.rate, seconds),))
    sender.start()
    time.sleep(given.cold * 60)
    before = _scrape(counting)
    sender.join()
    counting.until_counted()
    after = _since(before, _scrape(counting))
    half, most = (quantile(after, NAME, share) for share in (0.5, 0.99))
    print(
        f"{given.store} store, trigger {trigger} s, {given.rate} events a second: half within {half:g} s,"
        f" 99 % within {most:g} s; load {batches.load()}",
        flush=True,
    )
    print("of all:", ", ".join(f"{share:.2%} within {bound} s" for bound, share in _shares(after)))
    found = batches.every(counting)
    print("batches:", ", ".join(f"{one.records} in {one.seconds} s" for one in found))
    return counting.verify()


def _paced(rate: int, seconds: float) -> Iterator[Event]:
    """Events when they are due. Most of each is made before: the sender shares the job's two cores."""
    chance = random.Random(7)
    known = places(1130)
    like = [event(chance.choice(known), START, number, chance) for number in range(20_000)]
    began = time.time()
    for number in range(round(rate * seconds)):
        if (ahead := began + number / rate - time.time()) > 0.02:
            time.sleep(ahead)
        now = time.time_ns() // 1_000_000
        post = post_at(now - 800, number)
        yield msgspec.structs.replace(
            like[number % len(like)],
            id=post,
            post=post,
            author=author(chance),
            at=(now - 800) // 1000 * 1000,
            received=now,
        )


def _scrape(counting: Counting) -> Samples:
    samples = scrape(counting.system.installation.run_address(counting.run, 9302))
    assert samples is not None
    return samples


def _since(before: Samples, after: Samples) -> Samples:
    """What was added to the histogram."""
    old = {labels["le"]: count for labels, count in before.get(f"{NAME}_bucket", [])}
    buckets = [(labels, count - old.get(labels["le"], 0)) for labels, count in after[f"{NAME}_bucket"]]
    return {f"{NAME}_bucket": buckets}


def _shares(samples: Samples) -> Iterator[tuple[str, float]]:
    """What share of all is within each bound, of those that are neither none nor all."""
    buckets = [(labels["le"], count) for labels, count in samples[f"{NAME}_bucket"]]
    total = buckets[-1][1]
    return ((bound, count / total) for bound, count in buckets if 0 < count < total)


if __name__ == "__main__":
    main()
