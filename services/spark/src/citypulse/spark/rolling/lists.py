"""Lists of cities by rank, as they stand in Cassandra.

A list is one partition, and is rewritten in one mutation of it: rows that differ are overwritten, rows beyond
its end are deleted with one range. Cassandra applies that as a whole on each replica, so a reader of one page
sees the list as it was or as it is, never a mixture; with several replicas and a consistency of one, two
reads may see two states.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from cassandra.cluster import Session
from cassandra.query import BatchStatement, BatchType, PreparedStatement

from citypulse.spark.config import Config
from citypulse.spark.rolling.ranks import Ranked
from citypulse.spark.rolling.spans import Range
from citypulse.spark.tables import execute_all

_LISTS = "SELECT DISTINCT feed, country, metric, span FROM {keyspace}.city_ranks"
_ROW = """INSERT INTO {keyspace}.city_ranks (feed, country, metric, span, rank,
  position, value, city_id, name, lat, lon, tweets, originals, replies, quotes, retweets, active_users)
  VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"""
_HEAD = """INSERT INTO {keyspace}.city_ranks (feed, country, metric, span,
  span_start, span_end, cities, updated_at) VALUES (?,?,?,?,?,?,?,?)"""
_TAIL = """DELETE FROM {keyspace}.city_ranks
  WHERE feed = ? AND country = ? AND metric = ? AND span = ? AND rank > ?"""
_ALL = "DELETE FROM {keyspace}.city_ranks WHERE feed = ? AND country = ? AND metric = ? AND span = ?"


class Key(NamedTuple):
    """A list's partition."""

    feed: str
    country: str
    metric: str
    span: str


class _Written(NamedTuple):
    span: Range
    rows: Sequence[Ranked]


_ROWS_AT_A_TIME = 20_000
"""So many rows are collected at most before they are sent."""


class Lists:
    """The lists of one run, and what is known to stand in them."""

    def __init__(self, session: Session, config: Config) -> None:
        self._session, self._cassandra = session, config.cassandra
        self._keyspace = config.keyspace
        self._row, self._head, self._tail, self._all = map(self._prepare, (_ROW, _HEAD, _TAIL, _ALL))
        self._written: dict[Key, _Written | None] = {
            Key(*row): None for row in session.execute(_LISTS.format(keyspace=config.keyspace))
        }
        """None where a list has rows that are not known."""
        self._waiting: dict[Key, tuple[_Written, Any]] = {}
        self._waiting_rows = 0

    def _prepare(self, text: str) -> PreparedStatement:
        statement = self._session.prepare(text.format(keyspace=self._keyspace))
        statement.is_idempotent = True
        return statement

    @property
    def keys(self) -> set[Key]:
        """Lists that have rows."""
        return set(self._written)

    def put(self, key: Key, span: Range, rows: Sequence[Ranked], now: int) -> int:
        """Bring a list up to date, at the next `flush` at the latest; returns how many of its rows differ.

        Args:
            key: which list.
            span: the windows that its rows count.
            rows: what it is to hold; without any, the list is removed.
            now: when, in ms since the epoch.

        Raises:
            cassandra.DriverException: it could not be done in the configured time.
        """
        stands = key in self._written
        written = self._written.get(key)
        if written == _Written(span, rows) or not (rows or stands):
            return 0
        before = written.rows if written else ()
        changed = [
            (rank, row) for rank, row in enumerate(rows, 1) if rank > len(before) or before[rank - 1] != row
        ]
        if not rows:
            statement: Any = self._all.bind(key)
        else:
            statement = BatchStatement(BatchType.UNLOGGED)
            statement.is_idempotent = True
            cities = rows[-1].position
            statement.add(self._head, (*key, span.first, span.end, cities, now))
            for rank, row in changed:
                statement.add(self._row, (*key, rank, *row))
            if stands and (written is None or len(before) > len(rows)):
                statement.add(self._tail, (*key, len(rows)))
        self._written[key] = None
        self._waiting[key] = _Written(span, rows), statement
        self._waiting_rows += len(changed)
        if self._waiting_rows >= _ROWS_AT_A_TIME:
            self.flush()
        return len(changed)

    def flush(self) -> None:
        """Send what was put; the lists side by side, for there are some thousands of mostly short ones.

        Raises:
            cassandra.DriverException: it could not be done in the configured time; what the lists hold is
                then taken as not known.
        """
        waiting, self._waiting, self._waiting_rows = self._waiting, {}, 0
        statements = [(statement, None) for _, statement in waiting.values()]
        execute_all(self._session, statements, self._cassandra.concurrency, self._cassandra.wait_seconds)
        for key, (written, _) in waiting.items():
            if written.rows:
                self._written[key] = written
            else:
                del self._written[key]
