"""What a batch could not count: read once more, and noted before the batch counts as done.

Spark drops what is older than the watermark before `foreachBatch` sees it, and the query leaves out what is
no event. Both are counted on the way; only a batch that had some is read a second time, in batch mode and by
the same offsets, to find which they were. A crash in between repeats the batch with the same watermark, and
so the notes.
"""

# ruff: noqa: S608 - a keyspace cannot be a parameter in CQL; its name is checked by the configuration

import time
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple

import msgspec
from cassandra.cluster import Session
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812 - as everybody calls it

from citypulse.spark import topics
from citypulse.spark.config import Cassandra, Config
from citypulse.spark.counting import query
from citypulse.spark.counting.execution import Batch
from citypulse.spark.tables import connected, execute_all
from citypulse.spark.topics import Offsets

WINDOW_MS = 5 * 60 * 1000
EVERY = "*"
"""Stands for every feed, or every country."""

Reason = Literal["late", "checkpoint", "retention"]

_AT_ONCE = 32
_CHUNK = 1000


class Due(NamedTuple):
    """A window that must be recounted."""

    window_start: int
    """Ms since the epoch."""
    feed: str = EVERY
    country: str = EVERY


def records(spark: SparkSession, config: Config, batch: Batch) -> DataFrame:
    """A batch's records, parsed, with their topic, partition and offset."""
    wanted = {topic: [int(number) for number in partitions] for topic, partitions in batch.end.items()}
    # A partition that was not in the batch's start is one that was added: it begins at its first record.
    first = {
        topic: {number: batch.start.get(topic, {}).get(number, -2) for number in partitions}
        for topic, partitions in batch.end.items()
    }
    found = (
        spark.read.format("kafka")
        .options(**topics.reader_options(config.kafka))
        .option("assign", msgspec.json.encode(wanted).decode())
        .option("startingOffsets", msgspec.json.encode(first).decode())
        .option("endingOffsets", msgspec.json.encode(batch.end).decode())
        .option("failOnDataLoss", "false")
        .load()
    )
    return query.parse(found.select("topic", "partition", "offset", "value", "timestamp"))


def late(parsed: DataFrame, late_until: int) -> list[Due]:
    """The windows of events that are older than the watermark, sorted.

    Args:
        parsed: events as `query.parse` gives them.
        late_until: the watermark that applied to them, in ms since the epoch.
    """
    some = query.located(parsed.where(F.col("at") <= late_until))
    start = F.unix_millis("time")
    windows = some.select((start - start % WINDOW_MS).alias("window_start"), "feed", "country").distinct()
    return sorted(Due(*row) for row in windows.collect())


def set_aside(parsed: DataFrame, config: Config) -> int:
    """Keep where records are that count nowhere, and why; returns how many.

    Args:
        parsed: as `records` gives them.
    """
    faulty = parsed.where(F.col("fault").isNotNull())
    places = faulty.select("topic", "partition", "offset", "fault", "appended")
    keep = partial(_keep, cassandra=config.cassandra, keyspace=config.keyspace)
    return sum(places.rdd.mapPartitions(keep).collect())


def note(
    session: Session, config: Config, due: Sequence[Due], reason: Reason, first: Offsets, end: Offsets
) -> None:
    """Put windows on the list of those to be recounted; noting one twice is harmless.

    Args:
        first: offsets at or before what was not counted.
        end: offsets after it.
    """
    statement = session.prepare(
        f"INSERT INTO {config.keyspace}.recounts_due"
        " (reason, window_start, feed, country, first_offsets, end_offsets, noted_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)"
    )
    statement.is_idempotent = True
    now = time.time_ns() // 1_000_000
    reach = (_flat(first), _flat(end), now)
    rows = [(statement, (reason, one.window_start, one.feed, one.country, *reach)) for one in due]
    execute_all(session, rows, _AT_ONCE, config.cassandra.wait_seconds)


def windows_between(since: int, until: int) -> list[Due]:
    """Every window that holds a moment of a span, for every feed and country.

    Args:
        since, until: ms since the epoch, both within the span.
    """
    return [Due(start) for start in range(since // WINDOW_MS * WINDOW_MS, until + 1, WINDOW_MS)]


def _flat(offsets: Offsets) -> dict[str, int]:
    return {
        f"{topic}-{number}": offset
        for topic, partitions in offsets.items()
        for number, offset in partitions.items()
    }


def _keep(rows: Iterable[Any], *, cassandra: Cassandra, keyspace: str) -> Iterator[int]:
    """On an executor: write one partition's places."""
    target = connected(cassandra)
    statement = target.prepare(
        f"INSERT INTO {keyspace}.set_aside"
        " (topic, kafka_partition, kafka_offset, reason, appended_at, noted_at) VALUES (?, ?, ?, ?, ?, ?)"
    )
    statement.is_idempotent = True
    now = time.time_ns() // 1_000_000
    some: list[tuple[Any, Any]] = []
    for row in rows:
        some.append((statement, (*row, now)))
        if len(some) == _CHUNK:
            execute_all(target, some, cassandra.concurrency, cassandra.wait_seconds)
            yield len(some)
            some = []
    if some:
        execute_all(target, some, cassandra.concurrency, cassandra.wait_seconds)
        yield len(some)
