"""Hours: merged from their windows, and written where they differ from what is there.

An hour's cities are written first and its country last, with the `updated_at` of the newest window: so an
hour that a crash left half written is seen to be so.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from cassandra.cluster import Session
from cassandra.concurrent import execute_concurrent_with_args
from cassandra.query import UNSET_VALUE, PreparedStatement

from citypulse.spark.config import Config
from citypulse.spark.rolling.cells import NOTHING, Cell, merge, total
from citypulse.spark.rolling.names import Names
from citypulse.spark.rolling.spans import hour_of
from citypulse.spark.rolling.windows import City, CountryWindow, Pair, Version, milliseconds
from citypulse.spark.tables import execute_all

_CITY = """INSERT INTO {keyspace}.city_hours (feed, country, city_id, hour_start,
  tweets, originals, replies, quotes, retweets, active_users, users_sketch, updated_at, name, lat, lon)
  VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"""
_COUNTRY = """INSERT INTO {keyspace}.country_hours (feed, country, hour_start,
  tweets, originals, replies, quotes, retweets, active_users, users_sketch, updated_at,
  unresolved, gap_seconds) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)"""
_NO_CITY = """DELETE FROM {keyspace}.city_hours
  WHERE feed = ? AND country = ? AND city_id = ? AND hour_start = ?"""
_NO_COUNTRY = "DELETE FROM {keyspace}.country_hours WHERE feed = ? AND country = ? AND hour_start = ?"
_STORED = """SELECT hour_start, updated_at, gap_seconds, WRITETIME(tweets) AS written
  FROM {keyspace}.country_hours WHERE feed = ? AND country = ? AND hour_start >= ? AND hour_start <= ?"""
_EVER = 253402300799999
_HAS_CITY = """SELECT city_id FROM {keyspace}.city_hours
  WHERE feed = ? AND country = ? AND city_id = ? AND hour_start = ?"""

Hour = dict[City, Cell]


class State(NamedTuple):
    """What an hour was merged from: the newest of its windows, and what they say was not received."""

    updated_at: int
    """0 where the hour is unsettled: more of a batch was to come, or a recount is under way or died."""
    gap_seconds: int | None


class Stored(NamedTuple):
    """What an hour's row says."""

    state: State
    written: int
    """When its counts were written, in ms; 0 where it has none."""

    @property
    def age_from(self) -> int:
        """When, at the latest, the windows were written that it was merged from, in ms."""
        return self.state.updated_at or self.written


def merge_windows(windows: Iterable[Mapping[City, Cell]], keep_sketch: bool = True) -> dict[City, Cell]:
    """Cities of windows that do not overlap, each city's cells merged."""
    together: dict[City, list[Cell]] = defaultdict(list)
    for window in windows:
        for city, cell in window.items():
            together[city].append(cell)
    return {city: merge(cells, keep_sketch) for city, cells in together.items()}


def merge_country(windows: Iterable[CountryWindow]) -> CountryWindow:
    """A country's windows, of which there is at least one, as one."""
    rows = list(windows)
    counted = [row.cell for row in rows if row.counted]
    return CountryWindow(
        merge(counted) if counted else NOTHING,
        bool(counted),
        sum(row.unresolved for row in rows),
        total([row.gap_seconds for row in rows]),
    )


class Hours:
    """The tables of hours of one run; prepared once."""

    def __init__(self, session: Session, config: Config, names: Names) -> None:
        self._session, self._cassandra, self._names = session, config.cassandra, names
        self._keyspace = config.keyspace
        self._city = self._prepare(_CITY)
        self._country = self._prepare(_COUNTRY)
        self._no_city = self._prepare(_NO_CITY)
        self._no_country = self._prepare(_NO_COUNTRY)
        self._stored = self._prepare(_STORED)
        self._has_city = self._prepare(_HAS_CITY)

    def _prepare(self, text: str) -> PreparedStatement:
        statement = self._session.prepare(text.format(keyspace=self._keyspace))
        statement.is_idempotent = True
        return statement

    def pairs(self) -> set[Pair]:
        """Feeds and countries that have hours."""
        rows = self._session.execute(
            f"SELECT DISTINCT feed, country FROM {self._keyspace}.country_hours"  # noqa: S608 - checked by the configuration
        )
        return {Pair(row.feed, row.country) for row in rows}

    def stored(self, pair: Pair, since: int, until: int = _EVER) -> dict[int, Stored]:
        """The country's hours, from that of one moment to that of another."""
        rows = self._session.execute(self._stored, (*pair, hour_of(since), until))
        return {
            milliseconds(row.hour_start): Stored(
                State(milliseconds(row.updated_at), row.gap_seconds), (row.written or 0) // 1000
            )
            for row in rows
        }

    def write(
        self,
        pair: Pair,
        hour: int,
        cities: Hour,
        country: CountryWindow | None,
        before: Mapping[City, Cell | None],
        stored: Stored | None,
        settled: bool = True,
    ) -> int:
        """Write an hour where it differs from what it was; returns how many rows were written or removed.

        Args:
            pair: feed and country.
            hour: its start.
            cities: merged from the hour's windows.
            country: the country's own row; None removes it.
            before: what is known to be in the table; None for a city whose row may be anything.
            stored: what the country's row in the table says; None for no row.
            settled: False when more of what a batch writes may come; a restart then merges the hour again.

        Raises:
            cassandra.DriverException: it could not be done in the configured time.
        """
        self._names.learn((pair.country, city) for city in cities)
        todo: list[tuple[Any, Any]] = [
            (self._city, self._city_row(pair, hour, city, cell))
            for city, cell in cities.items()
            if cell != before.get(city)
        ]
        todo += [(self._no_city, (*pair, city, hour)) for city in before.keys() - cities.keys()]
        self._execute(todo)
        self._execute([self._last(pair, hour, country, stored, settled)])
        return len(todo) + 1

    def rename(self, pair: Pair, hour: int, cities: Hour) -> None:
        """Write cities of an hour again, whose name was not known before."""
        self._execute([(self._city, self._city_row(pair, hour, city, cell)) for city, cell in cities.items()])

    def unlisted(self, pair: Pair, hour: int, cities: Hour) -> dict[City, None]:
        """Cities that have a row of this hour in the table and none among `cities`.

        One small read for each city of the country.
        """
        every = self._session.execute(
            f"SELECT city_id FROM {self._keyspace}.cities WHERE country = %s",  # noqa: S608 - checked by the configuration
            (pair.country,),
        )
        asked = [row.city_id for row in every if row.city_id not in cities]
        answers = execute_concurrent_with_args(
            self._session,
            self._has_city,
            [(*pair, city, hour) for city in asked],
            concurrency=self._cassandra.concurrency,
        )
        return {city: None for city, answer in zip(asked, answers, strict=True) if answer.result_or_exc.one()}

    def _city_row(self, pair: Pair, hour: int, city: City, cell: Cell) -> tuple[Any, ...]:
        row = (*_values(cell), *self._names.of((pair.country, city)))
        # What is not known never was: null would leave a tombstone.
        return (*pair, city, hour, *(UNSET_VALUE if value is None else value for value in row))

    def _last(
        self, pair: Pair, hour: int, country: CountryWindow | None, stored: Stored | None, settled: bool
    ) -> tuple[Any, Any]:
        if country is None:
            return self._no_country, (*pair, hour)
        gap = country.gap_seconds
        if gap is None and (stored is None or stored.state.gap_seconds is None):
            gap = UNSET_VALUE
        *counts, updated_at = _values(country.cell)
        values = [*counts, updated_at if settled else None, country.unresolved]
        if not country.counted:
            values = [UNSET_VALUE if stored is None else None] * len(values)
        return self._country, (*pair, hour, *values, gap)

    def _execute(self, todo: list[tuple[Any, Any]]) -> None:
        execute_all(self._session, todo, self._cassandra.concurrency, self._cassandra.wait_seconds)


def _values(cell: Cell) -> tuple[Any, ...]:
    counts = (cell.tweets, cell.originals, cell.replies, cell.quotes, cell.retweets, cell.active_users)
    return (*counts, cell.sketch, cell.updated_at)


def states(versions: Mapping[int, Version]) -> dict[int, State]:
    """What state of their windows hours are to be merged from."""
    together: dict[int, list[Version]] = defaultdict(list)
    for start, version in versions.items():
        together[hour_of(start)].append(version)
    return {
        hour: State(max(one.updated_at for one in some), total([one.gap_seconds for one in some]))
        for hour, some in together.items()
    }
