"""The tables of hours against the same recount.

An hour is merged from its windows some time after they were written. One whose windows have changed since,
as the times in its row tell, is said to be behind and not compared.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from cassandra import InvalidRequest
from cassandra.cluster import Session

from citypulse.spark import spans
from citypulse.spark.config import Config
from citypulse.spark.spans import Span
from citypulse.spark.verify import rolled, rolled_tables
from citypulse.spark.verify.compare import Difference
from citypulse.spark.verify.stored import Key, Rows
from citypulse.spark.verify.tally import Recount

HOUR_MS = 3_600_000

HourKey = tuple[str, str, int]
"""Feed, country, start of the hour in ms."""


class Hours(msgspec.Struct):
    """How the comparison came out."""

    rows: int = 0
    cells: int = 0
    behind: set[HourKey] = msgspec.field(default_factory=set)
    """Hours that are yet to be merged again."""
    open: set[HourKey] = msgspec.field(default_factory=set)
    """Hours of which a window was written after the recount was made."""
    differences: list[Difference] = msgspec.field(default_factory=list)


def read(session: Session, config: Config, span: Span) -> dict[str, Rows] | None:
    """The rows of hours that start in a span; None where there are no such tables."""
    try:
        return {
            table: {
                tuple(row[name] for name in rolled_tables.KEYS[table]): row
                for row in spans.read(session, config.keyspace, table, _columns(table), span)
                # An hour of which nothing was counted says only what was not received.
                if row["tweets"] is not None
            }
            for table in ("city_hours", "country_hours")
        }
    except InvalidRequest:
        return None


def compare(recount: Recount, found: Mapping[str, Rows], windows: Rows, before: Rows, span: Span) -> Hours:
    """Hold hours that lie in a span against the recount, where nothing of them is open.

    Args:
        recount: of all windows of the span.
        found: as `read` gives them.
        windows: the rows of `country_windows`: an hour has the `updated_at` of the newest of them.
        before: the same when the recount was made: a window that was written since may count what the recount
            does not know.
        span: what was recounted.
    """
    result = Hours()
    newest: dict[HourKey, int] = {}
    for (feed, country, start), row in windows.items():
        key = feed, country, start - start % HOUR_MS
        newest[key] = max(newest.get(key, 0), row["updated_at"] or 0)
    open_hours = {(feed, country, start - start % HOUR_MS) for feed, country, _, start in recount.settled}
    unknown: set[HourKey] = set()
    for (feed, country, start), row in windows.items():
        then = before.get((feed, country, start))
        if then is None or then["updated_at"] != row["updated_at"]:
            unknown.add((feed, country, start - start % HOUR_MS))
    merged = {key: row["updated_at"] for key, row in found["country_hours"].items()}

    def judged(key: Key) -> bool:
        hour = key[0], key[1], key[-1]
        if hour in open_hours or not span[0] <= hour[2] <= span[1] - HOUR_MS:
            return False
        if hour in unknown:
            result.open.add(hour)
            return False
        if merged.get(hour) != newest.get(hour):
            result.behind.add(hour)
            return False
        return True

    wanted = rolled.hours(recount.cells, recount.cities)
    keep = {table: {key: row for key, row in rows.items() if judged(key)} for table, rows in wanted.items()}
    have = {table: {key: row for key, row in rows.items() if judged(key)} for table, rows in found.items()}
    result.rows = sum(map(len, keep.values()))
    result.cells = sum(len(rows) * len(rolled_tables.COLUMNS[table]) for table, rows in keep.items())
    result.differences = list(rolled_tables.differences(keep, have))
    return result


def _columns(table: str) -> tuple[Any, ...]:
    columns = (*rolled_tables.KEYS[table], *rolled_tables.COLUMNS[table])
    return (*columns, "updated_at")
