"""The lists of cities against the same recount.

A list is written some time after the windows that it counts, and rolls with the clock: all lists together
tell of which moment they are, and whether that is long ago. One that is of another moment, or whose windows
have changed since it was written, is said to be behind when it differs; one that counts windows of which the
recount does not know everything is open.
"""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
from cassandra import InvalidRequest
from cassandra.cluster import Session

from citypulse.spark.spans import Span
from citypulse.spark.verify import rolled, rolled_tables
from citypulse.spark.verify.compare import Difference
from citypulse.spark.verify.stored import Rows
from citypulse.spark.verify.tally import WINDOW_MS, Recount

TABLE = "city_ranks"
DAY_MS = 86_400_000
ALL_COUNTRIES = "*"


class ListKey(NamedTuple):
    """Of one list."""

    feed: str
    country: str
    metric: str
    span: str


class Ranks(msgspec.Struct):
    """How the comparison came out."""

    rows: int = 0
    cells: int = 0
    behind: set[ListKey] = msgspec.field(default_factory=set)
    """Lists that are yet to be written again."""
    open: set[ListKey] = msgspec.field(default_factory=set)
    """Lists that count windows of which the recount does not know everything."""
    old: int | None = None
    """Where all lists end, in ms, if they should have rolled on since; they are compared as of then."""
    differences: list[Difference] = msgspec.field(default_factory=list)


def moment(recount: Recount, clock: int, *, live: bool) -> int:
    """Of which moment (ms) lists are to be: the clock's; where the newest window of a named run ended more
    than a day ago, the end of that."""
    newest = max((start for *_, start in recount.cells), default=clock)
    return clock if live or clock - (newest + WINDOW_MS) <= DAY_MS else newest + WINDOW_MS - 1


def read(session: Session, keyspace: str) -> Rows | None:
    """All rows of all lists; None where there is no such table."""
    try:
        return rolled_tables.read(session, keyspace, TABLE)
    except InvalidRequest:
        return None


def compare(recount: Recount, found: Rows, windows: Rows, before: Rows, span: Span | None, now: int) -> Ranks:
    """Hold lists against the recount, where nothing of what they count is open.

    Args:
        recount: of all windows of the span.
        found: as `read` gives them.
        windows: when the rows of `country_windows` were written, read after the lists.
        before: the same when the recount was made: a window that was written since may count what the recount
            does not know.
        span: what was recounted: lists of other times are not looked at; None for everything.
        now: of which moment they are to be.
    """
    have = _lists(found)
    ends = [
        row["span_end"]
        for (_, _, metric, of, _), row in found.items()
        if metric != "change" and of != "window"
    ]
    # Without any list there is none that says of which moment it is: nobody may have tweeted for a day.
    wanted = _lists(rolled.ranks(recount.cells, recount.cities, max(ends, default=now + 1) - 1))
    result = Ranks()
    if ends and max(ends) <= now - WINDOW_MS:
        result.old = max(ends)
    # One look writes all lists of a country that are to change.
    written: dict[tuple[str, str], int] = {}
    for (feed, country, *_), row in found.items():
        written[feed, country] = max(written.get((feed, country), 0), row["updated_at"])
    versions: dict[tuple[str, str], dict[int, int]] = defaultdict(dict)
    unknown: dict[tuple[str, str], set[int]] = defaultdict(set)
    for (feed, country, start), row in windows.items():
        versions[feed, country][start] = row["updated_at"] or 0
        then = before.get((feed, country, start))
        if then is None or then["updated_at"] != row["updated_at"]:
            unknown[feed, country].add(start)
    for feed, country, _, start in recount.settled:
        unknown[feed, country].add(start)
    for feed, country in [pair for pair in versions if pair[1] != ALL_COUNTRIES]:
        # Lists of all countries are made of each country's cities.
        every = versions[feed, ALL_COUNTRIES]
        for start, at in versions[feed, country].items():
            every[start] = max(at, every.get(start, 0))
    for key in sorted(wanted.keys() | have.keys()):
        want, there = wanted.get(key, {}), have.get(key, {})
        begin, end = _times(want or there)
        since = begin - DAY_MS if key.metric == "change" else begin
        if span is not None and not (key.metric != "change" and span[0] <= begin and end <= span[1]):
            continue
        pair = key.feed, key.country
        if any(since <= start < end for start in unknown[pair]):
            result.open.add(key)
            continue
        differences = list(rolled_tables.differences({TABLE: want}, {TABLE: there}))
        newest = max((at for start, at in versions[pair].items() if since <= start < end), default=0)
        if differences and (
            not ends or written.get(pair, 0) < newest or (there and _times(there) != (begin, end))
        ):
            result.behind.add(key)
            continue
        result.rows += len(want)
        result.cells += len(want) * len(rolled_tables.COLUMNS[TABLE])
        result.differences += differences
    return result


def _lists(rows: Rows) -> dict[ListKey, Rows]:
    lists: dict[ListKey, Rows] = defaultdict(dict)
    for key, row in rows.items():
        lists[ListKey(*key[:4])][key] = row
    return lists


def _times(rows: Mapping[Any, Mapping[str, Any]]) -> tuple[int, int]:
    """Beginning and end of what a list counts."""
    row = next(iter(rows.values()))
    return row["span_start"], row["span_end"]
