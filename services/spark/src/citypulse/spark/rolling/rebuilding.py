"""Hours put right by whoever changed their windows."""

import time
from collections.abc import Iterable

from cassandra.cluster import Session

from citypulse.spark.config import Config
from citypulse.spark.rolling.hours import Hours, merge_country, merge_windows
from citypulse.spark.rolling.names import Names
from citypulse.spark.rolling.spans import HOUR_MS, WINDOW_MS, hour_of
from citypulse.spark.rolling.windows import ALL_COUNTRIES, Pair, Reader


def rebuild(session: Session, config: Config, feed: str, country: str, hours: Iterable[int]) -> int:
    """Merge hours from their windows again; returns how many hours were written or removed.

    To be called when all changes of their windows are in the tables, for the country and for `*`. The job's
    ticker, if one runs, sees the countries' rows change and does the same, and the ranks, at its next look;
    this does not wait for it, and is needed where none runs.

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
