"""A recount's changes are written: cells as the job writes them, rows that should not be there removed."""

# ruff: noqa: S608 - a keyspace cannot be a parameter in CQL; its name is checked by the configuration

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from cassandra.cluster import Session

from citypulse.spark.config import Config
from citypulse.spark.counting.gaps import Missing
from citypulse.spark.counting.writer import Names, write
from citypulse.spark.reprocess.changes import Before, CellKey, Changes, FeedCountry, Told
from citypulse.spark.tables import execute_all

WINDOW_MS = 5 * 60 * 1000

_CITY = "feed = ? AND country = ? AND city_id = ? AND window_start = ?"
_COUNTRY = "feed = ? AND country = ? AND window_start = ?"
_COUNTRY_COLUMNS = (
    "tweets, originals, replies, quotes, retweets, active_users, unresolved, users_sketch, updated_at"
)


class Why(NamedTuple):
    """What a recount was for, and what it was made from."""

    reason: str
    source: str


def apply(
    session: Session,
    config: Config,
    changes: Changes,
    names: Names,
    missing: Sequence[Missing],
    stamp: int,
) -> None:
    """Write and remove, all with the recount's timestamp (microseconds).

    Countries' rows come last: whoever sees one of them change finds its cities as they are to be.

    Args:
        session: with Cassandra.
        config: of the run.
        changes: what is to be done.
        names: of cities.
        missing: what was not received, for `gap_seconds`.
        stamp: the timestamp.

    Raises:
        cassandra.DriverException: it could not be done in `cassandra.wait_seconds`; what was done stays.
    """
    for of_cities in (True, False):
        cells = [cell for cell in changes.write if bool(cell["city_id"]) is of_cities]
        for _ in write(cells, config.cassandra, config.keyspace, names, stamp, missing=missing):
            pass
        remove = {key: before for key, before in changes.remove.items() if bool(key[2]) is of_cities}
        _remove(session, config, remove, stamp)


def _remove(session: Session, config: Config, remove: Mapping[CellKey, Before], stamp: int) -> None:
    if not remove:
        return

    def deletion(columns: str, table: str, key: str) -> Any:
        text = f"DELETE {columns} FROM {config.keyspace}.{table} USING TIMESTAMP ? WHERE {key}"
        statement = session.prepare(text)
        statement.is_idempotent = True
        return statement

    city, by_country = deletion("", "city_windows", _CITY), deletion("", "windows_by_country", _CITY)
    country, counts = (
        deletion("", "country_windows", _COUNTRY),
        deletion(_COUNTRY_COLUMNS, "country_windows", _COUNTRY),
    )
    todo: list[tuple[Any, Any]] = []
    for key, before in remove.items():
        feed, of_country, city_id, start = key
        if city_id:
            todo += [(one, (stamp, feed, of_country, city_id, start)) for one in (city, by_country)]
        else:
            # What was not received in the window stays true.
            keeps_gap = before.row is not None and before.row["gap_seconds"]
            todo.append((counts if keeps_gap else country, (stamp, feed, of_country, start)))
    execute_all(session, todo, config.cassandra.concurrency, config.cassandra.wait_seconds)


def note(session: Session, config: Config, told: Mapping[FeedCountry, Told], why: Why, stamp: int) -> None:
    """Write down in `recounts` what was changed; again with more, it takes the place of what was there."""
    insert = session.prepare(
        f"INSERT INTO {config.keyspace}.recounts (country, at, feed, span_start, span_end, reason, source,"
        " cells, changed, added, removed, tweets, retweets) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)"
    )
    insert.is_idempotent = True
    todo = [
        (
            insert,
            (
                *(country, stamp // 1000, feed, min(one.windows), max(one.windows) + WINDOW_MS, *why),
                *(one.cells, one.changed, one.added, one.removed, one.tweets, one.retweets),
            ),
        )
        for (feed, country), one in told.items()
        if one.any
    ]
    execute_all(session, todo, config.cassandra.concurrency, config.cassandra.wait_seconds)
