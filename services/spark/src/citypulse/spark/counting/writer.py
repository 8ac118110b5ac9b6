"""Cells become rows, on the executors.

Every row holds absolute counts, so that writing it twice, or after a crash in the middle, changes nothing.
A city's first and last tweet need no reading either: their cells are written with a timestamp that grows
towards the wanted end, and Cassandra keeps the greater one. What a process has told of a city it does not
tell again.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from cassandra.cluster import Session
from cassandra.query import UNSET_VALUE, BoundStatement, PreparedStatement

from citypulse.spark.config import Cassandra
from citypulse.spark.counting.gaps import ALL_COUNTRIES, Missing, seconds
from citypulse.spark.tables import connected, execute_all, requests

Name = tuple[str, float | None, float | None]
"""Shown name, latitude, longitude."""
Names = Mapping[str, Name]
"""By city id."""

_TOLD_CITIES = 100_000
_COUNTS = ("tweets", "originals", "replies", "quotes", "retweets", "active_users")

_CITY_WINDOWS = """INSERT INTO {keyspace}.city_windows (feed, country, city_id, window_start,
  tweets, originals, replies, quotes, retweets, active_users, users_sketch, updated_at, name, lat, lon)
  VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) USING TIMESTAMP ?"""
_WINDOWS_BY_COUNTRY = """INSERT INTO {keyspace}.windows_by_country (feed, country, window_start, city_id,
  tweets, originals, replies, quotes, retweets, active_users, updated_at, name, lat, lon)
  VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?) USING TIMESTAMP ?"""
_COUNTRY_WINDOWS = """INSERT INTO {keyspace}.country_windows (feed, country, window_start,
  tweets, originals, replies, quotes, retweets, active_users, unresolved, gap_seconds,
  users_sketch, updated_at)
  VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?) USING TIMESTAMP ?"""
_CITY_NAME = "UPDATE {keyspace}.cities SET name = ?, lat = ?, lon = ? WHERE country = ? AND city_id = ?"
_FIRST_SEEN = (
    "UPDATE {keyspace}.cities USING TIMESTAMP ? SET first_seen = ? WHERE country = ? AND city_id = ?"
)
_LAST_SEEN = "UPDATE {keyspace}.cities USING TIMESTAMP ? SET last_seen = ? WHERE country = ? AND city_id = ?"


class Written(NamedTuple):
    """What one task wrote."""

    cells: int
    rows: int
    unnamed: list[tuple[str, str]]
    """Country and id of cities whose name was not known."""
    held_back: list[tuple[int, str, str]]
    """Start, feed and country of windows that were left as they are."""


class _Seen(NamedTuple):
    """What the row of a city says: of which times, in ms since the epoch, and under which name."""

    first: float
    last: float
    name: Name | None


_NOTHING = _Seen(math.inf, -math.inf, None)


class _Target(NamedTuple):
    session: Session
    told: dict[tuple[str, str], _Seen]
    """By country and city; at most `_TOLD_CITIES`."""
    city_windows: PreparedStatement
    windows_by_country: PreparedStatement
    country_windows: PreparedStatement
    city_name: PreparedStatement
    first_seen: PreparedStatement
    last_seen: PreparedStatement


_targets: dict[str, _Target] = {}
"""One for each process of an executor, kept from batch to batch."""


def write(
    cells: Iterable[Any],
    cassandra: Cassandra,
    keyspace: str,
    names: Names,
    stamp: int,
    whole_after: int = 0,
    missing: Sequence[Missing] | None = None,
) -> Iterator[Written]:
    """Write the cells of one partition of the query's result.

    Args:
        stamp: microseconds since the epoch; the batch's, and greater than that of any batch before: an
            executor that comes late with an older batch can't put its counts over newer ones.
        whole_after: windows that start at it (ms since the epoch) or before are not written, since some of
            their events may be missing; 0 to write all.
        missing: what was not received; None leaves `gap_seconds` as it is.

    Raises:
        cassandra.DriverException, StopError: what Cassandra answered, if it cannot be done in time.
    """
    rows, held_back = [], set[tuple[int, str, str]]()
    for cell in cells:
        if whole_after and cell["window_start"] <= whole_after:
            if cell["country"] != ALL_COUNTRIES:
                held_back.add((cell["window_start"], cell["feed"], cell["country"]))
        else:
            rows.append(cell)
    target = _target(cassandra, keyspace)
    partitions: dict[tuple[Any, ...], list[BoundStatement]] = defaultdict(list)
    cities: dict[tuple[str, str], _Seen] = {}
    now = stamp // 1000
    unknown = (UNSET_VALUE, UNSET_VALUE, UNSET_VALUE)
    for cell in rows:
        feed, country, city, start = cell["feed"], cell["country"], cell["city_id"], cell["window_start"]
        counts = [cell[name] for name in _COUNTS]
        sketch = bytes(cell["users_sketch"])
        if not city:
            gap = UNSET_VALUE if missing is None else seconds(missing, feed, country, start, now)
            country_row = (feed, country, start, *counts, cell["unresolved"], gap, sketch, now, stamp)
            partitions["country", feed, country].append(target.country_windows.bind(country_row))
            continue
        name = names.get(city, unknown)
        city_row = (feed, country, city, start, *counts, sketch, now, *name, stamp)
        partitions["city", feed, country, city].append(target.city_windows.bind(city_row))
        window_row = (feed, country, start, city, *counts, now, *name, stamp)
        partitions["window", feed, country, start].append(target.windows_by_country.bind(window_row))
        if cell["first_at"] is not None:  # else only retweets, of a post that was seen at its own time
            seen = _Seen(cell["first_at"], cell["last_at"], names.get(city))
            cities[country, city] = _merged(cities.get((country, city), _NOTHING), seen)
    for key, seen in cities.items():
        partitions["cities", key[0]] += _tell(target, key, seen)
    todo = [(batch, None) for batch in requests(target.session, keyspace, partitions.values())]
    execute_all(target.session, todo, cassandra.concurrency, cassandra.wait_seconds)
    _remember(target, cities)
    unnamed = sorted({(cell["country"], cell["city_id"]) for cell in rows if cell["city_id"]})
    unnamed = [key for key in unnamed if key[1] not in names]
    yield Written(len(rows), sum(map(len, partitions.values())), unnamed, sorted(held_back))


def _tell(target: _Target, city: tuple[str, str], seen: _Seen) -> list[Any]:
    """The statements after which a city's row says this too."""
    told = target.told.get(city, _NOTHING)
    statements = []
    if seen.first < told.first:
        statements.append(target.first_seen.bind((-seen.first, seen.first, *city)))
    if seen.last > told.last:
        statements.append(target.last_seen.bind((seen.last, seen.last, *city)))
    if seen.name is not None and seen.name != told.name:
        statements.append(target.city_name.bind((*seen.name, *city)))
    return statements


def _remember(target: _Target, cities: Mapping[tuple[str, str], _Seen]) -> None:
    if len(target.told) + len(cities) > _TOLD_CITIES:
        target.told.clear()
    for city, seen in cities.items():
        target.told[city] = _merged(target.told.get(city, _NOTHING), seen)


def _merged(one: _Seen, later: _Seen) -> _Seen:
    return _Seen(min(one.first, later.first), max(one.last, later.last), later.name or one.name)


def _target(cassandra: Cassandra, keyspace: str) -> _Target:
    key = f"{keyspace} {cassandra}"
    if key not in _targets:
        session = connected(cassandra)

        def prepare(text: str) -> PreparedStatement:
            statement = session.prepare(text.format(keyspace=keyspace))
            statement.is_idempotent = True
            return statement

        _targets[key] = _Target(
            session,
            {},
            *map(
                prepare,
                (_CITY_WINDOWS, _WINDOWS_BY_COUNTRY, _COUNTRY_WINDOWS, _CITY_NAME, _FIRST_SEEN, _LAST_SEEN),
            ),
        )
    return _targets[key]
