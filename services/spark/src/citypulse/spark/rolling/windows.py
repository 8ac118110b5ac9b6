"""Windows read back from Cassandra: which of them changed, and what is in them.

A country's row is written with each change of one of its cities, so its `updated_at` tells whether a window
is to be read again; the job's rows of one batch land in any order, so a window is read once more when the
batch that wrote it is known to be done, and a last time when it has rested for a while.
"""

import datetime
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from cassandra.cluster import Session
from cassandra.concurrent import execute_concurrent_with_args
from cassandra.query import PreparedStatement

from citypulse.spark.rolling.cells import Cell
from citypulse.spark.rolling.names import Names
from citypulse.spark.rolling.spans import MINUTE_MS, WINDOW_MS

_EPOCH = datetime.datetime(1970, 1, 1)

_VERSIONS = (
    "SELECT window_start, tweets, updated_at, gap_seconds FROM {keyspace}.country_windows"
    " WHERE feed = ? AND country = ?"
)
_CITIES = (
    "SELECT city_id, tweets, originals, replies, quotes, retweets, active_users, updated_at,"
    " name, lat, lon FROM {keyspace}.windows_by_country WHERE feed = ? AND country = ? AND window_start = ?"
)
_SKETCHES = (
    "SELECT window_start, users_sketch, updated_at FROM {keyspace}.city_windows"
    " WHERE feed = ? AND country = ? AND city_id = ? AND window_start >= ? AND window_start <= ?"
)
_COUNTRY = (
    "SELECT window_start, tweets, originals, replies, quotes, retweets, active_users, unresolved,"
    " gap_seconds, users_sketch, updated_at FROM {keyspace}.country_windows"
    " WHERE feed = ? AND country = ? AND window_start >= ? AND window_start <= ?"
)

ALL_COUNTRIES = "*"

REST_MS = 15 * MINUTE_MS

City = str
Windows = dict[int, dict[City, Cell]]
"""By start: the cities of a window."""


class Pair(NamedTuple):
    """What is kept and written together."""

    feed: str
    country: str


class Version(NamedTuple):
    """What tells that a window changed."""

    updated_at: int
    gap_seconds: int | None
    settled: bool
    """Whether the batch that wrote it is done, and so all of its rows are in the tables."""
    rested: bool = False
    """Whether it has not changed for `REST_MS`. It is read once more then: another process may have written
    its rows in any order, and a replica that was asked may have been behind."""
    counted: bool = True
    """False for a row that only says what was not received."""


class CountryWindow(NamedTuple):
    """A country's row of a window, or of an hour."""

    cell: Cell
    counted: bool
    """False where it only says what was not received."""
    unresolved: int
    gap_seconds: int | None


class Reader:
    """Reads the windows of one run; prepared once."""

    def __init__(self, session: Session, keyspace: str, concurrency: int, names: Names) -> None:
        self._session, self._keyspace, self._concurrency = session, keyspace, concurrency
        self._names = names
        self._versions = self._prepare(_VERSIONS)
        self._cities = self._prepare(_CITIES)
        self._sketches = self._prepare(_SKETCHES)
        self._country = self._prepare(_COUNTRY)

    def _prepare(self, text: str) -> PreparedStatement:
        statement = self._session.prepare(text.format(keyspace=self._keyspace))
        statement.is_idempotent = True
        return statement

    def pairs(self) -> list[Pair]:
        """Feeds and countries that were ever counted, `*` among the countries."""
        rows = self._session.execute(
            f"SELECT DISTINCT feed, country FROM {self._keyspace}.country_windows"  # noqa: S608 - checked by the configuration
        )
        return sorted(Pair(row.feed, row.country) for row in rows)

    def versions(self, pair: Pair, quiet: int) -> dict[int, Version]:
        """All windows of a country.

        Args:
            pair: feed and country.
            quiet: a moment in ms at which no batch was being written.
        """
        result = {}
        for row in self._session.execute(self._versions, pair):
            updated_at = milliseconds(row.updated_at)
            result[milliseconds(row.window_start)] = Version(
                updated_at,
                row.gap_seconds,
                updated_at < quiet,
                updated_at < quiet - REST_MS,
                row.tweets is not None,
            )
        return result

    def cities(
        self, pair: Pair, starts: Iterable[int], known: Mapping[int, Mapping[City, Cell]], users_from: int
    ) -> Windows:
        """The cities of some windows, whose names are learned by the way.

        What did not change since it was `known` is taken over; windows before `users_from` come without
        sketches.
        """
        wanted = sorted(starts)
        result: Windows = {}
        missing: dict[City, list[int]] = defaultdict(list)
        answers = self._all(self._cities, [(*pair, start) for start in wanted])
        for start, rows in zip(wanted, answers, strict=True):
            before = known.get(start, {})
            cities = result[start] = {}
            for row in rows:
                cell = _cell(row, b"")
                if row.name:
                    self._names.note((pair.country, row.city_id), (row.name, row.lat, row.lon))
                old = before.get(row.city_id)
                if start < users_from:
                    cities[row.city_id] = cell
                elif old is not None and old.sketch and old.updated_at == cell.updated_at:
                    cities[row.city_id] = old
                else:
                    cities[row.city_id] = cell
                    missing[row.city_id].append(start)
        self._add_sketches(pair, missing, result)
        return result

    def _add_sketches(self, pair: Pair, missing: Mapping[City, list[int]], windows: Windows) -> None:
        asked = [(city, run) for city, starts in missing.items() for run in _runs(starts)]
        answers = self._all(self._sketches, [(*pair, city, run[0], run[1]) for city, run in asked])
        for (city, _), rows in zip(asked, answers, strict=True):
            for row in rows:
                cell = windows.get(milliseconds(row.window_start), {}).get(city)
                if cell is not None and not cell.sketch:
                    cell.sketch = row.users_sketch or b""
                    # Of two rows that a batch is just writing one may be newer: neither is taken for read.
                    cell.updated_at = min(cell.updated_at, milliseconds(row.updated_at))

    def country(self, pair: Pair, first: int, last: int) -> dict[int, CountryWindow]:
        """The country's own rows of the windows from `first` to `last`."""
        rows = self._session.execute(self._country, (*pair, first, last))
        return {
            milliseconds(row.window_start): CountryWindow(
                _cell(row, row.users_sketch or b""),
                row.tweets is not None,
                row.unresolved or 0,
                row.gap_seconds,
            )
            for row in rows
        }

    def _all(self, statement: PreparedStatement, arguments: list[tuple[Any, ...]]) -> list[list[Any]]:
        answers = execute_concurrent_with_args(
            self._session, statement, arguments, concurrency=self._concurrency
        )
        return [list(answer.result_or_exc) for answer in answers]


def milliseconds(moment: datetime.datetime | None) -> int:
    """A timestamp of Cassandra as ms since the epoch; 0 for none."""
    return 0 if moment is None else (moment - _EPOCH) // datetime.timedelta(milliseconds=1)


def _cell(row: Any, sketch: bytes) -> Cell:
    return Cell(
        row.tweets or 0,
        row.originals or 0,
        row.replies or 0,
        row.quotes or 0,
        row.retweets,
        row.active_users or 0,
        sketch,
        milliseconds(row.updated_at),
    )


def _runs(starts: list[int]) -> list[tuple[int, int]]:
    """First and last of each stretch of windows that are at most an hour apart."""
    runs: list[tuple[int, int]] = []
    for start in sorted(starts):
        if runs and start - runs[-1][1] <= 12 * WINDOW_MS:
            runs[-1] = (runs[-1][0], start)
        else:
            runs.append((start, start))
    return runs
