"""The tables of hours and ranks, read back and compared with what they must hold."""

import datetime
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cassandra.cluster import Session

from citypulse.spark.verify.compare import EXACT_USERS, TOLERANCE, Difference
from citypulse.spark.verify.stored import Key, Rows, sketch_estimate

KEYS = {
    "city_hours": ("feed", "country", "city_id", "hour_start"),
    "country_hours": ("feed", "country", "hour_start"),
    "city_ranks": ("feed", "country", "metric", "span", "rank"),
}
_COUNTS = ("tweets", "originals", "replies", "quotes", "retweets", "active_users")
_NAME = ("name", "lat", "lon")
COLUMNS: Mapping[str, Sequence[str]] = {
    "city_hours": (*_COUNTS, *_NAME, "users_sketch"),
    "country_hours": (*_COUNTS, "unresolved", "users_sketch"),
    "city_ranks": ("position", "value", "city_id", "span_start", "span_end", "cities", *_NAME, *_COUNTS),
}
_CITY = ("city_id", "position", *_NAME, *_COUNTS)
"""Of a row of a list, what belongs to the city that stands there."""
_EPOCH = datetime.datetime(1970, 1, 1)


def read(session: Session, keyspace: str, table: str) -> Rows:
    """All rows of a table, with their `updated_at`, without those of hours that only say what was not
    received."""
    columns = ", ".join((*KEYS[table], *COLUMNS[table], "updated_at"))
    result: Rows = {}
    for row in session.execute(f"SELECT {columns} FROM {keyspace}.{table}"):  # noqa: S608 - names of our own
        values = {name: _milliseconds(value) for name, value in row._asdict().items()}
        if values["tweets"] is not None:
            result[tuple(values[name] for name in KEYS[table])] = values
    return result


def differences(wanted: Mapping[str, Rows], found: Mapping[str, Rows]) -> Iterator[Difference]:
    """Where the tables of `wanted` are not as they must be.

    Numbers of users beyond 4,096 may be off by 5 %. A list by such numbers may then have its cities in
    another order: its n-th value is compared with the n-th, and what is said of each city is not.
    """
    for table, rows in wanted.items():
        have = found[table]
        for key in sorted(rows.keys() | have.keys()):
            if key not in have or key not in rows:
                shown = ("a row", "no row") if key in rows else ("no row", "a row")
                yield Difference(table, key, "", *shown)
                continue
            estimated = table == "city_ranks" and _estimated(key, rows)
            for column in COLUMNS[table]:
                if estimated and column in _CITY:
                    continue
                value = have[key][column]
                if column == "users_sketch":
                    value = sketch_estimate(value or b"")
                if not _equal(column, rows[key][column], value, estimated):
                    yield Difference(table, key, column, rows[key][column], value)


def _estimated(key: Key, rows: Rows) -> bool:
    feed, country, metric, span, _ = key
    first = rows.get((feed, country, metric, span, 1))
    return metric == "active_users" and first is not None and first["value"] > EXACT_USERS


def _equal(column: str, want: Any, have: Any, estimated: bool) -> bool:
    users = column in ("active_users", "users_sketch") or (estimated and column == "value")
    if users and want > EXACT_USERS and have is not None:
        return bool(abs(have - want) <= TOLERANCE * want)
    return bool(have == want)


def _milliseconds(value: Any) -> Any:
    if isinstance(value, datetime.datetime):
        return (value - _EPOCH) // datetime.timedelta(milliseconds=1)
    return value
