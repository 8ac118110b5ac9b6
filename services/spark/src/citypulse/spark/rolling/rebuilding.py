"""Hours put right by whoever changed their windows."""

import time
from collections.abc import Iterable

from cassandra.cluster import Session

from citypulse.spark.config import Config
from citypulse.spark.rolling.hours import Hours, merge_country, merge_windows
from citypulse.spark.rolling.names import Names
from citypulse.spark.rolling.spans import HOUR_MS, WINDOW_MS, hour_of
from citypulse.spark.rolling.windows import ALL_COUNTRIES, Pair, Reader, milliseconds
from citypulse.spark.tables import execute_all

_ROWS = """SELECT window_start, updated_at, WRITETIME(updated_at) AS written, TTL(updated_at) AS ttl
  FROM {keyspace}.country_windows
  WHERE feed = ? AND country = ? AND window_start >= ? AND window_start <= ?"""
_TOUCH = """UPDATE {keyspace}.country_windows USING TIMESTAMP ? AND TTL ?
  SET updated_at = ? WHERE feed = ? AND country = ? AND window_start = ?"""


def rebuild(session: Session, config: Config, feed: str, country: str, hours: Iterable[int]) -> int:
    """Merge hours from their windows again; returns how many hours were written or removed.

    To be called when all changes of their windows are in the tables, for the country and for `*`. The job's
    ticker, if one runs, reads these windows again and puts the ranks right at its next look.

    An hour without any window is removed, unless it is older than windows are kept: its windows are gone by
    their age. Of such an hour all windows must have been written anew before, or it would shrink to those
    that are there.

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
    written = 0
    for hour in sorted({hour_of(moment) for moment in hours}):
        last = hour + HOUR_MS - WINDOW_MS
        _touch(session, config, pair, hour, last)
        rows = reader.country(pair, hour, last)
        if not rows and hour < kept_since:
            continue
        cities = {}
        if country != ALL_COUNTRIES:
            read = reader.cities(pair, rows, {}, 0)
            cities = merge_windows(read[start] for start in sorted(read))
        merged = merge_country(rows[start] for start in sorted(rows)) if rows else None
        before = {} if country == ALL_COUNTRIES else store.unlisted(pair, hour, cities)
        store.write(pair, hour, cities, merged, before, store.stored(pair, hour).get(hour))
        written += 1
    return written


def _touch(session: Session, config: Config, pair: Pair, first: int, last: int) -> None:
    """Let the ticker see that these windows changed.

    It may have read them when only a part of a recount was written, and a recount that moves tweets from one
    city to another leaves their country's row as it was.
    """
    found = session.prepare(_ROWS.format(keyspace=config.keyspace))
    update = session.prepare(_TOUCH.format(keyspace=config.keyspace))
    update.is_idempotent = True
    now = time.time_ns() // 1_000_000
    # The mark carries the timestamp and what is left of the TTL of the row that it belongs to, so that it
    # goes wherever the row goes: of two values of one age Cassandra keeps the greater one.
    todo = [
        (
            update,
            (row.written, row.ttl, max(now, milliseconds(row.updated_at) + 1), *pair, row.window_start),
        )
        for row in session.execute(found, (*pair, first, last))
        if row.updated_at is not None
    ]
    execute_all(session, todo, config.cassandra.concurrency, config.cassandra.wait_seconds)
