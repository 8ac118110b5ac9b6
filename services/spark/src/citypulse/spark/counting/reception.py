"""Gaps in reception, beside the counts: read from the compacted topic `gaps`, written to the countries' rows.

A batch writes the seconds with its rows; what changes afterwards (a gap goes on, ends, is filled) is put
right between batches, also in windows of which nothing was counted, since nothing was received.
"""

# ruff: noqa: S608 - a keyspace cannot be a parameter in CQL; its name is checked by the configuration

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import msgspec
import structlog
from cassandra.cluster import Session
from kafka import TopicPartition

from citypulse.events import gap
from citypulse.events.gap import Gap
from citypulse.spark import topics
from citypulse.spark.config import Config
from citypulse.spark.counting.gaps import ALL_COUNTRIES, WINDOW_MS, Missing, concerns, missing, seconds
from citypulse.spark.spans import plain
from citypulse.spark.tables import execute_all

_log = structlog.get_logger()

_DAY_MS = 86_400_000


class Gaps:
    """The gaps that are known; not to be used by two threads at once."""

    def __init__(self, config: Config) -> None:
        self._topic = gap.topic_name(config.run)
        self._kept_ms = round(config.cassandra.windows_ttl_days * _DAY_MS)
        self._consumer = topics.consumer(config.kafka, "citypulse-spark-gaps")
        self._assigned: list[TopicPartition] = []
        self._gaps: dict[str, Gap] = {}
        self._changed: list[Missing] = []

    def refresh(self) -> None:
        """Read the topic to its present end.

        Raises:
            KafkaError: the brokers do not answer.
        """
        if not self._assigned:
            partitions = self._consumer.partitions_for_topic(self._topic) or ()
            self._assigned = [TopicPartition(self._topic, partition) for partition in sorted(partitions)]
            if not self._assigned:
                return
            self._consumer.assign(self._assigned)
            self._consumer.seek_to_beginning(*self._assigned)
        for record in topics.read_to_end(self._consumer, self._assigned):
            self._learn(record.value)

    def _learn(self, value: bytes | None) -> None:
        if value is None:
            return
        try:
            one = gap.decode(value)
        except msgspec.DecodeError as error:
            _log.warning("a gap cannot be read", reason=str(error))
            return
        before = self._gaps.get(one.id)
        self._gaps[one.id] = one
        # Where it was and where it is: windows at either may change.
        for version in (before, one):
            if version is not None and version.start < (version.end or version.start + 1):
                places = frozenset(version.feeds), frozenset(version.countries)
                self._changed.append(Missing(version.start, version.end, *places))

    def missing(self, now: int) -> list[Missing]:
        """What is missing in windows that are kept."""
        all_of_them = (missing(one) for one in self._gaps.values())
        return [
            one
            for one in all_of_them
            if one is not None and (one.until is None or one.until > now - self._kept_ms)
        ]

    def changed(self, now: int) -> list[Missing]:
        """Where windows may have to be put right: gaps that changed since `done`, and those that go on."""
        going_on = [one for one in self.missing(now) if one.until is None]
        return [*self._changed, *(one for one in going_on if one not in self._changed)]

    def done(self, changed: Collection[Missing]) -> None:
        """Forget changes that were put right."""
        self._changed = [one for one in self._changed if one not in changed]

    def close(self) -> None:
        """Leave the brokers."""
        self._consumer.close()


def put_right(session: Session, config: Config, gaps: Gaps, now: int, stamp: int) -> int:
    """Write the seconds of every window that a changed gap touches, where they are others; returns how many.

    Args:
        now: ms since the epoch.
        stamp: microseconds since the epoch, greater than that of any batch before.

    Raises:
        cassandra.DriverException: the tables cannot be read or written; the next call does it all.
    """
    changed, current = gaps.changed(now), gaps.missing(now)
    if not changed:
        return 0
    space, oldest = config.keyspace, now - round(config.cassandra.windows_ttl_days * _DAY_MS)
    read = session.prepare(
        f"SELECT window_start, tweets, gap_seconds FROM {space}.country_windows"
        " WHERE feed = ? AND country = ? AND window_start >= ? AND window_start <= ?"
    )
    where = "WHERE feed = ? AND country = ? AND window_start = ?"
    update = session.prepare(f"UPDATE {space}.country_windows USING TIMESTAMP ? SET gap_seconds = ? {where}")
    delete = session.prepare(f"DELETE gap_seconds FROM {space}.country_windows USING TIMESTAMP ? {where}")
    todo: list[tuple[Any, Any]] = []
    for feed, country in _pairs(session, space, changed):
        for first, last in _stretches(changed, feed, country, oldest, now):
            rows = {
                row["window_start"]: row
                for row in (
                    plain(row._asdict()) for row in session.execute(read, (feed, country, first, last))
                )
            }
            for start in range(first, last + 1, WINDOW_MS):
                value = seconds(current, feed, country, start, now)
                row: Mapping[str, int | None] = rows.get(start, {})
                if value == (row.get("gap_seconds") or 0) and (start in rows or not value):
                    continue
                # A window of which nothing was counted stands in the table for its gap alone.
                if value or row.get("tweets") is not None:
                    todo.append((update, (stamp, value, feed, country, start)))
                elif row.get("gap_seconds") is not None:
                    todo.append((delete, (stamp, feed, country, start)))
    execute_all(session, todo, config.cassandra.concurrency, config.cassandra.wait_seconds)
    gaps.done(changed)
    return len(todo)


def _pairs(session: Session, keyspace: str, changed: Iterable[Missing]) -> list[tuple[str, str]]:
    """Feeds and countries of which windows may have to be put right."""
    pairs = {
        (row.feed, row.country)
        for row in session.execute(f"SELECT DISTINCT feed, country FROM {keyspace}.country_windows")
    }
    named = {
        (feed, country)
        for one in changed
        for feed in one.feeds
        for country in (*one.countries, ALL_COUNTRIES)
    }
    return sorted(pairs | named)


def _stretches(
    changed: Iterable[Missing], feed: str, country: str, oldest: int, now: int
) -> list[tuple[int, int]]:
    """First and last window of each stretch that they touch, apart from each other."""
    spans = sorted(
        (max(one.since, oldest) // WINDOW_MS * WINDOW_MS, min(one.until or now, now) // WINDOW_MS * WINDOW_MS)
        for one in changed
        if concerns(one, feed, country)
    )
    found: list[tuple[int, int]] = []
    for first, last in spans:
        if last < first:
            continue
        if found and first <= found[-1][1] + WINDOW_MS:
            found[-1] = (found[-1][0], max(found[-1][1], last))
        else:
            found.append((first, last))
    return found
