"""One recount, from the first record that can matter to the last row."""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec
from cassandra.cluster import Session
from kafka.errors import KafkaError
from py4j.protocol import Py4JError  # type: ignore[import-untyped]
from pyspark import StorageLevel
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812 - as everybody calls it

from citypulse.spark import kept, rolling, spans, topics
from citypulse.spark.config import Config
from citypulse.spark.counting.gaps import Missing
from citypulse.spark.counting.names import Names
from citypulse.spark.counting.reception import Gaps
from citypulse.spark.errors import StopError
from citypulse.spark.reprocess import apply, cells, changes, coverage, live, source, watch
from citypulse.spark.reprocess.changes import Before, CellKey, FeedCountry, Told
from citypulse.spark.spans import Span

HOUR_MS = 3_600_000


class Request(msgspec.Struct, frozen=True):
    """What is to be recounted."""

    span: Span
    windows: frozenset[int] | None = None
    """Only these windows of the span, by their start in ms."""
    country: str | None = None
    """Only its cells, and those of all countries."""
    feed: str | None = None
    reason: str = "by hand"
    journals: tuple[source.Journal, ...] = ()
    live: bool = False
    """Also windows that the job still counts. It must stand still."""
    dry_run: bool = False


class Outcome(msgspec.Struct):
    """What became of it."""

    stamp: int
    """The recount's timestamp, in microseconds."""
    done: Span | None = None
    """The span that was recounted; None where no window of the request could be."""
    closed: int | None = None
    """The job counts windows that end later; None where it stands still."""
    left: dict[str, Span] = msgspec.field(default_factory=dict)
    """Windows that were left alone, by the reason."""
    records: int = 0
    told: dict[FeedCountry, Told] = msgspec.field(default_factory=dict)
    newer: int = 0
    """Cells that differ, but whose rows were written after the recount began: they were left."""

    def covers(self, window: int) -> bool:
        """Whether a window was recounted."""
        return self.done is not None and self.done[0] <= window < self.done[1]


def run(
    config: Config,
    spark: SparkSession,
    session: Session,
    request: Request,
    progress: watch.Progress = watch.silent,
) -> Outcome:
    """Recount, and write what differs.

    Args:
        spark: also the job's own session, from another thread.
        progress: is told how far it is.

    Raises:
        StopError: Kafka does not answer, or records were deleted while they were read.
        cassandra.DriverException: the tables could not be written in time.
    """
    consumer = topics.consumer(config.kafka, "citypulse-spark-reprocess")
    try:
        some = kept.partitions(consumer, config.prefixed_topics)
        if absent := set(config.prefixed_topics) - {one.topic for one in some}:
            # Counted without it, windows would shrink.
            raise StopError(f"topics: there is no topic {', '.join(sorted(absent))} to recount from")
        # Before the ends are asked for: what is written later by anybody has seen at least as much.
        outcome = Outcome(time.time_ns() // 1000)
        end = kept.ends(consumer, some)
        # Journals end when they were exported: what came afterwards is kept for as long as retention says.
        retention = kept.retention_ms(config.kafka, config.prefixed_topics) if request.journals else 0
        whole = kept.whole_after(consumer, some, retention)
        outcome.closed = None if request.live else live.closed_until(spark, config)
        outcome.done, outcome.left = coverage.covered(request.span, whole, outcome.closed, request.journals)
        if outcome.done is None:
            return outcome
        start = kept.offsets_at(consumer, some, outcome.done[0] - kept.AHEAD_MS)
    except (KafkaError, TimeoutError, OSError) as error:
        raise topics.unread(config.kafka, error) from error
    finally:
        consumer.close()
    outcome.records = sum(end[one] - start[one] for one in some)
    records = source.kafka(spark, config, start, end)
    if request.journals:
        records = source.journals(spark, config, request.journals).unionByName(records)
    counted = cells.recount(records, outcome.done, request.windows, request.country, request.feed)
    counted = counted.persist(StorageLevel.MEMORY_AND_DISK)
    try:
        _compare(config, spark, session, request, counted, outcome, progress)
    except Py4JError as error:
        raise StopError(f"Spark could not count: {str(error).strip()[:500]}") from error
    finally:
        counted.unpersist()
    return outcome


def _compare(
    config: Config,
    spark: SparkSession,
    session: Session,
    request: Request,
    counted: DataFrame,
    outcome: Outcome,
    progress: watch.Progress,
) -> None:
    """Hour by hour, so that a long span needs no more memory than a short one."""
    hour = F.floor(F.col("window_start") / HOUR_MS).alias("hour")
    with watch.spark(spark, progress, f"counting {outcome.records} records"):
        found = {row["hour"] for row in counted.select(hour).distinct().collect()}
    assert outcome.done is not None  # noqa: S101 - for mypy
    found |= _hours_there(session, config, request, outcome.done)
    # What a recount before this one died over: its windows may be right, and the hours made of them not.
    # Those that still change are left to the job's ticker, which leaves them unsettled now and then.
    every = outcome.done[0] // HOUR_MS * HOUR_MS, outcome.done[1]
    if outcome.closed is not None:
        every = every[0], min(every[1], outcome.closed - HOUR_MS + 1)
    unsettled = rolling.unsettled(session, config, every, _wanted(request))
    found |= {start // HOUR_MS for start in unsettled}
    try:
        names, missing = _names(config), _missing(config, outcome.stamp // 1000)
    except KafkaError as error:
        raise topics.unread(config.kafka, error) from error
    why = apply.Why(request.reason, "journal" if request.journals else "kafka")
    for number, one in enumerate(sorted(found)):
        progress("comparing hours", number, len(found))
        since = max(one * HOUR_MS, outcome.done[0]), min((one + 1) * HOUR_MS, outcome.done[1])
        rows = counted.where(F.col("window_start").between(since[0], since[1] - 1)).collect()
        there = _there(session, config, request, since)
        changed = changes.find([row.asDict() for row in rows], there, outcome.stamp)
        outcome.newer += len(changed.newer)
        changes.merge(outcome.told, changed.told)
        if request.dry_run:
            continue
        pairs = {pair for pair, told in changed.told.items() if told.any}
        rolling.unsettle(session, config, pairs, one * HOUR_MS)
        apply.apply(session, config, changed, names, missing, outcome.stamp)
        apply.note(session, config, outcome.told, why, outcome.stamp)
        for feed, country in sorted(pairs | unsettled.get(one * HOUR_MS, set())):
            rolling.rebuild(session, config, feed, country, [one * HOUR_MS])
    progress("comparing hours", len(found), len(found))


def _hours_there(session: Session, config: Config, request: Request, span: Span) -> set[int]:
    rows = spans.read(session, config.keyspace, "country_windows", ("window_start",), span, _wanted(request))
    return {row["window_start"] // HOUR_MS for row in rows}


def _there(session: Session, config: Config, request: Request, span: Span) -> dict[CellKey, Before]:
    """The rows of every cell of the request whose window starts in a span."""
    counts = (*changes.COUNTS, "WRITETIME(tweets) AS written")
    there: dict[CellKey, Before] = {}

    def read(table: str, columns: Iterable[str]) -> Iterable[dict[str, Any]]:
        rows = spans.read(session, config.keyspace, table, (*columns, *counts), span, _wanted(request))
        return (row for row in rows if request.windows is None or row["window_start"] in request.windows)

    of_country = ("feed", "country", "window_start", "unresolved", "gap_seconds", "users_sketch")
    for row in read("country_windows", of_country):
        there[_key(row, "")] = Before(row)
    key = ("feed", "country", "city_id", "window_start")
    for row in read("city_windows", (*key, "users_sketch")):
        there[_key(row, row["city_id"])] = Before(row)
    for row in read("windows_by_country", key):
        there.setdefault(_key(row, row["city_id"]), Before()).by_country = row
    return there


def _key(row: Mapping[str, Any], city_id: str) -> CellKey:
    return row["feed"], row["country"], city_id, row["window_start"]


def _wanted(request: Request) -> Callable[[Mapping[str, Any]], bool]:
    countries = None if request.country is None else (request.country, "*")

    def wanted(key: Mapping[str, Any]) -> bool:
        return request.feed in (None, key["feed"]) and (countries is None or key["country"] in countries)

    return wanted


def _missing(config: Config, now: int) -> list[Missing]:
    gaps = Gaps(config)
    try:
        gaps.refresh()
        return gaps.missing(now)
    finally:
        gaps.close()


def _names(config: Config) -> dict[str, tuple[str, float | None, float | None]]:
    names = Names(config)
    try:
        names.refresh()
        return {city: (name.full_name, name.lat, name.lon) for city, name in names.known.items()}
    finally:
        names.close()
