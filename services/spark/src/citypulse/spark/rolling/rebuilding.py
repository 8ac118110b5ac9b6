"""Hours put right by whoever changes their windows: `unsettle` before, `rebuild` after.

Between both an hour's row in `country_hours` has no `updated_at`. Should whoever it was die, the next start
of the ticker merges such an hour, and so does the next recount of it (`unsettled`).
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import structlog
from cassandra.cluster import Session

from citypulse.spark import spans
from citypulse.spark.config import Config
from citypulse.spark.rolling.hours import Hours, merge_country, merge_windows
from citypulse.spark.rolling.names import Names
from citypulse.spark.rolling.spans import HOUR_MS, WINDOW_MS, hour_of
from citypulse.spark.rolling.windows import ALL_COUNTRIES, Pair, Reader, Windows, milliseconds
from citypulse.spark.spans import Span
from citypulse.spark.tables import execute_all

_ROWS = """SELECT window_start, updated_at, WRITETIME(updated_at) AS written, TTL(updated_at) AS ttl
  FROM {keyspace}.country_windows
  WHERE feed = ? AND country = ? AND window_start >= ? AND window_start <= ?"""
_TOUCH = """UPDATE {keyspace}.country_windows USING TIMESTAMP ? AND TTL ?
  SET updated_at = ? WHERE feed = ? AND country = ? AND window_start = ?"""

_UNSETTLE = """UPDATE {keyspace}.country_hours SET updated_at = null
  WHERE feed = ? AND country = ? AND hour_start = ?"""
_TRIES = 5

_log = structlog.get_logger()


def unsettle(session: Session, config: Config, pairs: Iterable[tuple[str, str]], hour: int) -> None:
    """Say of an hour of these feeds and countries that its windows are about to change.

    Raises:
        cassandra.DriverException: it could not be done in the configured time.
    """
    statement = session.prepare(_UNSETTLE.format(keyspace=config.keyspace))
    statement.is_idempotent = True
    todo = [(statement, (*pair, hour)) for pair in sorted(pairs)]
    execute_all(session, todo, config.cassandra.concurrency, config.cassandra.wait_seconds)


def unsettled(
    session: Session, config: Config, span: Span, wanted: Callable[[Mapping[str, Any]], bool]
) -> dict[int, set[tuple[str, str]]]:
    """Hours of a span that somebody left unsettled: by their start, of which feeds and countries.

    Args:
        span: of hours' starts.
        wanted: which are looked at, by `feed` and `country`.

    Raises:
        cassandra.DriverException: a partition cannot be read.
    """
    result: dict[int, set[tuple[str, str]]] = defaultdict(set)
    columns = ("feed", "country", "hour_start", "tweets", "updated_at")
    for row in spans.read(session, config.keyspace, "country_hours", columns, span, wanted):
        # One of which nothing was counted says only what was not received.
        if row["tweets"] is not None and row["updated_at"] is None:
            result[row["hour_start"]].add((row["feed"], row["country"]))
    return result


def rebuild(session: Session, config: Config, feed: str, country: str, hours: Iterable[int]) -> int:
    """Merge hours from their windows again; returns how many hours were written or removed.

    To be called when all changes of their windows are in the tables, for the country and for `*`. The job's
    ticker, if one runs, reads these windows again and puts the ranks right at its next look.

    An hour without any window is removed, unless it and its row are older than windows are kept: its windows
    are gone by their age. Of such an hour all windows must have been written anew before, or it would shrink
    to those that are there.

    Args:
        session: with Cassandra.
        config: of the run.
        feed: its name.
        country: its code, or `*` for all of them.
        hours: any moments of the hours, in ms since the epoch.

    Raises:
        cassandra.DriverException: it could not be done in the configured time.
    """
    pair = Pair(feed, country)
    concurrency = config.cassandra.concurrency
    names = Names(session, config.keyspace, concurrency)
    reader = Reader(session, config.keyspace, concurrency, names)
    store = Hours(session, config, names)
    kept_since = time.time() * 1000 - config.cassandra.windows_ttl_days * 86_400_000
    written: set[int] = set()
    for hour in sorted({hour_of(moment) for moment in hours}):
        last = hour + HOUR_MS - WINDOW_MS
        for _ in range(_TRIES):
            _touch(session, config, pair, hour, last)
            rows = reader.country(pair, hour, last)
            stored = store.stored(pair, hour, hour).get(hour)
            if not rows and max(hour, stored.age_from if stored else 0) < kept_since:
                break
            read: Windows = {}
            if country != ALL_COUNTRIES:
                read = reader.cities(pair, rows, {}, 0)
            cities = merge_windows(read[start] for start in sorted(read))
            merged = merge_country(rows[start] for start in sorted(rows)) if rows else None
            before = {} if country == ALL_COUNTRIES else store.unlisted(pair, hour, cities)
            store.write(pair, hour, cities, merged, before, stored)
            written.add(hour)
            # The job may have written a window meanwhile, and its ticker the hour: this was the older one.
            if reader.country(pair, hour, last) == rows and reader.cities(pair, read, read, 0) == read:
                break
        else:
            unsettle(session, config, [pair], hour)
            _log.warning("an hour changes while it is merged: it is left unsettled", hour=hour, pair=pair)
    return len(written)


def _touch(session: Session, config: Config, pair: Pair, first: int, last: int) -> None:
    """Let the ticker see that these windows changed.

    It may have read them when only a part of a recount was written, and a recount that moves tweets from one
    city to another leaves their country's row as it was.
    """
    found = session.prepare(_ROWS.format(keyspace=config.keyspace))
    update = session.prepare(_TOUCH.format(keyspace=config.keyspace))
    update.is_idempotent = True
    # The mark carries the timestamp and what is left of the TTL of the row that it belongs to, so that it
    # goes where the row goes: of two values with one timestamp Cassandra keeps the one that lives longer,
    # then the greater one. It is later by 1 ms and no more, for it tells the age of the row as well.
    todo = [
        (update, (row.written, row.ttl, milliseconds(row.updated_at) + 1, *pair, row.window_start))
        for row in session.execute(found, (*pair, first, last))
        if row.updated_at is not None
    ]
    execute_all(session, todo, config.cassandra.concurrency, config.cassandra.wait_seconds)
