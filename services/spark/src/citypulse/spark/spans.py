"""Rows of a span of time, partition by partition, so that a short span of a long table is cheap."""

# ruff: noqa: S608 - names of our own: keyspaces, tables and columns cannot be parameters in CQL

import datetime
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from cassandra.cluster import Session
from cassandra.concurrent import execute_concurrent_with_args

Row = dict[str, Any]
"""By column; timestamps are ms since the epoch, UTC."""
Span = tuple[int, int]
"""Ms since the epoch, from the first, before the second."""


class _Shape(NamedTuple):
    partition: tuple[str, ...]
    time: str
    """The column that is within the span: of the partition's key, or the first clustering column."""


SHAPES = {
    "city_windows": _Shape(("feed", "country", "city_id"), "window_start"),
    "country_windows": _Shape(("feed", "country"), "window_start"),
    "windows_by_country": _Shape(("feed", "country", "window_start"), "window_start"),
    "city_hours": _Shape(("feed", "country", "city_id"), "hour_start"),
    "country_hours": _Shape(("feed", "country"), "hour_start"),
}
"""The tables that can be read so."""

_PARTITIONS_AT_ONCE = 256
_REQUESTS_AT_ONCE = 32
_EPOCH = datetime.datetime(1970, 1, 1)


def read(
    session: Session,
    keyspace: str,
    table: str,
    columns: Sequence[str],
    span: Span,
    wanted: Callable[[Row], bool] = lambda key: True,
    done: Callable[[int, int], None] = lambda partitions, total: None,
) -> Iterator[Row]:
    """Rows whose time lies in a span, sorted by partition.

    Args:
        table: one of `SHAPES`.
        columns: which are read.
        wanted: whether a partition is read, by the columns of its key.
        done: is told how many partitions are read, of how many.

    Raises:
        cassandra.DriverException: a partition cannot be read.
    """
    shape = SHAPES[table]
    keys = sorted(
        (key for key in _keys(session, keyspace, table) if _inside(key, shape, span) and wanted(key)),
        key=lambda key: tuple(key.values()),
    )
    where = " AND ".join(f"{name} = ?" for name in shape.partition)
    limits: tuple[int, ...] = ()
    if shape.time not in shape.partition:
        where += f" AND {shape.time} >= ? AND {shape.time} < ?"
        limits = span
    statement = session.prepare(f"SELECT {', '.join(columns)} FROM {keyspace}.{table} WHERE {where}")
    statement.is_idempotent = True
    for start in range(0, len(keys), _PARTITIONS_AT_ONCE):
        some = keys[start : start + _PARTITIONS_AT_ONCE]
        parameters = [(*key.values(), *limits) for key in some]
        answers = execute_concurrent_with_args(
            session, statement, parameters, concurrency=_REQUESTS_AT_ONCE, raise_on_first_error=True
        )
        for row in itertools.chain.from_iterable(answer.result_or_exc for answer in answers):
            yield plain(row._asdict())
        done(start + len(some), len(keys))


def plain(row: Row) -> Row:
    """The same row, with timestamps in ms."""
    return {name: _milliseconds(value) for name, value in row.items()}


def _keys(session: Session, keyspace: str, table: str) -> Iterator[Row]:
    names = ", ".join(SHAPES[table].partition)
    for row in session.execute(f"SELECT DISTINCT {names} FROM {keyspace}.{table}"):
        yield plain(row._asdict())


def _inside(key: Row, shape: _Shape, span: Span) -> bool:
    return shape.time not in key or span[0] <= key[shape.time] < span[1]


def _milliseconds(value: Any) -> Any:
    if isinstance(value, datetime.datetime):
        return (value - _EPOCH) // datetime.timedelta(milliseconds=1)
    return value
