"""What a batch costs by its events and by its changed cells, with 1,000 to 100,000 known cities.

    .citypulse/dev/bin/python -m benchmarks.spark.scaling [--cities 1000 10000 100000] [--batch 40000]

For each number of cities a run of its own: all cities are made known, then batches of events are spread over
all of them, over the same 1,000 of them, and smaller ones; the job is held still while they are sent. Fits
seconds = a + b x events + c x changed cells over all batches of all runs, and compares between the runs the
batches that change the same cells. Says how many bytes events and rows take. Ends with 1 when the tables are
not what a recount of the topic finds.
"""

from __future__ import annotations

import argparse
import itertools
import signal
import statistics
import sys
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from benchmarks.spark import batches, stored
from benchmarks.spark.batches import Batch
from benchmarks.spark.made_events import START, evenly, places
from kafka import KafkaProducer
from tests.pipeline.counting import Counting
from tests.servers import servers

from citypulse.events.event import Event
from citypulse.places import Place, encode, key

NARROW = 1000
"""Cities in which a batch may lie, whatever the number of those that are known."""
SAME = 5
MINUTES = 1.0
"""Of event time in each batch."""


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--cities", type=int, nargs="+", default=[1000, 10_000, 100_000])
    options.add_argument("--batch", type=int, default=40_000)
    given = options.parse_args()
    seen: list[Batch] = []
    narrow: dict[int, list[Batch]] = {}
    failed = 0
    with servers() as system:
        for cities in given.cities:
            counting = Counting(system, "bench")
            try:
                some, same = _measure(counting, cities, given.batch)
                failed += counting.verify()
                _tell_stored(counting)
            finally:
                counting.remove()
            seen += some + same
            narrow[cities] = same
    print(f"load {batches.load()}")
    _fit(seen)
    first = None
    for cities, same in narrow.items():
        each = statistics.median(one.seconds / one.records for one in same) * 1e6
        first = first or each
        cells = statistics.median(one.cells for one in same)
        print(
            f"{cities} known cities, {cells:.0f} changed cells: {each:.1f} us an event, {each / first:.2f} x"
        )
    sys.exit(1 if failed else 0)


def _measure(counting: Counting, cities: int, size: int) -> tuple[list[Batch], list[Batch]]:
    known = places(cities)
    counting.begin(
        spark_job_trigger_seconds=0,
        spark_job_config={"max_offsets_per_trigger": size, "shuffle_partitions": 2},
    )
    _publish(counting, known)
    minutes = itertools.count()

    def made(count: int, some: Sequence[Place]) -> Iterator[Event]:
        number = next(minutes)
        since = START + int(number * MINUTES * 60_000)
        return evenly(some, count, since, MINUTES, seed=number)

    # Warm, and all known.
    _held(counting, itertools.chain(*(made(size, known) for _ in range(max(4, -(-cities // size))))))
    spread = _held(counting, itertools.chain(*(made(size, known) for _ in range(SAME))))
    same = _held(counting, itertools.chain(*(made(size, known[:NARROW]) for _ in range(SAME))))
    for _ in range(3):
        spread += _held(counting, made(size // 4, known))
        spread += _held(counting, made(size // 4, known[:NARROW]))
    print(f"{cities} cities; seconds (events, cells):", ", ".join(map(_shown, [*spread, *same])), flush=True)
    return spread, [one for one in same if one.records > size // 2]


def _tell_stored(counting: Counting) -> None:
    print(f"bytes: {stored.kafka(counting):.0f} an event in Kafka;", end=" ")
    tables = stored.cassandra(counting)
    print(
        ", ".join(f"{size:.0f} a row of {name} ({rows})" for name, (rows, size) in tables.items()), flush=True
    )


def _shown(one: Batch) -> str:
    return f"{one.seconds} ({one.records}, {one.cells})"


def _held(counting: Counting, events: Iterable[Event]) -> list[Batch]:
    """The batches of events that were all sent before they were counted."""
    before = len(batches.every(counting))
    counting.system.signal(counting.service, signal.SIGSTOP)
    try:
        some = list(events)
        counting.send(some)
    finally:
        counting.system.signal(counting.service, signal.SIGCONT)
    found = batches.until(counting, len(some), before)
    # The first began while they were being sent, and the last holds what was left.
    return [one for one in found[1:] if one.records > 1000]


def _publish(counting: Counting, known: Sequence[Place]) -> None:
    producer = KafkaProducer(bootstrap_servers=counting.system.bootstrap, acks="all", linger_ms=5)
    for one in known:
        producer.send(f"{counting.run}.places", key=key(one), value=encode(one))
    producer.flush()
    producer.close()


def _fit(seen: Sequence[Batch]) -> None:
    """Least squares."""
    factors = np.array([[1.0, one.records, one.cells] for one in seen])
    seconds = np.array([one.seconds for one in seen])
    (base, event, cell), *_ = np.linalg.lstsq(factors, seconds, rcond=None)
    off = np.abs(factors @ np.array([base, event, cell]) - seconds)
    print(
        f"{len(seen)} batches: {base:.2f} s + {event * 1e6:.1f} us an event"
        f" + {cell * 1e6:.1f} us a changed cell, half of them within {np.median(off):.2f} s"
    )


if __name__ == "__main__":
    main()
